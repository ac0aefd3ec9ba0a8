"""The rows of a domain while a run adds to them, and reading stored answers into them again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.outside.as_published import Answered, publish
from pipelines.outside.domains import Domain
from pipelines.outside.keys import Key, keys_of, named, rows_of
from pipelines.outside.looks import Looks
from pipelines.outside.raw_log import records
from pipelines.outside.raw_store import Look, RawStore
from pipelines.sources.base import Parsed, Source, SourceError


@dataclass(frozen=True, slots=True)
class Book:
    """Rows of a domain, and what this run has added.

    Attributes:
        domain: The domain.
        looks: Earlier looks: first day asked for and day of the look, by series and region.
        tables: Rows of each series and region in the contract of its table.
        new: Periods added, by series.
        revised: Periods revised, by series.
        served: Sources that gave rows of this run, by series.
        notes: What was left out, and where sources disagree.
    """

    domain: Domain
    looks: Mapping[Key, Sequence[tuple[date, date]]]
    tables: Mapping[Key, pa.Table]
    new: Mapping[str, int] = field(default_factory=dict)
    revised: Mapping[str, int] = field(default_factory=dict)
    served: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def newest(self, key: Key, sources: Iterable[str] | None = None) -> date | None:
        """Start of the last known period of a series and region; of these sources, if given."""
        own = self.tables.get(key)
        if own is None:
            return None
        if sources is not None:
            own = own.filter(pc.is_in(own["source"], value_set=pa.array([*sources], pa.string())))
        last: datetime | None = pc.max(own["ref_date"]).as_py()
        return None if last is None else last.date()


def added(book: Book, parsed: Parsed, source: str, day: date) -> Book:
    """The book with the rows of an answer; rows of other domains' series are not for it."""
    tables, served = dict(book.tables), dict(book.served)
    new, revised, notes = dict(book.new), dict(book.revised), list(book.notes)
    for key in keys_of(parsed.rows):
        series, rows = key[0], rows_of(parsed.rows, key)
        facts = book.domain.series.get(series)
        if facts is None:
            continue
        looks = Looks.of(book.looks.get(_looked_at(book, key), ()), before=day)
        answered = Answered(source, book.domain.preferred(series), day, looks)
        result = publish(tables.get(key), rows, facts=facts, answered=answered)
        tables[key] = result.table
        served[series] = tuple(dict.fromkeys((*served.get(series, ()), source)))
        new[series] = new.get(series, 0) + result.new
        revised[series] = revised.get(series, 0) + result.revised
        notes += [f"{source}: {named(key)}: {note}" for note in result.notes]
    return replace(book, tables=tables, new=new, revised=revised, served=served,
                   notes=tuple(notes))  # fmt: skip


def read_again(
    book: Book, looks: Iterable[Look], sources: Mapping[str, Source], step: Callable[[], None]
) -> tuple[Book, tuple[str, ...]]:
    """Read stored answers in the order in which they came.

    Returns:
        The book with their rows, and a line for each answer that cannot be read any more.

    Raises:
        DataError: A stored file is missing, or is not what it was.
    """
    failures = []
    for look in looks:
        step()
        if look.answer is None or look.outcome != "data":
            continue
        try:
            parsed = sources[look.call.source].parse(look.call, look.answer)
        except SourceError as error:
            failures.append(f"answer of {look.day}: {error}")
            continue
        book = added(book, parsed, look.call.source, look.day)
    return book, tuple(failures)


def stored_looks(
    domain: Domain, raw: RawStore, read: Mapping[str, int], counts: Mapping[str, int]
) -> list[Look]:
    """Looks at a domain's series that are not in its tables yet, in the order of their arrival.

    Args:
        domain: The domain.
        raw: The answers.
        read: Looks of each source that are in the tables.
        counts: Looks of each source that there are; of the others no body is opened.
    """
    found = [
        look
        for source in domain.sources
        if counts.get(source, 0) > read.get(source, 0)
        for look in raw.looks(source, start=read.get(source, 0))
        if any(series in domain.series for series in look.call.series)
    ]
    return sorted(found, key=lambda look: (look.day, look.retrieved_at))


def look_counts(domain: Domain, folder: Path) -> dict[str, int]:
    """How many looks at each source of a domain the raw store has by now."""
    counts = {source: sum(1 for _ in records(folder / source)) for source in domain.sources}
    return {source: count for source, count in counts.items() if count}


def _looked_at(book: Book, key: Key) -> Key:
    """Dividends and splits come with the price that was asked for."""
    series, region = key
    return (series if series in book.domain.routes else series.partition("/")[0]), region
