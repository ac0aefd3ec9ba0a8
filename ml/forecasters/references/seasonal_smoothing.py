"""Seasonal indices shrunk to 1, a smoothed level, and a count distribution around them.

Twelve indices out of five years are mostly noise for most items. Each series' own indices are
drawn towards 1 by the share of their variance that chance alone explains (the empirical Bayes
estimate of James & Stein; for seasons: Miller & Williams 2003, IJF 19). What is left is smoothed
as a level.
"""

from dataclasses import dataclass

import numpy as np

from ml.forecasters.base import SeriesContext
from ml.forecasters.references.counts import draw_demand
from ml.forecasters.references.exponential_smoothing import (
    MOST_ZEROS,
    carried,
    smooth_history,
    smooth_level,
    tied_uniforms,
)
from ml.forecasters.references.history import Series

PRIOR_PERIODS = 8.0  # periods of Poisson demand that the variance of counts is drawn towards
LEAST_INDEX = 0.05  # periods with less than this share of the level say nothing about it


@dataclass(frozen=True, slots=True)
class Season:
    """Multiplicative seasonal indices.

    Attributes:
        indices: (m,) of the series' periods from its first on, mean 1.
        weight: How much of the indices as measured was kept, 0 to 1.
    """

    indices: Series
    weight: float


def yearly_mean(values: Series, season: int) -> Series:
    """Mean of the season around each period (a 2 x m moving average where m is even), (T,).

    Periods without an observation take no part; the first and last mean stand for the half
    seasons at the ends.

    Raises:
        ValueError: Nowhere is half a season observed.
    """
    weights = np.ones(season + 1 - season % 2)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    seen = ~np.isnan(values)
    total = np.convolve(np.where(seen, values, 0.0), weights, "valid")
    count = np.convolve(seen.astype(np.float64), weights, "valid")
    known = np.flatnonzero(count >= season / 2)
    if not len(known):
        raise ValueError(f"nowhere is half a season of {season} periods observed")
    return np.interp(np.arange(len(values)), known + len(weights) // 2, total[known] / count[known])


def measured_indices(values: Series, season: int) -> tuple[Series, float] | None:
    """Indices as measured (m,), mean 1, and the variance of one that is due to chance.

    An index is the demand of its periods over the means around them, so that a year of little
    demand counts little. ``None`` where the series is shorter than two seasons, or some part of
    the season was never observed.
    """
    if len(values) < 2 * season:
        return None
    means = yearly_mean(values, season)
    usable = ~np.isnan(values) & (means > 0)
    phase = (np.arange(len(values)) % season)[usable]
    times = np.bincount(phase, minlength=season)
    if times.min() < 1 or times.sum() <= season:
        return None
    raw = np.bincount(phase, values[usable], season) / np.bincount(phase, means[usable], season)
    raw = raw / raw.mean()
    rest = values[usable] / means[usable] - raw[phase]
    chance = float(np.sum(rest**2) / (times.sum() - season) * np.mean(1 / times))
    return raw, chance


def shrunk_season(values: Series, season: int) -> Season:
    """Indices drawn to 1 with weight 1 - (variance by chance) / (variance of the indices)."""
    none = Season(np.ones(season), 0.0)
    measured = measured_indices(values, season)
    if measured is None:
        return none
    raw, chance = measured
    total = float(raw.var(ddof=1))
    weight = max(0.0, 1 - chance / total) if total > 0 else 0.0
    indices = 1 + weight * (raw - 1)
    # One absurd value can leave a season with a single period; nothing would teach the level.
    return Season(indices, weight) if np.mean(indices >= LEAST_INDEX) > MOST_ZEROS else none


def shrunk_seasonal(
    values: Series, context: SeriesContext, horizon: int, n_paths: int, rng: np.random.Generator
) -> Series:
    """A smoothed level times shrunk indices; without two seasons the level alone.

    The variance of counts follows the curve m + b·m² (Poisson, plus what the errors have over).

    Raises:
        ValueError: See ``smooth_history``.
    """
    history = smooth_history(values, "shrunk_seasonal")
    length = context.frequency.season_length
    season = shrunk_season(history, length)
    shape = season.indices[np.arange(len(history) + horizon) % length]
    past, ahead = shape[: len(history)], shape[len(history) :]
    teaches = past >= LEAST_INDEX
    level = smooth_level(np.where(teaches, history / np.where(teaches, past, 1.0), np.nan))
    errors = (level.errors * past)[~np.isnan(level.errors)]
    mean = float(np.nanmean(history))
    variance = error_variance(errors, season, mean if context.is_count else None)
    carry = carried(level, horizon)
    uniforms = tied_uniforms(carry, n_paths, rng)
    means = level.value * ahead
    curve = _on_curve(means, mean, variance, counts=context.is_count)
    spreads = np.sum(carry**2, axis=0) * curve
    steps = [
        draw_demand(m, v, u, counts=context.is_count and v >= m)
        for m, v, u in zip(means, spreads, uniforms.T, strict=True)
    ]
    return np.stack(steps, axis=1)


def error_variance(errors: Series, season: Season, poisson: float | None) -> float:
    """Variance of one-step errors as it will be, not as it was on the data that was fitted.

    Indices take as many degrees of freedom as they were allowed to move, and their own error is
    in each forecast once more.

    Args:
        errors: (n,) in-sample.
        season: What was fitted.
        poisson: Variance of a prior worth ``PRIOR_PERIODS`` errors; ``None`` for none.
    """
    n, spent = len(errors), season.weight * (len(season.indices) - 1)
    inflation = (1 + spent / n) * n / max(n - spent, 1.0)
    total = float(np.sum(errors**2)) * inflation
    if poisson is None:
        return total / n
    return (total + PRIOR_PERIODS * poisson) / (n + PRIOR_PERIODS)


def _on_curve(means: Series, mean: float, variance: float, *, counts: bool) -> Series:
    """The variance at other means than the one it was measured at.

    Counts follow m + b·m²; in proportion where they scatter less than Poisson, which keeps a
    steady item steady. Other quantities have no unit of their own, so theirs is b·m².
    """
    if not counts:
        return variance * (means / mean) ** 2
    if variance <= mean:
        return means * variance / mean
    return means + (variance - mean) / mean**2 * means**2
