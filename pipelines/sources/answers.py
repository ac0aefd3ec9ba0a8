"""What came, told apart: JSON, a ZIP, or something else that has to be named.

A service that is down rarely says so with a status: pages, texts and half an answer come with 200
as well. None of them may pass for data, and each is told apart so that the cause can be named.
"""

import json
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from pipelines.intake.read_text import HARMLESS, MOST_PACKED
from pipelines.sources.base import Answer, Call, SourceError

SHOWN = 120  # characters of a foreign text in a message
_LONGEST = 1 << 20  # characters of a line; a file without breaks would be one
_START = 4000  # characters of a page that hold its title
_ECHOED_KEY = re.compile(r"((?i:api ?key)(?: as| is|=|:)?\s*['\"]?)[A-Z0-9]{8,}")
_PAGES = (
    (r"<html[^>]*xmlns|-//W3C//DTD XHTML", "an XHTML page"),
    (r"<html|<!doctype html|<head|<body", "an HTML page"),
    (r"^<", "XML"),
)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


def refusal(call: Call, cause: str) -> SourceError:
    """The error for an answer that is no data; a key that the text echoes is left out of it."""
    return SourceError(call.source, call.series, _without_key(call, cause))


def _without_key(call: Call, text: str) -> str:
    """A foreign text without the key of its call, nor what looks like one in an old answer."""
    return _ECHOED_KEY.sub(r"\1***", call.redact(text))


def quote(call: Call, text: str) -> str:
    """The beginning of a foreign text, on one line and in quotes."""
    line = " ".join(_without_key(call, text).split())
    return f"'{line[:SHOWN]}…'" if len(line) > SHOWN else f"'{line}'"


def read_json(call: Call, answer: Answer) -> Any:
    """Read an answer that has to be JSON.

    What the bytes are decides, not what the header calls them: PHP says ``text/html`` of JSON.

    Raises:
        SourceError: Nothing came, a page or a plain text came, or the JSON breaks off or is wrong.
    """
    text = answer.read().decode("utf-8-sig", errors="replace").strip()
    called = f" (called {answer.content_type})" if answer.content_type else ""
    if not text:
        raise refusal(call, "an empty answer")
    if text[0] not in "{[":
        raise refusal(call, _describe(call, text, f"JSON{called}"))
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        whole = text[-1] in "}]" and error.pos < len(text)
        what = "wrong JSON" if whole else "JSON that breaks off"
        raise refusal(call, f"{what} after {error.pos:,} of {len(text):,} characters") from None
    except (ValueError, RecursionError) as error:
        raise refusal(call, f"JSON that cannot be read: {error}") from None


@contextmanager
def open_zip(call: Call, answer: Answer) -> Iterator[zipfile.ZipFile]:
    """Open an answer that has to be a ZIP; its members are then read as streams.

    The first bytes decide, since a page for a missing file comes with 200 as well. What goes
    wrong while members are read inside the ``with`` is the ZIP's fault too.

    Raises:
        SourceError: Nothing or something else came, the ZIP breaks off or is damaged, or holds
            more than files of tables pack to.
    """
    with answer.open() as stream:
        start = stream.read(_START)
        if not start.strip():
            raise refusal(call, "an empty answer instead of a ZIP")
        if not start.startswith(b"PK"):
            text = start.decode("utf-8-sig", errors="replace").strip()
            raise refusal(call, _describe(call, text, "a ZIP"))
        stream.seek(0)
        try:
            with zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
                packed, size = (sum(getattr(one, of) for one in members)
                                for of in ("compress_size", "file_size"))  # fmt: skip
                if size > max(HARMLESS, MOST_PACKED * packed):
                    raise refusal(call, f"a ZIP that unpacks to {size >> 20:,} MiB, no tables")
                yield archive
        except _BROKEN as error:
            raise refusal(call, f"a ZIP that breaks off or is damaged: {error}") from error


def lines_of(text: TextIO) -> Iterator[str]:
    """The lines of a member.

    Raises:
        ValueError: One is longer than any of a table.
    """
    while line := text.readline(_LONGEST):
        if len(line) == _LONGEST:
            raise ValueError(f"a line of more than {_LONGEST >> 10:,} KiB")
        yield line


def _describe(call: Call, text: str, expected: str) -> str:
    """What came instead, and what it says about itself: a page's title, else its words."""
    found = (name for mark, name in _PAGES if re.search(mark, text[:2000], re.IGNORECASE))
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    words = title[1] if title else re.sub(r"<[^>]*>", " ", text[:_START])
    return f"{next(found, 'plain text')} instead of {expected}: {quote(call, words)}"


def expect_list(call: Call, value: object, what: str) -> list[Any]:
    """A list of an answer.

    Raises:
        SourceError: It is something else: the format has changed.
    """
    if not isinstance(value, list):
        raise refusal(call, f"changed format: {what} is {type(value).__name__}, not a list")
    return value


def take_fields(call: Call, record: object, *names: str) -> tuple[Any, ...]:
    """The named fields of one record of an answer.

    Raises:
        SourceError: A field is missing: the format has changed.
    """
    found = record if isinstance(record, dict) else {}
    if missing := [name for name in names if name not in found]:
        raise refusal(call, f"changed format: a record without {', '.join(missing)}")
    return tuple(found[name] for name in names)


def plain_name(name: str) -> str:
    r"""A name in capitals without accents; whatever is no letter or digit is one blank.

    Columns are spelt in several ways: accents, case, blanks and points do not count.

    Example:
        >>> plain_name("PRECIPITA\xc7\xc3O TOTAL,\xa0HOR\xc1RIO (mm)")
        'PRECIPITACAO TOTAL HORARIO MM'
    """
    letters = unicodedata.normalize("NFKD", name)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^A-Z0-9]+", " ", bare.upper()).strip()


def positions_of(columns: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where columns stand among the plain names of a header.

    Raises:
        ValueError: One is missing.
    """
    if lacking := [column for column in columns if column not in names]:
        raise ValueError(f"changed format: no column {', '.join(lacking)}")
    return [names.index(column) for column in columns]
