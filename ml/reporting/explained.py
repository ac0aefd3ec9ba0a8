"""What is known of one item's forecast, gathered for an explanation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.ensemble.mixture import FittedEnsemble
from ml.evaluation.demand_class import DemandPattern
from ml.frequency import Days, Frequency
from ml.panel import Floats

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """What the models saw of an item, from its first observation on.

    Attributes:
        periods: (T,) starts.
        values: (T,) NaN = not observed.
        frequency: Of the panel.
        pattern: Class and what it is made of; ``None`` for prices.
        same: Whether the run saw as many periods, and the same last one.
    """

    periods: Days
    values: Floats
    frequency: Frequency
    pattern: DemandPattern | None
    same: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """Scores of one item in the backtest, less is better; null where a model failed.

    Attributes:
        origins: ISO days, latest first.
        demand_class: At the latest origin.
        protection: Periods of the first sum.
        periods: Scaled CRPS of single periods by model.
        sums: Of demand over the protection interval; null for prices.
    """

    origins: tuple[str, ...]
    demand_class: str
    protection: int
    periods: Mapping[str, float | None]
    sums: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Explained:
    """All that is known of an item's forecast.

    Attributes:
        item: Its id.
        panel: Name of its panel.
        version: Version that holds the forecast.
        first: First row of the forecast.
        history: What the models saw, or why it cannot be shown.
        ensemble: How the models of the panel are combined.
        shares: Share of each model in this item's forecast.
        failures: Reasons of the models that have no forecast of it.
        trial: Its backtest, ``None`` if it was not in the sample.
        tried: Items of that sample.
        metrics: METRICS rows of the panel.
    """

    item: str
    panel: str
    version: str
    first: Row
    history: History | str
    ensemble: FittedEnsemble
    shares: Mapping[str, float]
    failures: Mapping[str, str]
    trial: Trial | None
    tried: int
    metrics: Sequence[Row]

    @property
    def demand_class(self) -> str:
        """Class by the history, else as the backtest found it; ``price`` for prices."""
        if self.first["kind"] != "demand":
            return "price"
        if isinstance(self.history, History) and self.history.pattern is not None:
            return self.history.pattern.name
        return self.trial.demand_class if self.trial else ""
