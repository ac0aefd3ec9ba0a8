"""The models by name and kind; the one place that knows them all.

A ``match`` rather than a registry that fills itself: what exists does not depend on what was
imported, and a model library is loaded only when its model is asked for.
"""

from typing import Any, cast

from ml.errors import ConfigError
from ml.forecasters.base import Forecaster, LastingForecaster
from ml.forecasters.references import (
    exponential,
    intermittent,
    resampling,
    smoothing,
    trending,
    volatility,
)
from ml.forecasters.references.hurdle import Hurdle
from ml.forecasters.references.sampling import Reference
from ml.forecasters.silence import silence_loggers
from ml.forecasters.tunable import Settings, with_settings

WALKS = {
    "naive": resampling.naive,
    "seasonal_naive": resampling.seasonal_naive,
    "empirical": resampling.empirical,
    "bootstrap": resampling.bootstrap,
}
SAMPLERS = {
    "demand": {
        "zero": resampling.zero,
        **WALKS,
        "tsb": intermittent.tsb,
        "sba": intermittent.sba,
        "adida": intermittent.adida,
        "shrunk_seasonal": smoothing.shrunk_seasonal,
        "theta": trending.theta,
        "ets": exponential.ets,
        "combined": trending.combined,
    },
    "price": {**WALKS, "volatility": volatility.volatility},
}
# References that learn from the whole panel, in no time: trained along with whatever is.
POOLED_REFERENCES = {"demand": ("hurdle",), "price": ()}
REFERENCES = {kind: (*samplers, *POOLED_REFERENCES[kind]) for kind, samplers in SAMPLERS.items()}
# One model a panel and cutoff, trained in a process of its own.
POOLED = ("lstm", "trees", *POOLED_REFERENCES["demand"])
# Those whose model at a cutoff may go on from that of an earlier one: trained in this order.
ROLLED = ("lstm",)
# Those whose models serve a few periods more than they were fitted on.
LASTING = ("prophet", "arima", "lstm", "trees")
# Each has a command; the first two are fitted in chunks.
FAMILIES = ("prophet", "arima", "lstm", "trees")
TRAINED = (
    *FAMILIES,
    *POOLED_REFERENCES["demand"],
)  # all that are saved; the rest come with `ensemble`
DEMAND_ONLY = ("trees",)
FALLBACK_CHAIN = {"demand": ("empirical", "zero"), "price": ("volatility", "naive")}


def models_of(kind: str) -> tuple[str, ...]:
    """All models that are tried on a panel of this kind, the references first."""
    wanted = (name for name in FAMILIES if kind == "demand" or name not in DEMAND_ONLY)
    return (*REFERENCES[kind], *wanted)


def forecaster(
    name: str, *, horizon: int = 1, seed: int = 0, settings: Settings | None = None
) -> Forecaster:
    """A model by name.

    Horizon (longest step to learn), seed and settings beside the defaults are those of a pooled
    one.

    Raises:
        ConfigError: There is no model of this name.
    """
    match name:
        case "prophet":
            silence_loggers()
            from ml.forecasters.per_series import PerSeries
            from ml.forecasters.prophet_paths import ProphetModel

            return PerSeries(ProphetModel())
        case "arima":
            from ml.forecasters.arima_adapter import ArimaModel
            from ml.forecasters.per_series import PerSeries

            return PerSeries(ArimaModel())
        case "lstm":
            from ml.forecasters.lstm_adapter import LstmForecaster

            return _set(LstmForecaster(horizon=horizon, seed=seed), settings)
        case "hurdle":
            return Hurdle(horizon)
        case "trees":
            from ml.forecasters.trees_adapter import TreesForecaster

            return _set(TreesForecaster(horizon=horizon, seed=seed), settings)
        case _:
            samplers = SAMPLERS["demand"] | SAMPLERS["price"]
            if name not in samplers:
                known = ", ".join((*samplers, "hurdle", *FAMILIES))
                raise ConfigError(f"Unknown model '{name}'. Choose one of: {known}.")
            return Reference(name, samplers[name])


def lasting(config: Forecaster) -> LastingForecaster:
    """A model of ``LASTING``."""
    return cast(LastingForecaster, config)


def _set(config: Any, settings: Settings | None) -> Any:
    return with_settings(config, settings or {})
