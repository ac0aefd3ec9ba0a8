"""Requests to one host start apart from each other."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Last:
    start: float
    cost: float


class Pacing:
    """Keeps requests to one host apart, whichever source sends them.

    Args:
        clock: Monotonic [s].
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, _Last] = {}

    def due(self, host: str, cost: float) -> float:
        """Seconds until a request of this cost may start; 0 = now.

        Args:
            host: Host and port.
            cost: Least distance to the request before [s]; the dearer of two neighbours counts.
        """
        last = self._last.get(host)
        if last is None:
            return 0.0
        return max(last.start + max(last.cost, cost) - self._clock(), 0.0)

    def started(self, host: str, cost: float) -> None:
        """A request starts now."""
        self._last[host] = _Last(self._clock(), cost)
