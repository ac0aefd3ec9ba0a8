"""Zero, naive and seasonal naive.

Source: Hyndman & Athanasopoulos, *Forecasting: Principles and Practice*, 3rd ed., section 5.5
(simulated paths of the naive methods by bootstrapped residuals).
"""

import numpy as np

from ml.forecasters.base import SeriesContext
from ml.forecasters.references.history import (
    Series,
    carried_forward,
    differences,
    last_observed,
    observed,
)

VOLATILITY_WINDOW = 250  # trading days in about a year


def zero(
    values: Series,
    context: SeriesContext,  # noqa: ARG001 - interface
    horizon: int,
    n_paths: int,
    rng: np.random.Generator,  # noqa: ARG001 - interface
) -> Series:
    """No demand at all: what the usual scores reward on intermittent series."""
    observed(values)
    return np.zeros((n_paths, horizon))


def naive(
    values: Series, context: SeriesContext, horizon: int, n_paths: int, rng: np.random.Generator
) -> Series:
    """The last value, plus a random walk.

    A price walks with Gaussian steps of the volatility of its last 250 changes; demand walks
    with its own past changes, centred.
    """
    start = last_observed(values)
    if len(observed(values)) == 1:
        return np.full((n_paths, horizon), start)
    if context.kind == "price":
        changes = np.diff(observed(values))[-VOLATILITY_WINDOW:]
        steps = rng.normal(0.0, np.sqrt(np.mean(changes**2)), (n_paths, horizon))
    else:
        changes = np.diff(observed(values))
        steps = rng.choice(changes - changes.mean(), (n_paths, horizon))
    return start + np.cumsum(steps, axis=1)


def seasonal_naive(
    values: Series, context: SeriesContext, horizon: int, n_paths: int, rng: np.random.Generator
) -> Series:
    """The value of one season ago, plus one seasonal change for every season ahead.

    Raises:
        ValueError: Less than a season of history, or no seasonal change was observed.
    """
    season = context.frequency.season_length
    if len(values) < season:
        raise ValueError(f"history is shorter than a season of {season} periods")
    changes = differences(values, season)
    last = values[-season:]
    if context.kind == "price":  # a holiday's price is the one before it
        last = carried_forward(values)[-season:]
    last = np.where(np.isnan(last), np.mean(observed(values)), last)
    ahead = np.arange(horizon)
    seasons_ahead = ahead // season + 1
    steps = rng.choice(changes - changes.mean(), (n_paths, seasons_ahead[-1], season))
    noise = np.cumsum(steps, axis=1).reshape(n_paths, -1)[:, :horizon]
    return last[ahead % season] + noise
