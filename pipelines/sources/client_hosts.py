"""What is remembered of a host: whether it answers, and how much time it may still cost."""

import math
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipelines.sources.base import Call

FAILED_CALLS = 3
"""Calls in a row, each after all its tries, after which a host is not asked again."""


@dataclass(slots=True)
class Host:
    """One host as one source uses it.

    Attributes:
        name: Host and port.
        failed: Calls without an answer since its last answer.
        wasted: Time they took [s].
        share: Most that they may take [s].
        rests_until: When it may be asked again, on the monotonic clock: it said so.
        given_up: Why it is not asked again; empty = it is.
    """

    name: str
    failed: int = 0
    wasted: float = 0.0
    share: float = math.inf
    rests_until: float = -math.inf
    given_up: str = ""

    def answered(self) -> None:
        """It did, with data or with a refusal."""
        self.failed, self.wasted, self.share = 0, 0.0, math.inf

    def starts(self, share: float) -> None:
        """A call starts; if it is the first since the last answer, it gets this share [s]."""
        if math.isinf(self.share):
            self.share = share

    def fails(self, cause: str, seconds: float) -> None:
        """A call got no answer in so many seconds."""
        self.failed += 1
        self.wasted += seconds
        if self.failed >= FAILED_CALLS:
            self.given_up = f"{self.failed} calls in a row failed, the last: {cause}"
        elif self.wasted >= self.share:
            self.given_up = f"no answer in {self.wasted:.3g} s: {cause}"


class Hosts:
    """The hosts of one command.

    A host is kept per source: behind one mirror of several sources a single one may be broken.
    """

    def __init__(self) -> None:
        self._hosts: dict[tuple[str, str], Host] = {}

    def of(self, call: Call) -> Host:
        """The host that a call is sent to."""
        name = urlsplit(call.base).netloc.rpartition("@")[2]
        return self._hosts.setdefault((call.source, name), Host(name))
