"""How far weights go from the default mixture to the best one that was found.

The score of d + lambda (f - d), between the default d and the found weights f, is quadratic in
lambda: s + a lambda + b lambda^2. Both f and d of a row come from origins other than its own, so
a < 0 is a gain that was carried over, and -a / 2b the best lambda. It is believed by its precision
against that of what is known from other panels (a normal prior): a fifth of the way cost
nothing on average, where the whole way cost one percent.

Its noise has two sources, as with two-way clustering (Cameron, Gelbach & Miller 2011): the errors
of an item resemble each other at all origins, and those of all items at one origin share a shock.
The number of items does not lessen the second. Two or three origins say little of its size, so the
variance between them is drawn to a prior too: a shock moves the slope by about ``SHOCK`` times the
root of b s; the largest slope that two mixtures this far apart can have is 2 sqrt(b s). Of O
origins O - 1 count, for what one origin chose is what another one is tried with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.ensemble.mixture_score import PANEL, SHRINKAGE, ItemDistances, best_weights, drop_small
from ml.panel import Bools, Floats, Ints
from ml.seeds import number

SHOCK = 0.3  # of an origin, standard deviation; .02 to .3 at origins of four panels
PRIOR_ORIGINS = 3.0  # origins that the prior counts for
PRIOR = 0.2  # share of the way that cost nothing on average at 21 origins of five panels
PRIOR_SPREAD = 0.2  # its standard deviation from panel to panel


@dataclass(frozen=True, slots=True)
class Slopes:
    """How the score of each row, R of them, changes along the way from default to found."""

    start: Floats  # (R,) score of the default, s
    first: Floats  # (R,) slope there, a
    second: Floats  # (R,) curvature, b >= 0


def shrink_weights(
    rows: ItemDistances, models: Sequence[str], kind: str, horizons: float
) -> dict[str, Floats]:
    """Weights (M,) of the panel and of each class, between the default and the best found.

    ``horizons`` is how many horizons the origins span: of two that overlap by half, 1.5. A class
    with little to go by goes as far as its panel.
    """
    slopes = measure_slopes(rows, models, kind)
    panel = believe(rows, slopes, horizons)
    weights = {}
    for name, (found, default) in best_weights(rows, models, kind).items():
        own = rows.classes == name
        share = panel
        if own.sum() >= 2 * SHRINKAGE:
            share = believe(rows.of(own), _of(slopes, own), horizons)
        weights[name] = drop_small(default + share * (found - default))
    return weights


def measure_slopes(rows: ItemDistances, models: Sequence[str], kind: str) -> Slopes:
    """Slopes of each row along the way that the other origins would choose.

    One origin alone is tried by halves of its items.
    """
    folds = rows.origin
    if len(np.unique(folds)) < 2:
        folds = np.array([number(0, "fold", item) % 2 for item in rows.item.tolist()])
    start, first, second = np.zeros((3, len(folds)))
    if len(np.unique(folds)) < 2:
        return Slopes(start, first, second)
    for fold in np.unique(folds):
        chosen = best_weights(rows.of(folds != fold), models, kind)
        for name in sorted(set(rows.classes[folds == fold].tolist())):
            here = (folds == fold) & (rows.classes == name)
            found, default = chosen.get(name, chosen[PANEL])
            way, near, between = found - default, rows.near[here], rows.between[here]
            start[here] = near @ default - between @ default @ default / 2
            first[here] = near @ way - between @ default @ way
            second[here] = -(between @ way) @ way / 2
    return Slopes(start, first, second)


def believe(rows: ItemDistances, slopes: Slopes, horizons: float) -> float:
    """The share of the way that these rows, beside what is known of others, call for: 0 to 1."""
    start, first, second = (
        float(np.average(part, weights=rows.trust))
        for part in (slopes.start, slopes.first, slopes.second)
    )
    if second <= 1e-9 * start:
        return PRIOR
    apart = rows.trust * (slopes.first - first) / rows.trust.sum()
    of_items = np.square(_add_up(rows.item, apart)).sum()
    shocks = _add_up(rows.origin, apart) / _add_up(rows.origin, rows.trust / rows.trust.sum())
    count = len(shocks)
    expected = PRIOR_ORIGINS * SHOCK**2 * second * start
    between = (expected + np.square(shocks).sum()) / (PRIOR_ORIGINS + count - 1)
    noise = of_items + between / max(min(horizons, count) - 1, 0.5)
    own = PRIOR_SPREAD**2 / (PRIOR_SPREAD**2 + noise / (2 * second) ** 2)
    return float(np.clip(own * -first / (2 * second) + (1 - own) * PRIOR, 0.0, 1.0))


def _add_up(labels: Ints | npt.NDArray[np.str_], values: Floats) -> Floats:
    """Sums by label."""
    places = np.unique(labels, return_inverse=True)[1]
    return np.asarray(np.bincount(places, values), np.float64)


def _of(slopes: Slopes, rows: Bools) -> Slopes:
    return Slopes(slopes.start[rows], slopes.first[rows], slopes.second[rows])
