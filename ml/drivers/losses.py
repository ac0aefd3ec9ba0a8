"""Pinball losses of simple forecasts with and without drivers, for judging the drivers alone.

Not a model of the job: an item's level times the factor that the drivers expect, with a negative
binomial around it. What it lacks is the same with and without, so differences are fair.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from ml.drivers.rates import Bools
from ml.evaluation.scores import pinball

Floats = npt.NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.95)
GRID = np.geomspace(0.02, 12.0, 56)  # factors at which quantiles are tabled
HALF_LIFE = 180.0  # of the level's memory [days]
LEAST_DISPERSION = 1.05  # variance over mean


def levels(values: Floats, factor: Floats, days: float) -> Floats:
    """Level of each item: recent demand over what the factors had expected of a level of 1, (N,).

    Args:
        values: (N, T) demand.
        factor: (T,) the drivers' factor of each period.
        days: Mean length of a period [days].
    """
    age = np.arange(values.shape[1])[::-1] * days
    weight = 0.5 ** (age / HALF_LIFE)
    seen = ~np.isnan(values)
    demand = np.nan_to_num(values) @ weight
    return np.asarray(demand / np.maximum((seen * factor) @ weight, 1e-12))


def dispersion(values: Floats) -> Floats:
    """Variance over mean of each item, shrunk to the median of all, (N,)."""
    count = (~np.isnan(values)).sum(axis=1)
    mean = np.nansum(values, axis=1) / np.maximum(count, 1)
    square = np.nansum(values**2, axis=1) / np.maximum(count, 1) - mean**2
    ratio = square / np.maximum(mean, 1e-12)
    events = (np.nan_to_num(values) > 0).sum(axis=1)
    typical = float(np.median(ratio[events > 1])) if (events > 1).any() else LEAST_DISPERSION
    shrunk = (ratio * events + typical * 6) / (events + 6)
    return np.maximum(shrunk, LEAST_DISPERSION)


def quantile_tables(level: Floats, spread: Floats) -> Floats:
    """Negative binomial quantiles of each item on the grid of factors, (N, len(GRID), Q)."""
    mean = np.maximum(level[:, None] * GRID, 1e-9)[..., None]
    size = mean / (spread[:, None, None] - 1)
    probability = 1 / spread[:, None, None]
    return np.asarray(stats.nbinom.ppf(np.asarray(LEVELS), size, probability), np.float64)


def demand_losses(tables: Floats, factor: Floats, actual: Floats, scale: Floats) -> Floats:
    """Mean scaled pinball loss of each item and step, (N, H), NaN where not observed.

    Args:
        tables: Of :func:`quantile_tables`.
        factor: (H,) factor over the item's level.
        actual: (N, H).
        scale: (N,) divisor.
    """
    place = np.interp(np.log(factor), np.log(GRID), np.arange(len(GRID)))
    low = np.minimum(place.astype(int), len(GRID) - 2)
    share = (place - low)[None, :, None]
    cuts = tables[:, low] * (1 - share) + tables[:, low + 1] * share
    losses = [pinball(actual, cuts[..., k], level) for k, level in enumerate(LEVELS)]
    return np.asarray(np.mean(losses, axis=0) / scale[:, None])


def price_losses(mean: Floats, actual: Floats) -> Floats:
    """Mean pinball loss of levels in units of daily volatility, (N, H).

    Args:
        mean: (H,) expected change since the origin.
        actual: (N, H) what came true, as change since the origin.
    """
    width = np.sqrt(np.arange(1, actual.shape[1] + 1))
    losses = [
        pinball(actual, np.broadcast_to(mean + stats.norm.ppf(level) * width, actual.shape), level)
        for level in (0.1, 0.5, 0.9)
    ]
    return np.asarray(np.mean(losses, axis=0) / width)


def members(classes: npt.NDArray[np.str_], name: str) -> Bools:
    """Which items belong to a class; ``*`` = all."""
    return np.asarray(np.ones(len(classes), bool) if name == "*" else classes == name)
