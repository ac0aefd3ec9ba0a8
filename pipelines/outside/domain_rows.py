"""The rows of a domain: out of the processed tables, added to by answers, and into them again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import check
from ml.processed import USER, changing, read_table, write_tables
from pipelines.outside.domain_sources import Domain
from pipelines.outside.known_series import Key
from pipelines.outside.ledger import Window
from pipelines.outside.vintages import ORDER, TABLES, Origin, add_vintages
from pipelines.sources.base import ParsedAnswer


@dataclass(frozen=True, slots=True)
class DomainRows:
    """Rows of a domain, and what this run has added."""

    domain: Domain  # the domain
    # what earlier runs have asked for without a failure, by series and region
    windows: Mapping[Key, Sequence[Window]]
    tables: Mapping[Key, pa.Table]  # rows of each series and region in the contract of its table
    new: Counter[str] = field(default_factory=Counter)  # periods added, by series
    revised: Counter[str] = field(default_factory=Counter)  # periods revised, by series
    # sources that gave rows of this run, by series
    served: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what was left out, and where sources disagree

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


def named(key: Key) -> str:
    """A series and region in words.

    >>> named(("humidity_percent", "salvador_ba"))
    'humidity_percent of salvador_ba'
    """
    return key[0] if key[1] is None else f"{key[0]} of {key[1]}"


def keys_of(rows: pa.Table) -> list[Key]:
    """What a table has rows of, the country before its regions."""
    pairs = rows.group_by(["series", "region"]).aggregate([]).to_pylist()
    keys = [(one["series"], one["region"]) for one in pairs]
    return sorted(keys, key=lambda key: (key[0], key[1] or ""))


def rows_of(rows: pa.Table, key: Key) -> pa.Table:
    """The rows of one series and region."""
    series, region = key
    regions = rows["region"]
    is_region = pc.is_null(regions) if region is None else pc.equal(regions, region)
    return rows.filter(pc.and_kleene(pc.equal(rows["series"], series), is_region))


def read_series(domain: Domain, data_dir: Path) -> dict[Key, pa.Table]:
    """The stored rows of a domain's series; those of the user's files are not among them.

    Raises:
        DataError: A file is no Parquet file, or breaks its contract.
    """
    found: dict[Key, pa.Table] = {}
    for name in domain.tables:
        table = _stored(name, data_dir)
        own = table.filter(pc.not_equal(table["source"], USER))
        found |= {key: rows_of(own, key) for key in keys_of(own) if key[0] in domain.series}
    return found


def users_series(domain: Domain, data_dir: Path) -> frozenset[str]:
    """Series of the domain that the user's own files have given."""
    tables = (_stored(name, data_dir) for name in domain.tables)
    users = (table.filter(pc.equal(table["source"], USER))["series"] for table in tables)
    return frozenset(name for one in users for name in one.unique().to_pylist()) & {*domain.series}


def write_series(domain: Domain, rows: Mapping[Key, pa.Table], data_dir: Path) -> list[str]:
    """Put the rows of a domain in place, those of all its tables or none.

    Rows of other series, and those of the user's files, stay as they are at that moment.

    Returns:
        Names of the tables that changed; one that would be the same is not touched.

    Raises:
        ContractError: Rows that break the contract of their table.
        PublishError: The disk is full, or refuses.
    """
    with changing(data_dir):
        changed = {}
        for name in domain.tables:
            before = _stored(name, data_dir)
            own = [of for key, of in rows.items() if domain.series[key[0]].table == name]
            is_own = pc.is_in(before["series"], value_set=pa.array([*domain.series], pa.string()))
            others = before.filter(pc.or_(pc.equal(before["source"], USER), pc.invert(is_own)))
            table = pa.concat_tables([others, *own]).sort_by(ORDER)
            if not check(table, TABLES[name]).equals(before):
                changed[name] = table
        if changed:
            write_tables(data_dir, changed)
    return [*changed]


def _stored(name: str, data_dir: Path) -> pa.Table:
    table = read_table(data_dir, TABLES[name])
    return TABLES[name].schema.empty_table() if table is None else table.sort_by(ORDER)
