"""Weights of the ensemble: the mixture with the least CRPS on the backtest.

The score of a mixture is quadratic in its weights,

    CRPS(sum w_m F_m, y) = sum_m w_m E|X_m - y| - 1/2 sum_mk w_m w_k E|X_m - X_k|,

and convex on the simplex, so the best weights are found exactly. CRPS is twice the pinball loss
averaged over all levels. Items of one panel share storms and strikes, so a few origins say less
than their number of items: hopeless models are left out, each class is shrunk to the panel, and
the weights are pulled a little to a default. A mixture that does not beat the best reference model
at origins that its weights were not fitted on gives way to it: the simpler model wins ties. Prices
ask for more: their mixture must pass a test, or the volatility around the last close stands.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ml.ensemble.distances import Distances, Rows, rows_of, shrink
from ml.evaluation.points import BacktestPoints
from ml.forecasters.registry import REFERENCES

Floats = npt.NDArray[np.float64]
PANEL = "*"  # the key of the weights that serve a class which was not tried
NEVER = ("zero",)  # judged with the others, but no part of a forecast: quiet months would choose it
SLACK = 0.02  # in units of the item's scale: scores this close to the best are not hopeless
MOST_FAILURES = 0.05  # a model that fails on more of a class does not belong there
SMALL = 0.02  # a share below this is not worth a model
DEFAULT = {"demand": {"empirical": 0.5, "tsb": 0.5}, "price": {"volatility": 1.0}}
HOPELESS = 1.25  # a model whose score alone exceeds the best one's so many times is left out
# Pull to equal shares of the others (demand), to the volatility model around the last close
# (prices: few series, few origins).
PULL = {"demand": 0.01, "price": 1.0}
LEAST_ORIGINS = 3  # that can prove anything about prices
SURE = 0.1  # two-sided: one in twenty mixtures of prices that are no better is taken


def fit_weights(backtests: Sequence[BacktestPoints], kind: str) -> dict[str, dict[str, float]]:
    """Weights by demand class, and under ``*`` for the panel as a whole.

    Args:
        backtests: One for each origin, all with the same models. May be empty.
        kind: ``demand`` or ``price``.
    """
    if not backtests:
        return {PANEL: dict(DEFAULT[kind])}
    return weights_of(rows_of(backtests, kind), backtests[0].models, kind)


def weights_of(rows: Rows, models: Sequence[str], kind: str) -> dict[str, dict[str, float]]:
    """The same from the distances of M models, those of some origins for instance."""
    if not len(rows.near):
        return {PANEL: dict(DEFAULT[kind])}
    found = _by_class(rows, models, kind)
    challenge = _against_references if kind == "demand" else _against_last_close
    return {
        name: _named(models, weights) for name, weights in challenge(rows, found, models).items()
    }


def _by_class(rows: Rows, models: Sequence[str], kind: str) -> dict[str, Floats]:
    """Best weights of the panel and of each class, (M,) each."""
    panel = rows.means()
    works = rows.failed.mean(axis=0) <= MOST_FAILURES
    found = {PANEL: _best(panel, models, kind, works)}
    for name in sorted(set(rows.classes)):
        own = rows.of(rows.classes == name)
        works = own.failed.mean(axis=0) <= MOST_FAILURES
        found[str(name)] = _best(shrink(own.means(), panel), models, kind, works)
    return found


def _against_references(
    rows: Rows, found: Mapping[str, Floats], models: Sequence[str]
) -> dict[str, Floats]:
    """The weights, or the best reference alone where mixtures do no better than it.

    Judged at each origin by weights that were fitted on the others; one origin judges nothing.
    """
    if len(np.unique(rows.origin)) < 2:
        return dict(found)
    mixture = _mixture_elsewhere(rows, models, "demand")
    decided = {}
    for name, weights in found.items():
        own = np.ones(len(rows.classes), bool) if name == PANEL else rows.classes == name
        best = _best_reference(rows.of(own), models)
        decided[name] = weights
        if best is not None:
            only = _only(best, models)
            alone = _alone(rows.of(own), only)
            if np.average(mixture[own] - alone, weights=rows.trust[own]) >= 0:
                decided[name] = only
    return decided


def _against_last_close(
    rows: Rows, found: Mapping[str, Floats], models: Sequence[str]
) -> dict[str, Floats]:
    """The weights, or the volatility around the last close where they are not surely better.

    A test of Diebold and Mariano on the mean scores of origins, which lie one horizon apart, with
    the correction of Harvey, Leybourne and Newbold (1997) for few of them.
    """
    from statsmodels.tsa.stattools import diebold_mariano_test

    only = _only(models.index(next(iter(DEFAULT["price"]))), models)
    plain = dict.fromkeys(found, only)
    origins = np.unique(rows.origin)
    if len(origins) < LEAST_ORIGINS:
        return plain
    mixture, alone = _mixture_elsewhere(rows, models, "price"), _alone(rows, only)
    scores = np.array([[loss[rows.origin == one].mean() for one in origins]
                       for loss in (mixture, alone)])  # fmt: skip
    if np.ptp(scores[0] - scores[1]) == 0:
        return plain
    told = diebold_mariano_test(
        np.zeros(len(origins)), *scores, lags=0, criterion=_as_it_is, harvey_adj=True
    )
    better = scores[0].mean() < scores[1].mean() and told.pvalue < SURE
    return dict(found) if better else plain


def _as_it_is(_actual: Floats, loss: Floats) -> Floats:
    """The test's measure of a forecast that is a loss already."""
    return loss


def _mixture_elsewhere(rows: Rows, models: Sequence[str], kind: str) -> Floats:
    """Score of each row with the weights that all origins but its own would choose, (R,)."""
    elsewhere = {
        int(origin): _by_class(rows.of(rows.origin != origin), models, kind)
        for origin in np.unique(rows.origin)
    }
    judged = [
        elsewhere[int(origin)].get(str(name), elsewhere[int(origin)][PANEL])
        for origin, name in zip(rows.origin, rows.classes, strict=True)
    ]
    return rows.scores(np.stack(judged))


def _only(place: int, models: Sequence[str]) -> Floats:
    """All weight on one model, (M,)."""
    only = np.zeros(len(models))
    only[place] = 1.0
    return only


def _alone(rows: Rows, only: Floats) -> Floats:
    """Score of one model in each row, (R,)."""
    return rows.scores(np.tile(only, (len(rows.near), 1)))


def _best_reference(rows: Rows, models: Sequence[str]) -> int | None:
    """Position of the reference model with the least score that works on these rows."""
    works = rows.failed.mean(axis=0) <= MOST_FAILURES
    usable = works & np.array([m in REFERENCES["demand"] and m not in NEVER for m in models])
    if not usable.any():
        return None
    return int(np.argmin(np.where(usable, rows.means().alone(), np.inf)))


def weights_for(
    weights: Mapping[str, Mapping[str, float]], demand_class: str
) -> Mapping[str, float]:
    """The weights that serve a class."""
    return weights.get(demand_class, weights[PANEL])


def _best(
    distances: Distances, models: Sequence[str], kind: str, works: npt.NDArray[np.bool_]
) -> Floats:
    """The weights on the simplex with the least score.

    Models that do not work on the class, hopeless ones and ``NEVER`` are at 0.
    """
    alone = distances.alone()
    candidates = works & np.array([model not in NEVER for model in models])
    if not candidates.any():
        candidates = np.array([model in DEFAULT[kind] for model in models])
    kept = candidates & (alone <= HOPELESS * alone[candidates].min() + SLACK)
    kept |= np.array([model in DEFAULT[kind] for model in models])
    near, between = distances.near[kept], distances.between[np.ix_(kept, kept)]
    anchor = np.full(len(near), 1 / len(near))
    if kind == "price":
        anchor = np.asarray([DEFAULT[kind].get(m, 0.0) for m, keep in zip(models, kept, strict=True)
                             if keep])  # fmt: skip
    found = _least(near, between, anchor, PULL[kind])
    weights = np.zeros(len(models))
    weights[kept] = np.where(found < SMALL, 0.0, found)
    return weights / weights.sum()


def _least(near: Floats, between: Floats, anchor: Floats, pull: float) -> Floats:
    size = len(near)
    unit = float(near.min()) or 1.0

    def score(w: Floats) -> float:
        quadratic = w @ between @ w / 2
        return float((near @ w - quadratic) / unit + pull * np.sum((w - anchor) ** 2))

    def slope(w: Floats) -> Floats:
        return (near - between @ w) / unit + 2 * pull * (w - anchor)

    found = minimize(
        score,
        np.full(size, 1 / size),
        jac=slope,
        bounds=[(0.0, 1.0)] * size,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-12},
    )
    return np.asarray(found.x, np.float64)


def _named(models: Sequence[str], weights: Floats) -> dict[str, float]:
    return {
        model: round(float(weight), 6)
        for model, weight in zip(models, weights, strict=True)
        if weight > 0
    }
