"""Simple exponential smoothing of a level, and what the models of smooth demand share.

The smoothed level is also a model of the future: each error moves the level by the gain, so the
errors of a path are tied to each other and the spread of sums is right (Hyndman, Koehler, Ord &
Snyder 2008, *Forecasting with Exponential Smoothing*, chapter 6).
"""

from dataclasses import dataclass

import numpy as np

from ml.forecasters.base import Series
from ml.seeds import latin_uniforms

MOST_ZEROS = 0.5  # share of observed periods; beyond it there is no level to smooth
LEAST = 2  # observations
GAINS = np.array([0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8])
# Rates of exponential priors on the gain (means 0.1 and 0.2). A forecast gains by a calm level,
# but its spread must own that the level may be quicker: sums over a year came out too narrow.
CALM, WARY = 10.0, 5.0


@dataclass(frozen=True, slots=True)
class Level:
    """A level smoothed over a series.

    Attributes:
        value: The level after the last observation.
        gain: Share of an error that moves the level, for the spread of what is to come.
        count: Observations behind it.
        errors: (T,) one-step errors, NaN where nothing was observed and at the first observation.
    """

    value: float
    gain: float
    count: int
    errors: Series


def smooth_history(values: Series, model: str) -> Series:
    """A series from its first observation on.

    Args:
        values: (T,) demand, NaN = not observed.
        model: Name for the message.

    Raises:
        ValueError: The series is too short, or most of its periods are without demand.
    """
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
    period without an observation leaves the level as it is.

    Args:
        values: (T,) NaN = not observed, at least two observed.
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


def tied_uniforms(carry: Series, n_paths: int, rng: np.random.Generator) -> Series:
    """Uniform numbers that fill (0, 1) evenly at each step and are tied along a path, (S, H).

    A Gaussian copula with the correlations of errors that ``carry`` carries forward.
    """
    drawn = rng.standard_normal((n_paths, len(carry))) @ carry
    ranks = drawn.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    even = np.sort(latin_uniforms(rng, n_paths, len(carry)), axis=0)
    return np.take_along_axis(even, ranks, axis=0)
