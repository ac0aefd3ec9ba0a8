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

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from ml.ensemble.distances import SHRINKAGE
from ml.ensemble.least_score import PANEL
from ml.evaluation.scores import transform
from ml.forecasters.base import Paths
from ml.seeds import generator

Floats = npt.NDArray[np.float64]
Spreads = Mapping[str, Sequence[float]]
"""By class, and under ``*`` for the panel: spread of the near, middle and far steps."""

PARTS = 3  # of the horizon
LEVEL = 0.8  # central interval whose coverage is put right
BELIEVED = 0.5  # share of the newest origin's correction, on the log scale
BOUNDS = (0.5, 2.0)  # an origin does not call for more
LEAST_ACTUALS = 20  # in a part of the horizon, to say anything about it


def distances(points: Floats, actual: Floats, items: Sequence[str]) -> Floats:
    """How far actuals lie from the medians of their forecasts, (N, H) |z|; NaN without actual.

    Args:
        points: (N, H, K) ascending quantile points.
        actual: (N, H) what came true, NaN = not observed.
        items: N ids; ties of counts are broken by numbers that belong to them.
    """
    uniforms = np.stack([generator(0, "calibration", one).random(actual.shape[1]) for one in items])
    count = points.shape[-1]
    # Beyond all points lies no more than half a point's share.
    found = np.clip(transform(points, actual, uniforms), 0.5 / count, 1 - 0.5 / count)
    return np.where(np.isnan(actual), np.nan, np.abs(ndtri(found)))


def fit_spreads(found: Floats, classes: Sequence[str], before: Spreads) -> dict[str, list[float]]:
    """Spreads after one more origin.

    Args:
        found: (N, H) of :func:`distances` at the origin, of the uncalibrated ensemble.
        classes: N demand classes.
        before: Spreads that older origins led to; they serve parts of the horizon that this
            origin does not reach. Empty at the first one.
    """
    names = np.asarray(classes)
    whole = np.ones(len(names), bool)
    old = list(before.get(PANEL, [1.0] * PARTS))
    panel = _spreads(found, whole, old, prior=None)
    spreads = {PANEL: panel}
    for name in sorted(set(names)):
        spreads[str(name)] = _spreads(found, names == name, panel, prior=panel)
    return spreads


def _spreads(
    found: Floats, rows: npt.NDArray[np.bool_], otherwise: Sequence[float],
    prior: Sequence[float] | None,
) -> list[float]:  # fmt: skip
    spreads = []
    for part, steps in enumerate(parts_of(found.shape[1])):
        cells = found[rows][:, steps]
        known = cells[~np.isnan(cells)]
        if len(known) < LEAST_ACTUALS:
            spreads.append(float(otherwise[part]))
            continue
        wanted = _conformal_quantile(known) / ndtri((1 + LEVEL) / 2)
        log = BELIEVED * float(np.log(np.clip(wanted, *BOUNDS)))
        if prior is not None:
            own = rows.sum() / (rows.sum() + SHRINKAGE)
            log = own * log + (1 - own) * float(np.log(prior[part]))
        spreads.append(round(float(np.exp(log)), 4))
    return spreads


def _conformal_quantile(values: Floats) -> float:
    """The ceil((n + 1) level)-th smallest of n, which covers the next one at the level."""
    place = min(int(np.ceil((len(values) + 1) * LEVEL)), len(values))
    return float(np.partition(values, place - 1)[place - 1])


def parts_of(horizon: int) -> list[slice]:
    """The near, middle and far steps."""
    ends = [round(horizon * part / PARTS) for part in range(PARTS + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def steps_of(spreads: Spreads, demand_class: str, horizon: int, reach: int) -> Floats:
    """Spread of each of ``reach`` steps; those beyond the horizon are as its far ones."""
    chosen = spreads.get(demand_class, spreads.get(PANEL, [1.0] * PARTS))
    found = np.full(reach, float(chosen[-1]))
    for value, steps in zip(chosen, parts_of(horizon), strict=True):
        found[steps] = value
    return found


def stretched(paths: Paths, spread: Floats, name: str) -> Paths:
    """Paths (S, H) whose every step is stretched by its spread (H,); who is above whom stays.

    Args:
        paths: Draws of the forecast.
        spread: 1 = left alone.
        name: Of the item; equal values are put in an order that belongs to it.
    """
    made = paths.copy()
    rng = generator(0, "stretch", name)
    for step in np.flatnonzero(spread != 1.0):
        shuffled = rng.permutation(len(made))
        order = shuffled[np.argsort(made[shuffled, step], kind="stable")]
        made[order, step] = made[order, step][places(len(made), float(spread[step]))]
    return made


def stretched_points(points: Floats, spread: Floats) -> Floats:
    """The same of ascending quantile points (N, H, K), with spreads (N, H)."""
    count = points.shape[-1]
    picked = {s: places(count, s) for s in np.unique(spread).tolist()}
    chosen = np.stack([picked[s] for s in spread.ravel().tolist()])
    return np.take_along_axis(points, chosen.reshape(*spread.shape, count), axis=-1)


def places(count: int, spread: float) -> npt.NDArray[np.int64]:
    """Which of so many ordered draws stands at each rank once stretched."""
    levels = ndtr(spread * ndtri((np.arange(count) + 0.5) / count))
    return np.minimum((levels * count).astype(np.int64), count - 1)
