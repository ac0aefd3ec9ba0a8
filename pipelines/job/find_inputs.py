"""Where a run's data comes from: files named, the user's folder, processed tables, the sample."""

from dataclasses import replace

import pyarrow.parquet as pq

from ml.errors import ConfigError
from ml.processed import SYNTHETIC, has_processed, outside_tables, reading
from ml.run.inputs import RunInputs, inputs_of, read_processed
from ml.run.request import RunRequest
from pipelines.intake.find_files import collect_user_files
from pipelines.intake.read_tables import USER_FILES, process_files, read_tables
from pipelines.intake.request import TABLES, ReadingRequest
from pipelines.sample_data import ensure_sample

SAMPLE_REGION = "salvador_ba"


def find_inputs(files: ReadingRequest, request: RunRequest) -> RunInputs:
    """Read what the run is on: the files named; else the user's folder; else the sample.

    Named files leave ``processed/`` alone. The user's folder goes through the ETL into
    ``processed/`` first, and what is there already is used where that folder is empty.

    Args:
        files: Those named on the command line, and how any are to be read.
        request: Of the run.

    Raises:
        ConfigError: Stock or items are named without demand, or an item that no series has.
        DataError: Nothing usable.
    """
    data_dir = request.settings.data_dir
    if {"demand", "prices"} & files.files.keys():
        region = request.settings.home_region
        with reading(data_dir):
            outside = outside_tables(data_dir)
    elif files.files:
        raise ConfigError("--items-file and --inventory go with --demand: name the demand as well.")
    elif collect_user_files(data_dir / USER_FILES):
        lines = process_files(files, data_dir)
        inputs = read_processed(request)
        return replace(inputs, statements=(*lines, *inputs.statements))
    elif has_processed(data_dir):
        return read_processed(request)
    else:
        sample = ensure_sample(data_dir / "sample", seed=request.settings.seed)
        paths = {table: getattr(sample, table) for table in TABLES}
        files = replace(files, files=paths, source=SYNTHETIC)
        region = SAMPLE_REGION
        outside = {path.stem: pq.read_table(path) for path in sample.outside.glob("*.parquet")}
    read = read_tables(files, data_dir / "quarantine")
    return inputs_of(
        read.tables, request, outside, region,
        statements=read.statements, quality_flags=read.quality_flags,
    )  # fmt: skip
