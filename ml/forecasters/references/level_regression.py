"""Two small regressions with a ridge towards sensible defaults, and how far levels stray.

Both are fitted by Newton's method on the penalised likelihood (Hastie, Tibshirani & Friedman,
*The Elements of Statistical Learning*, 2nd ed., section 4.4.1), which is concave.
"""

from collections.abc import Callable

import numpy as np

from ml.panel import Floats

Slope = Callable[[Floats], tuple[Floats, Floats]]
"""Effects -> gradient (F,) of the log-likelihood, and curvature (n,) of each row's part."""

ROUNDS = 25
LONGEST_STEP = 1.0
MOST_LOG = 12.0  # beyond it a linear predictor changes nothing
WILD = 10.0  # demand beyond so many times what was expected is an accident


def fit_logistic(
    states: Floats, events: Floats, periods: Floats, default: Floats, ridge: float
) -> Floats:
    """Effects (F,) on the log-odds that a period has demand, by regressors (n, F).

    ``events`` (n,) are periods with demand and ``periods`` (n,) all, weighted alike; ``default``
    (F,) are effects where the data says nothing, with the weight ``ridge``.
    """

    def slope(effects: Floats) -> tuple[Floats, Floats]:
        share = logistic(states @ effects)
        return states.T @ (events - periods * share), periods * share * (1 - share)

    return _climb(slope, states, default, ridge)


def fit_sizes(
    states: Floats, ratios: Floats, weights: Floats, default: Floats, ridge: float
) -> Floats:
    """The same on the log of a mean size over the panel's: a gamma regression with a log link.

    Ratios (n,) beyond ``WILD`` times their expectation by ``default`` are cut.
    """
    cut = np.minimum(ratios, WILD * exponential(states @ default))

    def slope(effects: Floats) -> tuple[Floats, Floats]:
        return states.T @ (weights * (cut / exponential(states @ effects) - 1)), weights

    return _climb(slope, states, default, ridge)


def _climb(slope: Slope, states: Floats, default: Floats, ridge: float) -> Floats:
    effects = default.copy()
    for _ in range(ROUNDS):
        gradient, curvature = slope(effects)
        bend = (states * curvature[:, None]).T @ states + ridge * np.eye(len(default))
        step = np.linalg.solve(bend, gradient - ridge * (effects - default))
        effects += np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max() < 1e-6:
            break
    return effects


def logistic(odds: Floats) -> Floats:
    """Probability of these log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -MOST_LOG, MOST_LOG))))


def exponential(logs: Floats) -> Floats:
    """Ratio of these logs."""
    return np.asarray(np.exp(np.clip(logs, -MOST_LOG, MOST_LOG)))


def shared_chance(events: Floats, periods: Floats, expected: Floats) -> float:
    """Correlation of demand in two periods of an item whose probability was expected to be so.

    By moments of the beta-binomial: Var k = n p (1 - p) (1 + (n - 1) rho); at most a half.

    >>> round(shared_chance(np.array([4.0, 0.0]), np.array([4.0, 4.0]), np.array([0.5, 0.5])), 2)
    0.5
    """
    single = periods * expected * (1 - expected)
    excess = ((events - periods * expected) ** 2 - single).sum()
    possible = ((periods - 1) * single).sum()
    return float(np.clip(excess / possible, 0.0, 0.5)) if possible > 0 else 0.1


def shared_size(means: Floats, events: Floats, spread: float) -> float:
    """Variance between items of the level of sizes over what was expected, at most 1.

    By moments: the variance of a mean of k sizes is that of the level plus ``spread`` / k. Errors
    beyond three robust standard deviations are cut to these, for single accidents would say that
    no level is known.
    """
    if not len(means):
        return 0.1
    errors = np.abs(means - 1)
    cut = 3 * float(np.median(errors)) / 0.6745
    squares = np.minimum(errors, cut) ** 2
    return float(np.clip((events * squares - spread).sum() / events.sum(), 0.0, 1.0))
