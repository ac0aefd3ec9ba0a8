"""The rows that all servers are given: synthetic forecasts, as a version, as SQLite, as Parquet."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.artifacts import version as local
from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.staging import Provenance
from ml.contracts.forecasts import FORECASTS

COLUMNS = ("item_id", "ds", "forecast", "q10", "q50", "q90", "model_used")
AS_OF = datetime(2026, 11, 19)  # noqa: DTZ001 - days have no zone
CHUNK = 4096  # items
MODELS = ("tsb", "hurdle", "ensemble", "trees")


@dataclass(frozen=True, slots=True)
class ServedRows:
    """The same rows in three forms."""

    items: int  # their number
    steps: int  # rows of each
    results: Path  # a results folder with one version of all columns
    sqlite: Path  # a database with `COLUMNS` and an index of the items
    parquet: Path  # a file with `COLUMNS`


def item_name(number: int) -> str:
    """Id of an item, as the load generator writes it too."""
    return f"PART-{number:06d}"


def make_rows(items: int, steps: int, folder: Path) -> ServedRows:
    """Make the rows, unless they are there from an earlier run."""
    rows = ServedRows(items, steps, folder / "results", folder / "rows.db", folder / "rows.parquet")
    if not (folder / "made").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_version(rows)
        _write_others(rows)
        (folder / "made").touch()
    return rows


def _chunks(items: int, steps: int) -> Iterator[pa.Table]:
    """Rows of the contract of forecasts, some thousand items at a time."""
    rng = np.random.default_rng(0)
    for first in range(0, items, CHUNK):
        count = min(CHUNK, items - first)
        size = count * steps
        level = np.sort(rng.gamma(0.7, 3.0, (size, 20)), axis=1).round(4)
        names = [item_name(first + number) for number in range(count) for _ in range(steps)]
        columns, drawn = [], 0
        for column in FORECASTS.columns:
            if column.dtype == pa.float64():
                values, drawn = level[:, drawn % 20], drawn + 1
            else:
                values = _other(column.name, column.dtype, names, steps)
            columns.append(pa.array(values, column.dtype))
        yield pa.Table.from_arrays(columns, schema=FORECASTS.schema)


def _other(name: str, dtype: pa.DataType, names: list[str], steps: int) -> list[object]:
    """Values of a column that holds no measured numbers."""
    size = len(names)
    told = {
        "item_id": lambda row: names[row],
        "horizon_step": lambda row: row % steps + 1,
        "ds": lambda row: AS_OF + timedelta(days=row % steps + 1),
        "model_used": lambda row: MODELS[row // steps % len(MODELS)],
        "kind": lambda _: "demand",
        "frequency": lambda _: "D",
        "fallback_reason": lambda _: None,
    }
    if name in told:
        return [told[name](row) for row in range(size)]
    if pa.types.is_boolean(dtype):
        return [False] * size
    if pa.types.is_timestamp(dtype):
        return [AS_OF.replace(tzinfo=UTC) if dtype.tz else AS_OF] * size
    return [f"{name}-0" if pa.types.is_string(dtype) else 100] * size


def _write_version(rows: ServedRows) -> None:
    version = "20261120T021503Z-1a2b3c4d"
    staged = local.stage_version(rows.results, version)
    about = footer(FORECASTS, version_id=version, as_of="2026-11-19", generator="bench")
    with DatasetWriter(staged.data_path("forecasts"), FORECASTS, about) as writer:
        for chunk in _chunks(rows.items, rows.steps):
            writer.append(chunk)
        file = writer.close()
    provenance = Provenance("0.1.0", 0, quality_flags=("synthetic",))
    local.write_metadata(staged, FORECASTS, file, provenance, as_of="2026-11-19")
    local.write_model_versions(staged, {"model_version": "synthetic"})
    local.write_manifest(staged, [file], as_of="2026-11-19", partial=False, run={})
    local.commit_version(rows.results, version, publisher="bench")


def _write_others(rows: ServedRows) -> None:
    rows.sqlite.unlink(missing_ok=True)
    database = sqlite3.connect(rows.sqlite)
    database.execute(
        "create table forecasts (item_id text, ds text, forecast real, q10 real, q50 real, "
        "q90 real, model_used text)"
    )
    schema = pa.schema([FORECASTS.schema.field(name).remove_metadata() for name in COLUMNS])
    with pq.ParquetWriter(rows.parquet, schema, compression="zstd") as writer:
        for chunk in _chunks(rows.items, rows.steps):
            table = chunk.select(list(COLUMNS)).cast(schema)
            writer.write_table(table)
            texts = [day.isoformat() for day in table["ds"].to_pylist()]
            columns = [table[name].to_pylist() for name in COLUMNS]
            columns[1] = texts
            marks = ", ".join("?" * len(COLUMNS))
            database.executemany(f"insert into forecasts values ({marks})", zip(*columns))  # noqa: S608, B905 - of equal lengths
    database.execute("create index of_items on forecasts (item_id)")
    database.commit()
    database.close()
