"""The work of ``pipelines/feature_calculation_etl.py``: outside tables to ``features.parquet``."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.outside import FEATURES_TABLE, OUTSIDE
from ml.durable import disk_errors, staged
from ml.errors import ConfigError
from ml.features.compute import features_at
from ml.features.output import draw_features, features_table, outlier_days, summary
from ml.processed import (
    MADE_BY,
    SYNTHETIC,
    UNCHANGED,
    changing,
    processed_folder,
    read_table,
    reading,
    write_parquet,
    write_tables,
)
from ml.setting_groups import read_region
from ml.settings import Settings, settings


def compute_features(
    cutoff: date | None, ahead: int, region: str | None, *, sample: bool, plot: bool
) -> list[str]:
    """Write the features as they were known at the end of a day; what there is to say of them.

    The arguments are the options of the command; no cutoff is today, no region ``HOME_REGION``.

    Raises:
        ConfigError: The cutoff lies after today, or the region is none.
        DataError: A table cannot be read, or breaks its contract.
        PublishError: The disk refuses.
    """
    config = settings()
    today = config.current_day
    if cutoff is not None and cutoff > today:
        raise ConfigError(f"--cutoff {cutoff} lies after today, {today}. Name a day that is over.")
    region = config.home_region if region is None else _region_of(region)
    if sample:
        tables = _sample_tables(config, today)
    else:
        with reading(config.data_dir):
            found = {one.name: read_table(config.data_dir, one) for one in OUTSIDE}
        tables = {name: table for name, table in found.items() if table is not None}
    day = np.datetime64(cutoff or today)
    if sample and cutoff is None:
        day = min(day, max(_days(tables, "available_at")))
    start = np.datetime64(config.history_start)
    first = min(max(start, min(_days(tables, "ref_date"), default=start)), day)
    frame = features_at(tables, day, first, day + np.timedelta64(ahead, "D"), region=region)
    outliers = outlier_days(frame, seed=config.seed)
    rows = features_table(frame, day, outliers)
    written = _write(rows, config.data_dir, sample=sample)
    lines = [*summary(frame, day, outliers), *frame.statements, *_missing(tables)]
    if plot:
        pictures = draw_features(frame, day, config.reports_dir / "features")
        lines.append(f"{config.reports_dir / 'features'}: {len(pictures)} pictures.")
    lines.append(
        f"{written}: {rows.num_rows:,} rows of {len(frame.features)} features, as known at the "
        f"end of {day}, region {region}."
    )
    return lines


def _region_of(name: str) -> str:
    try:
        return read_region(name).lower()
    except ValueError as error:
        raise ConfigError(f"--region {name}: {error}.") from None


def _sample_tables(config: Settings, today: date) -> dict[str, pa.Table]:
    # A night reads no files here, and is spared the readers.
    from pipelines.intake.read_tables import read_tables
    from pipelines.intake.request import ReadingRequest
    from pipelines.sample_data import ensure_sample

    files = ensure_sample(config.data_dir / "sample", seed=config.seed)
    tables = {path.stem: pq.read_table(path) for path in sorted(files.outside.glob("*.parquet"))}
    request = ReadingRequest(files={"prices": files.prices}, today=today, source=SYNTHETIC)
    return {**tables, **read_tables(request).tables}


def _days(tables: Mapping[str, pa.Table], column: str) -> list[Any]:
    """First or last day of a column of each table: of its periods, or when they were out."""
    choose = pc.min if column == "ref_date" else pc.max
    ends = (choose(table[column]).as_py() for table in tables.values() if table.num_rows)
    return [np.datetime64(end.date()) for end in ends]


def _write(rows: pa.Table, data_dir: Path, *, sample: bool) -> Path:
    name = f"{FEATURES_TABLE.name}.parquet"
    if not sample:
        with changing(data_dir):
            write_tables(data_dir, {FEATURES_TABLE.name: rows})
        return processed_folder(data_dir) / name
    path = data_dir / "sample" / name
    with disk_errors(f"writing '{path}'", UNCHANGED), staged(path) as beside:
        write_parquet(rows, beside)
    return path


def _missing(tables: Mapping[str, pa.Table]) -> list[str]:
    """What is not there, and the command that makes it."""
    missing = [one.name for one in OUTSIDE if one.name not in tables]
    lines = [
        f"no table '{name}': its features are left out. python pipelines/{MADE_BY[name]}.py "
        "makes it."
        for name in missing
    ]
    if not tables:
        lines.append("there is no outside table at all: the calendar alone was computed.")
    return lines
