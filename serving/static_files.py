"""The page for people: the files of ``serving/static``, read once when the server starts."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request, Response

from serving.written import App

FOLDER = Path(__file__).resolve().parent / "static"
PAGE = "page.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
}
Handler = Callable[[Request], Awaitable[App]]


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
        if path.is_file() and path.suffix in MEDIA_TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
            name = path.relative_to(FOLDER).as_posix()
            found[name] = StaticFile(content, MEDIA_TYPES[path.suffix], tag)
    return found


def static_handler(file: StaticFile) -> Handler:
    """What answers a request for a file."""
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}

    async def answer(request: Request) -> App:
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    return answer
