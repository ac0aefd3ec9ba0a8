"""The rows of a domain while a run adds to them, and reading stored answers into them again."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.outside.domain_sources import Domain
from pipelines.outside.ledger import Window
from pipelines.outside.raw_store import LoggedAnswer, RawStore
from pipelines.outside.tables import Key, Tables, keys_of, named, rows_of
from pipelines.outside.vintages import Origin, add_vintages
from pipelines.sources.base import Adapter, ParsedAnswer, SourceError


@dataclass(frozen=True, slots=True)
class DomainRows:
    """Rows of a domain, and what this run has added.

    Attributes:
        domain: The domain.
        windows: What earlier runs have asked for without a failure, by series and region.
        tables: Rows of each series and region in the contract of its table.
        new: Periods added, by series.
        revised: Periods revised, by series.
        served: Sources that gave rows of this run, by series.
        notes: What was left out, and where sources disagree.
    """

    domain: Domain
    windows: Mapping[Key, Sequence[Window]]
    tables: Tables
    new: Counter[str] = field(default_factory=Counter)
    revised: Counter[str] = field(default_factory=Counter)
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


def add_answer(known: DomainRows, parsed: ParsedAnswer, source: str, day: date) -> DomainRows:
    """The rows with those of an answer; what is of other domains' series is not for them."""
    tables, served, notes = dict(known.tables), dict(known.served), list(known.notes)
    new, revised = known.new.copy(), known.revised.copy()
    domain = known.domain
    for key in keys_of(parsed.rows):
        series, region = key
        if series not in domain.series:
            continue
        windows = known.windows.get((domain.asked_with(series), region), ())
        origin = Origin(source, domain.preferred(series), day, windows)
        rows = rows_of(parsed.rows, key)
        update = add_vintages(tables.get(key), rows, domain.series[series], origin)
        tables[key] = update.table
        served[series] = tuple(dict.fromkeys((*served.get(series, ()), source)))
        new[series] += update.new
        revised[series] += update.revised
        notes += [f"{source}: {named(key)}: {note}" for note in update.notes]
    return replace(known, tables=tables, new=new, revised=revised, served=served,
                   notes=tuple(notes))  # fmt: skip


def read_again(
    known: DomainRows,
    logged: Iterable[LoggedAnswer],
    raw: RawStore,
    sources: Mapping[str, Adapter],
    step: Callable[[int], object],
) -> tuple[DomainRows, tuple[str, ...]]:
    """Read stored answers in the order in which they came.

    Returns:
        The rows with theirs, and a line for each answer that cannot be read any more.

    Raises:
        DataError: A stored file is missing, or is not what it was.
    """
    failures = []
    for one in logged:
        step(0)
        try:
            parsed = sources[one.call.source].parse(one.call, raw.body(one))
        except SourceError as error:
            failures.append(f"answer of {one.day}: {error}")
            continue
        known = add_answer(known, parsed, one.call.source, one.day)
    return known, tuple(failures)
