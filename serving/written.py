"""An answer that is written already: the cheapest one that ASGI knows."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application, or what answers one request: the answers below and those of libraries."""


ROUTE = "previsor.route"  # in the scope: the template of the address that was asked
_HEADERS = "previsor.headers"


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
