"""The outside tables that features are made of, and the file that they end up in."""

import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.outside import FEATURES_TABLE, OUTSIDE
from ml.errors import ConfigError
from ml.processed import read_table

ROW_GROUP = 122_880
COMPRESSION_LEVEL = 3


def read_outside(data_dir: Path) -> dict[str, pa.Table]:
    """The processed outside tables that exist, checked.

    Raises:
        DataError: A file cannot be read, or breaks its contract.
    """
    tables = {contract.name: read_table(data_dir, contract) for contract in OUTSIDE}
    return {name: table for name, table in tables.items() if table is not None}


def first_day(tables: Mapping[str, pa.Table], start: date, cutoff: np.datetime64) -> np.datetime64:
    """First day that the tables say anything about, not before ``start`` nor after ``cutoff``."""
    begins = [pc.min(table["ref_date"]).as_py() for table in tables.values() if table.num_rows]
    earliest = np.datetime64(min(begins).date() if begins else start)
    return min(max(earliest, np.datetime64(start)), cutoff)


def last_day(tables: Mapping[str, pa.Table]) -> np.datetime64:
    """Newest day on which a row became available."""
    ends = [pc.max(table["available_at"]).as_py() for table in tables.values() if table.num_rows]
    return np.datetime64(max(ends).date())


def cutoff_day(asked: date | None, today: date) -> np.datetime64:
    """The cutoff of a run.

    Raises:
        ConfigError: It lies after ``today``.
    """
    if asked is not None and asked > today:
        raise ConfigError(f"--cutoff {asked} lies after today, {today}. Name a day that is over.")
    return np.datetime64(asked or today)


def write_features(table: pa.Table, folder: Path) -> Path:
    """Write ``features.parquet`` beside its place and rename it: readers see all of it or none."""
    target = folder / f"{FEATURES_TABLE.name}.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".features-") as staging:
        staged = Path(staging) / target.name
        pq.write_table(
            table,
            staged,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            row_group_size=ROW_GROUP,
            coerce_timestamps="us",
        )
        staged.replace(target)
    return target
