"""Opening the ZIPs of public bodies: what is none is named, what breaks off is an error."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.sources.base import Answer, Call
from pipelines.sources.checks import refused, shown

MAGIC = b"PK"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
_START = 4000  # bytes of a page that hold its title


@contextmanager
def opened_zip(call: Call, answer: Answer) -> Iterator[zipfile.ZipFile]:
    """Open an answer that has to be a ZIP; its members are then read as streams.

    The first bytes decide, since a page for a missing file comes with 200 as well. What goes
    wrong while members are read inside the ``with`` is the ZIP's fault too.

    Raises:
        SourceError: Nothing or something else came, or the ZIP breaks off or is damaged.
    """
    with answer.open() as stream:
        start = stream.read(_START)
        if not start.startswith(MAGIC):
            raise refused(call, _instead(call, start))
        stream.seek(0)
        try:
            with zipfile.ZipFile(stream) as archive:
                yield archive
        except _BROKEN as error:
            raise refused(call, f"a ZIP that breaks off or is damaged: {error}") from error


def _instead(call: Call, start: bytes) -> str:
    if not start.strip():
        return "an empty answer instead of a ZIP"
    text = start.decode("utf-8-sig", errors="replace").strip()
    if not text.startswith("<"):
        return f"text instead of a ZIP: {shown(call, text)}"
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    words = title[1] if title else re.sub(r"<[^>]*>", " ", text)
    return f"a page instead of a ZIP: {shown(call, words)}"
