"""What a quadratic score of mixtures is made of: distances of models to actuals and each other.

All are over the item's scale, of periods and of sums over the protection interval in equal parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.evaluation.points import BacktestPoints

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
THINNED = 4  # neighbouring points taken as one: enough for distances between models
SHRINKAGE = 60.0  # item-origins that the panel counts for within a class
FALLBACK = {"demand": "empirical", "price": "volatility"}
# What an origin counts falls with the cube of its history: how models do on half of the history
# says little of how they do now, and models that need seasons are wronged by it.
GROWTH = 3.0


@dataclass(frozen=True, slots=True)
class Distances:
    """Mean distances over so many item-origins.

    Attributes:
        near: (M,) mean of E|X_m - y| over scale.
        between: (M, M) mean of E|X_m - X_k| over scale.
        count: Item-origins behind the means.
    """

    near: Floats
    between: Floats
    count: int

    def alone(self) -> Floats:
        """Score of each model on its own, (M,)."""
        return np.asarray(self.near - np.diag(self.between) / 2)


@dataclass(frozen=True, slots=True)
class Rows:
    """Distances of every item at every origin, R rows.

    Attributes:
        near: (R, M).
        between: (R, M, M).
        classes: (R,) demand class.
        failed: (R, M) whether the model had no forecast, and the fallback stands in for it.
        trust: (R,) what the origin counts.
        origin: (R,) its position.
        item: (R,) id.
    """

    near: Floats
    between: Floats
    classes: npt.NDArray[np.str_]
    failed: Bools
    trust: Floats
    origin: npt.NDArray[np.int64]
    item: npt.NDArray[np.str_]

    def of(self, rows: Bools) -> "Rows":
        """Only these rows."""
        return Rows(self.near[rows], self.between[rows], self.classes[rows], self.failed[rows],
                    self.trust[rows], self.origin[rows], self.item[rows])  # fmt: skip

    def means(self) -> Distances:
        """Means, weighted by trust."""
        return Distances(
            np.average(self.near, axis=0, weights=self.trust),
            np.average(self.between, axis=0, weights=self.trust),
            len(self.near),
        )

    def scores(self, weights: Floats) -> Floats:
        """CRPS of the mixture with weights (R, M) in each row, (R,)."""
        spread = np.einsum("rm,rmk,rk->r", weights, self.between, weights)
        return np.asarray(np.einsum("rm,rm->r", weights, self.near) - spread / 2)


def rows_of(backtests: Sequence[BacktestPoints], kind: str) -> Rows:
    """Rows of all origins; those that nothing is known of are left out."""
    tables = [_item_distances(_filled(backtest, kind)) for backtest in backtests]
    longest = max(backtest.length for backtest in backtests)
    trust = [np.full(len(one.items), (one.length / longest) ** GROWTH) for one in backtests]
    failed = [np.isnan(one.points).any(axis=(2, 3)).T for one in backtests]
    rows = Rows(
        near=np.concatenate([table[0] for table in tables]),
        between=np.concatenate([table[1] for table in tables]),
        classes=np.concatenate([np.asarray(one.classes) for one in backtests]),
        failed=np.concatenate(failed),
        trust=np.concatenate(trust),
        origin=np.repeat(np.arange(len(backtests)), [len(one.items) for one in backtests]),
        item=np.concatenate([np.asarray(one.items) for one in backtests]),
    )
    return rows.of(np.asarray(np.isfinite(rows.near).all(axis=1)))


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


def shrink(part: Distances, panel: Distances) -> Distances:
    """A class drawn towards its panel."""
    own = part.count / (part.count + SHRINKAGE)
    return Distances(
        own * part.near + (1 - own) * panel.near,
        own * part.between + (1 - own) * panel.between,
        part.count,
    )
