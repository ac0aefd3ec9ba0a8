"""The tables below ``DATA_DIR/processed/``: what the ETL left for the models.

They change as a set, under one lock: who reads several of them sees all of a change, or nothing.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.base import Contract, check
from ml.contracts.demand import DEMAND
from ml.contracts.outside import ANATEL_5G, CLIMATE, ECONOMIC, PRICES
from ml.durable import change_together, disk_errors, finish_change
from ml.errors import DataError
from ml.locks import hold

SYNTHETIC = "synthetic_sample"
USER = "user_files"
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


def write_tables(data_dir: Path, tables: Mapping[str, pa.Table | None]) -> None:
    """Write tables, or remove them (``None``): all or none. Only inside of :func:`changing`."""
    with change_together(processed_folder(data_dir)) as change:
        for name, table in tables.items():
            if table is None:
                change.remove(f"{name}.parquet")
            else:
                write_parquet(table, change.path(f"{name}.parquet"))


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write one table as all processed ones are written; makes no promise about a crash."""
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=3,
        row_group_size=122_880,
        coerce_timestamps="us",
    )


def read_table(data_dir: Path, contract: Contract) -> pa.Table | None:
    """One processed table, checked; ``None`` where there is none.

    Raises:
        DataError: The file is no Parquet file, or breaks its contract.
    """
    path = processed_folder(data_dir) / f"{contract.name}.parquet"
    if not path.exists():
        return None
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}). "
            f"Remove it and run python pipelines/{MADE_BY[contract.name]}.py"
            f"{'' if MADE_BY[contract.name] == 'demand_etl' else ' --reparse'}."
        ) from None
    for column in contract.columns:  # a later version of a contract only adds nullable ones
        if column.nullable and column.name not in table.column_names:
            table = table.append_column(column.name, pa.nulls(table.num_rows, column.dtype))
    return check(table, contract, where=str(path))


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
    limit = pa.scalar(day.astype("datetime64[us]").astype(object), pa.timestamp("us"))
    known = {
        name: table.filter(pc.less_equal(table["available_at"], limit))
        for name, table in outside.items()
    }
    return {name: table for name, table in known.items() if table.num_rows}
