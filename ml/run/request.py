"""What one command asks for."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from ml.contracts.beside_orders import JOINT_ORDERS, POLICY_GRID, SERVICE_CURVES, TRANSFERS
from ml.contracts.changes import CHANGES
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, REFUSALS, TOTALS
from ml.contracts.history import HISTORY, PAST_FORECASTS, SCORES
from ml.contracts.metrics import METRICS
from ml.contracts.price_outlook import PRICE_EXPOSURE, PRICE_OUTLOOK
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.contracts.simulation import PORTFOLIO_CURVES, SIMULATION
from ml.errors import ConfigError
from ml.inventory.common_fill import fill_targets
from ml.inventory.order_budget import read_budget
from ml.seeds import number
from ml.settings import Settings, settings

RECOMMENDED = (
    *(RECOMMENDATIONS.name, SERVICE_CURVES.name, POLICY_GRID.name, CHANGES.name),
    *(JOINT_ORDERS.name, PRICE_OUTLOOK.name, PRICE_EXPOSURE.name),
    *(TRANSFERS.name, PAST_FORECASTS.name, SCORES.name),
)
"""Datasets that the stock of today shapes, or what is known of the items or was said before."""


MOST_PERIODS = 1_000  # ahead: of days almost three years, and no series here foretells more


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The options of one command, beside the settings that it starts from.

    Raises:
        ConfigError: Horizon or jobs below 1, a horizon beyond all use, a day after today, or
            options that exclude each other.
    """

    command: str  # its name
    items: tuple[str, ...] | None = None  # only these items, or `None` for all
    horizon: int | None = None  # published steps, or `None` for each frequency's default
    # names the last period by its start; `None` = the last one that is over
    as_of: date | None = None
    # day at whose end orders are placed; `None` = that of the newest stock count, or the end of
    # the data where that is later
    decision_day: date | None = None
    jobs: int | None = None  # worker processes, or `None` for one a core
    results_folder: Path | None = None  # results folder, or `None` for that of the settings
    drivers: bool = True  # whether outside tables and the calendar may take part
    all_models: bool = False  # run all models, those without a share in an item's class too
    refit: bool = False  # fit all models anew, whatever an earlier run left
    refit_panels: tuple[str, ...] = ()  # likewise of these panels, by name
    train: bool = True  # train what is not trained yet; otherwise everything must be
    only_forecasts: bool = False  # write the forecasts alone: a partial version
    # write new recommendations, from the paths that the last run left and the stock of today; the
    # rest is copied from the newest version with forecasts
    only_recommendations: bool = False
    settings: Settings = field(default_factory=settings)  # where things are, and everything stable
    # what the clock said when the command was given, UTC
    clock: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name, value in (("--horizon", self.horizon), ("--jobs", self.jobs)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} {value}: must be at least 1.")
        if (self.horizon or 1) > MOST_PERIODS:
            raise ConfigError(f"--horizon {self.horizon}: {MOST_PERIODS:,} periods at most.")
        for name, day in (("--as-of", self.as_of), ("--decision-day", self.decision_day)):
            if day is not None and day > self.today:
                raise ConfigError(
                    f"{name} {day} lies after today, {self.today}. Name one that has begun."
                )
        if self.only_forecasts and self.only_recommendations:
            raise ConfigError("--only-forecasts and --only-recommendations exclude each other.")
        if self.all_models and self.only_recommendations:
            raise ConfigError("--all-models runs models, --only-recommendations runs none.")
        if (self.refit or self.refit_panels) and self.only_recommendations:
            raise ConfigError("--refit fits models, --only-recommendations fits none.")
        fill_targets(self.settings.portfolio_fill)  # refused now rather than after the forecasts
        read_budget(self.settings.budget)

    def goes_on(self, panel: str) -> bool:
        """Whether models of an earlier run may serve a panel."""
        asked = self.refit or panel in self.refit_panels
        return not asked and self.settings.refit_days > 0

    @property
    def today(self) -> date:
        """The day on which the command believes to run."""
        return self.settings.day_of(self.clock)

    @property
    def started(self) -> datetime:
        """When the command was given, UTC: of the clock, or its moment on the day of ``TODAY``."""
        if self.settings.today is None:
            return self.clock
        return datetime.combine(self.settings.today, self.clock.timetz())

    @property
    def parts(self) -> tuple[str, ...]:
        """Datasets to write."""
        if self.only_recommendations:
            return RECOMMENDED
        forecasts = (FORECASTS.name, FORECAST_MODELS.name, TOTALS.name, REFUSALS.name)
        if self.only_forecasts:
            return forecasts
        judged = (METRICS.name, SIMULATION.name, PORTFOLIO_CURVES.name)
        return (*forecasts, *RECOMMENDED, *judged, HISTORY.name)

    @property
    def results(self) -> Path:
        """The results folder."""
        return (self.results_folder or self.settings.ml_results_path).resolve()

    @property
    def run_id(self) -> str:
        """Name of this execution, on every line of the log."""
        drawn = number(0, self.command, self.started.isoformat(), bits=32)
        return f"{self.started:%Y%m%dT%H%M%SZ}-{drawn:08x}"
