"""The processed tables of a domain: its own series, and those of others that stay as they are."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import check
from ml.contracts.outside import AS_PUBLISHED_KEY, DIVIDENDS, OUTSIDE
from ml.processed import USER, changing, read_table, write_tables
from pipelines.outside.domain_sources import Domain

TABLES = {one.name: one for one in (*OUTSIDE, DIVIDENDS)}
ORDER = [(name, "ascending") for name in AS_PUBLISHED_KEY]
Key = tuple[str, str | None]
"""Series and region: what a row is of, whatever its period; no region is the whole country."""
Tables = Mapping[Key, pa.Table]
"""Rows of each series and region in the contract of its table, ordered by key."""


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


def write_series(domain: Domain, rows: Tables, data_dir: Path) -> list[str]:
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
            table = _joined(domain, before, own)
            if not check(table, TABLES[name]).equals(before):
                changed[name] = table
        if changed:
            write_tables(data_dir, changed)
    return [*changed]


def _joined(domain: Domain, before: pa.Table, own: list[pa.Table]) -> pa.Table:
    """A whole table: what a domain's series are now, beside all the others."""
    is_own = pc.is_in(before["series"], value_set=pa.array([*domain.series], pa.string()))
    others = before.filter(pc.or_(pc.equal(before["source"], USER), pc.invert(is_own)))
    return pa.concat_tables([others, *own]).sort_by(ORDER)


def _stored(name: str, data_dir: Path) -> pa.Table:
    table = read_table(data_dir, TABLES[name])
    return TABLES[name].schema.empty_table() if table is None else table.sort_by(ORDER)
