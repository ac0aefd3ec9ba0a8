"""The layer that every request passes: who asks, how much at once, for how long, and what is told.

It is plain ASGI, for it is on the way of every answer.
"""

import asyncio
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from serving.access import AccessRules
from serving.measures import MEASURES, tell
from serving.stored_files import HEAD
from serving.written import (
    PROBLEM_TYPE,
    ROUTE,
    App,
    Message,
    Receive,
    RequestProblem,
    Scope,
    Send,
    headers_of,
)

Shortcut = Callable[[Scope], App | None]
LONGEST_ADDRESS = 60_000  # bytes of path and query
FOR_ALL = ("/health", "/ready")  # asked by what starts and stops servers, without a key
SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    ),
]
NOT_ALLOWED = RequestProblem(
    405, "nothing is changed here: only GET and HEAD are answered.", {"Allow": "GET, HEAD"}
)
FULL = RequestProblem(503, "too many requests at once; ask again.", {"Retry-After": "1"})
SLOW = RequestProblem(
    503, "the answer took too long; ask for less, or again.", {"Retry-After": "1"}
)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one server takes on."""

    at_once: int = 256  # requests being answered
    seconds: float = 20.0  # until an answer has begun
    sending_seconds: float = 900.0  # until it is sent whole
    told: bool = False  # whether each request is told in the log


class Front:
    """An application with this layer in front of it.

    Args:
        app: The application.
        access: Who is let in.
        limits: What is taken on.
        answer_at_once: Gives an answer that needs neither waiting nor looking for its address.
    """

    def __init__(
        self, app: App, access: AccessRules, limits: RequestLimits, answer_at_once: Shortcut
    ) -> None:
        self._app, self._access, self._limits = app, access, limits
        self._answer_at_once = answer_at_once
        self._answers: set[_Answer] = set()
        MEASURES.busy.set_function(lambda: len(self._answers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI asks for it."""
        if scope["type"] == "lifespan":
            sweeping = asyncio.create_task(self._sweep())
            try:
                await self._app(scope, receive, send)
            finally:
                sweeping.cancel()
            return
        if scope["method"] == "HEAD":  # answered as GET, and the body is kept back
            scope = {**scope, "method": "GET", HEAD: True}  # the server below knows it as it is
        answer = _Answer(scope, send)
        self._answers.add(answer)
        try:
            answer.user = self._let_in(scope)
            at_once = self._answer_at_once(scope)
            await (at_once or self._app)(scope, receive, answer.send)
        except RequestProblem as problem:
            await answer.refuse(problem)
        except asyncio.CancelledError:
            if not answer.overdue:
                raise
            answer.task.uncancel()
            await answer.refuse(SLOW)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - told in the log, whatever it is
            tell("bug", traceback=traceback.format_exc())
            await answer.refuse(RequestProblem(500, "a bug of the server; its log says more."))
        finally:
            self._answers.discard(answer)
            answer.count(told=self._limits.told)

    async def _sweep(self) -> None:
        """End, second by second, what takes too long; a clock for each request would cost more."""
        limits = self._limits
        while True:
            await asyncio.sleep(1.0)
            now = time.perf_counter()
            for answer in list(self._answers):
                most = limits.sending_seconds if answer.begun else limits.seconds
                if now - answer.start > most and not answer.overdue:
                    answer.overdue = True
                    answer.task.cancel()

    def _let_in(self, scope: Scope) -> str:
        if scope["method"] != "GET":
            raise NOT_ALLOWED
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_ADDRESS:
            raise RequestProblem(414, f"the address has more than {LONGEST_ADDRESS} bytes.")
        if scope["path"] in FOR_ALL:
            return ""
        if len(self._answers) > self._limits.at_once:
            raise FULL
        peer = scope["client"][0] if scope.get("client") else ""
        return self._access.admit(headers_of(scope), peer)


class _Answer:
    """One answer on its way out, and what is noted of it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.user, self.overdue = "", False
        self.task = cast("asyncio.Task[None]", asyncio.current_task())
        self.start = time.perf_counter()
        self._scope, self._send = scope, send
        self._method = "HEAD" if HEAD in scope else scope["method"]
        self._seconds, self._status = 0.0, 0

    @property
    def begun(self) -> bool:
        """Whether something was sent."""
        return bool(self._status)

    async def send(self, message: Message) -> None:
        """Pass a message on, with the headers that all answers have."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._seconds = time.perf_counter() - self.start
            message["headers"] = [*message["headers"], *SECURITY]
        elif HEAD in self._scope and message["type"] == "http.response.body":
            message["body"] = b""
        await self._send(message)

    async def refuse(self, problem: RequestProblem) -> None:
        """Say why there is no answer; where one has begun, it ends in the middle."""
        if self._status:
            return
        body = problem.body()
        headers = {"content-type": PROBLEM_TYPE, "content-length": str(len(body)),
                   "cache-control": "no-store", **problem.headers}  # fmt: skip
        raw = [(name.lower().encode(), text.encode("latin-1")) for name, text in headers.items()]
        start = {"type": "http.response.start", "status": problem.status, "headers": raw}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})

    def count(self, *, told: bool) -> None:
        """Count the answer, and write it into the log where it says so."""
        place = self._scope.get(ROUTE, "none" if self._status != 304 else "known already")
        MEASURES.answered(place, self._status, self._seconds)
        if told or self._status >= 500:
            tell(
                "answered", method=self._method[:16], route=place, status=self._status,
                milliseconds=round(1000 * self._seconds, 2), user=self.user,
                address=f"{self._scope['path']}?{self._scope['query_string'].decode('latin-1')}"[:300],
            )  # fmt: skip
