"""The main job: read, forecast, recommend, write a version, tell people."""

import time

from ml.errors import ConfigError
from ml.logs import logger, logging_to
from ml.run.request import RunRequest
from ml.run.run import RunResult, run_batch
from pipelines.intake.request import ReadingRequest
from pipelines.job.find_inputs import find_inputs
from pipelines.job.report import draw_version, show_inputs, show_result, spent, write_reports
from pipelines.publish.deploy import Deployment, publish_newest


def generate(files: ReadingRequest, request: RunRequest, *, publish: bool) -> RunResult:
    """Run the main job from files to a committed version, and publish it if asked.

    Args:
        files: Those named on the command line, and how any are to be read.
        request: What the run is asked for.
        publish: Copy the version to the object store of the settings afterwards.

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
        place.open()
    with logging_to(config.log_dir, request.command, request.run_id):
        logger().info("run_started", results=str(results), items=request.items,
                      horizon=request.horizon, as_of=str(request.as_of))  # fmt: skip
        inputs = find_inputs(files, request)
        show_inputs(inputs, config.data_dir)
        for statement in inputs.statements:
            logger().info("statement", text=statement)
        result = run_batch(inputs, request)
        write_reports(result, config.reports_dir)
        draw_version(result, results, config.reports_dir)
        cost = spent(time.monotonic() - start)
        logger().info("run_done", version_id=result.record.version_id, seconds=cost.seconds,
                      peak_mib=cost.peak_mib,
                      refusals=len(result.refusals))  # fmt: skip
    show_result(result, cost, results, config.reports_dir)
    for line in publish_newest(place) if place is not None else ():
        print(line)  # noqa: T201 - the command's result
    return result
