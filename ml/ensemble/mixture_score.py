"""The mixture with the least CRPS on a backtest, for the panel and for each class.

The score of a mixture is quadratic in its weights,

    CRPS(sum w_m F_m, y) = sum_m w_m E|X_m - y| - 1/2 sum_mk w_m w_k E|X_m - X_k|,

and convex on the simplex, so the best weights are found exactly. CRPS is twice the pinball loss
averaged over all levels. The distances in it are over the item's scale, of periods and of sums over
the protection interval in equal parts.

Items of one panel share storms and strikes, so a few origins say less than their number of items:
hopeless models are left out, each class is shrunk to the panel, and the weights are pulled a little
to a default that is robust on panels that nobody has seen. Simple parts of models of different
kinds are hard to beat (Clemen 1989; Smith & Wallis 2009): what is found on a few origins has to
earn its distance from them. The models are those that were good, or near it, on every open panel of
their kind; what does not exist, fails or is hopeless on a panel takes no part there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ml.evaluation.origins import LEVELS, SCORED_SUMS, SHARES, BacktestPoints, pick_items
from ml.evaluation.scores import quantile_of
from ml.panel import Bools, Floats, Ints

STEADY = ("smooth", "erratic")  # classes with demand in most periods
# When there is nothing to go by, no origin even.
UNTRIED = {"demand": {"empirical": 0.5, "tsb": 0.5}, "price": {"volatility": 1.0}}
# Parts of the robust models of each kind. At early origins of car parts and auto, half a part for
# the one that knows the item's own past alone was as good or better than a whole one. At those of
# tourism, hospital and auto, the LSTM was a better fourth than ARIMA by 6, 1 and 0.4 % of the WQL.
ROBUST = {
    "sparse": {"trees": 2.0, "lstm": 2.0, "hurdle": 2.0, "empirical": 1.0},
    "steady": {"trees": 1.0, "lstm": 1.0, "combined": 1.0, "shrunk_seasonal": 1.0},
}
FALLBACK = {"demand": "empirical", "price": "volatility"}
NEVER = ("zero",)  # judged with the others, but no part of a forecast: quiet months would choose it
HOPELESS = 1.25  # a model whose score alone exceeds the best one's so many times is left out
SLACK = 0.02  # in units of the item's scale: scores this close to the best are not hopeless


def candidates(alone: Floats, works: Bools, models: Sequence[str]) -> Bools:
    """Models (M,) that may have a share: they work, and their score alone (M,) is not hopeless."""
    able = works & ~np.isin(models, NEVER)
    if not able.any():
        return able
    return np.asarray(able & (alone <= HOPELESS * alone[able].min() + SLACK))


def default_mixture(able: Bools, models: Sequence[str], kind: str, steady: bool) -> Floats:
    """Shares (M,) of the robust models among ``able``; equal ones of all where none is robust.

    Where no model is able at all, and for prices, what serves without a backtest.
    """
    names = np.asarray(models)
    if kind == "price" or not able.any():
        plain = np.array([UNTRIED[kind].get(model, 0.0) for model in models])
        return plain / plain.sum() if plain.any() else (names == FALLBACK[kind]) * 1.0
    parts = ROBUST["steady" if steady else "sparse"]
    chosen = able * np.array([parts.get(model, 0.0) for model in models])
    if not chosen.any():
        chosen = able * 1.0
    return np.asarray(chosen / chosen.sum())


def is_steady(name: str, classes: Sequence[str]) -> bool:
    """Whether a class, or for any other name most of a panel's items, have steady demand."""
    known = np.asarray(classes)
    own = known == name
    return bool(np.isin(known[own] if own.any() else known, STEADY).mean() > 0.5)


PANEL = "*"  # the key of the weights that serve a class which was not tried
MOST_FAILURES = 0.05  # a model that fails on more of a class does not belong there
SMALL = 0.02  # a share below this is not worth a model
# Pull to the default mixture; prices are few series at few origins.
PULL = {"demand": 0.01, "price": 1.0}
SHRINKAGE = 60.0  # item-origins that the panel counts for within a class
# Points of single periods in groups of about a twenty-fifth: enough for what is not summed.
THIN_STARTS = np.unique((LEVELS * 25).astype(int), return_index=True)[1]
THIN_SHARES = np.add.reduceat(SHARES, THIN_STARTS)
TAIL_LEVEL = 0.9  # sums count once more above this quantile of the median model
# Sums score about twice as much as periods, and as their own tail: so the parts are equal.
SUM_SHARE, TAIL_SHARE = 0.5, 1.0
# What an origin counts falls with the cube of its history: how models do on half of the history
# says little of how they do now, and models that need seasons are wronged by it.
GROWTH = 3.0
MEASURED = 64  # items whose distances are measured at once
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


def best_weights(
    rows: ItemDistances, models: Sequence[str], kind: str
) -> dict[str, tuple[Floats, Floats]]:
    """Weights (M,) with the least score, and those of the default, of the panel and each class."""
    panel = rows.means()
    found = {}
    for name in (PANEL, *sorted(set(rows.classes.tolist()))):
        own = rows if name == PANEL else rows.of(rows.classes == name)
        means = panel if name == PANEL else own.means(panel)
        alone = means[0] - np.diag(means[1]) / 2  # score of each model on its own, (M,)
        able = candidates(alone, own.working(), models)
        default = default_mixture(able, models, kind, is_steady(name, rows.classes.tolist()))
        found[name] = _best(means, able | (default > 0), default, PULL[kind]), default
    return found


def _best(means: Means, kept: Bools, default: Floats, pull: float) -> Floats:
    """The weights on the simplex of the kept models with the least score."""
    near, between = means
    found = _minimise(near[kept], between[np.ix_(kept, kept)], default[kept], pull)
    weights = np.zeros(len(kept))
    weights[kept] = found
    return drop_small(weights)


def drop_small(weights: Floats) -> Floats:
    """The same without shares that are not worth a model."""
    kept = np.where(weights < min(SMALL, weights.max()), 0.0, weights)
    return np.asarray(kept / kept.sum())


def _minimise(near: Floats, between: Floats, anchor: Floats, pull: float) -> Floats:
    from scipy.optimize import minimize

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


def measure_distances(
    backtests: Sequence[BacktestPoints], kind: str, measured: Sequence[Means] | None = None
) -> ItemDistances:
    """Rows of all origins; those that nothing is known of are left out.

    ``measured`` is what :func:`measure_items` says of each backtest, where it is known already.
    """
    parts = measured or [measure_items(backtest, kind) for backtest in backtests]
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


def measure_items(backtest: BacktestPoints, kind: str) -> tuple[Floats, Floats]:
    """Per item: (N, M) nearness and (N, M, M) distances of all parts of the score.

    A few items at a time: each stands alone, and their points are large.
    """
    firsts = range(0, len(backtest.items), MEASURED)
    parts = [
        _measure_few(pick_items(backtest, slice(first, first + MEASURED)), kind) for first in firsts
    ]
    near, between = zip(*parts, strict=True)
    return np.concatenate(near), np.concatenate(between)


def _measure_few(backtest: BacktestPoints, kind: str) -> tuple[Floats, Floats]:
    """The fallback's points take the place of those of failed models, as in the forecast."""
    fallback = backtest.models.index(FALLBACK[kind])
    points, sums = (
        np.where(np.isnan(values), values[fallback], values).astype(np.float64)
        for values in (backtest.points, backtest.cum_points[:, :, :SCORED_SUMS])
    )
    near, between = measure_parts(_thin(points), backtest.actual, THIN_SHARES)
    scale = backtest.scale[:, None]
    # A price's path is scored by its levels alone: sums of prices mean nothing.
    came = backtest.cum_actual[:, :SCORED_SUMS]
    if np.isnan(came).all() or backtest.classes[0] == "price":
        return near / scale, between / scale[:, :, None]
    steps = backtest.cum_steps[:, :SCORED_SUMS]
    length = np.sqrt(steps.mean(axis=1))[:, None]  # a sum of n varies as its root
    cut = np.median(quantile_of(sums, TAIL_LEVEL), axis=0)  # (N, 2), of the models
    for share, floor in ((SUM_SHARE, -np.inf), (TAIL_SHARE, cut)):
        part = measure_parts(np.maximum(sums, np.expand_dims(floor, -1)),
                             np.maximum(came, floor), SHARES)  # fmt: skip
        missing = np.isnan(part[0][:, :1])
        near = near + np.where(missing, 0.0, share * part[0] / length)
        between = between + np.where(missing[:, :, None], 0.0,
                                     share * part[1] / length[:, :, None])  # fmt: skip
    return near / scale, between / scale[:, :, None]


def _thin(points: Floats) -> Floats:
    """Points (..., K) of single periods in groups that carry about the same, each its mean."""
    carried = np.add.reduceat(points * SHARES, THIN_STARTS, axis=-1)
    return np.asarray(carried / THIN_SHARES)


def measure_parts(points: Floats, actual: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """Means over the observed steps of E|X_m - y| (N, M) and E|X_m - X_k| (N, M, M).

    Of points (M, N, S, K) that carry shares (K,), and actuals (N, S); NaN without any. Both are of
    the same points, so that a model's own score is never below zero.
    """
    seen = ~np.isnan(actual)
    steps = np.maximum(seen.sum(axis=1), 1)
    known = np.nan_to_num(actual)
    gaps = np.abs(points - known[None, :, :, None]) @ shares
    near = np.where(seen, gaps, 0.0).sum(axis=2).T / steps[:, None]
    near[~seen.any(axis=1)] = np.nan
    between = np.zeros((len(actual), len(points), len(points)))
    for row in np.flatnonzero(seen.any(axis=1)):
        own = seen[row]
        between[row] = _distances(points[:, row, own], shares).sum(axis=0) / own.sum()
    return near, between


def _distances(points: Floats, shares: Floats) -> Floats:
    """E|X_m - X_k| of points (M, S, K) that carry shares (K,), (S, M, M).

    The areas between and beyond two distribution functions, F_m (1 - F_k) + F_k (1 - F_m), over the
    steps that all functions make.
    """
    models, steps, count = points.shape
    atoms = points.swapaxes(0, 1).reshape(steps, models * count)
    order = np.argsort(atoms, axis=1)
    widths = np.diff(np.take_along_axis(atoms, order, axis=1), axis=1)
    jumps = np.zeros((steps, models, models * count))
    np.put_along_axis(jumps, (order // count)[:, None, :], shares[order % count][:, None], axis=1)
    reached = np.cumsum(jumps[:, :, :-1], axis=2)
    over = reached * widths[:, None, :]
    area = over.sum(axis=2)
    both = over @ reached.swapaxes(1, 2)
    return np.asarray(area[:, :, None] + area[:, None, :] - 2 * both)
