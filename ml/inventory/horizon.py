"""Paths from the day of the decision on, for as long as a decision needs them.

A forecast ends where it was made to end; a lead time may not. Beyond the end, a path goes on with
blocks of other paths of the item, as long as the forecast itself: aggregated demand, whose spread
within a block is the forecast's. What the blocks of one path have in common, an uncertain level,
is measured between the halves of a block.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ml.inventory.lead_time_demand import ItemPaths, demand_over, prepare_paths
from ml.panel import Floats

UNKNOWN_LIKENESS = 0.5  # of blocks of one period: nothing in them shows what they share
MOST_ALIKE = 0.95


def extend_paths(
    paths: npt.NDArray[np.generic], periods: int, rng: np.random.Generator, *, season: int
) -> npt.NDArray[np.generic]:
    """Paths of (S, H) continued to ``periods``, shape (S, max(H, periods)).

    A block is the last whole seasons of the forecast, or all of it where it is shorter than one:
    weekdays stay weekdays. Every block holds every path once, so that the mean of a block is the
    forecast's; which one follows which is drawn so that totals of the blocks of a path are as
    alike (Gaussian copula with one common factor) as its halves are, by Spearman and Brown's
    formula for a test of twice the length.
    """
    n_paths, horizon = paths.shape
    length = horizon - horizon % season if horizon >= season else horizon
    block = paths[:, horizon - length :]
    longer = np.empty((max(periods, horizon), n_paths), paths.dtype)
    longer[:horizon] = paths.T
    exact = block.astype(np.float64)
    alike, totals = _likeness(exact), exact.sum(axis=1)
    ranked = np.lexsort((rng.random(n_paths), totals))
    score = np.empty(n_paths)
    score[ranked] = ndtri((np.arange(n_paths) + 0.5) / n_paths)
    level = math.sqrt(alike) * score + math.sqrt(1.0 - alike) * rng.standard_normal(n_paths)
    by_period = longer[horizon - length : horizon]  # the block again
    for start in range(horizon, periods, length):
        own = rng.standard_normal(n_paths)
        drawn = np.empty(n_paths, dtype=np.int64)
        drawn[np.argsort(math.sqrt(alike) * level + math.sqrt(1.0 - alike) * own)] = ranked
        end = min(start + length, periods)
        here = longer[start:end]
        np.take(by_period[: end - start], drawn, axis=1, out=here, mode="clip")  # no buffer so
    return longer.T


def _likeness(block: Floats) -> float:
    """Correlation of totals of two blocks of one path, from that of the halves of one block."""
    half = block.shape[1] // 2
    if half == 0:
        return UNKNOWN_LIKENESS
    first, second = block[:, :half].sum(axis=1), block[:, -half:].sum(axis=1)
    if first.std() == 0.0 or second.std() == 0.0:
        return 0.0
    halves = max(float(np.corrcoef(first, second)[0, 1]), 0.0)
    return min(2.0 * halves / (1.0 + halves), MOST_ALIKE)


def start_later(
    paths: ItemPaths, periods: float, rng: np.random.Generator, *, divided: int | None = None
) -> ItemPaths:
    """Paths whose first period begins so many periods later; they end by as many earlier.

    The part of a period that is left is joined with the begin of the next one. ``divided`` is that
    of :func:`prepare_paths`.
    """
    if periods == 0.0:
        return paths
    if periods.is_integer():
        return prepare_paths(paths.demand[:, int(periods) :], rng, divided=divided)
    left = math.floor(paths.horizon - periods)
    until = [
        demand_over(paths, np.full(len(paths.demand), periods + step)) for step in range(left + 1)
    ]
    return prepare_paths(np.diff(np.stack(until, axis=1), axis=1), rng, divided=divided)
