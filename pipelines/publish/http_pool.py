"""The connections to an S3 server: bounded waits, and no retry that nobody sees."""

import time
from pathlib import Path
from typing import Any

import certifi
import urllib3

CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0


class HttpPool(urllib3.PoolManager):
    """Connections that wait no longer than what is left until a deadline.

    Redirects are not followed: a signed request goes where it was signed for.

    Args:
        ca_file: Certificates to trust instead of the usual ones.

    Attributes:
        deadline: On the monotonic clock, after which no answer is waited for; ``None`` = none.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        super().__init__(
            maxsize=16,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca_file) if ca_file else certifi.where(),
        )
        self.deadline: float | None = None

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; see :class:`urllib3.PoolManager`."""
        del redirect
        return super().urlopen(method, url, redirect=False, timeout=self._waits(), **kw)

    def _waits(self) -> urllib3.Timeout:
        if self.deadline is None:
            return urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        left = max(self.deadline - time.monotonic(), 0.1)
        return urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=min(READ_SECONDS, left))
