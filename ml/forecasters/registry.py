"""The models by name and kind; the one place that knows them all.

A ``match`` rather than a registry that fills itself: what exists does not depend on what was
imported, and a model library is loaded only when its model is asked for.
"""

from ml.errors import ConfigError
from ml.forecasters.base import Forecaster
from ml.forecasters.quiet import silence_loggers

REFERENCES = {
    "demand": (
        "zero", "naive", "seasonal_naive", "empirical", "bootstrap", "tsb", "sba", "adida",
        "shrunk_seasonal", "theta",
    ),
    "price": ("naive", "seasonal_naive", "empirical", "bootstrap", "volatility"),
}  # fmt: skip
PER_SERIES = ("prophet", "arima")
POOLED = ("lstm",)
FAMILIES = (*PER_SERIES, *POOLED)
FALLBACK_CHAIN = {"demand": ("empirical", "zero"), "price": ("volatility", "naive")}


def models_of(kind: str) -> tuple[str, ...]:
    """All models that are tried on a panel of this kind, the references first."""
    return (*REFERENCES[kind], *PER_SERIES, *POOLED)


def reference(name: str) -> Forecaster:
    """A model without training.

    Raises:
        ConfigError: There is no reference of this name.
    """
    from ml.forecasters.references import (
        naive,
        resampling,
        seasonal_smoothing,
        smoothing,
        theta,
        volatility,
    )
    from ml.forecasters.references.adapter import Reference

    samplers = {
        "zero": naive.zero,
        "naive": naive.naive,
        "seasonal_naive": naive.seasonal_naive,
        "empirical": resampling.empirical,
        "bootstrap": resampling.bootstrap,
        "tsb": smoothing.tsb,
        "sba": smoothing.sba,
        "adida": smoothing.adida,
        "shrunk_seasonal": seasonal_smoothing.shrunk_seasonal,
        "theta": theta.theta,
        "volatility": volatility.volatility,
    }
    if name not in samplers:
        raise ConfigError(
            f"Unknown reference model '{name}'. Choose one of: {', '.join(samplers)}."
        )
    return Reference(name, samplers[name])


def forecaster(name: str, *, horizon: int, seed: int) -> Forecaster:
    """A model family by name.

    Args:
        name: One of ``models_of``.
        horizon: Longest step that a pooled model has to learn.
        seed: Of a pooled model's training.

    Raises:
        ConfigError: There is no model of this name.
    """
    match name:
        case "prophet":
            silence_loggers()
            from ml.forecasters.prophet_adapter import ProphetForecaster

            return ProphetForecaster()
        case "arima":
            from ml.forecasters.arima_adapter import ArimaForecaster

            return ArimaForecaster()
        case "lstm":
            from ml.forecasters.lstm_adapter import LstmForecaster

            return LstmForecaster(horizon=horizon, seed=seed)
        case _:
            return reference(name)
