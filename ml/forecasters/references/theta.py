"""The theta method: a smoothed level with half of the linear trend.

Sources: Assimakopoulos & Nikolopoulos (2000), IJF 16; Hyndman & Billah (2003), IJF 19 (it is
simple exponential smoothing with drift); Fioruci et al. (2016), IJF 32 (test of the season).
"""

import numpy as np

from ml.forecasters.base import SeriesContext
from ml.forecasters.references.exponential_smoothing import (
    carried,
    smooth_history,
    smooth_level,
)
from ml.forecasters.references.history import Series
from ml.forecasters.references.seasonal_smoothing import LEAST_INDEX, measured_indices

LEAST = 4  # observations: two for a line, two for its errors
ONE_SIDED_90 = 1.645  # the method's own quantile for its test of the season


def theta(
    values: Series, context: SeriesContext, horizon: int, n_paths: int, rng: np.random.Generator
) -> Series:
    """The standard theta method with resampled errors.

    The series is split into its linear trend and the line of twice its curvature, 2y - trend.
    The former is continued, the latter smoothed; the forecast is the mean of both.

    Raises:
        ValueError: See ``smooth_history``; or fewer than two seasons, or four observations.
    """
    length = context.frequency.season_length
    history = smooth_history(values, "theta")
    if len(history) < 2 * length:
        raise ValueError(f"theta needs two seasons of {length} periods, there are {len(history)}")
    indices = tested_indices(history, length)
    shape = indices[np.arange(len(history) + horizon) % length]
    past, ahead = shape[: len(history)], shape[len(history) :]
    flat = history / past
    trend = linear_trend(flat, horizon)
    level = smooth_level(2 * flat - trend[: len(flat)])
    means = (trend[len(flat) :] + level.value) / 2
    errors = level.errors[~np.isnan(level.errors)] / 2  # half of the forecast is the trend
    steps = rng.choice(errors - errors.mean(), (n_paths, horizon))
    return (means + steps @ carried(level, horizon)) * ahead


def tested_indices(history: Series, season: int) -> Series:
    """Multiplicative indices (m,) where the series has a season, else ones.

    The test is of what a line leaves: the years of a trend are alike without a season, too.
    """
    rest = history - linear_trend(history, 0)
    measured = measured_indices(history, season) if is_seasonal(rest, season) else None
    if measured is None or measured[0].min() < LEAST_INDEX:
        return np.ones(season)
    return measured[0]


def is_seasonal(values: Series, season: int) -> bool:
    """Whether the autocorrelation at a season's distance is beyond chance at 90 %.

    |r_m| > 1.645 sqrt((1 + 2 (r_1² + ... + r_{m-1}²)) / n).
    """
    centred = np.nan_to_num(values - np.nanmean(values))
    power = float(centred @ centred)
    if power <= 1e-12 * len(values):
        return False
    lags = [float(centred[k:] @ centred[:-k]) / power for k in range(1, season + 1)]
    bound = ONE_SIDED_90 * np.sqrt((1 + 2 * np.sum(np.square(lags[:-1]))) / len(values))
    return bool(abs(lags[-1]) > bound)


def linear_trend(values: Series, horizon: int) -> Series:
    """The line of least squares over history and horizon, (T + H,).

    Raises:
        ValueError: Too few observations for a line and its errors.
    """
    seen = np.flatnonzero(~np.isnan(values))
    if len(seen) < LEAST:
        raise ValueError(f"theta needs {LEAST} observations, there are {len(seen)}")
    slope, start = np.polyfit(seen, values[seen], 1)
    return start + slope * np.arange(len(values) + horizon)
