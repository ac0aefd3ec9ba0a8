"""Accuracy of forecasts: scores of single distributions, and the losses of a model at an origin.

Scores take quantile points: K values a distribution, ascending, that carry the shares of a backtest
(:mod:`ml.evaluation.origins`), or 1/K each where that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.forecasts import CUMULATIVE_QUANTILES, quantile_name
from ml.evaluation.origins import LEVELS, SCORED_SUMS, SHARES, BacktestPoints
from ml.panel import Bools, Floats, Ints
from ml.seeds import generator

DECILES = tuple(round(0.1 * k, 1) for k in range(1, 10))
MIXED = 2048  # distributions that are mixed at once: what that takes is many times their points
TAIL = (0.5, 0.8, 0.9, 0.95, 0.99)


def pinball(actual: Floats, quantile: Floats, level: float) -> Floats:
    """Pinball loss of a quantile forecast, elementwise.

    >>> float(pinball(np.array(10.0), np.array(8.0), 0.9))  # too low by 2: 0.9 * 2
    1.8
    """
    error = actual - quantile
    return np.maximum(level * error, (level - 1) * error)


def interval_parts(low: Floats, high: Floats, actual: Floats, share: float) -> tuple[Floats, ...]:
    """Interval score of a central interval that promises ``share``, in its parts, elementwise.

    Width, what falling below it costs and what rising above it costs: their sum is the score
    (Gneiting & Raftery 2007, eq. 43).

    >>> [float(part) for part in interval_parts(*np.array([[2.0], [6.0], [7.0]]), 0.8)]
    [4.0, 0.0, 10.0]
    """
    costs = 2 / (1 - share)
    below, above = np.maximum(low - actual, 0.0), np.maximum(actual - high, 0.0)
    return high - low, costs * below, costs * above


def quantile_of(points: Floats, level: float) -> Floats:
    """Quantile at ``level`` of distributions given by points (..., K) of a backtest.

    The first point whose level is not below it, so counts stay counts.
    """
    place = int(np.searchsorted(LEVELS, level - 1e-9))
    return points[..., min(place, len(LEVELS) - 1)]


def crps(points: Floats, actual: Floats, shares: Floats | None = None) -> Floats:
    """Continuous ranked probability score of distributions given by points (..., K).

    E|X - y| - E|X - X'| / 2, exact for the K-point distribution (Gneiting & Raftery 2007, eq. 21),
    whose points carry ``shares`` (K,), by default 1/K each.
    """
    count = points.shape[-1]
    carried = np.full(count, 1 / count) if shares is None else shares
    near = np.abs(points - actual[..., None]) @ carried
    # Each point stands above what was carried before it and below what comes after.
    balance = carried * (2 * np.cumsum(carried) - carried - 1)
    return near - np.sort(points, axis=-1) @ balance


def transform(points: Floats, actual: Floats, uniforms: Floats) -> Floats:
    """Randomised probability integral transform (...), uniform in [0, 1) for a perfect forecast.

    For counts P(y <= q) exceeds the level even of a perfect quantile. So the transform is
    randomised, u in F(y-) + v P(y), v uniform (Czado, Gneiting & Held 2009). Points (..., K) of a
    backtest may have been kept as 32-bit numbers: all are compared as such, or 0.1 is not 0.1.
    """
    points, actual = points.astype(np.float32), actual.astype(np.float32)
    below = (points < actual[..., None]) @ SHARES
    at = (points == actual[..., None]) @ SHARES
    return below + uniforms * at


def draw_uniforms(purpose: str, items: Sequence[str], steps: int) -> Floats:
    """Uniform numbers (N, steps) that break ties; each item's belong to its name."""
    return np.stack([generator(0, purpose, item).random(steps) for item in items])


def mixture_points(points: Floats, weights: Floats) -> Floats:
    """Quantile points (..., K) of a mixture of M distributions, at the levels of a backtest.

    Of their points (M, ..., K), without NaN, and weights (M, ...) or broadcastable to it, which
    are >= 0 and sum to 1 over M.
    """
    used = weights.reshape(len(weights), -1).any(axis=1)  # most models have no share at all
    if not used.all():
        points, weights = points[used], weights[used]
    every, count = points.shape[1:-1], points.shape[-1]
    missing = (1,) * (points.ndim - 1 - weights.ndim)
    shares = np.broadcast_to(weights.reshape(weights.shape + missing), points.shape[:-1])
    atoms, shares = points.reshape(len(points), -1, count), shares.reshape(len(points), -1)
    parts = range(0, max(atoms.shape[1], 1), MIXED)
    mixed = [_mix_rows(atoms[:, one : one + MIXED], shares[:, one : one + MIXED]) for one in parts]
    return np.concatenate(mixed).reshape(*every, count)


def _mix_rows(points: Floats, weights: Floats) -> Floats:
    """The same of R distributions: points (M, R, K), weights (M, R)."""
    models, rows, count = points.shape
    flat = np.moveaxis(points, 0, 1).reshape(rows, models * count)
    shares = (np.moveaxis(weights, 0, 1)[:, :, None] * SHARES).reshape(flat.shape)
    order = np.argsort(flat, axis=-1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=-1)
    cumulative = np.cumsum(np.take_along_axis(shares, order, axis=-1), axis=-1)
    places = _first_reaching(cumulative)
    return np.take_along_axis(ordered, places, axis=-1)


def _first_reaching(rows: Floats) -> Ints:
    """Index of the first cumulative share (R, n) that reaches each level of a backtest, (R, K)."""
    # Rows are laid end to end at distances of 2, so that one search serves them all.
    offsets = 2.0 * np.arange(len(rows))[:, None]
    found = np.searchsorted((rows + offsets).ravel(), (LEVELS - 1e-9 + offsets).ravel())
    found = found.reshape(len(rows), -1) - np.arange(len(rows))[:, None] * rows.shape[1]
    return np.minimum(found, rows.shape[1] - 1)


@dataclass(frozen=True, slots=True)
class Losses:
    """Everything that the metrics of one model at one origin are sums of.

    All arrays are (N, H), NaN where there is no actual or the model failed, except the last
    ones, (N,): ``cum_scaled_crps`` and ``tail_pinball`` are of the demand over the item's
    protection interval (as far as H reaches), ``cum_pinball`` and ``cum_actual`` are of steps 1
    to H, and ``cum_transform`` (N, 2) is of both sums. The scaled ones are over the item's scale,
    ``tail_pinball`` over that of a sum of as many steps, too.
    """

    actual: Floats
    absolute: Floats
    squared: Floats
    signed: Floats
    pinball: Floats
    scaled_crps: Floats
    transform: Floats
    cum_actual: Floats
    cum_scaled_crps: Floats
    cum_pinball: Floats
    cum_transform: Floats
    tail_pinball: Floats


def measure_losses(backtest: BacktestPoints, model: str) -> Losses:
    """Losses of one model at one origin."""
    place = backtest.models.index(model)
    points = np.sort(backtest.points[place].astype(np.float64), axis=-1)
    steps, sums_came = backtest.cum_steps[:, :SCORED_SUMS], backtest.cum_actual[:, :SCORED_SUMS]
    both = np.sort(backtest.cum_points[place][:, :SCORED_SUMS].astype(np.float64), axis=-1)
    own, sums = both.swapaxes(0, 1)
    actual = np.where(np.isnan(points[..., 0]), np.nan, backtest.actual)
    total = np.where(np.isnan(sums[..., 0]), np.nan, sums_came[:, 1])
    median = quantile_of(points, 0.5)
    mean = backtest.means[place]
    uniforms = draw_uniforms("coverage", backtest.items, actual.shape[1])
    # Both sums of an item take the number of their last step, which is the same where they are.
    cum_uniforms = np.take_along_axis(uniforms, steps - 1, axis=1)
    cum_known = ~np.isnan(sums_came) & ~np.isnan(both[..., 0])
    length = np.sqrt(steps[:, 0])  # a sum of n varies as its root
    return Losses(
        actual=actual,
        absolute=np.abs(actual - median),
        squared=(actual - mean) ** 2,
        signed=mean - actual,
        pinball=_mean_pinball(points, actual, DECILES),
        scaled_crps=crps(points, actual, SHARES) / backtest.scale[:, None],
        transform=np.where(np.isnan(actual), np.nan, transform(points, actual, uniforms)),
        cum_actual=total,
        cum_scaled_crps=crps(own, sums_came[:, 0], SHARES) / backtest.scale,
        cum_pinball=_mean_pinball(sums, total, TAIL),
        cum_transform=np.where(cum_known, transform(both, sums_came, cum_uniforms), np.nan),
        tail_pinball=_mean_pinball(own, sums_came[:, 0], TAIL[1:]) / (backtest.scale * length),
    )


def _mean_pinball(points: Floats, actual: Floats, levels: Sequence[float]) -> Floats:
    found = [pinball(actual, quantile_of(points, q), q) for q in levels]
    return np.mean(found, axis=0)


def past_column(rows: pa.Table, name: str) -> Any:
    """A column of PAST_FORECASTS as an array, NaN for unknown numbers."""
    return np.asarray(rows[name].to_numpy())


def past_flag(rows: pa.Table, name: str) -> Bools:
    """A column of yes and no, unknown = no."""
    return np.asarray(pc.fill_null(rows[name], fill_value=False).to_numpy())


def past_pinball(rows: pa.Table, prefix: str = "") -> Floats:
    """Mean pinball loss over the quantiles of PAST_FORECASTS rows, of those with a prefix."""
    y = past_column(rows, "y")
    names = {q: f"{prefix}{quantile_name(q)}" for q in CUMULATIVE_QUANTILES}
    losses = [pinball(y, past_column(rows, name), q) for q, name in names.items()]
    return np.asarray(np.mean(losses, axis=0))


def came_below(rows: pa.Table, level: float) -> Bools:
    """Whether what came true counts as below a quantile; at it, as was drawn when it was said."""
    name = quantile_name(level)
    y, cut = past_column(rows, "y"), past_column(rows, name)
    return np.asarray((y < cut) | ((y == cut) & past_flag(rows, f"tie_{name}")))
