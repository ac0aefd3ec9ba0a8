"""From which day on a source is asked: only for what is new, but for all that is missing.

The newest row alone does not say it: a first download that broke off leaves a hole below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow.compute as pc

from ml.frequency import Frequency
from pipelines.outside.book import Book
from pipelines.outside.domains import HISTORY_FILE, Place, Route
from pipelines.outside.keys import Key
from pipelines.sources.base import Call, Source, Wanted

REST = timedelta(days=12)
"""Longest time without a value that is no hole: carnival, or the turn of a year."""


@dataclass(frozen=True, slots=True)
class Asked:
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


def window(
    book: Book, adapter: Source, name: str, place: Place, route: Route, *, asked: Asked
) -> Wanted:
    """What to ask a source for: from its own last period back by the overlap, or from a hole on.

    Args:
        book: What is known.
        adapter: The source.
        name: The series.
        place: What it is of.
        route: What the source calls it.
        asked: What the run asks for.
    """
    facts = book.domain.series[name]
    key = (name, place.region)
    first = asked.start
    if not asked.again:
        known = _known_until(book, adapter.name, key, asked.start)
        if known is not None:
            back = known - timedelta(days=max(adapter.overlap, facts.overlap))
            first = max(back, min(asked.start, known))
    if facts.period is Frequency.MONTHLY:
        first = first.replace(day=1)
    code = place.codes.get(adapter.name, route.code)
    return Wanted(name, place.region, code, first, asked.day, place.position)


def concerns(call: Call, wanted: Wanted) -> bool:
    """Whether a call was for it; one that names no single region is for all of them."""
    region = call.context.get("region", call.context.get("state", wanted.region))
    return wanted.series in call.series and region == wanted.region


def _known_until(book: Book, source: str, key: Key, start: date) -> date | None:
    """Last period up to which nothing is missing that this source could improve."""
    preferred = book.domain.preferred(key[0])
    better = {*preferred[: preferred.index(source) + 1], HISTORY_FILE}
    newest = book.newest(key, better)
    if newest is None and source != preferred[0]:
        newest = book.newest(key)
    whole = _whole_until(book, key, start)
    return None if newest is None or whole is None else min(newest, whole)


def _whole_until(book: Book, key: Key, start: date) -> date | None:
    """Last day up to which looks and imported files leave no hole; ``None`` = from the start."""
    spans = sorted([*book.looks.get(key, ()), *_imported(book, key)])
    until = None
    for first, last in spans:
        if first > (until or start) + REST:
            break
        until = max(until or last, last)
    return until


def _imported(book: Book, key: Key) -> Sequence[tuple[date, date]]:
    table = book.tables.get(key)
    if table is None:
        return ()
    days = pc.min_max(table.filter(pc.equal(table["source"], HISTORY_FILE))["ref_date"]).as_py()
    if days["min"] is None:
        return ()
    return [(days["min"].date(), days["max"].date())]
