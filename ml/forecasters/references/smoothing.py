"""Models of smooth demand: a smoothed level, alone or with shrunk seasonal indices.

The smoothed level is also a model of the future: each error moves the level by the gain, so the
errors of a path are tied to each other and the spread of sums is right (Hyndman, Koehler, Ord &
Snyder 2008, *Forecasting with Exponential Smoothing*, chapter 6).

Twelve indices out of five years are mostly noise for most items. Each series' own indices are
drawn towards 1 by the share of their variance that chance alone explains (the empirical Bayes
estimate of James & Stein; for seasons: Miller & Williams 2003, IJF 19). What is left is smoothed
as a level, with a count distribution around it.
"""

from dataclasses import dataclass

import numpy as np

from ml.forecasters.base import Series
from ml.forecasters.references.sampling import PathRequest, draw_demand
from ml.seeds import latin_uniforms

MOST_ZEROS = 0.5  # share of observed periods; beyond it there is no level to smooth
LEAST = 2  # observations
GAINS = np.array([0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8])
# Rates of exponential priors on the gain (means 0.1 and 0.2). A forecast gains by a calm level,
# but its spread must own that the level may be quicker: sums over a year came out too narrow.
CALM, WARY = 10.0, 5.0
PRIOR_PERIODS = 8.0  # periods of Poisson demand that the variance of counts is drawn towards
LEAST_INDEX = 0.05  # periods with less than this share of the level say nothing about it
LEAST_TREND = 4  # observations: two for a line, two for its errors
YEARS = 10  # seasons that are fitted, the latest
LEAST_WINDOW = 120  # periods that are fitted where ten seasons are fewer


@dataclass(frozen=True, slots=True)
class Level:
    """A level smoothed over a series."""

    value: float  # the level after the last observation
    gain: float  # share of an error that moves the level, for the spread of what is to come
    count: int  # observations behind it
    # (T,) one-step errors, NaN where nothing was observed and at the first observation
    errors: Series


def smooth_history(values: Series, model: str, season: int) -> Series:
    """The latest of a series of demand (T,), NaN = not observed, from an observation on.

    Ten seasons at most: what was before says little of the season, level and spread of now.

    Raises:
        ValueError: The series is too short, or most of its periods are without demand.
    """
    values = values[-max(LEAST_WINDOW, YEARS * season) :]
    places = np.flatnonzero(~np.isnan(values))
    if len(places) < LEAST:
        raise ValueError(f"{model} needs {LEAST} observations, there are {len(places)}")
    history = values[places[0] :]
    empty = int((history == 0).sum())
    if empty > MOST_ZEROS * len(places):
        raise ValueError(f"{model} is for smooth demand: {empty} of {len(places)} periods are zero")
    return history


def smooth_level(values: Series) -> Level:
    """The level by simple exponential smoothing, averaged over gains by how likely each is.

    Each gain is weighted by the Gaussian likelihood of its one-step errors times a prior that
    prefers calm levels: the single best gain of a few dozen observations is mostly luck. With
    every gain the level starts as the running mean, until 1 / count falls below the gain. A
    period without an observation (NaN) leaves the level as it is; two are observed at least.
    """
    places = np.flatnonzero(~np.isnan(values))
    seen = values[places]
    level = np.full(len(GAINS), seen[0])
    errors = np.empty((len(seen) - 1, len(GAINS)))
    for step, value in enumerate(seen[1:]):
        errors[step] = value - level
        level = level + np.maximum(GAINS, 1 / (step + 2)) * errors[step]
    squares = (errors**2).mean(axis=0) + 1e-12 * np.mean(seen**2) + 1e-300  # a flat series has none
    fit = -len(errors) / 2 * np.log(squares)
    weights = _shares(fit - CALM * GAINS)
    by_period = np.full(len(values), np.nan)
    by_period[places[1:]] = errors @ weights
    # Spread grows with the square of the gain, so its mean is that of squares.
    gain = float(np.sqrt(GAINS**2 @ _shares(fit - WARY * GAINS)))
    return Level(float(level @ weights), gain, len(seen), by_period)


def _shares(score: Series) -> Series:
    """Weights in proportion to the exponential of a score, summing to 1."""
    shares = np.exp(score - score.max())
    return np.asarray(shares / shares.sum(), np.float64)


def carry_errors(level: Level, horizon: int) -> Series:
    """How much of the error of step j is in the value of step h, (H, H) as [j, h].

    1 on the diagonal, the gain of step j after it. While few values have been seen, the level is
    a running mean and the gain 1 / count: so the unknown mean of a short history is in it too.
    """
    gains = np.maximum(level.gain, 1 / (level.count + 1 + np.arange(horizon)))
    return np.triu(np.broadcast_to(gains[:, None], (horizon, horizon)), 1) + np.eye(horizon)


def tie_uniforms(carry: Series, n_paths: int, rng: np.random.Generator) -> Series:
    """Uniform numbers that fill (0, 1) evenly at each step and are tied along a path, (S, H).

    A Gaussian copula with the correlations of errors that ``carry`` carries forward.
    """
    drawn = rng.standard_normal((n_paths, len(carry))) @ carry
    ranks = drawn.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    even = np.sort(latin_uniforms(rng, n_paths, len(carry)), axis=0)
    return np.take_along_axis(even, ranks, axis=0)


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


def measure_indices(values: Series, season: int) -> tuple[Series, float] | None:
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


def shrink_indices(values: Series, season: int) -> tuple[Series, float]:
    """Indices (m,) from the series' first period on, mean 1, drawn to 1, and the weight, 0 to 1.

    That is 1 - (variance by chance) / (variance of the indices).
    """
    measured = measure_indices(values, season)
    if measured is None:
        return np.ones(season), 0.0
    raw, chance = measured
    total = float(raw.var(ddof=1))
    weight = max(0.0, 1 - chance / total) if total > 0 else 0.0
    indices = 1 + weight * (raw - 1)
    # One absurd value can leave a season with a single period; nothing would teach the level.
    usable = np.mean(indices >= LEAST_INDEX) > MOST_ZEROS
    return (indices, weight) if usable else (np.ones(season), 0.0)


def shrunk_seasonal(values: Series, request: PathRequest) -> Series:
    """A smoothed level times shrunk indices; without two seasons the level alone.

    The variance of counts follows the curve m + b·m² (Poisson, plus what the errors have over).

    Raises:
        ValueError: See ``smooth_history``.
    """
    history = smooth_history(values, "shrunk_seasonal", request.frequency.season_length)
    indices, weight = shrink_indices(history, request.frequency.season_length)
    past, ahead = split_indices(indices, len(history), request.horizon)
    teaches = past >= LEAST_INDEX
    level = smooth_level(np.where(teaches, history / np.where(teaches, past, 1.0), np.nan))
    errors = (level.errors * past)[~np.isnan(level.errors)]
    mean = float(np.nanmean(history))
    spent = weight * (len(indices) - 1)
    variance = error_variance(errors, spent, mean if request.is_count else None)
    carry = carry_errors(level, request.horizon)
    uniforms = tie_uniforms(carry, request.n_paths, request.rng)
    means = level.value * ahead
    curve = _move_variance(means, mean, variance, counts=request.is_count)
    spreads = np.sum(carry**2, axis=0) * curve
    steps = [
        draw_demand(m, v, u, counts=request.is_count and v >= m)
        for m, v, u in zip(means, spreads, uniforms.T, strict=True)
    ]
    return np.stack(steps, axis=1)


def error_variance(errors: Series, spent: float, poisson: float | None) -> float:
    """Variance of one-step errors (n,) as it will be, not as it was on the data that was fitted.

    Indices take (``spent``) as many degrees of freedom as they were allowed to move, and their own
    error is in each forecast once more. A prior variance ``poisson`` is worth ``PRIOR_PERIODS``.
    """
    n = len(errors)
    inflation = (1 + spent / n) * n / max(n - spent, 1.0)
    total = float(np.sum(errors**2)) * inflation
    if poisson is None:
        return total / n
    return (total + PRIOR_PERIODS * poisson) / (n + PRIOR_PERIODS)


def _move_variance(means: Series, mean: float, variance: float, *, counts: bool) -> Series:
    """The variance at other means than the one it was measured at.

    Counts follow m + b·m²; in proportion where they scatter less than Poisson, which keeps a
    steady item steady. Other quantities have no unit of their own, so theirs is b·m².
    """
    if not counts:
        return variance * (means / mean) ** 2
    if variance <= mean:
        return means * variance / mean
    return means + (variance - mean) / mean**2 * means**2


def split_indices(indices: Series, seen: int, horizon: int) -> tuple[Series, Series]:
    """Indices of the periods seen (T,) and of those ahead (H,)."""
    shape = indices[np.arange(seen + horizon) % len(indices)]
    return shape[:seen], shape[seen:]


def line_through(values: Series) -> tuple[float, float]:
    """Slope and start of the line of least squares through a series (T,), NaN = not observed."""
    seen = np.flatnonzero(~np.isnan(values))
    slope, start = np.polyfit(seen, values[seen], 1)
    return float(slope), float(start)
