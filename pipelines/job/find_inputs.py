"""Where the data of a run come from: files named or found, what is processed, or the sample."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.artifacts.errors import MissingError
from ml.artifacts.folder_store import results_store
from ml.artifacts.log import CommitRecord, find_record
from ml.artifacts.version import read_manifest
from ml.errors import ConfigError, DataError
from ml.processed import SYNTHETIC, has_processed, outside_tables, reading
from ml.run.inputs import RunInputs, inputs_of, read_processed
from ml.run.request import RunRequest
from pipelines.intake.find_files import collect_user_files
from pipelines.intake.read_tables import (
    USER_FILES,
    Tables,
    process_files,
    read_tables,
    refuse_lost_files,
)
from pipelines.intake.request import TABLES, ReadingRequest
from pipelines.sample_data import ensure_sample

SAMPLE_REGION = "salvador_ba"


def find_inputs(files: ReadingRequest, request: RunRequest, *, sample: bool = False) -> RunInputs:
    """Read what the run is on: the files named; else the user's folder; else the sample.

    Named files leave ``processed/`` alone. The user's folder goes through the ETL into
    ``processed/`` first, and what is there already is used where that folder is empty, unless it
    was made of files that lay there. The sample is taken by itself only where nothing real was
    ever forecast, and always if ``sample`` asks for it.

    Raises:
        ConfigError: Stock or items are named without demand, or an item that no series has; or
            files are named beside the sample.
        DataError: Nothing usable, or files that were there are gone.
    """
    data_dir = request.settings.data_dir
    if sample:
        if files.files:
            raise ConfigError("--sample: named files and the sample exclude each other.")
        return _read_sample(files, request)
    if {"demand", "prices"} & files.files.keys():
        region = request.settings.home_region
        with reading(data_dir):
            outside = outside_tables(data_dir)
    elif files.files:
        raise ConfigError(
            "Items, stock and orders go with --demand, exposures with --prices: name those as well."
        )
    elif collect_user_files(data_dir / USER_FILES):
        read = process_files(files, data_dir)
        inputs = read_processed(request, rows=_rows(read))
        return replace(inputs, statements=(*read.statements, *inputs.statements))
    elif has_processed(data_dir):
        refuse_lost_files(data_dir, {})
        return read_processed(request)
    else:
        _refuse_after_real(request.results, data_dir)
        return _read_sample(files, request)
    return _read_files(files, request, outside, region)


def _read_sample(files: ReadingRequest, request: RunRequest) -> RunInputs:
    sample = ensure_sample(request.settings.data_dir / "sample", seed=request.settings.seed)
    paths = {table: getattr(sample, table) for table in TABLES if hasattr(sample, table)}
    outside = {path.stem: pq.read_table(path) for path in sample.outside.glob("*.parquet")}
    return _read_files(
        replace(files, files=paths, source=SYNTHETIC), request, outside, SAMPLE_REGION
    )


def _read_files(
    files: ReadingRequest, request: RunRequest, outside: Mapping[str, pa.Table], region: str
) -> RunInputs:
    read = read_tables(files, request.settings.data_dir)
    return inputs_of(
        read.tables, request, outside, region,
        statements=read.statements, quality_flags=read.quality_flags, rows=_rows(read),
    )  # fmt: skip


def _rows(read: Tables) -> dict[str, tuple[int, int]]:
    """Rows of the files of each table, and how many of them were set aside."""
    return {table: (count.read, count.aside) for table, count in read.counts.items()}


def _refuse_after_real(results: Path, data_dir: Path) -> None:
    """Raise if there is a version of real data: the sample does not follow it by itself."""

    def is_real(record: CommitRecord) -> bool:
        try:
            sources = read_manifest(results, record.version_id).run.get("source", {})
        except MissingError:  # it was cleared away
            return False
        return SYNTHETIC not in sources.values()

    real = find_record(results_store(results), is_real)
    if real is not None:
        raise DataError(
            f"{data_dir}: there are no data, and '{results}' holds results of real data "
            f"({real.version_id}). Put your files into {data_dir / USER_FILES}, name them, or say "
            f"--sample for made-up data."
        )
