"""The study of a panel's drivers: tried at many origins, chosen by class, fitted at cutoffs.

What is chosen for a cutoff rests on origins whose outcomes were known by then, so the backtest
sees no driver that the day itself could not have known to help.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from scipy import stats

from ml.drivers import changes, rates
from ml.drivers.design import Design
from ml.drivers.gains import CONFIDENCE, Gain, chosen_groups, gains, over_by
from ml.drivers.trial import (
    ALL,
    Trial,
    TrialTask,
    class_names,
    class_totals,
    columns_of,
    contributions,
    design_at,
    frame_at,
)
from ml.frequency import Frequency
from ml.panel import Drivers, Panel

MOST_ORIGINS = 24
# Steps that drivers are tried on, whatever is published: enough origins have to fit into the
# history, and what is chosen should not depend on an option.
TRIED_STEPS = {
    Frequency.DAILY: 30, Frequency.BUSINESS: 30, Frequency.WEEKLY: 8, Frequency.MONTHLY: 3,
}  # fmt: skip
MOST_DAYS = 2200.0  # of history that drivers are tried on and fitted to; what is older has changed
LEAST_DAYS = 365.0  # of history before the first origin
LEAST_HORIZONS = 3


@dataclass(frozen=True, slots=True)
class Effect:
    """Effect of one driver: log of the rate a standard deviation (demand), with a 90 % interval.

    Attributes:
        demand_class: Class, ``*`` = all.
        feature: Name.
        group: Its group.
        effect: Estimate, all drivers of the design taken together.
        low: Lower end.
        high: Upper end.
    """

    demand_class: str
    feature: str
    group: str
    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Study:
    """What is known of a panel's drivers.

    Attributes:
        gains: With and without each group.
        effects: Of each driver.
        used: Groups by class at ``as_of``.
        drivers: Contributions for each cutoff that was asked for; none where no group helps.
        statements: Sentences for people.
    """

    gains: tuple[Gain, ...]
    effects: tuple[Effect, ...]
    used: Mapping[str, tuple[str, ...]]
    drivers: Mapping[str, Drivers]
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyTask:
    """Choosing and fitting at one cutoff.

    Attributes:
        panel: All items until ``as_of``.
        learnable: Items that are learned from.
        cutoff: Where the study looks from.
        reach: Steps that contributions must reach.
        tables: Outside tables.
        region: Home region.
        trials: Of all origins.
    """

    panel: Panel
    learnable: tuple[str, ...]
    cutoff: np.datetime64
    reach: int
    tables: Mapping[str, pa.Table]
    region: str
    trials: tuple[Trial, ...]


def recent(panel: Panel) -> Panel:
    """The last six years of a panel, without its drivers."""
    start = max(0, len(panel.periods) - int(MOST_DAYS / panel.frequency.days))
    values = panel.values[:, start:].copy()
    return replace(panel, periods=panel.periods[start:], values=values, drivers=None)


def trial_tasks(panel: Panel, tables: Mapping[str, pa.Table], region: str) -> list[TrialTask]:
    """The origins that drivers are tried at: ``TRIED_STEPS`` apart, after a year of history."""
    panel = recent(panel)
    horizon = TRIED_STEPS[panel.frequency]
    least = max(LEAST_HORIZONS * horizon, int(LEAST_DAYS / panel.frequency.days))
    ends = [len(panel.periods) - horizon * k for k in range(1, MOST_ORIGINS + 1)]
    return [
        TrialTask(panel, panel.periods[end - 1], horizon, tables, region)
        for end in ends
        if end >= least
    ]


def fit_at(task: StudyTask) -> tuple[str, Drivers | None, dict[str, tuple[str, ...]]]:
    """Cutoff, contributions of the chosen groups, and what was chosen by class."""
    whole = task.panel.until(task.cutoff)
    panel = recent(whole)
    steps = TRIED_STEPS[panel.frequency]
    known = over_by(task.trials, task.cutoff, steps, panel.frequency)
    names = ["price"] if not panel.is_demand else sorted(set(class_names(panel)))
    used = chosen_groups(gains(known), names)
    if not any(used.values()):
        return str(task.cutoff), None, used
    as_trial = TrialTask(panel, task.cutoff, steps, task.tables, task.region)
    design = design_at(frame_at(as_trial, task.cutoff, task.reach), panel, task.cutoff, task.reach)
    learned = panel.select(task.learnable)
    if not panel.is_demand:
        moved, _ = changes.standard_changes(learned.values)
        effects = changes.fit(design, columns_of(design, set(used["price"])), moved)[None, :]
        every = np.zeros(len(panel.items), np.int64)
        found = contributions(design, effects, every, changes_=True)
        return str(task.cutoff), found.behind(len(whole.periods) - design.length), used
    effects = _class_effects(design, learned, used)
    order = {name: place for place, name in enumerate(used)}
    class_of = np.array([order[name] for name in class_names(panel)], np.int64)
    found = contributions(design, effects, class_of, changes_=False)
    return str(task.cutoff), found.behind(len(whole.periods) - design.length), used


def _class_effects(
    design: Design, learned: Panel, used: Mapping[str, tuple[str, ...]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    summed = class_totals(learned, class_names(learned))
    rows = []
    for name, groups in used.items():
        own = summed.get(name, summed[ALL])
        rows.append(rates.fit(design, columns_of(design, set(groups)), summed[ALL], own)[0])
    return np.stack(rows)


def effects_at(task: StudyTask) -> list[Effect]:
    """Effects of all drivers of a demand panel at a cutoff; none for prices."""
    panel = recent(task.panel.until(task.cutoff)).select(task.learnable)
    if not panel.is_demand:
        return []
    as_trial = TrialTask(panel, task.cutoff, 1, task.tables, task.region)
    design = design_at(frame_at(as_trial, task.cutoff, 1), panel, task.cutoff, 1)
    if not design.features:
        return []
    reach = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    found = []
    for name, own in class_totals(panel, class_names(panel)).items():
        effects, errors = rates.effects_with_errors(design, own)
        for feature, effect, error in zip(design.features, effects, errors, strict=True):
            if not np.isfinite(effect):
                continue
            found.append(
                Effect(name, feature.name, feature.group, float(effect),
                       float(effect - reach * error), float(effect + reach * error))
            )  # fmt: skip
    return found


def said(
    panel: str,
    used: Mapping[str, Sequence[str]],
    tried: Sequence[Gain],
    offered: Sequence[str] = (),
) -> tuple[str, ...]:
    """Sentences on what is used, what is left out, and what could not be tried.

    Args:
        panel: Name of the panel.
        used: Groups by class.
        tried: Gains of all groups that were tried.
        offered: Groups that the tables hold drivers of.
    """
    groups = list(dict.fromkeys(gain.group for gain in tried))
    if not groups:
        few = "too few origins, or too little of the history covered, to try them"
        return (f"{panel}: no drivers are used: {few}",)
    sentences = []
    for name, own in used.items():
        left = [group for group in groups if group not in own]
        sentences.append(
            f"{panel}, {name}: drivers used: {', '.join(own) or 'none'}; left out, for no gain "
            f"beyond noise: {', '.join(left) or 'none'}"
        )
    untried = [group for group in offered if group not in groups]
    if untried:
        sentences.append(
            f"{panel}: not tried, for too little of the history is covered: {', '.join(untried)}"
        )
    return tuple(sentences)


def calendar_alone(frequency: Frequency) -> bool:
    """Whether the calendar alone is worth trying: days and weeks; months average it away."""
    return frequency is not Frequency.MONTHLY
