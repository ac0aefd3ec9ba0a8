"""The tables below ``DATA_DIR/processed/``: what the ETL left for the models.

They change as a set, under one lock: who reads several of them sees all of a change, or nothing.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.base import Contract, check, is_ordered
from ml.contracts.demand import DEMAND, PART, DemandParts, in_parts
from ml.contracts.outside import ANATEL_5G, CLIMATE, ECONOMIC, PRICES
from ml.durable import change_together, disk_errors, finish_change, sha256_of
from ml.errors import DataError
from ml.frequency import as_datetime
from ml.locks import hold

SYNTHETIC = "synthetic_sample"
USER = "user_files"
ROW_GROUP = 122_880  # rows of a processed table that are packed together
UNCHANGED = "What is stored stays; correct that and run again."

MADE_BY = {
    "demand": "demand_etl",
    "items": "demand_etl",
    "inventory": "demand_etl",
    "open_orders": "demand_etl",
    "receipts": "demand_etl",
    "exposure": "demand_etl",
    "stock_by_location": "demand_etl",
    "site_demand": "demand_etl",
    "suppliers": "demand_etl",
    "climate": "climate_etl",
    "economic": "economic_etl",
    "anatel_5g": "anatel_5g_etl",
    "prices": "price_etl",
    "dividends": "price_etl",
}
"""The command, a file of ``pipelines/``, that makes each table. A user's own prices come through
``demand_etl`` into the same table."""


def processed_folder(data_dir: Path) -> Path:
    """Where the processed tables are."""
    return data_dir / "processed"


@contextmanager
def changing(data_dir: Path) -> Iterator[None]:
    """Hold the processed tables, to write them as they are read; waits for its turn.

    Never inside of itself or of :func:`reading`: a process would wait for itself.

    Raises:
        PublishError: The disk refuses.
    """
    folder = processed_folder(data_dir)
    held = hold(data_dir, name=".processed.lock", wait=True)
    with held, disk_errors(f"writing '{folder}'", UNCHANGED):
        finish_change(folder)
        yield


@contextmanager
def reading(data_dir: Path) -> Iterator[None]:
    """Hold the processed tables against changes while several of them are read.

    Whoever may not write here reads without holding anything.
    """
    if processed_folder(data_dir).exists() and os.access(data_dir, os.W_OK):
        with changing(data_dir):
            yield
    else:
        yield


def write_tables(
    data_dir: Path,
    tables: Mapping[str, pa.Table | DemandParts | None],
    marks: Mapping[bytes, bytes] | None = None,
) -> None:
    """Write tables, or remove them (``None``): all or none. Only inside of :func:`changing`.

    ``marks`` are noted in each file in the place of what a table says of itself.
    """
    with change_together(processed_folder(data_dir)) as change:
        for name, table in tables.items():
            if table is None:
                change.remove(f"{name}.parquet")
            else:
                write_parquet(table, change.path(f"{name}.parquet"), marks)


def write_parquet(
    table: pa.Table | DemandParts, path: Path, marks: Mapping[bytes, bytes] | None = None
) -> None:
    """Write one table as all processed ones are written; makes no promise about a crash."""
    parts = table.parts() if isinstance(table, DemandParts) else iter([table])
    schema = DEMAND.schema if isinstance(table, DemandParts) else table.schema
    if marks is not None:
        schema = schema.with_metadata(dict(marks))
    options = {"compression": "zstd", "compression_level": 3, "coerce_timestamps": "us"}
    with pq.ParquetWriter(path, schema, **options) as writer:
        for rows in _regroup(parts, schema):
            if rows.num_rows:
                writer.write_table(rows, ROW_GROUP)


def _regroup(parts: Iterator[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Parts of a table as others that whole groups of rows of a file are made of."""
    rest = schema.empty_table()
    for part in parts:
        rest = pa.concat_tables([rest, part.cast(schema)])
        whole = rest.num_rows - rest.num_rows % ROW_GROUP
        yield rest.slice(0, whole)
        rest = rest.slice(whole)
    yield rest


def read_table(data_dir: Path, contract: Contract) -> pa.Table | None:
    """One processed table, checked; ``None`` where there is none.

    Raises:
        DataError: The file is no Parquet file, or breaks its contract.
    """
    path = processed_folder(data_dir) / f"{contract.name}.parquet"
    if not path.exists():
        return None
    with _parquet_errors(path, contract):
        table = pq.read_table(path)
    return _checked(table, contract, path)


@contextmanager
def _parquet_errors(path: Path, contract: Contract) -> Iterator[None]:
    """Turn trouble with a processed file into the one line that a user can act on."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}). "
            f"Remove it and run python pipelines/{MADE_BY[contract.name]}.py"
            f"{'' if MADE_BY[contract.name] == 'demand_etl' else ' --reparse'}."
        ) from None


def _checked(table: pa.Table, contract: Contract, path: Path) -> pa.Table:
    for column in contract.columns:  # a later version of a contract only adds nullable ones
        if column.nullable and column.name not in table.column_names:
            table = table.append_column(column.name, pa.nulls(table.num_rows, column.dtype))
    return check(table, contract, where=str(path))


def read_demand_parts(data_dir: Path) -> DemandParts | None:
    """The processed demand, to be read and checked some rows at a time; ``None`` = there is none.

    The file is held open, so what is read is what it was, whatever is written afterwards. One that
    is not in the order of its key, which no run writes, is read whole.

    Raises:
        DataError: The file is no Parquet file, or breaks its contract.
    """
    path = processed_folder(data_dir) / f"{DEMAND.name}.parquet"
    if not path.exists():
        return None
    with _parquet_errors(path, DEMAND):
        file = pq.ParquetFile(pa.OSFile(str(path)))
        schema = file.schema_arrow
    needed = [*DEMAND.key, "source"]
    kinds = {field.name: field.type for field in schema}
    if any(kinds.get(name) != DEMAND.schema.field(name).type for name in needed):
        return _in_memory(data_dir)
    ids, sources, ends = [], set(), []
    before = None
    with _parquet_errors(path, DEMAND):
        for batch in file.iter_batches(PART, columns=needed):
            rows = pa.Table.from_batches([batch] if before is None else [before, batch])
            if rows["source"].null_count or not is_ordered(rows, DEMAND.key):
                return _in_memory(data_dir)
            ids.append(pc.unique(batch["item_id"]))
            sources |= set(pc.unique(batch["source"]).to_pylist())
            ends.append(pc.min_max(batch["ds"]).as_py())
            before = batch.slice(batch.num_rows - 1)
    days = None
    if ends:
        first, last = min(one["min"] for one in ends), max(one["max"] for one in ends)
        days = first.date(), last.date()
    every = pc.unique(pa.chunked_array(ids, pa.string()))
    parts = partial(_read_parts, file, path)
    name = sha256_of(path)
    return DemandParts(file.metadata.num_rows, every, tuple(sorted(sources)), days, parts, name)


def _in_memory(data_dir: Path) -> DemandParts:
    table = read_table(data_dir, DEMAND)
    return in_parts(DEMAND.schema.empty_table() if table is None else table)


def _read_parts(file: pq.ParquetFile, path: Path) -> Iterator[pa.Table]:
    """The rows of a file of demand, checked."""
    with _parquet_errors(path, DEMAND):
        for batch in file.iter_batches(PART):
            yield _checked(pa.Table.from_batches([batch]), DEMAND, path)


def has_processed(data_dir: Path) -> bool:
    """Whether there is anything to forecast."""
    folder = processed_folder(data_dir)
    return any((folder / f"{one.name}.parquet").exists() for one in (DEMAND, PRICES))


def outside_tables(data_dir: Path) -> dict[str, pa.Table]:
    """The processed outside tables that exist, by name.

    Of prices those that an API has served: a user's own file is no outside data.
    """
    found = {one.name: read_table(data_dir, one) for one in (CLIMATE, ECONOMIC, ANATEL_5G, PRICES)}
    tables = {name: table for name, table in found.items() if table is not None}
    if PRICES.name in tables:
        own = pc.is_in(tables["prices"]["source"], value_set=pa.array([USER, SYNTHETIC]))
        tables["prices"] = tables["prices"].filter(pc.invert(own))
    return {name: table for name, table in tables.items() if table.num_rows}


def known_by(outside: Mapping[str, pa.Table], day: np.datetime64) -> dict[str, pa.Table]:
    """The rows that were available by the end of a day; tables without any are left out."""
    limit = pa.scalar(as_datetime(day), pa.timestamp("us"))
    known = {
        name: table.filter(pc.less_equal(table["available_at"], limit))
        for name, table in outside.items()
    }
    return {name: table for name, table in known.items() if table.num_rows}
