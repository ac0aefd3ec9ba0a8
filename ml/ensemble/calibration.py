"""How much wider or narrower the ensemble's intervals must be to cover what they say.

Split-conformal in the probability integral transform (distributional conformal prediction,
Chernozhukov, Wüthrich & Zhu 2021): at an origin that its weights were not fitted on, the distance
of each actual from the median of its own forecast is measured as |z| = |Phi^-1(F(y))|. The 80 %
quantile of |z| over the items of a class, over that of a standard normal, is the spread that would
have been right: 1.1 = a tenth too narrow. Forecasts keep their median and are stretched by it in
probability, x = F^-1(Phi(s Phi^-1(u))), so counts stay counts and demand stays above zero.

Adaptive: the newest origin alone speaks, for intervals grow wider or narrower as histories grow.
It is one draw of what all items share, so half of what it says is believed.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.special import ndtr, ndtri

from ml.ensemble.mixture import Spreads
from ml.ensemble.mixture_score import PANEL, SHRINKAGE
from ml.evaluation.origins import SHARES, BacktestPoints
from ml.evaluation.scores import draw_uniforms, transform
from ml.forecasters.base import Paths
from ml.panel import Floats, Ints
from ml.seeds import generator

PARTS = 3  # of the horizon
LEVEL = 0.8  # central interval whose coverage is put right
BELIEVED = 0.5  # share of the newest origin's correction, on the log scale
BOUNDS = (0.5, 2.0)  # an origin does not call for more
LEAST_ACTUALS = 20  # in a part of the horizon, to say anything about it


def measure_deviations(points: Floats, actual: Floats, items: Sequence[str]) -> Floats:
    """How far actuals (N, H) lie from the medians of their forecasts, (N, H) |z|; NaN stays.

    Points (N, H, K) ascend. Ties of counts are broken by numbers that belong to the items.
    """
    uniforms = draw_uniforms("calibration", items, actual.shape[1])
    count = points.shape[-1]
    # Beyond all points lies no more than half a point's share.
    found = np.clip(transform(points, actual, uniforms), 0.5 / count, 1 - 0.5 / count)
    return np.where(np.isnan(actual), np.nan, np.abs(ndtri(found)))


def fit_spreads(found: Floats, classes: Sequence[str], before: Spreads) -> dict[str, list[float]]:
    """Spreads after one more origin.

    Args:
        found: (N, H) of :func:`measure_deviations` at the origin, of the uncalibrated ensemble.
        classes: N demand classes.
        before: Spreads that older origins led to; they serve parts of the horizon that this
            origin does not reach. Empty at the first one.
    """
    names = np.asarray(classes)
    panel = _fit_parts(found, before.get(PANEL, [1.0] * PARTS), prior=None)
    return {PANEL: panel} | {
        str(name): _fit_parts(found[names == name], panel, prior=panel)
        for name in sorted(set(names))
    }


def _fit_parts(
    found: Floats, otherwise: Sequence[float], prior: Sequence[float] | None
) -> list[float]:
    spreads = []
    for part, steps in enumerate(split_horizon(found.shape[1])):
        cells = found[:, steps]
        known = cells[~np.isnan(cells)]
        if len(known) < LEAST_ACTUALS:
            spreads.append(float(otherwise[part]))
            continue
        # The ceil((n + 1) level)-th smallest of n covers the next one at the level.
        place = min(int(np.ceil((len(known) + 1) * LEVEL)), len(known)) - 1
        wanted = float(np.partition(known, place)[place]) / ndtri((1 + LEVEL) / 2)
        log = BELIEVED * float(np.log(np.clip(wanted, *BOUNDS)))
        if prior is not None:
            own = len(found) / (len(found) + SHRINKAGE)
            log = own * log + (1 - own) * float(np.log(prior[part]))
        spreads.append(round(float(np.exp(log)), 4))
    return spreads


def split_horizon(horizon: int) -> list[slice]:
    """The near, middle and far steps."""
    ends = [round(horizon * part / PARTS) for part in range(PARTS + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def spread_by_step(spreads: Spreads, demand_class: str, horizon: int, reach: int) -> Floats:
    """Spread of each of ``reach`` steps; those beyond the horizon are as its far ones."""
    chosen = spreads.get(demand_class, spreads.get(PANEL, [1.0] * PARTS))
    found = np.full(reach, float(chosen[-1]))
    for value, steps in zip(chosen, split_horizon(horizon), strict=True):
        found[steps] = value
    return found


def stretch_paths(paths: Paths, spread: Floats, name: str) -> Paths:
    """Paths (S, H) whose every step is stretched by its spread (H,); who is above whom stays.

    A spread of 1 leaves a step alone. Equal values are put in an order that belongs to ``name``,
    the item's.
    """
    made = paths.copy()
    rng = generator(0, "stretch", name)
    even = np.full(len(made), 1 / len(made))
    for step in np.flatnonzero(spread != 1.0):
        shuffled = rng.permutation(len(made))
        order = shuffled[np.argsort(made[shuffled, step], kind="stable")]
        made[order, step] = made[order, step][stretch_ranks(even, float(spread[step]))]
    return made


def stretch_backtest(
    backtest: BacktestPoints, points: Floats, sums: Floats, spreads: Spreads
) -> tuple[Floats, Floats]:
    """Points of steps (N, H, K) and of sums (N, 2, K) of a forecast, stretched.

    Sums are stretched by the mean of their steps' spreads.
    """
    if not spreads:
        return points, sums
    horizon = backtest.actual.shape[1]
    steps = np.stack([spread_by_step(spreads, name, horizon, horizon) for name in backtest.classes])
    means = np.cumsum(steps, axis=1) / np.arange(1, horizon + 1)
    of_sums = np.take_along_axis(means, backtest.cum_steps - 1, axis=1).round(4)
    return stretch_points(points, steps), stretch_points(sums, of_sums)


def stretch_points(points: Floats, spread: Floats) -> Floats:
    """The same of ascending quantile points (N, H, K), with spreads (N, H)."""
    picked = {s: stretch_ranks(SHARES, s) for s in np.unique(spread).tolist()}
    chosen = np.stack([picked[s] for s in spread.ravel().tolist()])
    return np.take_along_axis(points, chosen.reshape(points.shape), axis=-1)


def stretch_ranks(shares: Floats, spread: float) -> Ints:
    """Which of ordered draws that carry these shares stands at each rank once stretched."""
    ends = np.cumsum(shares)
    levels = ndtr(spread * ndtri(ends - shares / 2))
    return np.minimum(np.searchsorted(ends, levels), len(shares) - 1)
