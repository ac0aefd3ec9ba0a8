"""The main job: find the data, forecast, recommend, write a version, tell people."""

import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from ml.artifacts.reading import read_dataset
from ml.contracts.forecasts import FORECASTS
from ml.errors import ConfigError, MachineError, machine_error
from ml.logs import logger, logging_to
from ml.processed import SYNTHETIC, has_processed, outside_tables, reading
from ml.reporting.run_report import (
    PanelReport,
    RunReport,
    show_inputs,
    show_result,
    write_reports,
)
from ml.run.inputs import RunInputs, inputs_of, read_processed
from ml.run.parallel import peak_memory
from ml.run.request import RunRequest
from ml.run.run import run_batch
from ml.run.version_writer import RunOutput
from ml.settings import refuse_open_secrets
from pipelines.intake.find_files import collect_user_files
from pipelines.intake.read_tables import USER_FILES, process_files, read_tables
from pipelines.intake.request import TABLES, ReadingRequest
from pipelines.publish.deploy import Deployment, publish_newest
from pipelines.sample_data import ensure_sample

SAMPLE_REGION = "salvador_ba"


def generate(files: ReadingRequest, request: RunRequest, *, publish: bool) -> None:
    """Run the main job from files to a committed version, and publish it if asked.

    Raises:
        ConfigError: Options that exclude each other, or an item that no series has.
        DataError: Nothing usable among the inputs.
        ModelError: No series of a panel could be forecast.
        PublishError: The version could not be written.
    """
    start = time.monotonic()
    if request.only_forecasts and publish:
        raise ConfigError("--publish: a version of --only-forecasts is partial, and not published.")
    config, results = request.settings, request.results
    # Opened first: a wrong key should not show after an hour of work.
    place = Deployment(None, results) if publish else None
    if place is not None:
        refuse_open_secrets()
        place.open()
    with logging_to(config.log_dir, request.command, request.run_id):
        logger().info("run_started", results=str(results), items=request.items,
                      horizon=request.horizon, as_of=str(request.as_of))  # fmt: skip
        inputs = find_inputs(files, request)
        synthetic = {kind for kind, source in inputs.source.items() if source == SYNTHETIC}
        show_inputs(inputs.statements, synthetic=bool(synthetic),
                    user_folder=config.data_dir / "raw" / "user")  # fmt: skip
        for statement in inputs.statements:
            logger().info("statement", text=statement)
        record, output = run_batch(inputs, request)
        reports = config.reports_dir / "results"
        report = _report_of(record.version_id, output, results, synthetic)
        with _warning(f"version {record.version_id} is committed and whole, its reports are not"):
            write_reports(report, reports)
        seconds, peak_mib = time.monotonic() - start, peak_memory()
        logger().info("run_done", version_id=report.version_id, seconds=seconds,
                      peak_mib=peak_mib, refusals=len(output.refusals))  # fmt: skip
    show_result(report, results, reports, seconds=seconds, peak_mib=peak_mib)
    for line in publish_newest(place) if place is not None else ():
        print(line)  # noqa: T201 - the command's result


@contextmanager
def _warning(outcome: str) -> Iterator[None]:
    """Say what the machine refuses after a commit, and go on: the exit code tells of the commit."""
    try:
        yield
    except (OSError, MachineError) as error:
        told = error if isinstance(error, MachineError) else machine_error(error)
        if told is None:
            raise
        print(f"warning: {outcome}: {told}", file=sys.stderr, flush=True)  # noqa: T201


def find_inputs(files: ReadingRequest, request: RunRequest) -> RunInputs:
    """Read what the run is on: the files named; else the user's folder; else the sample.

    Named files leave ``processed/`` alone. The user's folder goes through the ETL into
    ``processed/`` first, and what is there already is used where that folder is empty.

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
        read = process_files(files, data_dir)
        inputs = read_processed(request)
        return replace(inputs, statements=(*read.statements, *inputs.statements))
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


def _report_of(
    version: str, output: RunOutput, results: Path, synthetic: Collection[str]
) -> RunReport:
    """What a run made, for people; ``synthetic`` kinds of panels are of made-up data."""
    refused = Counter(one.kind for one in output.refusals)
    panels = tuple(
        PanelReport(one.name, one.panel, len(one.wanted), one.horizon, refused[one.panel.kind],
                    one.study, synthetic=one.panel.kind in synthetic)
        for one in output.plans
    )  # fmt: skip
    forecasts = read_dataset(results, FORECASTS.name, version)
    return RunReport(version, output.origin.model_version, panels, output.metrics, forecasts)
