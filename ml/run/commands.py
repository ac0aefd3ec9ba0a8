"""What the runnable files of ``ml/`` do: train one family, or forecast from what is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from ml.errors import ConfigError
from ml.forecasters.registry import FAMILIES
from ml.locks import hold
from ml.logs import logging_to, timed
from ml.processed import read_processed
from ml.run.backtest import fit_ensembles
from ml.run.drivers import content_id, with_drivers
from ml.run.inputs import RunInputs, RunOptions, make_plans
from ml.run.model_store import ModelStore
from ml.run.plan import PanelPlan
from ml.run.run import FORECAST_PARTS, RunResult, run_batch
from ml.run.train import train_families
from ml.seeds import number
from ml.settings import Settings, settings


@dataclass(frozen=True, slots=True)
class Asked:
    """Options that the commands share.

    Attributes:
        items: Only these items, or all.
        horizon: Published steps, or each frequency's default.
        as_of: Day the run is as of.
        jobs: Worker processes.
        results: Results folder, ``None`` = ``ML_RESULTS_PATH``.
    """

    items: tuple[str, ...] | None = None
    horizon: int | None = None
    as_of: date | None = None
    jobs: int | None = None
    results: Path | None = None


def today(config: Settings) -> date:
    """The day on which a command believes to run."""
    return config.today or datetime.now(UTC).date()


def run_options(config: Settings, asked: Asked, command: str) -> RunOptions:
    """Options of a run out of settings and command line.

    Raises:
        ConfigError: Horizon or jobs below 1.
    """
    for name, value in (("--horizon", asked.horizon), ("--jobs", asked.jobs)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} {value}: must be at least 1.")
    now = datetime.now(UTC)
    if config.today is not None:
        now = datetime.combine(config.today, now.timetz())
    return RunOptions(
        results=(asked.results or config.ml_results_path).resolve(),
        models_dir=config.models_dir,
        reports=config.reports_dir,
        started=now,
        run_id=f"{now:%Y%m%dT%H%M%SZ}-{number(0, command, now.isoformat(), bits=32):08x}",
        policy=config.policy,
        backtest_items=config.backtest_items,
        items=asked.items,
        horizon=asked.horizon,
        as_of=asked.as_of,
        jobs=asked.jobs,
    )


def train_family(family: str, asked: Asked) -> list[Path]:
    """Train one family on the processed tables; returns the folders of its models.

    Raises:
        DataError: There is no data.
        ConfigError: A wrong option.
    """
    command = f"train_{family}"
    with _planned(command, asked) as (plans, store), hold(store.root):
        with timed(command):
            if family == "ensemble":
                fit_ensembles(plans, store, asked.jobs)
            elif family in FAMILIES:
                train_families(plans, store, (family,), asked.jobs)
            else:
                raise ConfigError(f"Unknown family '{family}'. Choose one of: {FAMILIES}.")
        return [store.folder(plan.name, family) for plan in plans]


def generate_forecasts(asked: Asked) -> tuple[RunInputs, RunResult]:
    """Forecast the processed tables with the models trained on them: a partial version.

    Raises:
        DataError: There is no data.
        ModelError: Models are missing.
    """
    config = settings()
    options = run_options(config, asked, "generate_forecasts")
    with logging_to(config.log_dir, "generate_forecasts", options.run_id):
        inputs = read_processed(
            config.data_dir, as_of=asked.as_of, today=today(config), region=config.home_region
        )
        return inputs, run_batch(inputs, options, train=False, parts=FORECAST_PARTS)


@contextmanager
def _planned(command: str, asked: Asked) -> Iterator[tuple[tuple[PanelPlan, ...], ModelStore]]:
    config = settings()
    options = run_options(config, asked, command)
    with logging_to(config.log_dir, command, options.run_id):
        inputs = read_processed(
            config.data_dir, as_of=asked.as_of, today=today(config), region=config.home_region
        )
        store = ModelStore(options.models_dir, content_id(inputs))
        store.root.mkdir(parents=True, exist_ok=True)
        yield with_drivers(make_plans(inputs, options), inputs, options.jobs), store
