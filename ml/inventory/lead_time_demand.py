"""Demand along sample paths until a random lead time is over, and until a level is passed."""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrik, gammaincinv

from ml.frequency import Frequency
from ml.inventory.items import ItemPolicy
from ml.panel import Floats

LEAD_TIME_LEVEL = 0.99  # of the lead time that the forecast has to reach
_ROUNDING = 1e-9  # periods: (7.0 + 1.4) / 1.4 is 6.000000000000001 and not seven periods
_FEW = 64.0  # units of a period that are thinned by adding up chances
_THINNABLE = 1e6  # units a period: above it the binomial noise is below 0.1 % and is left out


@dataclass(frozen=True, slots=True)
class ItemPaths:
    """Sample paths of one item's demand after ``as_of``."""

    demand: npt.NDArray[np.generic]  # (S, H) demand of path s in period h
    cumulative: Floats  # (S, H + 1) demand of the first h periods; column 0 is zero
    # (H, S) numbers that thin a period in part, of all periods that are ever divided; the same
    # ones at every call, so that demand never falls as the time grows
    uniforms: Floats
    are_counts: bool  # whether all demands are whole numbers

    @property
    def horizon(self) -> int:
        """H, periods."""
        return self.demand.shape[1]


@dataclass(frozen=True, slots=True)
class LeadTimeDemand:
    """Demand of each path over its own lead time and protection interval, all (S,)."""

    lead_periods: Floats  # drawn lead times [periods]
    end_periods: Floats  # ends of the protection intervals [periods]
    until_receipt: Floats  # demand until an order placed now arrives [units]
    protected: Floats  # demand over review period plus lead time [units]
    ordered: Floats  # the same, ascending
    since_count: Floats  # demand between the count of the stock and the decision [units]


def prepare_paths(
    demand: npt.NDArray[np.generic], rng: np.random.Generator, *, divided: int | None = None
) -> ItemPaths:
    """Prepare the (S, H) paths of one item; only the first ``divided`` periods are ever divided."""
    n_paths, horizon = demand.shape
    cumulative = np.empty((horizon + 1, n_paths))
    cumulative[0], cumulative[1:] = 0.0, demand.T
    for before, after in pairwise(cumulative):  # all paths at once, and in place
        np.add(before, after, out=after)
    whole = bool((demand == np.floor(demand)).all())
    # Drawn period by period, so that a longer horizon leaves the earlier numbers as they are.
    steps = horizon if divided is None else min(divided, horizon)
    return ItemPaths(demand, cumulative.T, rng.random((steps, n_paths)), whole)


def demand_over(paths: ItemPaths, periods: Floats) -> Floats:
    """Demand of each path over its own time of 0 to H periods, shape (S,) or (K, S) [units].

    Whole periods are added up. Of a last period in part, each unit of a count falls into the part
    with that chance (binomial thinning, by inversion of one uniform number a path and period); a
    demand that is no count gives its linear share.
    """
    rows = np.broadcast_to(np.arange(periods.shape[-1]), periods.shape)
    whole = np.minimum(np.floor(periods).astype(np.int64), paths.horizon)
    bucket = np.minimum(whole, paths.horizon - 1)
    share = np.where(whole < paths.horizon, periods - whole, 0.0)
    units = paths.demand[rows, bucket].astype(np.float64)
    part = units * share
    if paths.are_counts:
        thin = (part > 0.0) & (units <= _THINNABLE)
        uniforms = paths.uniforms[bucket[thin], rows[thin]]
        part[thin] = thin_units(units[thin], share[thin], uniforms)
        part = np.round(part)
    return paths.cumulative[rows, whole] + part


def thin_units(units: Floats, share: Floats, uniforms: Floats) -> Floats:
    """How many of (C,) whole units fall into a share in (0, 1) of their time: binomial quantiles.

    Of few units the chances are added up from the end that is nearer, term by term. Those of many
    are inverted without scipy.stats, which takes most of a second to import.
    """
    from_end = share > 0.5
    chance, level = np.where(from_end, (1.0 - share, 1.0 - uniforms), (share, uniforms))
    fallen = np.zeros(len(units))
    many = units > _FEW
    left = np.flatnonzero(~many)
    term = (1.0 - chance[left]) ** units[left]
    odds, count, total = chance[left] / (1.0 - chance[left]), 0, term
    while len(left):
        on = (total < level[left]) & (count < units[left])
        left, term, odds, total = left[on], term[on], odds[on], total[on]
        term = term * odds * (units[left] - count) / (count + 1)
        count, total = count + 1, total + term
        fallen[left] = count
    fallen = np.where(from_end, units - fallen, fallen)
    if many.any():
        level, units, chance = uniforms[many], units[many], share[many]
        up = np.ceil(bdtrik(level, units, chance))  # rounded up, where it may be a whole number
        down = np.maximum(up - 1.0, 0.0)
        enough = bdtr(down, units.astype(np.int64), chance) >= level
        fallen[many] = np.where(enough, down, up)
    return fallen


def time_to_exceed(paths: ItemPaths, level: Floats | float) -> Floats:
    """Time until the cumulative demand of each path is above a level, shape (S,) [periods].

    Demand is taken to run evenly within a period: a stock of 10 lasts a demand of 2 a period for
    5.0 periods. Infinite where the horizon does not reach it, 0 where the level is below zero.
    """
    rows = np.arange(paths.demand.shape[0])
    levels = np.broadcast_to(np.asarray(level, dtype=np.float64), rows.shape)
    below = (paths.cumulative[:, 1:] <= levels[:, None]).view(np.uint8)
    passed = below.sum(axis=1, dtype=np.min_scalar_type(paths.horizon)).astype(np.int64)
    reached, first = passed < paths.horizon, np.minimum(passed, paths.horizon - 1)
    amount = np.where(reached & (levels >= 0.0), paths.demand[rows, first].astype(np.float64), 1.0)
    share = np.clip((levels - paths.cumulative[rows, first]) / amount, 0.0, 1.0)
    return np.where(reached, first + share, np.inf)


def mean_demand(paths: ItemPaths, periods: float) -> float | None:
    """Mean demand of the next so many periods [units]; ``None`` beyond the horizon."""
    if periods > paths.horizon:
        return None
    last = min(math.floor(periods), paths.horizon - 1)
    means = paths.cumulative[:, last : last + 2].mean(axis=0)
    return float(np.interp(periods, (last, last + 1), means))


def sample_quantile(ordered: Floats, level: float) -> float:
    """The smallest value with at least this share of the sample at or below it (inverted CDF).

    The sample is ascending; one of whole numbers gives a whole number. The share is in (0, 1].
    """
    # The subtraction keeps 0.55 * 100 = 55.00000000000001 from asking for the 56th value.
    return float(ordered[max(math.ceil(level * len(ordered) - 1e-9), 1) - 1])


def sample_quantiles(ordered: Floats, levels: Floats) -> Floats:
    """The same at levels (K,)."""
    places = np.ceil(levels * len(ordered) - 1e-9).astype(np.int64)
    quantiles: Floats = ordered[np.maximum(places, 1) - 1]
    return quantiles


def mean_above(ordered: Floats, points: Floats) -> Floats:
    """E[(D - y)+] of a sample (S,) in ascending order, at points y of any shape [units]."""
    sums = np.append(np.cumsum(ordered[::-1])[::-1], 0.0)
    place = np.searchsorted(ordered, points, side="right")
    above: Floats = (sums[place] - points * (len(ordered) - place)) / len(ordered)
    return np.maximum(above, 0.0)


def protection_periods(policy: ItemPolicy, frequency: Frequency) -> int:
    """Periods of forecast that the policy needs: review period plus 99 % quantile of lead time.

    >>> fixed = ItemPolicy("A", 14, 0, 7, 0.95)
    >>> protection_periods(fixed, Frequency.WEEKLY), protection_periods(fixed, Frequency.DAILY)
    (3, 21)
    """
    longest = float(lead_time_quantiles(policy, np.array([LEAD_TIME_LEVEL]))[0])
    days = policy.cycle_days + longest
    return max(1, math.ceil(days / frequency.days - _ROUNDING))


def draw_lead_times(
    policy: ItemPolicy, n_paths: int, rng: np.random.Generator, *, longest: float
) -> Floats:
    """One lead time a path, shape (n_paths,) [days]; a spread of 0 makes it constant.

    The draws are the mid-quantiles of ``n_paths`` equal strata in random order: the distribution
    is met almost exactly however few the paths, and equal seeds give the same ranks to every
    mean, so that a longer lead time is longer on each path. They are clipped at ``longest``
    [days], the end of the forecast; by the choice of :func:`protection_periods` that touches no
    more than the last 1 % of them.
    """
    order = rng.permutation(n_paths)  # drawn in any case, so that later draws stay the same
    mean, std = policy.lead_time_days_mean, policy.lead_time_days_std
    if std == 0.0 or policy.lead_time_sample:
        days = lead_time_quantiles(policy, mid_levels(n_paths))
    else:  # kept, as items share the shape that is assumed
        days = _strata((mean / std) ** 2, n_paths) * mean
    return np.minimum(days[order], longest)


def mid_levels(count: int) -> Floats:
    """The middles of so many equal parts of 0 to 1, ascending."""
    return (np.arange(count) + 0.5) / count


@lru_cache(maxsize=256)
def _strata(shape: float, n_paths: int) -> Floats:
    return gammaincinv(shape, mid_levels(n_paths)) / shape


def lead_time_quantiles(policy: ItemPolicy, levels: Floats) -> Floats:
    """Quantiles of an item's lead time at levels in (0, 1), of their shape [days].

    Of a gamma distribution with the policy's mean and standard deviation; where the policy has a
    sample of lead times, of that: the k-th of n at level k / (n + 1), straight between, and the
    shortest and longest beyond.
    """
    mean, std = policy.lead_time_days_mean, policy.lead_time_days_std
    if policy.lead_time_sample:
        known = np.asarray(policy.lead_time_sample)
        return np.interp(levels, np.arange(1, len(known) + 1) / (len(known) + 1), known)
    if std == 0.0:
        return np.full(np.shape(levels), mean)
    shape = (mean / std) ** 2
    quantiles: Floats = gammaincinv(shape, levels) / shape * mean
    return quantiles


def demand_over_lead_times(
    paths: ItemPaths, review: float, lead_periods: Floats, since_count: Floats
) -> list[LeadTimeDemand]:
    """Demand of each path until its receipt and over its interval, for K sets of lead times.

    ``lead_periods`` (K, S) and one ``review`` are in periods; ``since_count`` (S,) is the demand
    between the count and the decision.
    """
    ends = np.minimum(lead_periods + review, paths.horizon)
    until, protected = np.split(demand_over(paths, np.concatenate([lead_periods, ends])), 2)
    return [
        LeadTimeDemand(
            lead_periods=leads,
            end_periods=last,
            until_receipt=first,
            protected=whole,
            ordered=np.sort(whole),
            since_count=since_count,
        )
        for leads, last, first, whole in zip(lead_periods, ends, until, protected, strict=True)
    ]
