"""Wider or narrower distributions with the mean that they had.

A step is stretched about its median in probability, x = F^-1(Phi(s Phi^-1(u) + d)), so counts stay
counts and demand stays above zero. Alone (d = 0) that moves the mean of rare demand by a quarter:
the median is 0 and all that is stretched lies above it. So d is chosen to keep the mean, and what
is left of the difference is taken off evenly.

Sums are made wider or narrower by what periods have in common, which leaves every period as it is:
the ranks of each step are mixed with ranks that all steps share, or with ranks that none do (a
Gaussian copula's one factor; Clark et al. 2004 reorder ensembles so, the "Schaake shuffle").
"""

from functools import cache

import numpy as np
from scipy.special import ndtr, ndtri

from ml.evaluation.origins import LEVELS, SHARES
from ml.forecasters.base import Paths
from ml.panel import Floats, Ints
from ml.seeds import generator

HALVINGS = 12  # of the interval that d lies in: to a four-thousandth
MOST_SHARED = 0.95  # of a step's ranks
NORMAL_POINTS = ndtri(LEVELS)
TICKS = 4000  # every share is so many of as many equal parts
# (TICKS + 1,) the point whose part of the distribution each of them lies in
PLACES = np.searchsorted(np.rint(np.cumsum(SHARES) * TICKS), np.arange(TICKS + 1))


def stretch_points(points: Floats, spread: Floats) -> Floats:
    """Ascending quantile points (N, H, K) stretched by spreads (N, H) about their medians."""
    made = points.copy()
    moved = spread != 1.0
    own = points[moved]
    if len(own):
        made[moved] = _pick(own, spread[moved], _find_shift(own, spread[moved]))
    return made


def _find_shift(points: Floats, spread: Floats) -> Floats:
    """The d (C,) with which stretched points (C, K) keep their means."""
    mean = points @ SHARES
    low, high = np.full(len(points), -1.0), np.ones(len(points))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = _pick(points, spread, middle) @ SHARES > mean
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return (low + high) / 2


def _pick(points: Floats, spread: Floats, shift: Floats) -> Floats:
    ticks = ndtr(spread[:, None] * NORMAL_POINTS + shift[:, None])
    ticks *= TICKS
    places = PLACES.take(np.ceil(ticks, out=ticks).astype(np.int64))
    places += np.arange(0, points.size, points.shape[1])[:, None]
    return points.take(places)


def stretch_paths(paths: Paths, spread: Floats, sum_spread: float, steps: int, name: str) -> Paths:
    """Paths (S, H) with every step stretched by its spread (H,), and so the sum of ``steps``.

    Who is above whom at a step stays unless the sum asks for more, or less, in common. Means of all
    steps stay. Equal values are put in an order that belongs to ``name``, the item's.
    """
    if (spread == 1.0).all() and sum_spread == 1.0:
        return paths
    rng = generator(0, "stretch", name)
    shuffled = rng.permutation(len(paths))
    by_step = np.ascontiguousarray(paths.T)  # sorted a step at a time, which lies together
    order = shuffled[_rank_stably(by_step[:, shuffled])]
    ordered = np.take_along_axis(by_step, order, axis=1)
    moved, made = np.flatnonzero(spread != 1.0), by_step
    if len(moved):
        places = np.minimum((LEVELS * len(paths)).astype(int), len(paths) - 1)
        shifts = _find_shift(ordered[np.ix_(moved, places)].astype(np.float64), spread[moved])
        ordered[moved] = _stretch_ordered(ordered[moved], spread[moved], shifts)
        made = np.empty_like(by_step)
        np.put_along_axis(made, order, ordered, axis=1)
    if steps > 1:
        wanted = sum_spread**2 * float(np.var(paths[:, :steps].sum(axis=1)))
        made = _share_ranks(made, ordered, order, wanted, steps, rng)
    return np.ascontiguousarray(made.T)


def _rank_stably(values: Paths) -> Ints:
    """Positions by ascending value along each row, equal ones in their order.

    Small counts are sorted by their digits, in an eighth of the time.
    """
    small = values.astype(np.uint16) if values.min() >= 0 and values.max() < 2**16 else None
    if small is not None and (small == values).all():
        return np.argsort(small, axis=1, kind="stable")
    return np.argsort(values, axis=1, kind="stable")


def _stretch_ordered(values: Paths, spread: Floats, shift: Floats) -> Paths:
    """Ascending values (H, S) of steps, stretched and shifted, with the means that they had."""
    made = _move_ordered(values, spread, shift)
    whole = (values == np.round(values)).all(axis=1)
    for step in np.flatnonzero(~whole).tolist():
        before, after = (float(part[step].sum(dtype=np.float64)) for part in (values, made))
        made[step] = made[step] * (before / after) if after > 0 else values[step]
    # Counts: as many paths as it takes ask for one more or one less.
    before, after = (part.sum(axis=1, dtype=np.float64) for part in (values, made))
    beyond = np.where(whole, np.rint(after - before), 0.0)
    nothing = (made <= 0).sum(axis=1)
    able = values.shape[1] - nothing
    kept = np.abs(beyond) > able
    asked = np.where(kept, 0, np.abs(beyond)).astype(np.int64)
    steps = np.repeat(np.arange(len(values)), asked)
    place = np.arange(len(steps)) - np.repeat(np.cumsum(asked) - asked, asked)
    chosen = nothing[steps] + ((place + 0.5) / asked[steps] * able[steps]).astype(np.int64)
    made[steps, chosen] -= np.sign(beyond)[steps]
    made[kept] = values[kept]
    return np.sort(made, axis=1)


def _move_ordered(values: Paths, spread: Floats, shift: Floats) -> Paths:
    """Ascending values (H, S) of which path i is given that at S Phi(s z_i + d), z_i its score.

    Found value by value, for few of those of a step differ: how many paths have at most this one.
    """
    count = values.shape[1]
    scores, starts = _normal_scores(count), np.arange(0, values.size, count)
    step, last = np.nonzero(values[:, 1:] != values[:, :-1])
    ends, spread, shift = last + 1, spread[step], shift[step]
    about = ndtr((ndtri(ends / count) - shift) / spread) * count - 0.5
    found = np.clip(np.ceil(about), 0, count).astype(np.int64)
    while True:  # what was solved for is right but for rounding
        below, at = (
            ndtr(spread * scores[np.clip(places, 0, count - 1)] + shift) * count < ends
            for places in (found - 1, found)
        )
        more, less = at & (found < count), ~below & (found > 0)
        if not (more | less).any():
            break
        found += more
        found -= less
    first = np.sort(np.concatenate([starts, starts[step] + ends]))
    until = np.sort(np.concatenate([starts + count, starts[step] + found]))
    return values.take(np.repeat(first, np.diff(until, prepend=0))).reshape(values.shape)


@cache
def _normal_scores(count: int) -> Floats:
    """Normal quantiles in the middles of so many equal shares."""
    return np.asarray(ndtri((np.arange(count) + 0.5) / count))


def _share_ranks(
    paths: Paths, ordered: Paths, order: Ints, wanted: float, steps: int, rng: np.random.Generator
) -> Paths:
    """The same values (H, S) at each step, matched so that the sum of ``steps`` varies as wanted.

    The variance grows from that of independent steps to that of wholly common ranks about in
    proportion to the share of what is mixed in; it is measured once and put right.
    """
    now = _variance_of_sum(paths, steps)
    wider = wanted > now
    limit = _variance_of_sum(ordered, steps) if wider else ordered[:steps].var(axis=1).sum()
    if (limit - now) * (wanted - now) <= 0:
        return paths
    own = np.empty(paths.shape)
    np.put_along_axis(own, order, _normal_scores(paths.shape[1])[None], axis=1)
    mixed = _mixed_scores(paths.shape, rng, common=wider)
    share = (wanted - now) / (limit - now)
    near, far = slice(steps), slice(steps, None)
    for _ in range(2):
        tried = float(np.clip(share, 0.0, MOST_SHARED))
        made = _match(own[near], mixed[near], ordered[near], tried)
        reached = _variance_of_sum(made, steps) - now
        if abs(reached - (wanted - now)) < 0.1 * abs(wanted - now) or reached == 0:
            break
        share = tried * (wanted - now) / reached
    return np.concatenate([made, _match(own[far], mixed[far], ordered[far], tried)])


def _mixed_scores(shape: tuple[int, int], rng: np.random.Generator, *, common: bool) -> Floats:
    """Normal scores of paths (H, S) in an order that all steps have in common, or each its own."""
    normal = _normal_scores(shape[1])
    drawn = rng.permuted(np.tile(normal, (1 if common else shape[0], 1)), axis=1)
    return np.broadcast_to(drawn, shape)


def _match(own: Floats, mixed: Floats, ordered: Paths, share: float) -> Paths:
    """Ascending values (H, S) given to paths by a mixture of their own ranks and others."""
    made = np.empty_like(ordered)
    if made.size:
        places = _rank_finely(np.sqrt(1 - share) * own + np.sqrt(share) * mixed)
        made.ravel()[places] = ordered
    return made


def _rank_finely(values: Floats) -> Ints:
    """Places in all of the array by ascending value along each row (H, S); few may be equal.

    Sorted by their first sixteen digits, in an eighth of the time, and then what these leave out
    of order is put right.
    """
    low, count = values.min(), values.shape[1]
    digits = ((values - low) * (65_535 / (values.max() - low))).astype(np.uint16)
    places = np.argsort(digits, axis=1, kind="stable")
    places += np.arange(0, values.size, count)[:, None]
    found = values.take(places)
    flat, known = places.ravel(), found.ravel()  # the same memory
    while len(wrong := np.flatnonzero(found[:, :-1] > found[:, 1:])):
        wrong = wrong[np.diff(wrong, prepend=-2) > 1]  # of several in a row the first
        first = wrong + wrong // (count - 1)
        for one in (flat, known):
            one[first], one[first + 1] = one[first + 1], one[first]
    return places


def _variance_of_sum(paths: Paths, steps: int) -> float:
    """Variance over paths (H, S) of the sum of the first steps."""
    return float(np.var(paths[:steps].sum(axis=0)))
