"""Losses by item, of which every figure of the comparison is made.

Demand that was not observed counts nowhere; a sum counts only where each of its periods was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from benchmarks.accuracy.cases import LEVELS, SUM_LEVELS, SUMS, TAIL, Case, Prediction
from ml.evaluation.scores import DECILES, pinball
from ml.panel import Floats

COVERED = {"q80": (0.0, 0.8), "q90": (0.0, 0.9), "q95": (0.0, 0.95), "80 % interval": (0.1, 0.9)}


@dataclass(frozen=True, slots=True)
class ItemLosses:
    """What one model lost on N items at one cutoff; all but ``error`` add up over cutoffs."""

    demand: Floats  # (N,) sum of actuals; like all losses in the weights of the case
    count: Floats  # (N,) observed periods
    pinball: Floats  # (N,) twice the mean pinball loss at .1 to .9, summed over periods
    # (N,) mean absolute error of the median over the in-sample error of the seasonal naive
    # forecast; NaN where that is zero
    error: Floats
    surplus: Floats  # (N,) sum of mean forecast - actual
    covered: Floats  # (N, 4) expected number of periods inside each range of `COVERED`
    sum_demand: Floats  # (N, 2) demand of the case's `sums`
    sum_pinball: Floats  # (N, 2, 4) pinball loss of their quantiles at `TAIL`; NaN without any
    sum_count: Floats  # (N, 2) sums that were observed
    sum_covered: Floats  # (N, 2, 4) expected number of sums below each of them; NaN without any

    def plus(self, other: "ItemLosses") -> "ItemLosses":
        """Both together."""
        parts = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return ItemLosses(**parts)

    def rows(self, places: Sequence[int]) -> "ItemLosses":
        """The items at these positions."""
        return ItemLosses(**{f.name: getattr(self, f.name)[places] for f in fields(self)})


def item_losses(case: Case, prediction: Prediction) -> ItemLosses:
    """Losses of a prediction at the case's cutoff."""
    actual = case.actual
    seen = ~np.isnan(actual)
    known = np.where(seen, actual, 0.0)
    single = [pinball(known, prediction.quantiles[..., LEVELS.index(q)], q) for q in DECILES]
    median = prediction.quantiles[..., LEVELS.index(0.5)]
    count = seen.sum(axis=1)
    absolute = (np.abs(known - median) * seen).sum(axis=1) / np.maximum(count, 1)
    naive = seasonal_error(case.seen, case.season)
    inside = [expected_inside(prediction.quantiles, actual, *ends) for ends in COVERED.values()]
    totals = np.cumsum(actual, axis=1)[:, [steps - 1 for steps in case.sums]]
    return ItemLosses(
        demand=known.sum(axis=1) * case.weights,
        count=count.astype(np.float64),
        pinball=2 * (np.mean(single, axis=0) * seen).sum(axis=1) * case.weights,
        error=np.where(naive > 0, absolute / np.where(naive > 0, naive, 1.0), np.nan),
        surplus=((prediction.mean - known) * seen).sum(axis=1) * case.weights,
        covered=np.stack([(one * seen).sum(axis=1) for one in inside], axis=1),
        sum_demand=np.nan_to_num(totals) * case.weights[:, None],
        sum_pinball=_sum_pinball(prediction, totals) * case.weights[:, None, None],
        sum_count=(~np.isnan(totals)).astype(np.float64),
        sum_covered=_sum_covered(prediction, totals),
    )


def _sum_pinball(prediction: Prediction, totals: Floats) -> Floats:
    if prediction.sums is None:
        return np.full((*totals.shape, len(TAIL)), np.nan)
    lost = [pinball(totals, prediction.sums[..., SUM_LEVELS.index(q)], q) for q in TAIL]
    return np.nan_to_num(np.stack(lost, axis=-1))


def _sum_covered(prediction: Prediction, totals: Floats) -> Floats:
    if prediction.sums is None:
        return np.full((*totals.shape, len(TAIL)), np.nan)
    known = np.nan_to_num(totals)
    inside = [expected_inside(prediction.sums, known, 0.0, q, levels=SUM_LEVELS) for q in TAIL]
    return np.stack(inside, axis=-1) * ~np.isnan(totals)[..., None]


def seasonal_error(seen: Floats, season: int) -> Floats:
    """In-sample mean absolute error of the seasonal naive forecast, (N,); NaN without any."""
    changes = np.abs(seen[:, season:] - seen[:, :-season])
    counts = (~np.isnan(changes)).sum(axis=1)
    return np.where(counts > 0, np.nansum(changes, axis=1) / np.maximum(counts, 1), np.nan)


def expected_inside(
    quantiles: Floats, actual: Floats, low: float, high: float, levels: Sequence[float] = LEVELS
) -> Floats:
    """Chance that the randomised probability integral transform lies in [low, high), (N, H).

    The transform is uniform between F(y-) and F(y) (Czado, Gneiting & Held 2009), so that a
    perfect forecast of counts is inside with the probability high - low; the expectation is taken
    instead of a draw. F is known at the ``levels`` of the ascending quantiles (N, H, L) only:
    between two of them the middle is taken, and below zero it is 0.
    """
    grid = np.array([0.0, *levels, 1.0])
    below = (quantiles < actual[..., None]).sum(axis=-1)  # levels whose quantile is below y
    reached = (quantiles <= actual[..., None]).sum(axis=-1)
    tied = reached > below
    # y on a plateau: F(y-) lies between the last level below it and the first level on it.
    left = np.where(tied, (grid[below] + grid[below + 1]) / 2, grid[below])
    left = np.where(actual <= 0, 0.0, left)
    right = np.where(tied, (grid[reached] + grid[reached + 1]) / 2, grid[below + 1])
    inside = np.clip(np.minimum(right, high) - np.maximum(left, low), 0.0, None)
    return inside / (right - left)


def total(cutoffs: Sequence[ItemLosses]) -> dict[str, float]:
    """The figures of one model over its items and cutoffs."""
    losses = reduce(ItemLosses.plus, cutoffs)
    demand, count = losses.demand.sum(), losses.count.sum()
    figures = {
        "wql": losses.pinball.sum() / demand,
        "mase": float(np.nanmean([one.error for one in cutoffs])),
        "bias": losses.surplus.sum() / demand,
    }
    shares = losses.covered.sum(axis=0) / count
    figures |= {f"covered {name}": float(s) for name, s in zip(COVERED, shares, strict=True)}
    for place, which in enumerate(SUMS):
        lost = losses.sum_pinball[:, place].sum(axis=0) / losses.sum_demand[:, place].sum()
        figures |= {f"{which} at {q:g}": float(x) for q, x in zip(TAIL, lost, strict=True)}
        shares = losses.sum_covered[:, place].sum(axis=0) / losses.sum_count[:, place].sum()
        figures |= {f"{which} covered {q:g}": float(x)
                    for q, x in zip(TAIL, shares, strict=True)}  # fmt: skip
    return {name: float(value) for name, value in figures.items()}


def tail_loss(losses: ItemLosses) -> float:
    """Mean over both sums and the levels of ``TAIL`` of the loss over the demand of the sum."""
    lost = losses.sum_pinball.sum(axis=0) / losses.sum_demand.sum(axis=0)[:, None]
    return float(lost.mean())
