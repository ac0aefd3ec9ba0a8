"""Files as they are: the stored bytes of a table, all or a range, and those of the page for people.

The page's files, of ``serving/static``, are read once when the server starts.
"""

import hashlib
import mmap
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from serving.formats import MEDIA_TYPES
from serving.tables import ServedTable
from serving.written import App, RequestProblem, shorten

BLOCK = 1 << 18  # bytes sent at a time
HEAD = "previsor.head"  # in the scope of a request that wants no body
FOLDER = Path(__file__).resolve().parent / "static"
PAGE = "page.html"
PAGE_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
}
Handler = Callable[[Request], Awaitable[App]]


def read_part(text: str | None, parts: int) -> int:
    """Which of the files of a table is asked for, counted from 0.

    Raises:
        RequestProblem: There is none of that number, or there are several and none is named.
    """
    if text is None and parts == 1:
        return 0
    if text is None:
        raise RequestProblem(400, f"this table has {parts} files: say part=1 to part={parts}.")
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= parts:
        raise RequestProblem(
            404, f"part={shorten(text)}: the parts of this table are 1 to {parts}."
        )
    return int(text) - 1


def send_file(
    table: ServedTable, part: int, request: Request, known: Mapping[bytes, bytes]
) -> Response:
    """The stored bytes of a file, or the range that a request names.

    ``known`` are headers of the answer, its tag among them.

    Raises:
        RequestProblem: There are no such bytes.
    """
    headers = {name.decode(): text.decode("latin-1") for name, text in known.items()}
    content = memoryview(table.files[part])
    start, stop, status = 0, len(content), 200
    asked = request.headers.get("range")
    condition = request.headers.get("if-range")
    if asked is not None and condition in (None, headers["etag"]):
        found = _range(asked, len(content))
        if found is not None:
            start, stop, status = *found, 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    headers["Content-Length"] = str(stop - start)

    if HEAD in request.scope:
        return Response(None, status, headers, media_type=MEDIA_TYPES["parquet"])

    async def blocks() -> AsyncIterator[bytes]:
        for first in range(start, stop, BLOCK):
            yield bytes(content[first : min(first + BLOCK, stop)])
            # A page that was sent is the system's again: a large file would fill the memory.
            table.files[part].madvise(mmap.MADV_DONTNEED, first - first % mmap.PAGESIZE, BLOCK)

    return StreamingResponse(blocks(), status, headers, media_type=MEDIA_TYPES["parquet"])


def _range(text: str, size: int) -> tuple[int, int] | None:
    """The bytes of a range; ``None`` for what may be answered with the whole: several, or none.

    Raises:
        RequestProblem: There are no such bytes.
    """
    unit, _, asked = text.partition("=")
    first, dash, last = asked.strip().partition("-")
    numbers = [one for one in (first, last) if one]
    if unit.strip() != "bytes" or not dash or not numbers:
        return None
    if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in numbers):
        return None
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise RequestProblem(
            416, f"the file has {size} bytes, none of them asked for.",
            {"Content-Range": f"bytes */{size}"},
        )  # fmt: skip
    return start, stop


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that is served as it is."""

    content: bytes  # of the file
    media_type: str  # by its ending
    tag: str  # by its content


def read_static() -> Mapping[str, StaticFile]:
    """The files of the page by their paths, those of folders below included."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix in PAGE_TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
            name = path.relative_to(FOLDER).as_posix()
            found[name] = StaticFile(content, PAGE_TYPES[path.suffix], tag)
    return found


def static_handler(file: StaticFile) -> Handler:
    """What answers a request for a file."""
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}

    async def answer(request: Request) -> App:
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    return answer
