"""Asking the sources of a domain, in their order, and adding what they say to its rows.

They are asked only for what is new, but for all that is missing. The newest row alone does not say
what is: a first download that broke off leaves a hole below it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pyarrow.compute as pc

from ml.errors import first_few
from ml.frequency import Frequency
from ml.logs import logger
from pipelines.outside.domain_rows import DomainRows, add_answer, named
from pipelines.outside.domain_sources import HISTORY_FILE, Route
from pipelines.outside.known_series import Key
from pipelines.outside.ledger import Window
from pipelines.outside.places import Place
from pipelines.outside.raw_store import RawStore
from pipelines.outside.report import Reporter
from pipelines.outside.splits import find_split, left_in_old_shares
from pipelines.sources.base import (
    OBSERVATIONS,
    Adapter,
    Call,
    ParsedAnswer,
    SeriesRequest,
    SourceError,
)
from pipelines.sources.client import Client

REST = timedelta(days=12)
"""Longest time without a value that is no hole: carnival, or the turn of a year."""
_Group = list[tuple[str, Place, Route]]
_Failures = list[tuple[Call | None, SourceError]]


@dataclass(frozen=True, slots=True)
class EtlRequest:
    """What a run asks for."""

    series: tuple[str, ...]  # names of the series
    day: date  # day of the run
    start: date  # first day of a series of which nothing is known
    again: bool = False  # ask for everything from `start` on, whatever is known


class SeriesFetcher:
    """Asks for what is new and for what may have been revised, each series from its best source.

    Attributes:
        rows: The rows, those of this run among them.
        completed: Windows that were asked for without a failure.
        unserved: Series and regions that no source served.
        failures: What failed on the way; another source may have served instead.
        checks: Comparisons that could not be made.
    """

    def __init__(
        self,
        known: DomainRows,
        request: EtlRequest,
        client: Client,
        raw: RawStore,
        sources: Mapping[str, Adapter],
        reporter: Reporter,
    ) -> None:
        self.rows = known
        self.completed: list[SeriesRequest] = []
        self.unserved: tuple[Key, ...] = ()
        self.failures: list[SourceError] = []
        self.checks: list[SourceError] = []
        self._request, self._client, self._raw = request, client, raw
        self._sources, self._reporter = sources, reporter

    def fetch(self) -> None:
        """Ask for all of it, then the sources that check others.

        The next source of a series is asked for the regions in which one fails, and only these.
        """
        domain = self.rows.domain
        every = [(name, place) for name in self._request.series for place in domain.places]
        routes = {name: domain.routes[name] for name in self._request.series}
        left: list[tuple[str, Place]] = every
        for rank in range(max(map(len, routes.values()), default=0)):
            groups: dict[str, _Group] = {}
            for name, place in left:
                if rank < len(routes[name]):
                    route = routes[name][rank]
                    groups.setdefault(route.source, []).append((name, place, route))
            left = [one for source, group in groups.items() for one in self._serve(source, group)]
        served = {(one.series, one.region) for one in self.completed}
        keys = ((name, place.region) for name, place in every)
        self.unserved = tuple(key for key in keys if key not in served)
        for name, ways in routes.items():
            for route in ways:
                if route.checks and all(error.source != route.source for error in self.failures):
                    # it fills gaps, disagrees, and revises nothing
                    group = [(name, place, route) for place in domain.places]
                    failures = self._ask(route.source, self._windows(route.source, group))
                    self.checks += [error for _, error in failures]

    def degraded(self) -> Iterator[str]:
        """A line a cause of failure, and one a day up to which what nobody served is stored."""
        for error in _merge(self.failures):
            yield f"degraded: {error}"
        missing: dict[date | None, list[str]] = {}
        for key in self.unserved:
            missing.setdefault(self.rows.newest(key), []).append(named(key))
        for newest, names in missing.items():
            until = f"what is stored reaches {newest}" if newest else "nothing is stored"
            yield f"degraded: no source served {first_few(names)}; {until}."
        for error in _merge(self.checks):
            yield f"not compared: {error}"

    def _serve(self, source: str, group: _Group) -> list[tuple[str, Place]]:
        """Ask one source; what it left is for the next.

        A source that stands in and has nothing new leaves it to the next as well: it may be late.
        """
        before = self.rows
        wanted = self._windows(source, group)
        failures = self._ask(source, wanted)
        self.failures += [error for _, error in failures]
        left = []
        for one, (name, place, _) in zip(wanted, group, strict=True):
            key = (name, place.region)
            newest, stands_in = self.rows.newest(key), source != before.domain.preferred(name)[0]
            failed = newest is None or any(c is None or _concerns(c, one) for c, _ in failures)
            if failed or (stands_in and newest == before.newest(key)):
                left.append((name, place))
            if not failed:
                self.completed.append(one)
        return left

    def _windows(self, source: str, group: _Group) -> list[SeriesRequest]:
        """What to ask for: from a source's own last period back by the overlap, or from a hole."""
        request, overlap, windows = self._request, self._sources[source].overlap, []
        for name, place, route in group:
            series, first = self.rows.domain.series[name], request.start
            until = _known_until(self.rows, source, (name, place.region), request.start)
            if until is not None and not request.again:
                back = until - timedelta(days=max(overlap, series.overlap))
                first = max(back, min(request.start, until))
            if series.period is Frequency.MONTHLY:
                first = first.replace(day=1)
            code = place.codes.get(source, route.code)
            windows.append(
                SeriesRequest(name, place.region, code, first, request.day, place.position)
            )
        return windows

    def _ask(self, source: str, wanted: Iterable[SeriesRequest]) -> _Failures:
        """Fetch all that a source is asked for; one call that fails leaves the others alone."""
        adapter = self._sources[source]
        try:
            calls = list(adapter.calls([*wanted]))
        except SourceError as error:
            return [(None, error)]
        self._reporter.start(f"asking {adapter.name}", len(calls))
        failures: _Failures = []
        while calls:
            call, parsed = calls.pop(0), None
            try:
                parsed = self._answer(adapter, call)
            except SourceError as error:
                logger().warning("source_failed", url=call.url, reason=str(error))
                failures.append((call, error))
            if parsed is not None:
                calls = [*parsed.then, *calls]
                rows = add_answer(self.rows, parsed, adapter.name, self._request.day)
                about = f"{adapter.name}: {', '.join(call.series)}"
                notes = (f"{about}: {note}" for note in parsed.notes)
                self.rows = replace(rows, notes=(*rows.notes, *notes))
            self._reporter.step(len(parsed.then) if parsed else 0)
        return failures

    def _answer(self, adapter: Adapter, call: Call) -> ParsedAnswer | None:
        """One answer, kept and read; ``None`` where there is nothing new.

        It is logged as data only once it has been read: what is refused never counts, nor does one
        that a split has torn from what is stored, which leads to a request for the whole history.
        """
        is_conditional = call.conditional and not self._request.again
        known = self._raw.validators(call) if is_conditional else None
        fetched, day = self._client.fetch(call, pause=adapter.pause, known=known), self._request.day
        if fetched.outcome != "data":
            self._raw.log(call, fetched, day)
            return None
        answer = self._raw.keep(call, fetched, day)
        try:
            parsed = adapter.parse(call, answer)
        except SourceError as error:
            self._raw.log(call, fetched, day, reason=str(error))
            raise
        split = find_split(self.rows, call, parsed.rows, start=self._request.start)
        if split is not None:
            wanted, reason = split
            self._raw.log(call, fetched, day, reason=reason)
            return ParsedAnswer(OBSERVATIONS.empty_table(), (reason,), adapter.calls([wanted]))
        self._raw.log(call, fetched, day)
        left = left_in_old_shares(self.rows, call, parsed.rows)
        return replace(parsed, notes=(*parsed.notes, *left))


def _concerns(call: Call, wanted: SeriesRequest) -> bool:
    """Whether a call was for it; one that names no single region is for all of them."""
    region = call.context.get("region", call.context.get("state", wanted.region))
    return wanted.series in call.series and region == wanted.region


def _known_until(known: DomainRows, source: str, key: Key, start: date) -> date | None:
    """Last period up to which nothing is missing that this source could improve."""
    preferred = known.domain.preferred(key[0])
    newest = known.newest(key, {*preferred[: preferred.index(source) + 1], HISTORY_FILE})
    if newest is None and source != preferred[0]:
        newest = known.newest(key)
    windows = [*known.windows.get(key, ())]
    if key in known.tables:
        imported = pc.equal(known.tables[key]["source"], HISTORY_FILE)
        ends = pc.min_max(known.tables[key].filter(imported)["ref_date"]).as_py()
        windows += [] if ends["min"] is None else [(ends["min"].date(), ends["max"].date())]
    whole = _whole_until(windows, start)
    return None if newest is None or whole is None else min(newest, whole)


def _whole_until(windows: Sequence[Window], start: date) -> date | None:
    """Last day up to which windows leave no hole; ``None`` = there is one from the start."""
    until = None
    for first, last in sorted(windows):
        if first > (until or start) + REST:
            break
        until = max(until or last, last)
    return until


def _merge(errors: Iterable[SourceError]) -> Iterator[SourceError]:
    """One error a source and cause, with all series that it hit."""
    groups: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        groups.setdefault((error.source, error.cause), []).extend(error.series)
    for (source, cause), series in groups.items():
        yield SourceError(source, list(dict.fromkeys(series)), cause)
