"""How much wider or narrower the ensemble's intervals must be to cover what they say.

Split-conformal in the probability integral transform (distributional conformal prediction,
Chernozhukov, Wüthrich & Zhu 2021): at an origin that its weights were not fitted on, the distance
of each actual from the median of its own forecast is measured as |z| = |Phi^-1(F(y))|. A quantile
of |z| over the items of a class, over that of a standard normal, is the spread that would have been
right: 1.1 = a tenth too narrow. It is measured for single periods (their central 80 %) and for
cumulative demand over the protection interval (90 %), whose upper levels decide stock.

What an origin calls for is one draw of what all items share, and a class of few items says little:
logarithms of spreads are drawn to 0, those of a class to its panel's, by normal priors. Models know
less at older origins and call for more there, so origins count as they do in weights. Means of
forecasts are kept (:mod:`ml.ensemble.stretching`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ml.ensemble.mixture import Spreads
from ml.ensemble.mixture_score import GROWTH, PANEL
from ml.ensemble.stretching import stretch_points
from ml.evaluation.origins import SHARES, BacktestPoints
from ml.evaluation.scores import draw_uniforms, transform
from ml.panel import Bools, Floats

PARTS = 3  # of the horizon
LEVEL, SUM_LEVEL = 0.8, 0.9  # central intervals that are put right: of periods, of their sums
BOUNDS = (0.5, 2.0)  # an origin does not call for more
LEAST_ITEMS = 20  # with actuals in a part of the horizon, to say anything about it
# Standard deviations of logarithms: of right spreads from panel to panel and from a panel to its
# classes, of what origins call for around it, and of what one item's |z| adds to that (the
# asymptotic error of a sample quantile at either level).
FROM_ONE, FROM_PANEL, OF_ORIGIN, OF_ITEM = 0.1, 0.1, 0.15, 0.9
LEFT_ALONE = 0.02  # a logarithm below this is nobody's concern


@dataclass(frozen=True, slots=True)
class Deviations:
    """How far what came true at one origin lies from the medians of its forecasts, as |z|."""

    steps: Floats  # (N, H), NaN where nothing is known
    sums: Floats  # (N,) of demand over the protection interval
    classes: npt.NDArray[np.str_]  # (N,) demand class
    length: int  # periods that the models had seen

    def hide(self, known: int, interval: npt.NDArray[np.int64]) -> "Deviations":
        """What was known of them when ``known`` periods had come true; sums are of ``interval``."""
        steps = self.steps.copy()
        steps[:, known:] = np.nan
        sums = np.where(interval > known, np.nan, self.sums)
        return Deviations(steps, sums, self.classes, self.length)


def measure_deviations(backtest: BacktestPoints, points: Floats, sums: Floats) -> Deviations:
    """Deviations from forecasts with points (N, H, K) and points of sums (N, C, K), ascending.

    Ties of counts are broken by numbers that belong to the items. Items that no model has a
    forecast of say nothing.
    """
    horizon = backtest.actual.shape[1]
    uniforms = draw_uniforms("calibration", backtest.items, horizon + 1)
    nothing = backtest.failed().all(axis=0)

    def deviate(forecast: Floats, actual: Floats, ties: Floats) -> Floats:
        # Beyond all points lies no more than half of what the last one carries.
        found = np.clip(transform(forecast, actual, ties), SHARES[0] / 2, 1 - SHARES[-1] / 2)
        return np.where(np.isnan(actual), np.nan, np.abs(ndtri(found)))

    steps = deviate(points, backtest.actual, uniforms[:, :horizon])
    total = deviate(sums[:, 0], backtest.cum_actual[:, 0], uniforms[:, horizon])
    steps[nothing], total[nothing] = np.nan, np.nan
    return Deviations(steps, total, np.asarray(backtest.classes), backtest.length)


def fit_spreads(origins: Sequence[Deviations]) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Spreads of the parts of the horizon, and of sums, by class and for the panel.

    Of all the origins together; none at all without any.
    """
    if not origins:
        return {}, {}
    names = (PANEL, *sorted({str(name) for one in origins for name in one.classes}))
    parts = split_horizon(origins[0].steps.shape[1])
    cells = [[one.steps[:, part] for one in origins] for part in parts]
    columns = [_fit_column(cell, origins, names, LEVEL) for cell in cells]
    sums = [one.sums[:, None] for one in origins]
    return (
        {name: [column[name] for column in columns] for name in names},
        _fit_column(sums, origins, names, SUM_LEVEL),
    )


def _fit_column(
    cells: Sequence[Floats], origins: Sequence[Deviations], names: Sequence[str], level: float
) -> dict[str, float]:
    """Spreads by name from |z| (N, steps) of each origin."""
    trust = np.array([float(one.length) ** GROWTH for one in origins])
    trust /= trust.max()
    every = [np.ones(len(one.classes), bool) for one in origins]
    panel, noise = _call_for(cells, every, trust, level)
    # The shocks of origins are shared by all classes: only items part a class from its panel.
    shocks = OF_ORIGIN**2 * np.square(trust).sum() / trust.sum() ** 2
    own = FROM_ONE**2 / (FROM_ONE**2 + shocks + noise)
    found = {}
    for name in names:
        log, noise = own * panel, 0.0
        if name != PANEL:
            mine, noise = _call_for(cells, [one.classes == name for one in origins], trust, level)
            if np.isfinite(noise):
                log += FROM_PANEL**2 / (FROM_PANEL**2 + noise) * own * (mine - panel)
        found[name] = round(float(np.exp(log)), 4) if abs(log) > LEFT_ALONE else 1.0
    return found


def _call_for(
    cells: Sequence[Floats], rows: Sequence[Bools], trust: Floats, level: float
) -> tuple[float, float]:
    """Mean logarithm of the spreads that origins call for, and its variance over items."""
    logs, counts = [], []
    for cell, kept, weight in zip(cells, rows, trust.tolist(), strict=True):
        known = cell[kept]
        seen = ~np.isnan(known)
        if seen.any(axis=1).sum() < LEAST_ITEMS:
            continue
        values = known[seen]
        # The ceil((n + 1) level)-th smallest of n covers the next one at the level.
        place = min(int(np.ceil((len(values) + 1) * level)), len(values)) - 1
        wanted = float(np.partition(values, place)[place]) / ndtri((1 + level) / 2)
        logs.append(float(np.log(np.clip(wanted, *BOUNDS))))
        counts.append(weight * int(seen.any(axis=1).sum()))
    if not logs:
        return 0.0, np.inf
    return float(np.average(logs, weights=counts)), OF_ITEM**2 / sum(counts)


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


def spread_of_sums(sum_spreads: Mapping[str, float], demand_class: str) -> float:
    """Spread of cumulative demand over the protection interval."""
    return sum_spreads.get(demand_class, sum_spreads.get(PANEL, 1.0))


def stretch_backtest(
    backtest: BacktestPoints,
    points: Floats,
    sums: Floats,
    fitted: tuple[Spreads, Mapping[str, float]],
) -> tuple[Floats, Floats]:
    """Points of steps (N, H, K) and of sums (N, C, K) of a forecast, stretched.

    The sum of a single step is stretched as that step is.
    """
    spreads, sum_spreads = fitted
    if not spreads:
        return points, sums
    horizon = backtest.actual.shape[1]
    steps = np.stack([spread_by_step(spreads, name, horizon, horizon) for name in backtest.classes])
    of_sums = np.array([[spread_of_sums(sum_spreads, name)] for name in backtest.classes])
    of_sums = np.where(backtest.cum_steps == 1, steps[:, :1], of_sums)
    return stretch_points(points, steps), stretch_points(sums, of_sums)
