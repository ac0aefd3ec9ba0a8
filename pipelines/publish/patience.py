"""Trying again, for as long as one may and no longer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pipelines.publish.errors import UnreachableError

Answer = TypeVar("Answer")
GIVE_UP_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store that does not answer is waited for.

    Attributes:
        seconds: In all, from the first failure to the last try.
        pause: Waits between two tries.
    """

    seconds: float = GIVE_UP_SECONDS
    pause: Callable[[float], None] = time.sleep

    def insist(self, attempt: Callable[[float], Answer]) -> Answer:
        """Call until it succeeds or fails in another way than being unreachable.

        Args:
            attempt: Gets the moment on the monotonic clock at which its waiting has to end.

        Raises:
            UnreachableError: It was until the patience ended.
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
