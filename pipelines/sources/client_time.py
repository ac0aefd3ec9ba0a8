"""The time that one command waits for outside sources, and how a wait is ended at its end."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")
FAST = 100 * 1024
"""A body that arrives at least this fast [bytes/s] is no wait."""
MOST_EXCUSED = 1800.0
"""Longest time of one command that is excused [s]: a body without an end may be fast as well."""
_WINDOW = 0.2  # over which the speed is taken [s]


class TimeUpError(Exception):
    """The work was not done in its time."""


class TimeLimit:
    """Counts the time inside of :meth:`waiting`, less what was excused.

    Args:
        seconds: The limit.
        clock: Monotonic [s].
        most_excused: Longest time that is excused in all [s].
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float], most_excused: float = MOST_EXCUSED
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._excusable = most_excused
        self._used = 0.0
        self._since: float | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count what happens inside; not to be nested."""
        self._since = self._clock()
        try:
            yield
        finally:
            self._used, self._since = self.used(), None

    def used(self) -> float:
        """Seconds counted so far."""
        return self._used + (0.0 if self._since is None else self._clock() - self._since)

    def left(self) -> float:
        """Seconds left; negative after the limit."""
        return self.seconds - self.used()

    def is_over(self) -> bool:
        """Whether too little is left for any request: less than a hundredth."""
        return self.left() <= self.seconds / 100

    def share(self) -> float:
        """Seconds for a host that does not answer: half of what is left, so that others get some.

        It is never less than a tenth of the whole, or the last share would never come.
        """
        return min(max(self.left() / 2, self.seconds / 10), self.left())

    def excuse(self, seconds: float) -> None:
        """Take seconds that were counted off the count, as long as any may be excused."""
        excused = min(seconds, self._excusable)
        self._excusable -= excused
        self._used -= excused


class Speed:
    """Excuses the time in which a body moves, so that large files are not cut.

    Args:
        clock: Monotonic [s].
        excuse: Told the seconds of each window in which the body was fast.
    """

    def __init__(self, clock: Callable[[], float], excuse: Callable[[float], None]) -> None:
        self._clock, self._excuse = clock, excuse
        self._at, self._bytes = clock(), 0

    def arrived(self, total: int, *, last: bool = False) -> None:
        """Note how many bytes there are in all; ``last`` closes the window."""
        seconds = self._clock() - self._at
        if seconds < _WINDOW and not last:
            return
        if total - self._bytes >= FAST * seconds:
            self._excuse(seconds)
        self._at, self._bytes = self._at + seconds, total


def within(left: Callable[[], float], work: Callable[[], Result]) -> Result:
    """Do work in a thread, and wait for it no longer than there is time left.

    Time limits of sockets bound single reads: a name server that does not answer, or headers that
    come byte by byte, pass by them. What is not done in time is left behind; its thread ends
    with its socket's own time limit and never holds up the end of the process.

    Args:
        left: Seconds left, asked again whenever they should be over.
        work: May raise anything.

    Raises:
        TimeUpError: It was not done in time.
    """
    result: list[Result] = []
    failure: list[BaseException] = []
    done = threading.Event()
    context = contextvars.copy_context()  # the log's run id

    def run() -> None:
        try:
            result.append(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            failure.append(error)
        finally:
            done.set()

    if left() <= 0:
        raise TimeUpError
    threading.Thread(target=run, name="http", daemon=True).start()
    while not done.wait(max(left(), 0.0)):
        if left() <= 0:
            raise TimeUpError
    return _outcome(result, failure)


def _outcome(result: list[Any], failure: list[BaseException]) -> Any:
    if failure:
        raise failure[0]
    return result[0]
