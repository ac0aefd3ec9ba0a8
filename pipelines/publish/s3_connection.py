"""The connections to an S3 server: trying as long as there is progress, and then not much longer.

A store is given up when nothing has moved for a minute. How long a large object takes to be sent or
read does not matter: each block of it has a patience of its own.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ml.artifacts.errors import UnreachableError

Answer = TypeVar("Answer")
CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
GIVE_UP_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
LEAST_WAIT = 1.0  # of a try, however little time is left
BLOCK = 1 << 16  # of a body; each has a patience of its own
# What lies unsent in this machine says nothing about the line, so it is kept small.
_UNSENT = (
    [(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 2 * BLOCK)]
    if hasattr(socket, "TCP_NOTSENT_LOWAT")
    else []
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a request that a store does not answer is sent again."""

    seconds: float = GIVE_UP_SECONDS  # without any progress
    pause: Callable[[float], None] = time.sleep  # waits between two tries

    def retry(self, attempt: Callable[["Patience"], Answer]) -> Answer:
        """Call until it succeeds or fails in another way than being unreachable.

        ``attempt`` is told the patience that its waiting must not exceed.

        Raises:
            UnreachableError: It was until the patience was over.
        """
        patience = Patience(self)
        while True:
            try:
                return attempt(patience)
            except UnreachableError as error:
                if not error.passing or not patience.wait():
                    raise


class Patience:
    """What is left of the waiting for one request; it begins anew whenever it gets further."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._furthest = 0  # bytes, or entries of a listing
        self._begin()

    def _begin(self) -> None:
        self._deadline = time.monotonic() + self._policy.seconds
        self._pause = FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds."""
        return self._deadline - time.monotonic()

    def reached(self, position: int) -> None:
        """A try has come so far; what an earlier one had too is no progress."""
        if position > self._furthest:
            self._furthest = position
            self._begin()

    def wait(self) -> bool:
        """Wait before another try; ``False`` if there is to be none."""
        left = self.left
        if left <= self._pause:
            return False
        self._policy.pause(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return True

    def blocks(self, body: Any) -> Iterator[Any]:
        """The blocks of a body, each of which is taken when the one before it is sent."""
        for start in range(0, len(body), BLOCK):
            yield body[start : start + BLOCK]
            self.reached(min(start + BLOCK, len(body)))


class _PatientConnection(HTTPConnection):
    """Sends each block as patiently as it waits for answers, not as it waits to be connected."""

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(READ_SECONDS)
        super().send(data)


class _PatientTlsConnection(HTTPSConnection, _PatientConnection):
    """The same with TLS."""


class _HttpPatiently(HTTPConnectionPool):
    ConnectionCls = _PatientConnection


class _HttpsPatiently(HTTPSConnectionPool):
    ConnectionCls = _PatientTlsConnection


class HttpPool(urllib3.PoolManager):
    """Connections that wait no longer than a request's patience.

    Redirects are not followed: a signed request goes where it was signed for.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        super().__init__(
            maxsize=16,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca_file) if ca_file else certifi.where(),
            socket_options=[*HTTPConnection.default_socket_options, *_UNSENT],
        )
        self.pool_classes_by_scheme = {"http": _HttpPatiently, "https": _HttpsPatiently}
        self._thread = threading.local()

    def have(self, patience: Patience) -> None:
        """Let the requests of this thread have so much patience."""
        self._thread.patience = patience

    def reached(self, position: int) -> None:
        """Tell the patience of this thread how far an answer of several pages has come."""
        self._thread.patience.reached(position)

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; see :class:`urllib3.PoolManager`."""
        del redirect
        patience: Patience = getattr(self._thread, "patience", None) or Patience(RetryPolicy())
        left = max(patience.left, LEAST_WAIT)
        body = kw.get("body") or b""
        # Sending a long body may begin with little time left, and takes its own.
        read = min(READ_SECONDS, left) if len(body) <= BLOCK else READ_SECONDS
        waits = urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=read)
        if body:
            kw["body"] = patience.blocks(body)
        return super().urlopen(method, url, redirect=False, timeout=waits, **kw)
