"""What is sent: answers that are written already, and problems as RFC 9457 has them."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application, or what answers one request: the answers below and those of libraries."""

ROUTE = "previsor.route"  # in the scope: the template of the address that was asked
_HEADERS = "previsor.headers"
PROBLEM_TYPE = "application/problem+json"


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """The headers of a request by their names in small letters, of several the last one."""
    found: Mapping[bytes, bytes] | None = scope.get(_HEADERS)
    if found is None:
        found = scope[_HEADERS] = dict(scope["headers"])
    return found


@dataclass(frozen=True, slots=True)
class WrittenAnswer:
    """Status, headers and body, sent as they are."""

    body: bytes  # of the answer
    headers: Mapping[bytes, bytes]  # names in small letters
    media_type: str = "application/json"  # of the body
    status: int = 200  # of HTTP

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send it, as ASGI asks for it."""
        headers = [*self.headers.items(), (b"content-length", b"%d" % len(self.body))]
        headers.append((b"content-type", self.media_type.encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


@dataclass(frozen=True, slots=True)
class UnchangedAnswer:
    """What who asks has already: 304 and no body."""

    headers: Mapping[bytes, bytes]  # names in small letters

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send it, as ASGI asks for it."""
        headers = [*self.headers.items()]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class RequestProblem(Exception):  # noqa: N818 - the word of RFC 9457, and an answer rather than an error
    """A request that cannot be answered."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.detail = status, detail
        self.headers = dict(headers or {})
        super().__init__(detail)

    def body(self) -> bytes:
        """The document. Texts of the request in it are JSON's texts, and stay such in a page."""
        title = HTTPStatus(self.status).phrase
        return orjson.dumps(
            {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        )


def shorten(text: str, most: int = 80) -> str:
    """A text of a request, for a sentence: quoted, without signs that turn or hide others."""
    shown = text if len(text) <= most else f"{text[:most]}…"
    return "'" + "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in shown) + "'"
