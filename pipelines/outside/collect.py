"""Asking the sources of a domain, in their order, and putting what they say into its book."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from ml.logs import logger
from pipelines.outside.book import Book, added
from pipelines.outside.domains import Place, Route
from pipelines.outside.keys import Key
from pipelines.outside.progress import Reporter
from pipelines.outside.raw_log import records
from pipelines.outside.raw_store import RawStore
from pipelines.outside.runs import Looked
from pipelines.outside.splits import left_in_old_shares, torn
from pipelines.outside.windows import Asked, concerns, window
from pipelines.sources.base import OBSERVATIONS, Call, Parsed, Source, SourceError, Wanted
from pipelines.sources.client import Client, Validators


@dataclass(frozen=True, slots=True)
class Outside:
    """What a run reaches: the network, what is kept of it, and where progress is said.

    Attributes:
        client: Fetches.
        raw: Keeps what came.
        folder: Where it does.
        sources: Adapters by name.
        reporter: Says how far the run is.
    """

    client: Client
    raw: RawStore
    folder: Path
    sources: Mapping[str, Source]
    reporter: Reporter


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run has got.

    Attributes:
        book: The rows, those of earlier runs among them.
        looked: What was looked at without a failure.
        unserved: Series and regions that no source served.
        failures: What failed on the way; another source may have served instead.
        checks: Comparisons that could not be made.
    """

    book: Book
    looked: tuple[Looked, ...] = ()
    unserved: tuple[Key, ...] = ()
    failures: tuple[SourceError, ...] = ()
    checks: tuple[SourceError, ...] = ()


@dataclass(frozen=True, slots=True)
class _Round:
    """What one source made of all that it was asked for."""

    book: Book
    failures: tuple[tuple[Call | None, SourceError], ...]

    def failed(self, wanted: Wanted) -> bool:
        return any(call is None or concerns(call, wanted) for call, _ in self.failures)


def collect(book: Book, asked: Asked, outside: Outside) -> Collected:
    """Ask for what is new and for what may have been revised, each series from its best source.

    The next source of a series is asked for the regions in which one fails, and only for these.

    Args:
        book: What is known.
        asked: What to ask for.
        outside: What is reached.
    """
    ways = {name: book.domain.routes[name] for name in asked.series}
    every = [(name, place) for name in asked.series for place in book.domain.places]
    result, still = Collected(book), every
    for rank in range(max(map(len, ways.values()), default=0)):
        left = []
        for source, group in _by_source(ways, still, rank).items():
            result, rest = _serve(result, source, group, asked, outside)
            left += rest
        still = left
    seen = {key for look in result.looked for key in look.keys}
    keys = ((name, place.region) for name, place in every)
    unserved = tuple(key for key in keys if key not in seen)
    return _compared(replace(result, unserved=unserved), asked, outside)


Group = list[tuple[str, Place, Route]]


def _by_source(
    ways: Mapping[str, Sequence[Route]], keys: Iterable[tuple[str, Place]], rank: int
) -> dict[str, Group]:
    """What each source is to be asked for, now that all better ones have failed."""
    groups: dict[str, Group] = {}
    for name, place in keys:
        if rank < len(ways[name]):
            route = ways[name][rank]
            groups.setdefault(route.source, []).append((name, place, route))
    return groups


def _serve(
    result: Collected, source: str, group: Group, asked: Asked, outside: Outside
) -> tuple[Collected, list[tuple[str, Place]]]:
    """Ask one source; what it left is for the next.

    A source that stands in and has nothing new leaves it to the next as well: it may be late.
    """
    adapter = outside.sources[source]
    wanted = [window(result.book, adapter, *one, asked=asked) for one in group]
    done = _ask(result.book, adapter, wanted, asked, outside)
    left, looked = [], []
    for one, (name, place, _) in zip(wanted, group, strict=True):
        key = (name, place.region)
        newest, stands_in = done.book.newest(key), source != result.book.domain.preferred(name)[0]
        failed = done.failed(one) or newest is None
        if failed or (stands_in and newest == result.book.newest(key)):
            left.append((name, place))
        if not failed:
            looked.append(one)
    failures = (*result.failures, *(error for _, error in done.failures))
    all_looked = (*result.looked, *_looked(looked, asked.day))
    return replace(result, book=done.book, looked=all_looked, failures=failures), left


def _compared(result: Collected, asked: Asked, outside: Outside) -> Collected:
    """Ask the sources that check another one; they fill gaps and disagree, and revise nothing."""
    for name in asked.series:
        for route in result.book.domain.routes[name]:
            if not route.checks or any(e.source == route.source for e in result.failures):
                continue
            group = [(name, place, route) for place in result.book.domain.places]
            adapter = outside.sources[route.source]
            wanted = [window(result.book, adapter, *one, asked=asked) for one in group]
            done = _ask(result.book, adapter, wanted, asked, outside)
            checks = (*result.checks, *(error for _, error in done.failures))
            result = replace(result, book=done.book, checks=checks)
    return result


def _ask(
    book: Book, adapter: Source, wanted: Sequence[Wanted], asked: Asked, outside: Outside
) -> _Round:
    """Fetch all that a source is asked for; one call that fails leaves the others alone."""
    try:
        calls = list(adapter.calls(wanted))
    except SourceError as error:
        return _Round(book, ((None, error),))
    outside.reporter.start(f"asking {adapter.name}", len(calls))
    failures: list[tuple[Call | None, SourceError]] = []
    while calls:
        call = calls.pop(0)
        try:
            parsed = _answer(adapter, call, book, asked, outside)
        except SourceError as error:
            logger().warning("source_failed", url=call.url, reason=str(error))
            failures.append((call, error))
            parsed = None
        if parsed is not None:
            calls = [*parsed.then, *calls]
            book = added(book, parsed, adapter.name, asked.day)
            notes = (f"{adapter.name}: {', '.join(call.series)}: {note}" for note in parsed.notes)
            book = replace(book, notes=(*book.notes, *notes))
        outside.reporter.step(len(parsed.then) if parsed else 0)
    return _Round(book, tuple(failures))


def _answer(
    adapter: Source, call: Call, book: Book, asked: Asked, outside: Outside
) -> Parsed | None:
    """One answer, kept and read; ``None`` where there is nothing new.

    An answer is logged as data only once it has been read: what is refused never counts, nor does
    one that a split has torn from what is stored, which leads to a request for the whole history.
    """
    known = _validators(call, asked, outside)
    fetched = outside.client.fetch(call, pause=adapter.pause, known=known)
    if fetched.outcome != "data":
        outside.raw.log(call, fetched, asked.day)
        return None
    answer = outside.raw.keep(call, fetched, asked.day)
    try:
        parsed = adapter.parse(call, answer)
    except SourceError as error:
        outside.raw.log(call, fetched, asked.day, reason=str(error))
        raise
    tear = torn(book, call, parsed.rows, start=asked.start)
    if tear is None:
        outside.raw.log(call, fetched, asked.day)
        left = left_in_old_shares(book, call, parsed.rows)
        return replace(parsed, notes=(*parsed.notes, *left))
    outside.raw.log(call, fetched, asked.day, reason=tear.reason)
    return Parsed(OBSERVATIONS.empty_table(), (tear.reason,), adapter.calls([tear.wanted]))


def _validators(call: Call, asked: Asked, outside: Outside) -> Validators | None:
    """What to ask with for "only if it has changed": only if the stored one was read for all this.

    The same file serves several series, tables and regions: what was read for others, or from a
    later day on, is fetched once more.
    """
    if not call.conditional or asked.again:
        return None
    same = [
        record
        for record in records(outside.folder / call.source)
        if record["outcome"] == "data" and record["target"] == call.target
    ]
    if not same:
        return None
    before, now = dict(same[-1]["context"]), dict(call.context)
    if before.pop("first", "") > now.pop("first", ""):
        return None
    before.pop("last", None), now.pop("last", None)
    return outside.raw.validators(call) if before == now else None


def _looked(wanted: Sequence[Wanted], day: date) -> list[Looked]:
    groups: dict[date, list[Key]] = {}
    for one in wanted:
        groups.setdefault(one.first, []).append((one.series, one.region))
    return [Looked(tuple(keys), first, day) for first, keys in sorted(groups.items())]
