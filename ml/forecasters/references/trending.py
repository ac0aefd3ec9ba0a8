"""Models of demand with a trend: theta, and the average of smooth models.

Theta smooths a level with half of the linear trend: Assimakopoulos & Nikolopoulos (2000), IJF 16;
Hyndman & Billah (2003), IJF 19 (it is simple exponential smoothing with drift); Fioruci et al.
(2016), IJF 32 (test of the season). Averages of a few such models beat each of them on nearly every
set of series that was ever compared (Makridakis, Spiliotis & Assimakopoulos 2020, IJF 36).
"""

from contextlib import suppress

import numpy as np

from ml.forecasters.base import Series
from ml.forecasters.references.exponential import ets
from ml.forecasters.references.sampling import PathRequest
from ml.forecasters.references.smoothing import (
    LEAST_INDEX,
    LEAST_TREND,
    carry_errors,
    line_through,
    measure_indices,
    shrunk_seasonal,
    smooth_history,
    smooth_level,
    split_indices,
)

ONE_SIDED_90 = 1.645  # the theta method's own quantile for its test of the season
STEADY = 0.5  # share of the mean below which errors do not shrink with the level


def theta(values: Series, request: PathRequest) -> Series:
    """The standard theta method with resampled errors, which grow with the level.

    The series is split into its linear trend and the line of twice its curvature, 2y - trend.
    The former is continued, the latter smoothed; the forecast is the mean of both. A history of
    less than two seasons has no season.

    Raises:
        ValueError: See ``smooth_history``; or fewer than four observations.
    """
    length = request.frequency.season_length
    history = smooth_history(values, "theta", length)
    indices = significant_indices(history, length)
    past, ahead = split_indices(indices, len(history), request.horizon)
    flat = history / past
    trend = linear_trend(flat, request.horizon)
    level = smooth_level(2 * flat - trend[: len(flat)])
    errors = level.errors / 2  # half of the forecast is the trend
    least = STEADY * np.nanmean(flat)
    relative = errors / np.maximum(flat - errors, least)
    relative = relative[~np.isnan(relative)]
    spent = 2.0 + (length - 1 if indices.std() > 0 else 0)  # as in ``error_variance``
    count = len(relative)
    scale = np.sqrt((1 + spent / count) * count / max(count - spent, count / 4))
    steps = request.rng.choice((relative - relative.mean()) * scale, request.shape)
    means = (trend[len(flat) :] + level.value) / 2
    carried = steps @ carry_errors(level, request.horizon)
    return (means + carried * np.maximum(means, least)) * ahead


def combined(values: Series, request: PathRequest) -> Series:
    """The average of ETS, shrunk seasons and theta, quantile by quantile.

    Equal weights are rarely beaten by fitted ones (Stock & Watson 2004, Journal of Forecasting 23).
    Averaged quantiles are as sharp as their parts (Lichtendahl, Grushka-Cockayne & Winkler 2013,
    Management Science 59), where a mixture is wider. Periods of a path are tied as those of ETS.

    Raises:
        ValueError: See ``smooth_history``.
    """
    drawn = [np.maximum(sampler(values, request), 0.0) for sampler in (ets, shrunk_seasonal)]
    # Theta needs four observations.
    with suppress(ValueError):
        drawn.append(np.maximum(theta(values, request), 0.0))
    ranks = drawn[0].argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    average = np.mean([np.sort(paths, axis=0) for paths in drawn], axis=0)
    return np.take_along_axis(average, ranks, axis=0)


def significant_indices(history: Series, season: int) -> Series:
    """Multiplicative indices (m,) where the series has a season, else ones.

    The test is of what a line leaves: the years of a trend are alike without a season, too.
    """
    rest = history - linear_trend(history, 0)
    long = len(history) >= 2 * season
    measured = measure_indices(history, season) if long and is_seasonal(rest, season) else None
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
    count = int((~np.isnan(values)).sum())
    if count < LEAST_TREND:
        raise ValueError(f"theta needs {LEAST_TREND} observations, there are {count}")
    slope, start = line_through(values)
    return np.asarray(start + slope * np.arange(len(values) + horizon), np.float64)
