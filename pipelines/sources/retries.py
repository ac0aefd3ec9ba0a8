"""When a request is sent again, and after how long."""

import os
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState

TRIES = 4
"""Most requests for one call."""
FIRST_PAUSE = 2.0
"""Before the second try [s]; it doubles from try to try."""
JITTER = 0.5
"""A pause is up to this part longer, so that two machines do not come back together."""


class TryFailedError(Exception):
    """One request without a usable answer.

    Attributes:
        cause: What happened, without a key.
        status: Of the answer; ``None`` = there was none.
        passing: Whether another try may help.
        refusal: Whether an error that does not pass is the server's word; otherwise it counts
            against the host like no answer at all.
        retry_after: How long the server wants to be left alone [s].
        tries: How many requests there were so far.
    """

    def __init__(
        self,
        cause: str,
        *,
        status: int | None = None,
        passing: bool = True,
        refusal: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(cause)
        self.cause, self.status = cause, status
        self.passing, self.refusal, self.retry_after = passing, refusal, retry_after
        self.tries = 1


def is_passing(error: BaseException) -> bool:
    """Whether another try may help."""
    return isinstance(error, TryFailedError) and error.passing


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for; ``None`` where it says nothing.

    Args:
        header: Seconds or an HTTP date (RFC 9110, section 10.2.3).
        now: The UTC clock.
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000": UTC of an unknown place
        moment = moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


class Backoff:
    """Pauses between tries: what the server asks for, else twice as long from try to try.

    Args:
        time_limit: Of the command [s]; the first pause is at most a hundredth of it.
    """

    def __init__(self, time_limit: float) -> None:
        self._first = min(FIRST_PAUSE, time_limit / 100)
        # No result depends on it, and processes that start together shall not wait together.
        self._jitter = random.Random(os.getpid())  # noqa: S311 - no secret either

    def __call__(self, state: RetryCallState) -> float:
        """Seconds before the next try."""
        pause = self._first * 2.0 ** (state.attempt_number - 1)
        pause *= 1 + self._jitter.uniform(0, JITTER)
        error = failure(state)
        return max(pause, (error.retry_after if error else None) or 0.0)


def failure(state: RetryCallState) -> TryFailedError | None:
    """What the last try failed with."""
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, TryFailedError) else None
