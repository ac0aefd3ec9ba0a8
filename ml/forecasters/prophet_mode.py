"""The most probable parameters of Prophet's model, found without a process of Stan's.

The model is Prophet's (Taylor & Letham 2018, *The American Statistician* 72): a trend that is
linear between changepoints, or flat, times and plus what regressors add, with normal errors. Given
the noise and the size of each change of the trend, what is most probable is the answer of a
weighted least squares problem, and the noise given the rest has a closed form, so both are found by
turns: the absolute values of the Laplace prior become squares over their present size (Hunter & Li
2005, *Annals of Statistics* 33: no such step makes the parameters less probable). Where regressors
multiply the trend, the mean is taken for linear around what was found so far (Gauss-Newton).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.forecasters.base import Series
from ml.panel import Floats

LEVEL_SPREAD = 5.0  # prior standard deviations of Prophet: of slope and level of the trend,
NOISE_SPREAD = 0.5  # and of the noise
LEAST_CHANGE = 1e-8  # of the slope; smaller ones are none
LEAST_NOISE = 1e-9
PRECISION = 1e-4  # rise of the log of the probability that ends a search
ROUNDS = 200  # most turns between weights and noise
LINEARISED = 20  # most times that the mean is taken for linear
FLAT = 2  # Prophet's number of a trend without slope


@dataclass(frozen=True, slots=True)
class Problem:
    """A history of T periods, in Prophet's scale, and what its mean is made of."""

    history: Series  # (T,) what was observed
    trend: Floats  # (T, R) columns of the trend: level, and slope and its S changes unless flat
    plus: Floats  # (T, K) regressors that add, 0 where one multiplies
    times: Floats  # (T, K) regressors that multiply the trend, 0 where one adds
    ridge: Series  # (R + K,) 1 / variance of the normal priors, 0 of changes
    changes: slice  # which weights have the Laplace prior
    change_spread: float  # of that prior

    @property
    def product(self) -> bool:
        """Whether anything multiplies the trend."""
        return bool(self.times.any())

    def mean(self, weights: Series) -> Series:
        """Mean (T,) of the history by weights (R + K,)."""
        size = self.trend.shape[1]
        own, others = weights[:size], weights[size:]
        return np.asarray((self.trend @ own) * (1 + self.times @ others) + self.plus @ others)

    def slopes(self, weights: Series) -> Floats:
        """Derivatives (T, R + K) of the mean by the weights."""
        size = self.trend.shape[1]
        factor = (1 + self.times @ weights[size:])[:, None]
        level = (self.trend @ weights[:size])[:, None]
        return np.hstack([self.trend * factor, self.plus + level * self.times])

    def log_probability(self, weights: Series, squares: float) -> tuple[float, float]:
        """Log of what these weights and the best noise are likely, up to a constant; that noise.

        ``squares`` is the sum of squared errors. The noise s maximises
        -T log s - squares / 2 s^2 - s^2 / 2 v^2, v its prior's spread.
        """
        length, spread = len(self.history), NOISE_SPREAD**2
        variance = 2 * squares / (length + np.sqrt(length**2 + 4 * squares / spread))
        variance = max(float(variance), LEAST_NOISE**2)
        prior = float(self.ridge @ weights**2) / 2
        prior += float(np.abs(weights[self.changes]).sum()) / self.change_spread
        likely = -length * np.log(variance) / 2 - squares / 2 / variance
        return float(likely - variance / 2 / spread - prior), float(np.sqrt(variance))


def find_mode(problem: Problem) -> tuple[Series, float]:
    """Weights (R + K,) and noise that are most probable together."""
    weights = np.zeros(len(problem.ridge))
    weights[0] = problem.history.mean()
    best, noise = problem.log_probability(weights, _squares(problem, weights))
    for _ in range(LINEARISED):
        slopes = problem.slopes(weights)
        target = problem.history - problem.mean(weights) + slopes @ weights
        found = _solve_linear(problem, slopes, target, weights, noise)
        for _ in range(LINEARISED):
            reached, own_noise = problem.log_probability(found, _squares(problem, found))
            if reached >= best or not problem.product:
                break
            found = (found + weights) / 2  # too far for a straight line
        rise = reached - best
        if rise > 0:
            weights, noise, best = found, own_noise, reached
        if rise < PRECISION or not problem.product:
            break
    return weights, noise


def _squares(problem: Problem, weights: Series) -> float:
    rest = problem.history - problem.mean(weights)
    return float(rest @ rest)


def _solve_linear(
    problem: Problem, slopes: Floats, target: Series, weights: Series, noise: float
) -> Series:
    """Most probable weights where the mean is ``slopes`` (T, R + K) times them."""
    gram, onto, total = slopes.T @ slopes, slopes.T @ target, float(target @ target)
    penalty, changes, spread = problem.ridge.copy(), problem.changes, problem.change_spread
    sizes = np.maximum(np.abs(weights[changes]), spread if not weights[changes].any() else 0.0)
    best = -np.inf
    places = np.arange(len(gram))
    for _ in range(ROUNDS):
        penalty[changes] = 1 / (spread * np.maximum(sizes, LEAST_CHANGE))
        system = gram.copy()
        system[places, places] += noise**2 * penalty
        weights = np.asarray(np.linalg.solve(system, onto), np.float64)
        squares = max(total - 2 * float(weights @ onto) + float(weights @ gram @ weights), 0.0)
        reached, noise = problem.log_probability(weights, squares)
        if reached - best < PRECISION:
            break
        best, sizes = reached, np.abs(weights[changes])
    return weights


class PosteriorMode:
    """What Prophet asks for the parameters of its model, in the place of Stan."""

    stan_fit = None  # Prophet wishes to keep it

    def fit(self, initial: Mapping[str, Any], data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """Parameters (1, n) by name; what Prophet starts from is not needed.

        Raises:
            ValueError: There is no finite answer.
        """
        del initial
        problem = pose(data)
        weights, noise = find_mode(problem)
        if not np.isfinite(weights).all():
            raise ValueError("prophet found no finite parameters")
        size, flat = problem.trend.shape[1], data["trend_indicator"] == FLAT
        changes = np.zeros(data["S"]) if flat else weights[problem.changes]
        return {
            "k": np.array([[0.0 if flat else weights[1]]]),
            "m": weights[None, :1],
            "delta": np.where(np.abs(changes) > LEAST_CHANGE, changes, 0.0)[None],
            "sigma_obs": np.array([[noise]]),
            "beta": weights[None, size:],
        }


def pose(data: Mapping[str, Any]) -> Problem:
    """The problem that Prophet poses to Stan."""
    time = np.asarray(data["t"], np.float64)
    regressors = np.asarray(data["X"], np.float64)
    trend, changes = np.ones((len(time), 1)), slice(1, 1)
    if data["trend_indicator"] != FLAT:
        later = np.maximum(time[:, None] - np.asarray(data["t_change"], np.float64), 0.0)
        trend, changes = np.column_stack([trend, time, later]), slice(2, 2 + later.shape[1])
    ridge = np.concatenate([
        np.full(trend.shape[1], LEVEL_SPREAD**-2), np.asarray(data["sigmas"], np.float64) ** -2
    ])  # fmt: skip
    ridge[changes] = 0.0
    plus, times = (regressors * np.asarray(data[name], np.float64) for name in ("s_a", "s_m"))
    history = np.asarray(data["y"], np.float64)
    return Problem(history, trend, plus, times, ridge, changes, float(data["tau"]))
