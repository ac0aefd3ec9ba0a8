"""The main job: read, forecast, recommend, write a version, tell people."""

import time

from ml.contracts.recommendations import RECOMMENDATIONS
from ml.errors import ConfigError
from ml.logs import logger, logging_to
from ml.run.commands import Asked, run_options, today
from ml.run.run import ALL_PARTS, FORECAST_PARTS, RunResult, run_batch
from ml.settings import settings
from pipelines.job.report import draw_version, show_inputs, show_result, spent, write_reports
from pipelines.job.sources import Named, Occasion, find_inputs
from pipelines.publish.deploy import Place, publish_newest

COMMAND = "generate_ml_results"


def generate(
    named: Named,
    asked: Asked,
    *,
    only_forecasts: bool,
    only_recommendations: bool,
    publish: bool = False,
) -> RunResult:
    """Run the main job from files to a committed version, and publish it if asked.

    Args:
        named: Files on the command line.
        asked: Items, horizon, day, jobs, results folder.
        only_forecasts: Write the forecasts only, as a partial version.
        only_recommendations: Predict again from saved models and write new recommendations; the
            rest is copied from the newest whole version.
        publish: Copy the version to the object store of the settings afterwards.

    Raises:
        ConfigError: Options that exclude each other.
        DataError: Nothing usable among the inputs.
        ModelError: No series of a panel could be forecast.
        PublishError: The version could not be written.
    """
    start = time.monotonic()
    if only_forecasts and only_recommendations:
        raise ConfigError("--only-forecasts and --only-recommendations exclude each other.")
    if only_forecasts and publish:
        raise ConfigError("--publish: a version of --only-forecasts is partial, and not published.")
    config = settings()
    options = run_options(config, asked, COMMAND)
    # Opened first: a wrong key should not show after an hour of work.
    place = Place(None, options.results) if publish else None
    if place is not None:
        place.open()
    with logging_to(config.log_dir, COMMAND, options.run_id):
        logger().info("run_started", results=str(options.results), asked=str(asked))
        occasion = Occasion(config.data_dir, today(config), asked.as_of, config.seed,
                            config.home_region)  # fmt: skip
        inputs = find_inputs(named, occasion)
        show_inputs(inputs, config.data_dir)
        for statement in inputs.statements:
            logger().info("statement", text=statement)
        parts: tuple[str, ...] = FORECAST_PARTS if only_forecasts else ALL_PARTS
        if only_recommendations:
            parts = (RECOMMENDATIONS.name,)
        result = run_batch(inputs, options, train=not only_recommendations, parts=parts)
        write_reports(result, options.reports)
        draw_version(result, options.results, options.reports)
        cost = spent(time.monotonic() - start)
        logger().info("run_done", version_id=result.record.version_id, seconds=cost.seconds,
                      peak_mib=cost.peak_mib, refusals=len(result.refusals))  # fmt: skip
    show_result(result, cost, options.results, options.reports)
    for line in publish_newest(place) if place is not None else ():
        print(line)  # noqa: T201 - the command's result
    return result
