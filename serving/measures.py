"""What the server tells of itself: counters for Prometheus, and lines of its log.

Labels are templates of routes, never what was asked. A line of the log is JSON, which writes
whatever is not a plain sign as an escape: nothing of a request is in it as it came.
"""

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from serving.versions import ShownVersion

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0)


@dataclass(frozen=True, slots=True)
class ServerMeasures:
    """The counters of this process."""

    registry: CollectorRegistry
    requests: Counter  # answered, by route and status
    seconds: Histogram  # until the answer began, by route
    polls: Counter  # looks at the store
    last_look: Gauge  # when one succeeded
    published: Gauge  # when the shown version was
    stale: Gauge  # whether it may be old
    busy: Gauge  # requests being answered
    _known: dict[tuple[str, int], tuple[Counter, Histogram]] = field(default_factory=dict)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        known = self._known.get((route, status))
        if known is None:
            known = (self.requests.labels(route, str(status)), self.seconds.labels(route))
            self._known[route, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def show(self, shown: ShownVersion) -> None:
        """Note which version is shown."""
        self.published.set(shown.published)
        self.stale.set(shown.stale)

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self.registry)


def _measures() -> ServerMeasures:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return ServerMeasures(
        registry,
        requests=Counter(
            "previsor_requests", "Answered requests.", ("route", "status"), registry=registry
        ),
        seconds=Histogram(
            "previsor_request_seconds", "Time until an answer begins.", ("route",),
            registry=registry, buckets=BUCKETS,
        ),
        polls=Counter("previsor_looks", "Looks at the store.", registry=registry),
        last_look=Gauge(
            "previsor_last_look_timestamp_seconds", "When the store was last read.",
            registry=registry,
        ),
        published=Gauge(
            "previsor_published_timestamp_seconds", "When the shown version was published.",
            registry=registry,
        ),
        stale=Gauge("previsor_stale", "1 while a newer version may exist.", registry=registry),
        busy=Gauge("previsor_requests_busy", "Requests being answered.", registry=registry),
    )  # fmt: skip


MEASURES = _measures()
"""Those of this process: a server is one process, and more of it are more servers."""


def tell(event: str, **facts: Any) -> None:
    """Write a line about something that happened."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps({"timestamp": moment, "event": event} | facts, default=str)
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the log of a server is its stderr
