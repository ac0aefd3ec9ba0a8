"""Exact tests of one window of each item against the rest, for all items and windows at once.

Each is exact given what it conditions on: how often, how much and when something was asked for in
all; under no change every window is as likely as any other to hold so much of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from ml.drift.windows import Windows, sum_over
from ml.panel import Bools, Floats, Ints

SMOOTH_FROM = 1 / 1.32  # share of periods with demand from which on an item is not intermittent
EXACT_UNTIL = 64  # units in all; above, a beta distribution of the same mean and variance
MOST_SHAPE = 1e5  # of a negative binomial: as good as Poisson
SHRINKAGE = 10.0  # periods that the typical overdispersion counts for


@dataclass(frozen=True, slots=True)
class ItemTests:
    """What the tests say of N items in 1 + B windows."""

    names: tuple[str, ...]  # K tests
    p_values: Floats  # (K, N, 1 + B), two-sided; 1 where a test says nothing
    applied: Bools  # (K, N) whether it is one of the item's tests

    def combined(self) -> Floats:
        """One p-value an item, (N, 1 + B): the least, times the number of its tests."""
        own = np.where(self.applied[..., None], self.p_values, 1.0)
        count = np.maximum(self.applied.sum(axis=0), 1)[:, None]
        return np.asarray(np.minimum(own.min(axis=0) * count, 1.0))

    def telling(self) -> Ints:
        """Which test says most of the last periods, (N,)."""
        own = np.where(self.applied, self.p_values[..., 0], 2.0)
        return np.asarray(np.argmin(own, axis=0))


def try_demand(values: Floats, windows: Windows, shape: Floats) -> ItemTests:
    """Tests of demand (N, T), NaN = not observed.

    An intermittent item is tried by how many periods have demand, by the total, by the time since
    the last demand and by its sizes; a smooth one by its total and its level. ``shape`` (N,) is
    that of :func:`negative_binomial_shape`, of :func:`count_packs`.
    """
    observed = ~np.isnan(values)
    filled = np.where(observed, values, 0.0)
    demanded = filled > 0
    smooth = is_smooth(values)
    rare = ~smooth & demanded.any(axis=1)
    n_in, n_out = _both(observed, windows)
    k_in, k_out = _both(demanded, windows)
    large = demanded & (filled > _typical_size(filled, demanded)[:, None])
    l_in, l_out = _both(large, windows)
    found: dict[str, tuple[Floats, Bools]] = {
        "zero_share": (fisher(k_in, k_in + k_out, n_in, n_in + n_out), rare),
        "rate": (_try_rate(count_packs(values), observed, windows, shape), smooth | rare),
        "interval": (try_silence(demanded, observed, windows), rare),
        "size": (fisher(l_in, l_in + l_out, k_in, k_in + k_out), rare),
        "level": (try_level(values, windows), smooth),
    }
    return _gather(found)


def try_changes(values: Floats, windows: Windows) -> ItemTests:
    """Tests of series that wander (N, T), prices and outside data: of what they change by.

    Whether they are still observed, whether they change as much, and whether they have a trend.
    """
    observed = ~np.isnan(values)
    changes = np.diff(values, axis=1, prepend=np.nan)
    n_in, n_out = _both(observed, windows)
    length = windows.inside.sum(axis=0).astype(float)
    others = windows.outside.sum(axis=0).astype(float)
    all_rows = np.ones(len(values), bool)
    sizes = np.broadcast_to(length, n_in.shape), np.broadcast_to(length + others, n_in.shape)
    return _gather(
        {
            "observed": (fisher(n_in, n_in + n_out, *sizes), all_rows),
            "spread": (try_level(np.abs(changes), windows), all_rows),
            "change": (try_level(changes, windows), all_rows),
        }
    )


def _gather(found: Mapping[str, tuple[Floats, Bools]]) -> ItemTests:
    p_values = np.stack([one for one, _ in found.values()])
    return ItemTests(tuple(found), p_values, np.stack([rows for _, rows in found.values()]))


def _both(values: Bools, windows: Windows) -> tuple[Floats, Floats]:
    return sum_over(values, windows.inside), sum_over(values, windows.outside)


def _typical_size(filled: Floats, demanded: Bools) -> Floats:
    """Median size of an item's demands, (N,); 0 without any."""
    sizes = np.where(demanded, filled, np.nan)
    sizes[~demanded.any(axis=1), 0] = 0.0
    return np.asarray(np.nanmedian(sizes, axis=1))


def fisher(found: Floats, marked: Floats, drawn: Floats, total: Floats) -> Floats:
    """Fisher's exact test: ``found`` of the ``marked`` among ``drawn`` of ``total``, two-sided.

    Twice the lesser tail of the hypergeometric distribution, at most 1. All are whole numbers of
    one shape.
    """
    logs = special.gammaln(np.arange(float(total.max(initial=0.0)) + 2) + 1)

    def choose(n: Floats, k: Floats) -> Floats:
        """Logarithm of the binomial coefficient."""
        n_, k_ = n.astype(np.int64), k.astype(np.int64)
        return np.asarray(logs[n_] - logs[k_] - logs[n_ - k_])

    low = np.maximum(drawn + marked - total, 0.0)
    high = np.minimum(drawn, marked)
    chance = np.exp(
        choose(marked, low) + choose(total - marked, drawn - low) - choose(total, drawn)
    )
    below, above = np.zeros_like(chance), np.zeros_like(chance)  # P(X <= found), P(X >= found)
    place = low.copy()
    for _ in range(int((high - low).max(initial=0.0)) + 1):
        inside = place <= high
        below += np.where(inside & (place <= found), chance, 0.0)
        above += np.where(inside & (place >= found), chance, 0.0)
        rest = total - marked - drawn + place + 1
        step = (marked - place) * (drawn - place) / np.maximum((place + 1) * rest, 1e-300)
        chance = np.where(inside, chance * step, 0.0)
        place += 1
    return np.asarray(np.minimum(2 * np.minimum(below, above), 1.0))


def is_smooth(values: Floats) -> Bools:
    """Which items are asked for in most periods, (N,)."""
    known = np.maximum((~np.isnan(values)).sum(axis=1), 1)
    return np.asarray((values > 0).sum(axis=1) / known >= SMOOTH_FROM)


def count_packs(values: Floats) -> Floats:
    """Demand (N, T) in the units that it comes in, 0 where it was not observed.

    Six cables of one order are one event, not six: of an intermittent item the unit is its median
    size, of a smooth one the largest number that divides all of its demands.
    """
    filled = np.nan_to_num(values)
    whole = np.round(filled).astype(np.int64)
    common = np.where((whole == filled).all(axis=1), np.gcd.reduce(whole, axis=1), 1)
    unit = np.where(is_smooth(values), common, _typical_size(filled, filled > 0))
    return np.asarray(np.round(filled / np.where(unit > 0, unit, 1.0)[:, None]))


def _try_rate(packs: Floats, observed: Bools, windows: Windows, shape: Floats) -> Floats:
    n_in, n_out = _both(observed, windows)
    s_in, s_out = sum_over(packs, windows.inside), sum_over(packs, windows.outside)
    return split_total(s_in, s_in + s_out, n_in * shape[:, None], n_out * shape[:, None])


def negative_binomial_shape(packs: Floats, observed: Bools) -> Floats:
    """Shape r of demand (N, T) a period, whose variance is m + m²/r, by moments, (N,).

    Few periods tell little of a variance: overdispersion 1/r is shrunk to its median over items,
    and none is taken for less: to believe a variance that came out small by chance is to find a
    change where there is none.
    """
    counts = np.maximum(observed.sum(axis=1), 1)
    mean = np.where(observed, packs, 0.0).sum(axis=1) / counts
    squares = (np.where(observed, packs - mean[:, None], 0.0) ** 2).sum(axis=1)
    variance = squares / np.maximum(counts - 1, 1)
    square = np.maximum(mean, 1e-12) ** 2
    excess = np.maximum((variance - mean) / square, 0.0)
    # The rarer demand is, the less its periods tell of how it spreads.
    weight = counts * np.minimum(mean, 1.0)
    typical = _weighted_median(excess, weight)
    shrunk = (weight * excess + SHRINKAGE * typical) / (weight + SHRINKAGE)
    return np.asarray(1 / np.maximum(np.maximum(shrunk, typical), 1 / MOST_SHAPE))


def _weighted_median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    if not len(values) or not reached[-1]:
        return 0.0
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def split_total(found: Floats, total: Floats, inside: Floats, outside: Floats) -> Floats:
    """Whether a window holds its share of a total, two-sided.

    Two negative binomials with the same odds, shapes ``inside`` and ``outside``: given their sum
    the one is beta-binomial (of Poisson, binomial), whatever the rate.
    """
    inside, outside = np.maximum(inside, 1e-9), np.maximum(outside, 1e-9)
    below, above = _beta_tails(found, total, inside, outside)
    small = (total <= EXACT_UNTIL) & (total > 0)
    if small.any():
        exact = _exact_tails(found[small], total[small], inside[small], outside[small])
        below[small], above[small] = exact
    return np.asarray(np.where(total > 0, np.minimum(2 * np.minimum(below, above), 1.0), 1.0))


def _exact_tails(found: Floats, total: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """P(X <= found) and P(X >= found) of a beta-binomial, by adding its terms."""
    chance = np.exp(special.betaln(a, b + total) - special.betaln(a, b))
    below, above = np.zeros_like(chance), np.zeros_like(chance)
    for x in range(int(total.max()) + 1):
        below += np.where(x <= found, chance, 0.0)
        above += np.where((x >= found) & (x <= total), chance, 0.0)
        left = np.maximum(total - x, 0.0)
        chance = chance * left * (a + x) / ((x + 1) * np.maximum(b + total - x - 1, 1e-300))
    return below, above


def _beta_tails(found: Floats, total: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The same by a beta distribution of the share, with half a unit of continuity."""
    count = np.maximum(total, 1.0)
    # A share of n draws varies as that of a beta with so much more concentration.
    whole = count * (1 + a + b) / (count + a + b) - 1
    mean = a / (a + b)
    shapes = np.maximum(mean * whole, 1e-9), np.maximum((1 - mean) * whole, 1e-9)
    up, down = np.minimum((found + 0.5) / count, 1.0), np.maximum((found - 0.5) / count, 0.0)
    return special.betainc(*shapes, up), special.betaincc(*shapes, down)


def try_silence(demanded: Bools, observed: Bools, windows: Windows) -> Floats:
    """Whether the time since the last demand is longer than the intervals before explain.

    K periods of M have demand; that none is among the last g has the chance C(M-g, K) / C(M, K). An
    earlier window's time is counted back from its end, round the corner of the history's start.
    """
    history = windows.outside[:, 0]
    p_values = np.ones((len(demanded), len(windows.ends)))
    p_values[:, 0] = _chance_of_gap(demanded, observed, np.array([demanded.shape[1] - 1]))[:, 0]
    before = int(history.sum())
    p_values[:, 1:] = _chance_of_gap(demanded[:, :before], observed[:, :before], windows.ends[1:])
    return p_values


def _chance_of_gap(demanded: Bools, observed: Bools, ends: Ints) -> Floats:
    times = np.cumsum(observed, axis=1)  # (N, T) observed periods so far
    total = times[:, -1:]
    marks = np.where(demanded, times, 0)
    last = np.maximum.accumulate(marks, axis=1)
    wrapped = np.where(last > 0, last, last[:, -1:] - total)
    gap = np.where(last[:, -1:] > 0, times - wrapped, 0)[:, ends]
    count = demanded.sum(axis=1)[:, None]
    left: Ints = total - gap
    logs = special.gammaln(left + 1) - special.gammaln(np.maximum(left - count, 0) + 1)
    logs = logs - special.gammaln(total + 1) + special.gammaln(total - count + 1)
    return np.asarray(np.minimum(np.exp(logs), 1.0))


def try_level(values: Floats, windows: Windows) -> Floats:
    """Whether a window's values stand higher or lower than the others (rank sum, two-sided).

    By the mean and variance that the sum of ranks has over all ways to draw the window; its tails
    are lighter than the normal's that is used.
    """
    observed = ~np.isnan(values)
    ranks = np.nan_to_num(stats.rankdata(values, axis=1, nan_policy="omit"))
    n_in, n_out = _both(observed, windows)
    a_in, a_out = sum_over(ranks, windows.inside), sum_over(ranks, windows.outside)
    squares = sum_over(ranks**2, windows.inside) + sum_over(ranks**2, windows.outside)
    total = n_in + n_out
    mean = (a_in + a_out) / np.maximum(total, 1)
    spread = np.maximum(squares - total * mean**2, 0.0)
    variance = n_in * n_out * spread / np.maximum(total * (total - 1), 1)
    far = np.maximum(np.abs(a_in - n_in * mean) - 0.5, 0.0)
    z = np.divide(far, np.sqrt(variance), out=np.zeros_like(far), where=variance > 1e-9)
    return np.asarray(2 * special.ndtr(-z))
