"""One origin of the trial of the drivers: losses with and without each group, after a cutoff.

The losses are pinball losses of a simple forecast, not of a model of the job: an item's level times
the factor that the drivers expect, with a negative binomial around it. What it lacks is the same
with and without, so differences are fair.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from ml.drivers import effects
from ml.drivers.design import Design, make_design
from ml.evaluation.demand_class import demand_pattern
from ml.evaluation.origins import actual_values, scales, typical_size
from ml.evaluation.scores import pinball
from ml.features.compute import FeatureFrame, features_at
from ml.frequency import period_end, period_range, periods_after
from ml.panel import Bools, Drivers, Floats, Ints, Panel, carried_forward

ALL = "*"
TABLES = {"climate": "climate", "economy": "economic", "telecom": "anatel_5g", "prices": "prices"}
NEAR = 90  # days before an origin in which values came out that its forecasts rest on
ONE_CLASS = np.zeros(1, np.int64)  # the class of an item where there is but one
MOST_FACTOR = 6.0  # drivers never multiply a rate by more, or divide it by more
LEAST_EVENTS = 60  # periods with demand that a class must have to be judged on its own
DEMAND_LEVELS = (0.5, 0.8, 0.95)  # of the quantiles that are scored
PRICE_LEVELS = (0.1, 0.5, 0.9)
GRID = np.geomspace(0.02, 12.0, 56)  # factors at which quantiles are tabled
HALF_LIFE = 180.0  # of the level's memory [days]
FEW = 15  # counts that are tried one by one
CLOSE = 1e-9  # a chance as near to a level may lie on either side of it
LEAST_DISPERSION = 1.05  # variance over mean


@dataclass(frozen=True, slots=True)
class TrialTask:
    """Everything that one origin takes."""

    panel: Panel  # the items that are learned from, until `as_of`
    origin: np.datetime64  # cutoff of the trial
    horizon: int  # steps that are scored
    tables: Mapping[str, pa.Table]  # outside tables as known at `as_of`
    region: str  # home region


@dataclass(frozen=True, slots=True)
class Trial:
    """Gain of one group for one class at one origin."""

    origin: np.datetime64  # cutoff
    demand_class: str  # class, `*` = all
    group: str  # drivers
    # whether the drivers' later values were given to the forecast, which shows what they
    # explain; otherwise they were as known at the origin, which is what counts
    foreseen: bool
    change: float  # mean scaled pinball loss with the group minus without; below 0 = it helps
    count: int  # item-steps behind it
    estimated: bool = False  # whether the drivers' newest values may be later revisions


def try_origin(task: TrialTask) -> list[Trial]:
    """Losses of the steps after one origin, for every class and each group of drivers alone."""
    train = task.panel.until(task.origin)
    actual = actual_values(task.panel, train, task.horizon)
    measure = _demand_losses if train.is_demand else _price_losses
    found = []
    late = _find_estimated(task)
    for foreseen, known_at in ((False, task.origin), (True, task.panel.cutoff)):
        frame = frame_at(train, task.tables, task.region, known_at, task.horizon)
        design = design_at(frame, train, task.origin, task.horizon)
        groups = np.array([feature.group for feature in design.features], dtype=np.str_)
        for name, loss in measure(train, actual, design, foreseen=foreseen).items():
            plain = loss(np.zeros(len(groups), bool))
            seen = np.isfinite(plain)
            for group in design.groups if seen.any() else ():
                change = float((loss(groups == group) - plain)[seen].mean())
                count = int(seen.sum())
                key = (task.origin, name, group, foreseen)
                found.append(Trial(*key, change, count, group in late))
    return found


def _find_estimated(task: TrialTask) -> set[str]:
    """Groups of which what was known at the origin is only estimated, of any of the last days."""
    limit = period_end(task.origin, task.panel.frequency)
    days = (limit - np.timedelta64(NEAR, "D"), limit)
    first, last = (pa.scalar(day.astype("datetime64[us]"), pa.timestamp("us")) for day in days)
    found = set()
    for group, name in TABLES.items():
        if (table := task.tables.get(name)) is not None and "estimated" in table.column_names:
            near = pc.and_(
                pc.greater(table["available_at"], first),
                pc.less_equal(table["available_at"], last),
            )
            if pc.any(pc.and_(near, table["estimated"])).as_py():
                found.add(group)
    return found


def frame_at(
    panel: Panel, tables: Mapping[str, pa.Table], region: str, cutoff: np.datetime64, steps: int
) -> FeatureFrame:
    """Features as known at the end of the period ``cutoff``, reaching ``steps`` beyond it."""
    last = period_end(periods_after(cutoff, steps, panel.frequency)[-1], panel.frequency)
    known = period_end(cutoff, panel.frequency)
    return features_at(tables, known, panel.periods[0], last, region=region)


def design_at(frame: FeatureFrame, panel: Panel, cutoff: np.datetime64, steps: int) -> Design:
    """Regressors of a panel at a cutoff."""
    periods = period_range(panel.periods[0], cutoff, panel.frequency)
    ahead = periods_after(cutoff, steps, panel.frequency)
    return make_design(frame, periods, ahead, panel.frequency)


def make_drivers(design: Design, found: Floats, class_of: Ints, *, changes: bool) -> Drivers:
    """Drivers out of effects by class (C, F), on levels of demand or on changes of prices."""
    values = effects.lag_values(design) if changes else design.values
    return Drivers(
        groups=design.groups,
        features=tuple(feature.name for feature in design.features),
        contribution=values[None, :, :] * found[:, None, :],
        group_of=np.array([design.groups.index(one.group) for one in design.features], np.int64),
        ahead=design.ahead(),
        persistence=design.persistence(),
        lag=design.lags() - (effects.BEFORE if changes else 0),
        last=design.length - 1,
        class_of=class_of,
        changes=changes,
    )


def class_names(panel: Panel) -> npt.NDArray[np.str_]:
    """Demand class of each item, (N,); prices form one class."""
    if not panel.is_demand:
        return np.full(len(panel.items), "price")
    return np.array([demand_pattern(row).name for row in panel.values], dtype=np.str_)


def class_totals(
    parts: Iterable[tuple[Floats, npt.NDArray[np.str_]]],
) -> dict[str, effects.ClassTotals]:
    """Totals of all items that are still asked for, under ``*``, and of each class.

    Some items at a time: their demand (N, T) and classes (N,).
    """
    found: dict[str, effects.ClassTotals] = {}
    events = Counter[str]()
    for values, classes in parts:
        counts, learned = effects.count_typical_sizes(values), effects.find_active(values)
        for name in (ALL, *sorted(set(classes.tolist()))):
            own = counts[learned if name == ALL else learned & (classes == name)]
            events[name] += int((np.nan_to_num(own) > 0).sum())
            totals = effects.sum_counts(own)
            found[name] = totals if name not in found else found[name].plus(totals)
    return {n: found[n] for n in sorted(found) if n == ALL or events[n] >= LEAST_EVENTS}


def _demand_losses(
    train: Panel, actual: Floats, design: Design, *, foreseen: bool
) -> dict[str, Callable[[Bools], Floats]]:
    """By class: scaled losses of its items and steps (N, H), given the drivers that take part.

    An item's level is its recent demand over what the factors had expected of a level of 1.
    """
    classes = class_names(train)
    totals = class_totals([(train.values, classes)])
    spread = measure_dispersion(train.values)
    scale = scales(train, typical_size(train))[0]
    age = np.arange(design.length)[::-1] * design.frequency.days
    weight = 0.5 ** (age / HALF_LIFE)

    @cache
    def fit_all(taking_part: bytes) -> tuple[Floats, float]:
        return effects.fit_panel(design, np.frombuffer(taking_part, bool), totals[ALL])

    def measure(name: str, columns: Bools) -> Floats:
        rows = np.ones(len(classes), bool) if name == ALL else np.asarray(classes == name)
        together = fit_all(columns.tobytes())
        found, seasons = effects.draw_to_panel(design, columns, together, totals[name])
        factor = rate_factors(design, found, seasons, foreseen=foreseen)
        values = train.values[rows]
        expected = (np.isfinite(values) * factor[: design.length]) @ weight
        level = np.asarray(np.nan_to_num(values) @ weight / np.maximum(expected, 1e-12))
        demand = NegativeBinomials(level, spread[rows])
        return demand_losses(demand, factor[design.length :], actual[rows], scale[rows])

    return {name: partial(measure, name) for name in totals}


def _price_losses(
    train: Panel, actual: Floats, design: Design, *, foreseen: bool
) -> dict[str, Callable[[Bools], Floats]]:
    """The same of the levels of all prices, in units of daily volatility."""
    changes, volatility = effects.standardise_changes(train.values)
    last = carried_forward(train.values)[:, -1]
    moved = (actual - last[:, None]) / volatility[:, None]
    width = np.sqrt(np.arange(1, actual.shape[1] + 1))

    def measure(columns: Bools) -> Floats:
        found = effects.fit_changes(design, columns, changes)
        drivers = make_drivers(design, found[None, :], ONE_CLASS, changes=True)
        places = np.arange(design.length, design.length + actual.shape[1])[None, :]
        seen = drivers.contribution[0][places] if foreseen else drivers.seen_from(
            ONE_CLASS, np.array([drivers.last]), places)  # fmt: skip
        mean = np.cumsum(seen[0].sum(axis=1))
        cuts = [(level, mean + special.ndtri(level) * width) for level in PRICE_LEVELS]
        losses = [pinball(moved, np.broadcast_to(cut, moved.shape), level) for level, cut in cuts]
        return np.asarray(np.mean(losses, axis=0) / width)

    return {ALL: measure}


def rate_factors(design: Design, found: Floats, seasons: Floats, *, foreseen: bool) -> Floats:
    """Factor of the rate in every period of a design, (T + R,)."""
    drivers = make_drivers(design, found[None, :], ONE_CLASS, changes=False)
    places = np.arange(len(design.values))[None, :]
    seen = drivers.contribution[0] if foreseen else drivers.seen_from(
        ONE_CLASS, np.array([drivers.last]), places)[0]  # fmt: skip
    limit = np.log(MOST_FACTOR)
    total = seen.sum(axis=1, dtype=np.float64)
    return np.asarray(np.exp(seasons + np.clip(total, -limit, limit)))


def measure_dispersion(values: Floats) -> Floats:
    """Variance over mean of each item, shrunk to the median of all, (N,)."""
    count = (~np.isnan(values)).sum(axis=1)
    mean = np.nansum(values, axis=1) / np.maximum(count, 1)
    square = np.nansum(values**2, axis=1) / np.maximum(count, 1) - mean**2
    ratio = square / np.maximum(mean, 1e-12)
    events = (np.nan_to_num(values) > 0).sum(axis=1)
    typical = float(np.median(ratio[events > 1])) if (events > 1).any() else LEAST_DISPERSION
    shrunk = (ratio * events + typical * 6) / (events + 6)
    return np.maximum(shrunk, LEAST_DISPERSION)


@dataclass(frozen=True, slots=True)
class NegativeBinomials:
    """Demand of a period of N items, where drivers multiply it by 1."""

    level: Floats  # (N,) means
    spread: Floats  # (N,) variance over mean, above 1


def tabulate_quantiles(demand: NegativeBinomials, factors: Floats) -> Floats:
    """Quantiles of each item at ``DEMAND_LEVELS`` and factors of its mean, (N, G, Q)."""
    mean = np.maximum(demand.level[:, None] * factors, 1e-9)[..., None]
    spread = demand.spread[:, None, None]
    size, probability = np.broadcast_arrays(mean / (spread - 1), 1 / spread)
    return np.concatenate(
        [quantile_of_counts(level, size, probability) for level in DEMAND_LEVELS], axis=-1
    )


def quantile_of_counts(level: float, size: Floats, probability: Floats) -> Floats:
    """As ``scipy.stats.nbinom.ppf``, without its search where the count is small.

    The chance of each count follows from that of the one below. Counts above ``FEW``, and steps
    that lie too near to the level to be told from it, are left to the search.
    """
    from scipy import stats

    sizes, stops = size.ravel(), probability.ravel()
    found, left = np.full(len(sizes), np.nan), np.arange(len(sizes))
    chance = stops**sizes
    reached = chance
    for count in range(FEW + 1):
        found[left[reached > level + CLOSE]] = count
        going = reached < level - CLOSE
        left = left[going]
        grown = (1 - stops[left]) * (sizes[left] + count) / (count + 1)
        chance = chance[going] * grown
        reached = reached[going] + chance
    open_ = np.isnan(found)
    found[open_] = stats.nbinom.ppf(level, sizes[open_], stops[open_])
    return found.reshape(size.shape)


def demand_losses(
    demand: NegativeBinomials, factor: Floats, actual: Floats, scale: Floats
) -> Floats:
    """Mean pinball loss over ``scale`` (N,) of each item and step, (N, H), NaN where not observed.

    ``factor`` (H,) multiplies the demand; quantiles are tabled at the nearest factors of ``GRID``.
    """
    place = np.interp(np.log(factor), np.log(GRID), np.arange(len(GRID)))
    low = np.minimum(place.astype(int), len(GRID) - 2)
    share = (place - low)[None, :, None]
    used = np.unique([low, low + 1])
    tables, at = tabulate_quantiles(demand, GRID[used]), np.searchsorted(used, low)
    cuts = tables[:, at] * (1 - share) + tables[:, at + 1] * share
    losses = [pinball(actual, cuts[..., k], level) for k, level in enumerate(DEMAND_LEVELS)]
    return np.asarray(np.mean(losses, axis=0) / scale[:, None])
