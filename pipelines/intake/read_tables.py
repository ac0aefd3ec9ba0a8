"""The user's files to tables: read in one place, and kept in ``DATA_DIR/processed`` if wanted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.base import check
from ml.contracts.demand import DEMAND, DemandParts, in_parts
from ml.contracts.outside import PRICES
from ml.errors import DataError
from ml.logs import logger
from ml.processed import changing, processed_folder, read_table, write_tables
from pipelines.intake.demand import read_demand
from pipelines.intake.exposure import read_exposure
from pipelines.intake.find_files import collect_user_files
from pipelines.intake.inventory import read_inventory
from pipelines.intake.items import read_items, read_suppliers
from pipelines.intake.kept_demand import read_demand_again
from pipelines.intake.open_orders import read_open_orders
from pipelines.intake.prices import read_prices
from pipelines.intake.quarantine import IntakeError, write_quarantine
from pipelines.intake.receipts import read_receipts
from pipelines.intake.request import Intake, ReadingRequest, RowCount
from pipelines.intake.sentences import counted, named

_READERS: Mapping[str, Callable[[Path, ReadingRequest], Intake]] = {
    "demand": read_demand,
    "items": read_items,
    "inventory": read_inventory,
    "prices": read_prices,
    "open_orders": read_open_orders,
    "receipts": read_receipts,
    "exposure": read_exposure,
    "suppliers": read_suppliers,
}
USER_FILES = Path("raw", "user")
FROM_FOLDER = b"previsor.from_user_folder"  # in the Parquet file of a table read from there


@dataclass(frozen=True, slots=True)
class Tables:
    """What was read."""

    # each table with its frequency, statements and quarantine, by name
    intakes: Mapping[str, Intake]
    # the tables in their contracts, by name; `None` = the files no longer make it
    tables: Mapping[str, pa.Table | DemandParts | None]
    statements: tuple[str, ...]  # plain sentences on what was found and done
    quality_flags: tuple[str, ...]  # how many cells of each table were set aside, where any were

    @property
    def counts(self) -> Mapping[str, RowCount]:
        """How many rows of each table's files were read, used and set aside, by name."""
        return {name: intake.count for name, intake in self.intakes.items()}


def read_tables(request: ReadingRequest, data_dir: Path | None = None) -> Tables:
    """Read the files of a request, each table to its contract.

    Lists of the cells set aside, ``<table>.csv``, go into the folder ``quarantine`` of a data
    folder, if there is one, even when nothing else is left of a file; and demand that was read
    before is taken from there.

    Raises:
        DataError: Files that cannot be used.
    """
    intakes = {}
    quarantine = None if data_dir is None else data_dir / "quarantine"
    readers = dict(_READERS)
    if data_dir is not None:
        readers[DEMAND.name] = partial(read_demand_again, data_dir=data_dir)
    for table, path in request.files.items():
        try:
            intakes[table] = found = readers[table](path, request)
        except IntakeError as error:
            if quarantine is not None:
                write_quarantine(error.quarantine, quarantine, table)
            raise
        if quarantine is not None:
            write_quarantine(found.quarantine, quarantine, table)
        logger().info("file_read", table=table, path=str(path), rows=found.rows.num_rows,
                      quarantined=found.quarantine.height)  # fmt: skip
    cells = {table: found.quarantine.height for table, found in intakes.items()}
    return Tables(
        intakes,
        tables={table: found.rows for table, found in intakes.items()}
        | {name: table for found in intakes.values() for name, table in found.beside.items()},
        statements=tuple(said for found in intakes.values() for said in found.statements),
        quality_flags=tuple(f"quarantined_{one}_cells={cells[one]}" for one in cells if cells[one]),
    )


def process_files(request: ReadingRequest, data_dir: Path) -> Tables:
    """Read the files of a request into ``DATA_DIR/processed``: all of its tables, or none.

    With no files named, what ``data/raw/user`` holds has to be all that was ever read: a table
    whose file is gone is an error. Otherwise a table that was not read stays.

    Returns:
        What was read; the statements say what was done as well, in one line a table written.

    Raises:
        DataError: No files, files that cannot be used, or names that clash.
        PublishError: The disk is full, or refuses.
    """
    files = request.files or collect_user_files(data_dir / USER_FILES)
    if not files:
        raise DataError(
            f"{data_dir / USER_FILES}: there are no data files. Put demand.csv there, or name it: "
            "--demand PATH."
        )
    if not request.files:
        refuse_lost_files(data_dir, files)
    quarantine, folder = data_dir / "quarantine", processed_folder(data_dir)
    read = read_tables(replace(request, files=files), data_dir)
    _refuse_shared_ids({name: found.rows for name, found in read.intakes.items()})
    lines: list[str] = []
    for table, intake in read.intakes.items():
        lines += intake.statements
        if intake.quarantine.height:
            lines.append(f"{table}.csv: cells set aside are listed in {quarantine / table}.csv.")
        lines.append(_on_table(table, intake, folder))
        beside = ((name, one) for name, one in intake.beside.items() if one is not None)
        lines += [_on_beside(name, one, folder) for name, one in beside]
    tables, marks = dict(read.tables), None
    with changing(data_dir):
        if "prices" in read.tables:
            own = read.intakes["prices"].rows
            tables["prices"] = _beside_others(own, data_dir, request.source)
        if not request.files:
            marks = {FROM_FOLDER: b"yes"}
        write_tables(data_dir, tables, marks)
    return replace(read, statements=tuple(lines))


def refuse_lost_files(data_dir: Path, found: Mapping[str, Path]) -> None:
    """Raise if tables were made of files that are gone from ``data/raw/user``.

    Args:
        data_dir: The data folder.
        found: Files in the user's folder, by table. Where there are some, they stand for all that
            is processed, but for prices of other sources.

    Raises:
        DataError: Files are gone; to forecast what they held, or nothing, would be a surprise.
    """
    folder = processed_folder(data_dir)
    lost = sorted(
        table
        for table in _READERS.keys() - found.keys()
        if (path := folder / f"{table}.parquet").exists()
        and ((found and table != PRICES.name) or _is_from_folder(path))
    )
    if lost:
        raise DataError(
            f"{data_dir / USER_FILES}: there is no file of {' and '.join(lost)} any more, while "
            f"{folder} holds what was read before. Put it back; if it is gone for good, remove "
            f"{', '.join(f'{table}.parquet' for table in lost)} there."
        )


def _is_from_folder(path: Path) -> bool:
    try:
        return FROM_FOLDER in (pq.read_schema(path).metadata or {})
    except (pa.ArrowInvalid, OSError):  # damaged: who reads it says so
        return False


def _refuse_shared_ids(tables: Mapping[str, Any]) -> None:
    if not {DEMAND.name, PRICES.name} <= tables.keys():
        return
    items, series = in_parts(tables[DEMAND.name]).ids, tables[PRICES.name]["series"].unique()
    shared = items.filter(pc.is_in(items, value_set=series)).to_pylist()
    if shared:
        raise DataError(
            f"{counted(len(shared), 'id')} in both demand and prices: {named(shared)}. "
            "Rename them in one of the two."
        )


def _beside_others(prices: pa.Table, data_dir: Path, source: str) -> pa.Table:
    """The prices read, beside those that other sources have written before."""
    before = read_table(data_dir, PRICES)
    if before is None:
        return prices
    others = before.filter(pc.not_equal(before["source"], source))
    shared = others.filter(pc.is_in(others["series"], value_set=prices["series"].unique()))
    if shared.num_rows:
        names, sources = (shared[name].unique().to_pylist() for name in ("series", "source"))
        raise DataError(
            f"prices.parquet: {counted(len(names), 'series')} of the user's files come "
            f"from {named(sources)} too: {named(names)}. Rename them in the file."
        )
    ordered = pa.concat_tables([others, prices]).sort_by([(key, "ascending") for key in PRICES.key])
    return check(ordered, PRICES, where="prices.parquet")


def _on_table(table: str, intake: Intake, folder: Path) -> str:
    """The line of one table: rows, items, days and frequency."""
    rows = intake.rows
    if isinstance(rows, DemandParts):
        items, days = len(rows.ids), rows.days
    else:
        key = rows.column_names[0]
        items, days = pc.count_distinct(rows[key]).as_py(), None
        if table == PRICES.name:
            ends = pc.min_max(rows["ref_date"]).as_py()
            days = ends["min"], ends["max"]
    count = counted(items, "supplier" if table == "suppliers" else "item")
    line = f"{folder / table}.parquet: {counted(rows.num_rows, 'row')}, {count}"
    if days is None:
        return f"{line}."
    return f"{line}, {days[0]:%Y-%m-%d} to {days[1]:%Y-%m-%d}, {intake.frequency}."


def _on_beside(name: str, table: pa.Table, folder: Path) -> str:
    """The line of a table that is made beside another one, of items and locations."""
    items, places = (
        counted(pc.count_distinct(table[f"{noun}_id"]).as_py(), noun)
        for noun in ("item", "location")
    )
    return f"{folder / name}.parquet: {counted(table.num_rows, 'row')}, {items}, {places}."
