"""The tables below ``DATA_DIR/processed/``: what the ETL left for the models.

They change as a set, under one lock: who reads several of them sees all of a change, or nothing.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.base import Contract, check
from ml.contracts.demand import DEMAND, INVENTORY, ITEMS
from ml.contracts.outside import ANATEL_5G, CLIMATE, ECONOMIC, PRICES
from ml.durable import change_together, disk_errors, finish_change
from ml.errors import DataError
from ml.frequency import period_end
from ml.locks import hold
from ml.panel_tables import Prepared, demand_panel, price_panels
from ml.run.inputs import RunInputs, gather

SYNTHETIC = "synthetic_sample"
USER = "user_files"
UNCHANGED = "What is stored stays; correct that and run again."
LOCK = ".processed.lock"

MADE_BY = {
    "demand": "demand_etl",
    "items": "demand_etl",
    "inventory": "demand_etl",
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
    with hold(data_dir, name=LOCK, wait=True), disk_errors(f"writing '{folder}'", UNCHANGED):
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


def read_processed(
    data_dir: Path, *, as_of: date | None, today: date, region: str = ""
) -> RunInputs:
    """Panels and tables of what is processed.

    Raises:
        DataError: Nothing is there, or nothing of it is usable.
    """
    demand, prices = read_table(data_dir, DEMAND), read_table(data_dir, PRICES)
    if demand is None and prices is None:
        raise DataError(
            f"{processed_folder(data_dir)}: no demand.parquet and no prices.parquet. Put your "
            f"files into {data_dir / 'raw' / 'user'} and run python pipelines/demand_etl.py, "
            f"or run generate_ml_results, which makes a sample."
        )
    others = {one.name: read_table(data_dir, one) for one in (ITEMS, INVENTORY)}
    return inputs_of(
        {DEMAND.name: demand, PRICES.name: prices, **others},
        as_of=as_of,
        today=today,
        outside=outside_tables(data_dir),
        region=region,
    )


def inputs_of(
    tables: Mapping[str, pa.Table | None],
    *,
    as_of: date | None,
    today: date,
    outside: Mapping[str, pa.Table] | None = None,
    region: str = "",
    statements: tuple[str, ...] = (),
    quality_flags: tuple[str, ...] = (),
) -> RunInputs:
    """Panels out of contract tables, with the sources named in their rows.

    Args:
        tables: DEMAND, PRICES, ITEMS and INVENTORY tables by name, those that there are.
        as_of: Names the last period by its start; ``None`` = the last one that is over.
        today: Day on which the run happens.
        outside: Outside tables by name; rows that came out too late are left out here.
        region: Home region of the outside tables.
        statements: Plain sentences about what was read.
        quality_flags: What a reader of the results should know of the inputs.

    Raises:
        DataError: Nothing is usable, or an id stands for two series.
    """
    demand, prices = tables.get(DEMAND.name), tables.get(PRICES.name)
    inventory = tables.get(INVENTORY.name)
    prepared: list[Prepared] = []
    source = {}
    if demand is not None and demand.num_rows:
        prepared.append(demand_panel(demand, as_of=as_of, today=today))
        source["demand"] = _sources(demand)
    if prices is not None and prices.num_rows:
        prepared += price_panels(prices, as_of=as_of, today=today)
        source["price"] = _sources(prices)
    flags = list(quality_flags)
    if SYNTHETIC in source.values():
        flags.append(SYNTHETIC)
    if inventory is None and "demand" in source:
        flags.append("inventory_absent")
    found = gather(tuple(prepared), tables.get(ITEMS.name), inventory, source,
                   statements=statements,
                   quality_flags=tuple(flags))  # fmt: skip
    ends = [period_end(panel.cutoff, panel.frequency) for panel in found.panels]
    return replace(found, outside=known_by(outside or {}, max(ends)), region=region)


def _sources(table: pa.Table) -> str:
    names: Iterable[str] = pc.unique(table["source"]).to_pylist()
    return "+".join(sorted(names))
