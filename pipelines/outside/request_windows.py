"""From which day on a source is asked: only for what is new, but for all that is missing.

The newest row alone does not say it: a first download that broke off leaves a hole below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow.compute as pc

from ml.frequency import Frequency
from pipelines.outside.domain_rows import DomainRows
from pipelines.outside.domain_sources import HISTORY_FILE, Place, Route
from pipelines.outside.ledger import Window
from pipelines.outside.tables import Key
from pipelines.sources.base import Adapter, Call, Wanted

REST = timedelta(days=12)
"""Longest time without a value that is no hole: carnival, or the turn of a year."""


@dataclass(frozen=True, slots=True)
class EtlRequest:
    """What a run asks for.

    Attributes:
        series: Names of the series.
        day: Day of the run.
        start: First day of a series of which nothing is known.
        again: Ask for everything from ``start`` on, whatever is known.
    """

    series: tuple[str, ...]
    day: date
    start: date
    again: bool = False


def request_window(
    known: DomainRows, adapter: Adapter, name: str, place: Place, route: Route, request: EtlRequest
) -> Wanted:
    """What to ask a source for: from its own last period back by the overlap, or from a hole on.

    Args:
        known: What is known.
        adapter: The source.
        name: The series.
        place: What it is of.
        route: What the source calls it.
        request: What the run asks for.
    """
    facts, first = known.domain.series[name], request.start
    until = _known_until(known, adapter.name, (name, place.region), request.start)
    if until is not None and not request.again:
        back = until - timedelta(days=max(adapter.overlap, facts.overlap))
        first = max(back, min(request.start, until))
    if facts.period is Frequency.MONTHLY:
        first = first.replace(day=1)
    code = place.codes.get(adapter.name, route.code)
    return Wanted(name, place.region, code, first, request.day, place.position)


def concerns(call: Call, wanted: Wanted) -> bool:
    """Whether a call was for it; one that names no single region is for all of them."""
    region = call.context.get("region", call.context.get("state", wanted.region))
    return wanted.series in call.series and region == wanted.region


def _known_until(known: DomainRows, source: str, key: Key, start: date) -> date | None:
    """Last period up to which nothing is missing that this source could improve."""
    preferred = known.domain.preferred(key[0])
    newest = known.newest(key, {*preferred[: preferred.index(source) + 1], HISTORY_FILE})
    if newest is None and source != preferred[0]:
        newest = known.newest(key)
    whole = _whole_until([*known.windows.get(key, ()), *_imported(known, key)], start)
    return None if newest is None or whole is None else min(newest, whole)


def _whole_until(windows: Sequence[Window], start: date) -> date | None:
    """Last day up to which windows leave no hole; ``None`` = there is one from the start."""
    until = None
    for first, last in sorted(windows):
        if first > (until or start) + REST:
            break
        until = max(until or last, last)
    return until


def _imported(known: DomainRows, key: Key) -> list[Window]:
    """First and last day of what imported files hold."""
    table = known.tables.get(key)
    if table is None:
        return []
    ends = pc.min_max(table.filter(pc.equal(table["source"], HISTORY_FILE))["ref_date"]).as_py()
    return [] if ends["min"] is None else [(ends["min"].date(), ends["max"].date())]
