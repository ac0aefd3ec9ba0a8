"""Weights of the ensemble: the mixture with the least CRPS on the backtest.

The score of a mixture is quadratic in its weights,

    CRPS(sum w_m F_m, y) = sum_m w_m E|X_m - y| - 1/2 sum_mk w_m w_k E|X_m - X_k|,

and convex on the simplex, so the best weights are found exactly. CRPS is twice the pinball loss
averaged over all levels. Items of one panel share storms and strikes, so a few origins say less
than their number of items: hopeless models are left out, each class is shrunk to the panel, and
the weights are pulled a little to a default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ml.evaluation.points import BacktestPoints

Floats = npt.NDArray[np.float64]
PANEL = "*"  # the key of the weights that serve a class which was not tried
THINNED = 4  # neighbouring points taken as one: enough for distances between models
NEVER = ("zero",)  # judged with the others, but no part of a forecast: quiet months would choose it
SLACK = 0.02  # in units of the item's scale: scores this close to the best are not hopeless
MOST_FAILURES = 0.05  # a model that fails on more of a class does not belong there
SMALL = 0.02  # a share below this is not worth a model
SHRINKAGE = 60.0  # item-origins that the panel counts for within a class
FALLBACK = {"demand": "empirical", "price": "volatility"}
DEFAULT = {"demand": {"empirical": 0.5, "tsb": 0.5}, "price": {"volatility": 1.0}}
HOPELESS = 1.25  # a model whose score alone exceeds the best one's so many times is left out
# Pull to equal shares of the others (demand), to the volatility model around the last close
# (prices: few series, few origins).
PULL = {"demand": 0.01, "price": 1.0}


@dataclass(frozen=True, slots=True)
class Distances:
    """Mean distances that a quadratic score is made of, over so many item-origins.

    Attributes:
        near: (M,) mean of E|X_m - y| over scale.
        between: (M, M) mean of E|X_m - X_k| over scale.
        count: Item-origins behind the means.
    """

    near: Floats
    between: Floats
    count: int


def fit_weights(backtests: Sequence[BacktestPoints], kind: str) -> dict[str, dict[str, float]]:
    """Weights by demand class, and under ``*`` for the panel as a whole.

    Args:
        backtests: One for each origin, all with the same models. May be empty.
        kind: ``demand`` or ``price``.
    """
    if not backtests:
        return {PANEL: dict(DEFAULT[kind])}
    models = backtests[0].models
    tables = [_item_distances(_filled(backtest, kind)) for backtest in backtests]
    near = np.concatenate([table[0] for table in tables])
    between = np.concatenate([table[1] for table in tables])
    classes = np.concatenate([np.asarray(backtest.classes) for backtest in backtests])
    failed = np.concatenate([np.isnan(one.points).any(axis=(2, 3)) for one in backtests], axis=1).T
    known = np.isfinite(near).all(axis=1)
    near, between, classes, failed = near[known], between[known], classes[known], failed[known]
    if not len(near):
        return {PANEL: dict(DEFAULT[kind])}
    panel = Distances(near.mean(axis=0), between.mean(axis=0), len(near))
    works = failed.mean(axis=0) <= MOST_FAILURES
    weights = {PANEL: _named(models, _best(panel, models, kind, works))}
    for name in sorted(set(classes)):
        own = classes == name
        part = Distances(near[own].mean(axis=0), between[own].mean(axis=0), int(own.sum()))
        shrunk = _shrink(part, panel)
        works = failed[own].mean(axis=0) <= MOST_FAILURES
        weights[str(name)] = _named(models, _best(shrunk, models, kind, works))
    return weights


def weights_for(
    weights: Mapping[str, Mapping[str, float]], demand_class: str
) -> Mapping[str, float]:
    """The weights that serve a class."""
    return weights.get(demand_class, weights[PANEL])


def _filled(backtest: BacktestPoints, kind: str) -> tuple[BacktestPoints, Floats, Floats]:
    """Points with the fallback's in place of those of failed models, as the forecast does it."""
    fallback = backtest.models.index(FALLBACK[kind])
    points = np.where(np.isnan(backtest.points), backtest.points[fallback], backtest.points)
    sums = np.where(
        np.isnan(backtest.cum_points), backtest.cum_points[fallback], backtest.cum_points
    )
    return backtest, points, sums


def _item_distances(filled: tuple[BacktestPoints, Floats, Floats]) -> tuple[Floats, Floats]:
    """Per item: (N, M) nearness and (N, M, M) distances, periods and sums in equal parts."""
    backtest, points, sums = filled
    near, between = _distances(points, backtest.actual)
    scale = backtest.scale[:, None]
    # A price's path is scored by its levels alone: sums of prices mean nothing.
    if np.isnan(backtest.cum_actual).all() or backtest.classes[0] == "price":
        return near / scale, between / scale[:, :, None]
    cum_near, cum_between = _distances(sums, backtest.cum_actual)
    length = np.sqrt(backtest.cum_steps.mean(axis=1))[:, None]  # a sum of n varies as its root
    missing = np.isnan(cum_near[:, :1])
    near = np.where(missing, near, (near + cum_near / length) / 2)
    between = np.where(
        missing[:, :, None], between, (between + cum_between / length[:, :, None]) / 2
    )
    return near / scale, between / scale[:, :, None]


def _distances(points: Floats, actual: Floats) -> tuple[Floats, Floats]:
    """Means over the observed steps of E|X_m - y| (N, M) and E|X_m - X_k| (N, M, M).

    Both are of the same thinned points, so that a model's own score is never below zero.
    """
    count = len(points)
    seen = ~np.isnan(actual)
    steps = np.maximum(seen.sum(axis=1), 1)
    thin = _thinned(points)
    gaps = np.abs(thin - np.nan_to_num(actual)[None, :, :, None]).mean(axis=-1)
    near = np.where(seen, gaps, 0.0).sum(axis=2).T / steps[:, None]
    near[~seen.any(axis=1)] = np.nan
    between = np.zeros((actual.shape[0], count, count))
    for m in range(count):
        for k in range(m, count):
            apart = np.abs(thin[m][..., :, None] - thin[k][..., None, :]).mean(axis=(-1, -2))
            between[:, m, k] = np.where(seen, apart, 0.0).sum(axis=1) / steps
            between[:, k, m] = between[:, m, k]
    return near, between


def _thinned(points: Floats) -> Floats:
    """The middle of each few neighbouring points, ascending."""
    ordered = np.sort(points, axis=-1)
    grouped = ordered.reshape(*points.shape[:-1], -1, THINNED)
    return np.asarray(grouped[..., THINNED // 2 - 1 : THINNED // 2 + 1].mean(axis=-1))


def _shrink(part: Distances, panel: Distances) -> Distances:
    own = part.count / (part.count + SHRINKAGE)
    return Distances(
        own * part.near + (1 - own) * panel.near,
        own * part.between + (1 - own) * panel.between,
        part.count,
    )


def _best(
    distances: Distances, models: Sequence[str], kind: str, works: npt.NDArray[np.bool_]
) -> Floats:
    """The weights on the simplex with the least score.

    Models that do not work on the class, hopeless ones and ``NEVER`` are at 0.
    """
    alone = distances.near - np.diag(distances.between) / 2
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
