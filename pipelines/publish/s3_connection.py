"""The connections to an S3 server: bounded waits, and trying again as long as one may."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import certifi
import urllib3

from ml.artifacts.errors import UnreachableError

Answer = TypeVar("Answer")
CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
GIVE_UP_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a request that a store does not answer is sent again."""

    # from the first try to the last; each request has a time of its own
    seconds: float = GIVE_UP_SECONDS
    pause: Callable[[float], None] = time.sleep  # waits between two tries

    def retry(self, attempt: Callable[[float], Answer]) -> Answer:
        """Call until it succeeds or fails in another way than being unreachable.

        Args:
            attempt: Gets the moment on the monotonic clock at which its waiting has to end.

        Raises:
            UnreachableError: It was until the time was over.
        """
        deadline = time.monotonic() + self.seconds
        pause = FIRST_PAUSE
        while True:
            try:
                return attempt(deadline)
            except UnreachableError as error:
                left = deadline - time.monotonic()
                if left <= pause or not error.passing:
                    raise
            self.pause(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)


class HttpPool(urllib3.PoolManager):
    """Connections that wait no longer than what is left until a deadline.

    Redirects are not followed: a signed request goes where it was signed for.

    Args:
        ca_file: Certificates to trust instead of the usual ones.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        super().__init__(
            maxsize=16,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca_file) if ca_file else certifi.where(),
        )
        self._thread = threading.local()

    def wait_until(self, deadline: float) -> None:
        """Let the requests of this thread end by a moment on the monotonic clock."""
        self._thread.deadline = deadline

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; see :class:`urllib3.PoolManager`."""
        del redirect
        left = max(getattr(self._thread, "deadline", float("inf")) - time.monotonic(), 0.1)
        waits = urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=min(READ_SECONDS, left))
        return super().urlopen(method, url, redirect=False, timeout=waits, **kw)
