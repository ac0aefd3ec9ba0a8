"""One origin of the trial of the drivers: losses with and without each group, after a cutoff."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.drivers import changes, losses, rates
from ml.drivers.design import Design, make_design
from ml.evaluation.demand_class import demand_pattern
from ml.evaluation.origins import actual_values, scales, typical_size
from ml.features.compute import features_at
from ml.features.frame import FeatureFrame
from ml.frequency import period_end, period_range, periods_after
from ml.panel import Drivers, Panel, carried_forward

Floats = npt.NDArray[np.float64]
ALL = "*"
MOST_FACTOR = 6.0  # drivers never multiply a rate by more, or divide it by more
LEAST_EVENTS = 60  # periods with demand that a class must have to be judged on its own


@dataclass(frozen=True, slots=True)
class TrialTask:
    """Everything that one origin takes.

    Attributes:
        panel: The items that are learned from, until ``as_of``.
        origin: Cutoff of the trial.
        horizon: Steps that are scored.
        tables: Outside tables as known at ``as_of``.
        region: Home region.
    """

    panel: Panel
    origin: np.datetime64
    horizon: int
    tables: Mapping[str, pa.Table]
    region: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Gain of one group for one class at one origin.

    Attributes:
        origin: Cutoff.
        demand_class: Class, ``*`` = all.
        group: Drivers.
        foreseen: Whether the drivers' later values were given to the forecast, which shows what
            they explain; otherwise they were as known at the origin, which is what counts.
        change: Mean scaled pinball loss with the group minus without; below 0 = it helps.
        without: Mean loss without.
        count: Item-steps behind it.
    """

    origin: np.datetime64
    demand_class: str
    group: str
    foreseen: bool
    change: float
    without: float
    count: int


def frame_at(task: TrialTask, cutoff: np.datetime64, steps: int) -> FeatureFrame:
    """Features as known at the end of the period ``cutoff``, reaching ``steps`` beyond it."""
    frequency = task.panel.frequency
    ahead = periods_after(cutoff, steps, frequency)
    last = period_end(ahead[-1], frequency)
    known = period_end(cutoff, frequency)
    return features_at(task.tables, known, task.panel.periods[0], last, region=task.region)


def design_at(frame: FeatureFrame, panel: Panel, cutoff: np.datetime64, steps: int) -> Design:
    """Regressors of a panel at a cutoff."""
    periods = period_range(panel.periods[0], cutoff, panel.frequency)
    return make_design(frame, periods, periods_after(cutoff, steps, panel.frequency),
                       panel.frequency)  # fmt: skip


def try_origin(task: TrialTask) -> list[Trial]:
    """Losses of the steps after one origin, for every class and group."""
    train = task.panel.until(task.origin)
    actual = actual_values(task.panel, train, task.horizon)
    steps = task.horizon
    known = design_at(frame_at(task, task.origin, steps), train, task.origin, steps)
    later = frame_at(task, task.panel.cutoff, steps)
    foreseen = design_at(later, train, task.origin, steps)
    judge = _demand_trials if train.is_demand else _price_trials
    found = judge(task, train, actual, known, foreseen=False)
    return found + judge(task, train, actual, foreseen, foreseen=True)


def factors(design: Design, effects: Floats, seasons: Floats, *, foreseen: bool) -> Floats:
    """Factor of the rate in every period of a design, (T + R,)."""
    drivers = contributions(design, effects[None, :], np.zeros(1, np.int64), changes_=False)
    places = np.arange(len(design.values))[None, :]
    if foreseen:
        total = drivers.contribution[0].sum(axis=1)
    else:
        seen = drivers.seen_from(np.zeros(1, np.int64), np.array([drivers.last]), places)
        total = seen[0].sum(axis=1, dtype=np.float64)
    limit = np.log(MOST_FACTOR)
    return np.asarray(np.exp(seasons + np.clip(total, -limit, limit)))


def contributions(
    design: Design, effects: Floats, class_of: npt.NDArray[np.int64], *, changes_: bool
) -> Drivers:
    """Drivers out of effects by class (C, F)."""
    values = changes.lagged(design) if changes_ else design.values
    lag = design.lags() - (changes.BEFORE if changes_ else 0)
    return Drivers(
        groups=design.groups,
        features=tuple(feature.name for feature in design.features),
        contribution=values[None, :, :] * effects[:, None, :],
        group_of=np.array([design.groups.index(one.group) for one in design.features], np.int64),
        ahead=design.ahead(),
        persistence=design.persistence(),
        lag=lag,
        last=design.length - 1,
        class_of=class_of,
        changes=changes_,
    )


def columns_of(design: Design, groups: set[str]) -> npt.NDArray[np.bool_]:
    """Which features of a design belong to some groups, (F,)."""
    return np.array([feature.group in groups for feature in design.features], bool)


def class_names(panel: Panel) -> npt.NDArray[np.str_]:
    """Demand class of each item, (N,)."""
    return np.array([demand_pattern(row).name for row in panel.values], dtype=np.str_)


def class_totals(panel: Panel, classes: npt.NDArray[np.str_]) -> dict[str, rates.Totals]:
    """Totals of all items that are still asked for, under ``*``, and of each class."""
    counts = rates.typical_counts(panel.values)
    learned = rates.alive(panel.values)
    found = {ALL: rates.totals(counts[learned])}
    for name in sorted(set(classes)):
        own = learned & (classes == name)
        if (np.nan_to_num(counts[own]) > 0).sum() >= LEAST_EVENTS:
            found[str(name)] = rates.totals(counts[own])
    return found


def _demand_trials(
    task: TrialTask, train: Panel, actual: Floats, design: Design, *, foreseen: bool
) -> list[Trial]:
    classes = class_names(train)
    found = []
    summed = class_totals(train, classes)
    spread = losses.dispersion(train.values)
    scale = scales(train, typical_size(train))[0]
    for name, own in summed.items():
        rows = losses.members(classes, name)

        def loss(groups: set[str], own: rates.Totals = own,
                 rows: npt.NDArray[np.bool_] = rows) -> Floats:  # fmt: skip
            effects, seasons = rates.fit(design, columns_of(design, groups), summed[ALL], own)
            factor = factors(design, effects, seasons, foreseen=foreseen)
            values = train.values[rows]
            level = losses.levels(values, factor[: design.length], design.frequency.days)
            tables = losses.quantile_tables(level, spread[rows])
            return losses.demand_losses(tables, factor[design.length :], actual[rows], scale[rows])

        found += _compared(loss, design, task, name, foreseen=foreseen)
    return found


def _price_trials(
    task: TrialTask, train: Panel, actual: Floats, design: Design, *, foreseen: bool
) -> list[Trial]:
    moved, volatility = changes.standard_changes(train.values)
    last = carried_forward(train.values)[:, -1]
    truth_ = (actual - last[:, None]) / volatility[:, None]

    def loss(groups: set[str]) -> Floats:
        effects = changes.fit(design, columns_of(design, groups), moved)
        zero = np.zeros(1, np.int64)
        drivers = contributions(design, effects[None, :], zero, changes_=True)
        places = np.arange(design.length, design.length + actual.shape[1])[None, :]
        seen = drivers.contribution[0][places] if foreseen else drivers.seen_from(
            zero, np.array([drivers.last]), places)  # fmt: skip
        return losses.price_losses(np.cumsum(seen[0].sum(axis=1)), truth_)

    return _compared(loss, design, task, ALL, foreseen=foreseen)


def _compared(loss, design, task, name, *, foreseen: bool) -> list[Trial]:  # type: ignore[no-untyped-def]  # noqa: ANN001
    plain = loss(set())
    seen = np.isfinite(plain)
    if not seen.any():
        return []
    found = []
    for group in design.groups:
        other = loss({group})
        change = float((other - plain)[seen].mean())
        found.append(
            Trial(task.origin, name, group, foreseen, change, float(plain[seen].mean()),
                  int(seen.sum()))
        )  # fmt: skip
    return found
