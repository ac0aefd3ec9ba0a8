"""A sign of life after each good night, for a monitor that raises the alarm when it stays away.

What does not run cannot say so: the monitor (a dead-man's switch, on another machine) can.
"""

import time
from collections.abc import Callable

import httpx
from pydantic import SecretStr

from ml.logs import logger
from pipelines.messages.transport import keep_quiet

PAUSES = (0.0, 2.0, 10.0)  # seconds before each attempt
SECONDS = 10.0  # for one of them


def beat(address: SecretStr, *, pause: Callable[[float], None] = time.sleep) -> str | None:
    """Ask the heartbeat's address; ``None`` where it answered well or there is none.

    Else the reason in words. It never holds the address, which is a secret: whoever knows it can
    keep the monitor quiet. Call it once, after a night that ended well, degraded or not.
    """
    url, reason = address.get_secret_value(), None
    if not url:
        return None
    for wait in PAUSES:
        if wait:
            pause(wait)
        reason = _ask(url)
        if reason is None:
            logger().info("heartbeat_sent")
            return None
    logger().warning("heartbeat_not_sent", reason=reason)
    return f"the heartbeat's address was asked {len(PAUSES)} times: {reason}"


def _ask(url: str) -> str | None:
    try:
        # Named by its class alone: what httpx says and logs holds the address.
        with keep_quiet("httpx", "httpcore"):
            answer = httpx.get(url, timeout=SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return type(error).__name__
    return None if answer.is_success else f"status {answer.status_code}"
