"""The work of ``pipelines/demand_etl.py``: the user's files to ``DATA_DIR/processed``."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.base import check
from ml.contracts.outside import PRICES
from ml.errors import ConfigError, DataError
from ml.settings import Settings
from pipelines.intake.demand import read_demand
from pipelines.intake.files import UserFiles, collect_user_files
from pipelines.intake.interface import Intake, IntakeError, IntakeOptions
from pipelines.intake.inventory import read_inventory
from pipelines.intake.items import read_items
from pipelines.intake.names import refuse_unknown_names
from pipelines.intake.prices import read_prices
from pipelines.intake.quarantine import write_quarantine
from pipelines.intake.wording import counted, named

ROW_GROUP = 122_880
COMPRESSION_LEVEL = 3
_READERS: Mapping[str, Callable[[Path, IntakeOptions], Intake]] = {
    "demand": read_demand,
    "items": read_items,
    "inventory": read_inventory,
    "prices": read_prices,
}
_KEYS = {"demand": ("item_id", "ds"), "prices": ("series", "ref_date")}


def column_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """The mapping that ``--column NAME=FILE_NAME`` options say.

    Raises:
        ConfigError: An option without ``=``, or a name that no table has.
    """
    mapping = {}
    for pair in pairs:
        wanted, equals, name = pair.partition("=")
        if not (equals and wanted.strip() and name.strip()):
            raise ConfigError(f"--column {pair!r}: write --column item_id=NAME_IN_THE_FILE.")
        mapping[wanted.strip()] = name.strip()
    refuse_unknown_names(mapping)
    return mapping


def day_of_run(settings: Settings) -> date:
    """``TODAY`` of the settings, else the day of the UTC clock."""
    return settings.today or datetime.now(UTC).date()


def run(given: UserFiles, options: IntakeOptions, data_dir: Path) -> list[str]:
    """Read the user's files and write their tables: all of them, or none.

    Args:
        given: The tables to read; with none given, what ``data/raw/user`` holds.
        options: How they are to be read.
        data_dir: Holds ``raw/user``, ``processed`` and ``quarantine``.

    Returns:
        Lines to show: what was found and done, and one line a table written.

    Raises:
        DataError: No files, files that cannot be used, or names that clash.
    """
    found = _given_or_collected(given, data_dir)
    quarantine = data_dir / "quarantine"
    intakes = {}
    for table, path in found.items():
        try:
            intakes[table] = _READERS[table](path, options)
        except IntakeError as error:
            write_quarantine(error, quarantine, table)
            raise
    _refuse_shared_ids(intakes)
    processed = data_dir / "processed"
    tables = {table: intake.table for table, intake in intakes.items()}
    if "prices" in tables:
        tables["prices"] = _beside_others(tables["prices"], processed, options.source)
    _write(tables, processed)
    lines: list[str] = []
    for table, intake in intakes.items():
        lines += intake.statements
        lines += _on_quarantine(write_quarantine(intake, quarantine, table))
        lines.append(_on_table(table, intake, processed))
    if not _tables(given):
        lines += _without_stale(intakes, processed)
    return lines


def _without_stale(intakes: Mapping[str, Intake], processed: Path) -> list[str]:
    """Remove the user's tables of which the folder holds no file any more; say so."""
    lines = []
    for table in ("demand", "items", "inventory"):
        path = processed / f"{table}.parquet"
        if table not in intakes and path.exists():
            path.unlink()
            lines.append(f"{path.name}: removed, there is no file of {table} any more.")
    return lines


def _given_or_collected(given: UserFiles, data_dir: Path) -> dict[str, Path]:
    named_tables = _tables(given)
    if named_tables:
        return named_tables
    folder = data_dir / "raw" / "user"
    collected = collect_user_files(folder)
    if collected is None:
        raise DataError(
            f"{folder}: there are no data files. Put demand.csv there, or name it: --demand PATH."
        )
    return _tables(collected)


def _tables(files: UserFiles) -> dict[str, Path]:
    paths = {table: getattr(files, table) for table in _READERS}
    return {table: path for table, path in paths.items() if path is not None}


def _refuse_shared_ids(intakes: Mapping[str, Intake]) -> None:
    if not _KEYS.keys() <= intakes.keys():
        return
    items, series = (intakes[table].table[key].unique() for table, (key, _) in _KEYS.items())
    shared = items.filter(pc.is_in(items, value_set=series)).to_pylist()
    if shared:
        raise DataError(
            f"{counted(len(shared), 'id')} in both demand and prices: {named(shared)}. "
            "Rename them in one of the two."
        )


def _beside_others(prices: pa.Table, processed: Path, source: str) -> pa.Table:
    """The prices read, beside those that other sources have written before."""
    target = processed / "prices.parquet"
    if not target.exists():
        return prices
    before = pq.read_table(target)
    others = before.filter(pc.not_equal(before["source"], source))
    shared = others.filter(pc.is_in(others["series"], value_set=prices["series"].unique()))
    if shared.num_rows:
        names, sources = (shared[name].unique().to_pylist() for name in ("series", "source"))
        raise DataError(
            f"{target.name}: {counted(len(names), 'series', 'series')} of the user's files come "
            f"from {named(sources)} too: {named(names)}. Rename them in the file."
        )
    joined = pa.concat_tables([others.select(PRICES.names).cast(PRICES.schema), prices])
    ordered = joined.sort_by([(key, "ascending") for key in PRICES.key])
    return check(ordered, PRICES, where=str(target.name))


def _write(tables: Mapping[str, pa.Table], folder: Path) -> None:
    """Write all tables beside their places first, then put them there."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".intake-") as staging:
        for table, rows in tables.items():
            pq.write_table(
                rows,
                Path(staging) / f"{table}.parquet",
                compression="zstd",
                compression_level=COMPRESSION_LEVEL,
                row_group_size=ROW_GROUP,
                coerce_timestamps="us",
            )
        for table in tables:
            (Path(staging) / f"{table}.parquet").replace(folder / f"{table}.parquet")


def _on_quarantine(path: Path | None) -> list[str]:
    return [] if path is None else [f"{path.name}: cells set aside are listed in {path}."]


def _on_table(table: str, intake: Intake, folder: Path) -> str:
    """The line of one table: rows, items, days and frequency."""
    rows = intake.table
    key, day = _KEYS.get(table, ("item_id", None))
    line = (
        f"{folder / table}.parquet: {counted(rows.num_rows, 'row')}, "
        f"{counted(pc.count_distinct(rows[key]).as_py(), 'item')}"
    )
    if day is None:
        return f"{line}."
    ends = pc.min_max(rows[day]).as_py()
    return f"{line}, {ends['min']:%Y-%m-%d} to {ends['max']:%Y-%m-%d}, {intake.frequency}."
