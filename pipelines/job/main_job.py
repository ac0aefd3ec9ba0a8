"""The main job: find the data, forecast, recommend, write a version, tell people.

And its rehearsal: simulate stock by what is trained on the same data.
"""

import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ml.artifacts.errors import StoreError
from ml.artifacts.folder_store import results_store
from ml.artifacts.log import CommitRecord, future_facts, newest
from ml.artifacts.reading import read_dataset
from ml.artifacts.version import read_manifest
from ml.contracts.forecasts import FORECASTS
from ml.errors import ConfigError, MachineError, machine_error
from ml.gate.rules import check_names
from ml.gate.stored import read_verdict
from ml.logs import logger, logging_to
from ml.page.report import copy_report
from ml.processed import SYNTHETIC
from ml.reporting.run_report import (
    COUNTED,
    PanelReport,
    RunReport,
    show_inputs,
    show_result,
    write_reports,
)
from ml.reporting.simulation_report import show_simulation, write_simulation
from ml.run.inputs import RunInputs
from ml.run.parallel import leave_pandas_out, peak_memory, stage
from ml.run.ray_engine import ask_head
from ml.run.request import RunRequest
from ml.run.run import run_batch
from ml.run.run_output import RunOutput
from ml.run.simulate import SupplyWish, simulate_trained
from pipelines.intake.read_tables import USER_FILES
from pipelines.intake.request import ReadingRequest
from pipelines.job.find_inputs import find_inputs
from pipelines.publish.deploy import Deployment, ask_store, publish_newest


def generate(
    files: ReadingRequest,
    request: RunRequest,
    *,
    publish: bool,
    sample: bool = False,
    accept: Sequence[str] = (),
    allow_synthetic: bool = False,
) -> None:
    """Run the main job from files to a committed version, and publish it if asked.

    ``sample`` takes the sample, whatever data there are; ``accept`` names rules of the gate that a
    person passes, ``allow_synthetic`` lets made-up results be published.

    Raises:
        ConfigError: Options that exclude each other, or an item that no series has.
        DataError: Nothing usable among the inputs.
        ModelError: No series of a panel could be forecast.
        GateError: The version is there, but may not be published.
        PublishError: The version could not be written.
    """
    start = time.monotonic()
    leave_pandas_out()
    _check_publishing(request, accept, publish=publish, allow_synthetic=allow_synthetic)
    config, results = request.settings, request.results
    if allow_synthetic:
        config = config.model_copy(update={"allow_synthetic": True})
        request = replace(request, settings=config)
    # Asked first: a wrong key or address should not show after an hour of work.
    ask_head(config)
    place = Deployment(None, results) if publish else None
    if place is not None:
        ask_store(place)
    with logging_to(config.log_dir, request.command, request.run_id):
        logger().info("run_started", results=str(results), items=request.items,
                      horizon=request.horizon, as_of=str(request.as_of))  # fmt: skip
        _name_future(results, request)
        with stage("reading"):
            inputs, synthetic = _show_found(files, request, sample=sample)
        for statement in inputs.statements:
            logger().info("statement", text=statement)
        record, output = run_batch(inputs, request)
        reports = config.reports_dir / "results"
        report = _report_of(record, output, results, synthetic)
        told = f"version {record.version_id} is committed and whole, its reports are not"
        with _warning(told), stage("reporting"):
            write_reports(report, reports)
            copy_report(results, record.version_id, reports)
        seconds, peak_mib = time.monotonic() - start, peak_memory()
        logger().info("run_done", version_id=report.version_id, seconds=seconds,
                      peak_mib=peak_mib, refusals=len(output.refusals))  # fmt: skip
    told = f"version {record.version_id} is committed and whole, its summary was not shown"
    with _warning(told), go_on_unread():
        show_result(report, results, reports, seconds=seconds, peak_mib=peak_mib)
    if place is not None:
        with _naming(record, results):
            for line in publish_newest(place, accept=accept, allow_synthetic=allow_synthetic):
                print(line)  # noqa: T201 - the command's result


def _check_publishing(
    request: RunRequest, accept: Sequence[str], *, publish: bool, allow_synthetic: bool
) -> None:
    """Refuse options of publishing that do not go together."""
    if request.only_forecasts and publish:
        raise ConfigError("--publish: a version of --only-forecasts is partial, and not published.")
    for option, given in (("--accept", accept), ("--allow-synthetic", allow_synthetic)):
        if given and not publish:
            raise ConfigError(f"{option} goes with --publish.")
    check_names(accept)


def simulate(
    files: ReadingRequest, request: RunRequest, wish: SupplyWish, *, sample: bool = False
) -> None:
    """Simulate, write tables and a picture below the reports folder, and print what they say.

    Raises:
        ConfigError: Options that exclude each other.
        DataError: Nothing usable among the inputs, or too little of it.
        ModelError: Models are missing.
    """
    config = request.settings
    with logging_to(config.log_dir, request.command, request.run_id):
        inputs, synthetic = _show_found(files, request, sample=sample)
        plan, tables = simulate_trained(inputs, request, wish)
        title = f"SYNTHETIC SAMPLE, {plan.name}" if "demand" in synthetic else plan.name
        folder = config.reports_dir / "simulation"
        write_simulation(*tables, title, folder)
    show_simulation(*tables, title, folder)


@contextmanager
def _naming(record: CommitRecord, results: Path) -> Iterator[None]:
    """Say how to publish a version that a store did not take: another run makes another one."""
    try:
        yield
    except StoreError as error:
        about = f"Version {record.version_id} is whole in '{results}'"
        error.args = (f"{error} {about}: deploy_ml_results publishes it without another run.",)
        raise


def _name_future(results: Path, request: RunRequest) -> None:
    """Say where the newest version of the results folder was recorded in the future."""
    head = newest(results_store(results)) if results.exists() else None
    if head is not None and (facts := future_facts(head, request.today, request.clock)):
        line = (
            f"warning: '{results}': version {head.version_id} lies in the future, "
            f"{' and '.join(facts)}, though today is {request.today}: a clock or TODAY was wrong "
            f"when it was made. Correct that; the version of this run follows it all the same."
        )
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - a remark


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


@contextmanager
def go_on_unread() -> Iterator[None]:
    """Go on where nobody reads stdout any more (``| head -1``): what follows is not for readers.

    Rich ends a process then, after it has turned stdout to nowhere.
    """
    with suppress(SystemExit):
        yield


def _show_found(
    files: ReadingRequest, request: RunRequest, *, sample: bool
) -> tuple[RunInputs, set[str]]:
    """Inputs, told on stderr, and the kinds of them whose data are made up."""
    inputs = find_inputs(files, request, sample=sample)
    synthetic = {kind for kind, source in inputs.source.items() if source == SYNTHETIC}
    show_inputs(inputs.statements, synthetic=bool(synthetic),
                user_folder=request.settings.data_dir / USER_FILES)  # fmt: skip
    return inputs, synthetic


def _report_of(
    record: CommitRecord, output: RunOutput, results: Path, synthetic: Collection[str]
) -> RunReport:
    """What a run made, for people; ``synthetic`` kinds of panels are of made-up data."""
    refused = Counter(one.kind for one in output.refusals)
    panels = tuple(
        PanelReport(one.name, one.panel, len(one.wanted), one.horizon, refused[one.panel.kind],
                    one.study, synthetic=one.panel.kind in synthetic)
        for one in output.plans
    )  # fmt: skip
    version = record.version_id
    verdict = read_verdict(results_store(results), read_manifest(results, version))
    return RunReport(
        version_id=version,
        panels=panels,
        metrics=output.metrics,
        forecasts=read_dataset(results, FORECASTS.name, version, columns=COUNTED),
        curves=output.curves,
        gate=() if verdict is None else tuple(verdict.summary),
    )
