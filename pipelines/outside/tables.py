"""The processed tables of a domain: its own series, and those of others that stay as they are."""

import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.base import check
from ml.durable import disk_errors, make_folder, remove, replace
from ml.processed import read_table
from pipelines.outside.as_published import ORDER, TABLES
from pipelines.outside.domains import Domain
from pipelines.outside.keys import Key, keys_of, rows_of
from pipelines.outside.runs import UNCHANGED

ROW_GROUP = 122_880
COMPRESSION_LEVEL = 3
USER_FILES = "user_files"
Tables = Mapping[Key, pa.Table]
"""Rows of each series and region in the contract of its table."""


def read_series(domain: Domain, processed: Path) -> dict[Key, pa.Table]:
    """The stored rows of a domain's series; those of the user's files are not among them.

    Raises:
        DataError: A file is no Parquet file, or breaks its contract.
    """
    found: dict[Key, pa.Table] = {}
    for name in domain.tables:
        table = _stored(name, processed)
        own = table.filter(pc.not_equal(table["source"], USER_FILES))
        found |= {key: rows_of(own, key) for key in keys_of(own) if key[0] in domain.series}
    return found


def users_series(domain: Domain, processed: Path) -> set[str]:
    """Series of the domain that the user's own files have given."""
    taken: set[str] = set()
    for name in domain.tables:
        table = _stored(name, processed)
        users = table.filter(pc.equal(table["source"], USER_FILES))
        taken |= set(users["series"].unique().to_pylist()) & domain.series.keys()
    return taken


def write_series(domain: Domain, tables: Tables, processed: Path) -> list[Path]:
    """Put the rows of a domain in place, all of its tables staged before the first is renamed.

    Rows of other series, and those of the user's files, stay as they are at that moment.

    Returns:
        The files that changed; a table that would be the same is not touched.

    Raises:
        ContractError: Rows that break the contract of their table.
        PublishError: The disk is full, or refuses.
    """
    staged: list[tuple[Path, Path]] = []
    with disk_errors(f"writing '{processed}'", UNCHANGED):
        make_folder(processed)
        try:
            for name in domain.tables:
                target = processed / f"{name}.parquet"
                table = _joined(domain, name, tables, processed)
                if table is not None:
                    staged.append((_staged(table, target), target))
            for new, target in staged:
                replace(new, target)
        finally:
            for new, _ in staged:
                remove(new)  # what a fault before its turn has left
    return [target for _, target in staged]


def _joined(domain: Domain, name: str, tables: Tables, processed: Path) -> pa.Table | None:
    """A whole table; ``None`` where it would be what is stored."""
    before = _stored(name, processed)
    others = before.filter(
        pc.or_(
            pc.equal(before["source"], USER_FILES),
            pc.invert(pc.is_in(before["series"], value_set=pa.array([*domain.series]))),
        )
    )
    own = [rows for (series, _), rows in tables.items() if domain.series[series].table == name]
    table = check(pa.concat_tables([others, *own]).sort_by(ORDER), TABLES[name])
    return None if table.equals(before) else table


def _staged(table: pa.Table, target: Path) -> Path:
    new = target.with_name(f".{target.name}.{os.getpid()}")
    with new.open("wb") as file:
        pq.write_table(
            table,
            file,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            row_group_size=ROW_GROUP,
            coerce_timestamps="us",
        )
        file.flush()
        os.fsync(file.fileno())
    return new


def _stored(name: str, processed: Path) -> pa.Table:
    table = read_table(processed.parent, TABLES[name])
    return TABLES[name].schema.empty_table() if table is None else table.sort_by(ORDER)
