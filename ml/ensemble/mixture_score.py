"""The mixture with the least CRPS on a backtest, for the panel and for each class.

The score of a mixture is quadratic in its weights,

    CRPS(sum w_m F_m, y) = sum_m w_m E|X_m - y| - 1/2 sum_mk w_m w_k E|X_m - X_k|,

and convex on the simplex, so the best weights are found exactly. CRPS is twice the pinball loss
averaged over all levels. Items of one panel share storms and strikes, so a few origins say less
than their number of items: hopeless models are left out, each class is shrunk to the panel, and
the weights are pulled a little to a default.

The distances in it are over the item's scale, of periods and of sums over the protection interval
in equal parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ml.evaluation.origins import BacktestPoints
from ml.panel import Bools, Floats, Ints

PANEL = "*"  # the key of the weights that serve a class which was not tried
NEVER = ("zero",)  # judged with the others, but no part of a forecast: quiet months would choose it
FALLBACK = {"demand": "empirical", "price": "volatility"}
DEFAULT = {"demand": {"empirical": 0.5, "tsb": 0.5}, "price": {"volatility": 1.0}}
MOST_FAILURES = 0.05  # a model that fails on more of a class does not belong there
HOPELESS = 1.25  # a model whose score alone exceeds the best one's so many times is left out
SLACK = 0.02  # in units of the item's scale: scores this close to the best are not hopeless
SMALL = 0.02  # a share below this is not worth a model
# Pull to equal shares of the others (demand), to the volatility model around the last close
# (prices: few series, few origins).
PULL = {"demand": 0.01, "price": 1.0}
SHRINKAGE = 60.0  # item-origins that the panel counts for within a class
THINNED = 4  # neighbouring points taken as one: enough for distances between models
# What an origin counts falls with the cube of its history: how models do on half of the history
# says little of how they do now, and models that need seasons are wronged by it.
GROWTH = 3.0
Means = tuple[Floats, Floats]
"""Means of E|X_m - y| (M,) and of E|X_m - X_k| (M, M) over scale."""


@dataclass(frozen=True, slots=True)
class ItemDistances:
    """Distances of every item at every origin, R rows."""

    near: Floats  # (R, M)
    between: Floats  # (R, M, M)
    classes: npt.NDArray[np.str_]  # (R,) demand class
    failed: Bools  # (R, M) whether the model had no forecast, and the fallback stands in for it
    trust: Floats  # (R,) what the origin counts
    origin: Ints  # (R,) its position
    item: npt.NDArray[np.str_]  # (R,) id

    def of(self, rows: Bools) -> "ItemDistances":
        """Only these rows."""
        return ItemDistances(*(getattr(self, field.name)[rows] for field in fields(self)))

    def means(self, panel: Means | None = None) -> Means:
        """Means weighted by trust; those of a class are drawn towards its panel's."""
        near = np.average(self.near, axis=0, weights=self.trust)
        between = np.average(self.between, axis=0, weights=self.trust)
        if panel is None:
            return near, between
        own = len(self.near) / (len(self.near) + SHRINKAGE)
        return own * near + (1 - own) * panel[0], own * between + (1 - own) * panel[1]

    def working(self) -> Bools:
        """Models that fail seldom enough on these rows, (M,)."""
        return np.asarray(self.failed.mean(axis=0) <= MOST_FAILURES)

    def scores(self, weights: Floats) -> Floats:
        """CRPS of the mixture with weights (R, M) in each row, (R,)."""
        spread = np.einsum("rm,rmk,rk->r", weights, self.between, weights)
        return np.asarray(np.einsum("rm,rm->r", weights, self.near) - spread / 2)


def score_alone(means: Means) -> Floats:
    """Score of each model on its own, (M,)."""
    return np.asarray(means[0] - np.diag(means[1]) / 2)


def best_weights(rows: ItemDistances, models: Sequence[str], kind: str) -> dict[str, Floats]:
    """Best weights of the panel and of each class, (M,) each."""
    panel = rows.means()
    found = {PANEL: _best(panel, models, kind, rows.working())}
    for name in sorted(set(rows.classes)):
        own = rows.of(rows.classes == name)
        found[str(name)] = _best(own.means(panel), models, kind, own.working())
    return found


def _best(means: Means, models: Sequence[str], kind: str, works: Bools) -> Floats:
    """The weights on the simplex with the least score.

    Models that do not work on the class, hopeless ones and ``NEVER`` are at 0.
    """
    near, between = means
    alone = score_alone(means)
    usual = np.array([model in DEFAULT[kind] for model in models])
    candidates = works & np.array([model not in NEVER for model in models])
    if not candidates.any():
        candidates = usual
    kept = usual | (candidates & (alone <= HOPELESS * alone[candidates].min() + SLACK))
    anchor = np.full(kept.sum(), 1 / kept.sum())
    if kind == "price":
        anchor = np.array([DEFAULT[kind].get(model, 0.0) for model in models])[kept]
    found = _minimise(near[kept], between[np.ix_(kept, kept)], anchor, PULL[kind])
    weights = np.zeros(len(models))
    weights[kept] = np.where(found < SMALL, 0.0, found)
    return weights / weights.sum()


def _minimise(near: Floats, between: Floats, anchor: Floats, pull: float) -> Floats:
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


def measure_distances(backtests: Sequence[BacktestPoints], kind: str) -> ItemDistances:
    """Rows of all origins; those that nothing is known of are left out."""
    parts = [_item_distances(backtest, kind) for backtest in backtests]
    longest = max(backtest.length for backtest in backtests)
    trust = [np.full(len(one.items), (one.length / longest) ** GROWTH) for one in backtests]
    rows = ItemDistances(
        near=np.concatenate([near for near, _ in parts]),
        between=np.concatenate([between for _, between in parts]),
        classes=np.concatenate([one.classes for one in backtests]),
        failed=np.concatenate([one.failed().T for one in backtests]),
        trust=np.concatenate(trust),
        origin=np.repeat(np.arange(len(backtests)), [len(one.items) for one in backtests]),
        item=np.concatenate([one.items for one in backtests]),
    )
    return rows.of(np.asarray(np.isfinite(rows.near).all(axis=1)))


def _item_distances(backtest: BacktestPoints, kind: str) -> tuple[Floats, Floats]:
    """Per item: (N, M) nearness and (N, M, M) distances, periods and sums in equal parts.

    The fallback's points take the place of those of failed models, as in the forecast.
    """
    fallback = backtest.models.index(FALLBACK[kind])
    points, sums = (
        np.where(np.isnan(values), values[fallback], values)
        for values in (backtest.points, backtest.cum_points)
    )
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
    grouped = np.sort(points, axis=-1).reshape(*points.shape[:-1], -1, THINNED)
    thin = grouped[..., THINNED // 2 - 1 : THINNED // 2 + 1].mean(axis=-1)  # the middle of a few
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
