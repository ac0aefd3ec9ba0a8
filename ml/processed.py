"""The tables below ``DATA_DIR/processed/``: what the ETL left for the models."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.batch.inputs import RunInputs, gather
from ml.contracts.base import Contract, check
from ml.contracts.demand import DEMAND, INVENTORY, ITEMS
from ml.contracts.prices import PRICES
from ml.errors import DataError
from ml.panel_tables import Prepared, demand_panel, price_panels

SYNTHETIC = "synthetic_sample"


def processed_folder(data_dir: Path) -> Path:
    """Where the processed tables are."""
    return data_dir / "processed"


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
            f"Run python pipelines/demand_etl.py again."
        ) from None
    return check(table, contract, where=str(path))


def has_processed(data_dir: Path) -> bool:
    """Whether there is anything to forecast."""
    folder = processed_folder(data_dir)
    return any((folder / f"{one.name}.parquet").exists() for one in (DEMAND, PRICES))


def read_processed(data_dir: Path, *, as_of: date | None, today: date) -> RunInputs:
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
    return inputs_of(
        demand,
        prices,
        items=read_table(data_dir, ITEMS),
        inventory=read_table(data_dir, INVENTORY),
        as_of=as_of,
        today=today,
    )


def inputs_of(
    demand: pa.Table | None,
    prices: pa.Table | None,
    *,
    items: pa.Table | None,
    inventory: pa.Table | None,
    as_of: date | None,
    today: date,
    statements: tuple[str, ...] = (),
    quality_flags: tuple[str, ...] = (),
) -> RunInputs:
    """Panels out of contract tables, with the sources named in their rows.

    Raises:
        DataError: Nothing is usable, or an id stands for two series.
    """
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
    return gather(tuple(prepared), items, inventory, source, statements=statements,
                  quality_flags=tuple(flags))  # fmt: skip


def _sources(table: pa.Table) -> str:
    names: Iterable[str] = pc.unique(table["source"]).to_pylist()
    return "+".join(sorted(names))
