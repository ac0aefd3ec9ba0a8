"""The study of a panel's drivers: tried at many origins, chosen by class, fitted at cutoffs.

What is chosen for a cutoff rests on origins whose outcomes were known by then, so the backtest
sees no driver that the day itself could not have known to help.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import special

from ml.drivers import effects
from ml.drivers.design import Design
from ml.drivers.trial import (
    ALL,
    Trial,
    TrialTask,
    class_names,
    class_totals,
    design_at,
    frame_at,
    make_drivers,
)
from ml.frequency import Frequency, periods_after
from ml.panel import Drivers, Panel, in_portions

CONFIDENCE = 0.9
FALSE_SHARE = 0.1  # of what is chosen that may help by chance only; of pure noise, of panels
LEAST_ORIGINS = 6  # that say anything about a gain
MOST_ORIGINS = 24
# Steps that drivers are tried on, whatever is published: enough origins have to fit into the
# history, and what is chosen should not depend on an option.
TRIED_STEPS = {
    Frequency.DAILY: 30, Frequency.BUSINESS: 30, Frequency.WEEKLY: 8, Frequency.MONTHLY: 3,
}  # fmt: skip
MOST_DAYS = 2200.0  # of history that drivers are tried on and fitted to; what is older has changed
LEAST_DAYS = 365.0  # of history before the first origin
LEAST_HORIZONS = 3
TOGETHER = 8192  # items looked at at once, to bound memory; sums of more are rounded in between


@dataclass(frozen=True, slots=True)
class DriverFinding:
    """What a group of drivers gains in the trials, or the effect of one driver.

    A gain is a change of the scaled pinball loss; below 0 = it helps. An effect is one on the log
    of the rate, a standard deviation (demand), all drivers of the design taken together.
    """

    demand_class: str  # class, `*` = all
    group: str  # drivers
    feature: str | None  # the driver of an effect; `None` = the group, which gains
    foreseen: bool  # with the drivers' later values given (what they explain), or as known then
    value: float  # mean over origins, or estimate
    low: float  # lower end of the 90 % interval, of gains over origins (Student)
    high: float  # upper end
    count: int = 0  # item-steps behind a gain
    # chance of a gain as good of a group that is of no use, over origins (Student, one-sided)
    chance: float = 1.0
    estimated: bool = False  # whether it rests on values that may be later revisions


@dataclass(frozen=True, slots=True)
class Study:
    """What is known of a panel's drivers."""

    gains: tuple[DriverFinding, ...]  # with and without each group
    effects: tuple[DriverFinding, ...]  # of each driver
    used: Mapping[str, tuple[str, ...]]  # groups by class at `as_of`
    # contributions for each cutoff that was asked for; none where no group helps
    drivers: Mapping[str, Drivers]
    statements: tuple[str, ...]  # sentences for people


@dataclass(frozen=True, slots=True)
class StudyTask:
    """Choosing and fitting at one cutoff."""

    panel: Panel  # all items until `as_of`
    learnable: tuple[str, ...]  # items that are learned from
    cutoff: np.datetime64  # where the study looks from
    reach: int  # steps that contributions must reach
    tables: Mapping[str, pa.Table]  # outside tables
    region: str  # home region
    trials: tuple[Trial, ...]  # of all origins

    def seen(self) -> Iterator[Panel]:
        """The last six years of the items as they were at the cutoff, some items at a time."""
        for some in in_portions(self.panel, TOGETHER):
            yield select_recent(some.with_stock().until(self.cutoff))

    def taught(self) -> Iterator[Panel]:
        """The same of those that are learned from."""
        chosen = set(self.learnable)
        return (some.select([i for i in some.items if i in chosen]) for some in self.seen())

    def design(self, panel: Panel, steps: int) -> Design:
        """Regressors of a panel at the cutoff, and so many steps after it."""
        frame = frame_at(panel, self.tables, self.region, self.cutoff, steps)
        return design_at(frame, panel, self.cutoff, steps)


def trial_tasks(panel: Panel, tables: Mapping[str, pa.Table], region: str) -> list[TrialTask]:
    """The origins that drivers are tried at: ``TRIED_STEPS`` apart, after a year of history."""
    panel = select_recent(panel)
    horizon = TRIED_STEPS[panel.frequency]
    least = max(LEAST_HORIZONS * horizon, int(LEAST_DAYS / panel.frequency.days))
    ends = [len(panel.periods) - horizon * k for k in range(1, MOST_ORIGINS + 1)]
    return [
        TrialTask(panel, panel.periods[end - 1], horizon, tables, region)
        for end in ends
        if end >= least
    ]


def select_recent(panel: Panel) -> Panel:
    """The last six years of a panel, without its drivers.

    Periods in which stock ran out are left out: what is drawn for them knows nothing of storms.
    """
    start = max(0, len(panel.periods) - int(MOST_DAYS / panel.frequency.days))
    return panel.with_stock().since(start)


def average_gains(trials: Iterable[Trial]) -> list[DriverFinding]:
    """Gains by class, group and knowledge; those tried at too few origins are left out.

    Origins where what was known is only estimated count as long as there are too few others.
    """
    found: dict[tuple[str, str, bool], list[Trial]] = {}
    for trial in trials:
        key = (trial.demand_class, trial.group, trial.foreseen)
        found.setdefault(key, []).append(trial)
    gains = []
    for key, every in sorted(found.items()):
        released = [trial for trial in every if not trial.estimated]
        own = released if len(released) >= LEAST_ORIGINS else every
        if len(own) >= LEAST_ORIGINS:
            changes = np.array([trial.change for trial in own])
            error = float(changes.std(ddof=1) / np.sqrt(len(own)))
            freedom = len(own) - 1
            reach = float(special.stdtrit(freedom, 0.5 + CONFIDENCE / 2)) * error
            mean, count = float(changes.mean()), sum(trial.count for trial in own)
            chance = float(special.stdtr(freedom, mean / error)) if error else float(mean >= 0)
            ends = (mean, mean - reach, mean + reach)
            name, group, foreseen = key
            late = any(trial.estimated for trial in own)
            gains.append(DriverFinding(name, group, None, foreseen, *ends, count, chance, late))
    return gains


def select_known(
    trials: Iterable[Trial], cutoff: np.datetime64, horizon: int, frequency: Frequency
) -> list[Trial]:
    """Trials of which every outcome was known at ``cutoff``."""
    return [
        trial for trial in trials if periods_after(trial.origin, horizon, frequency)[-1] <= cutoff
    ]


def choose_groups(
    found: Sequence[DriverFinding], classes: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Groups that each class uses: those that help beyond noise, as known at the time.

    A class uses a group if that is a discovery for the class; or for the panel, and the class's
    own mean does not speak against it. With some groups and classes a few would help by chance:
    discoveries are those of Benjamini and Hochberg (1995) over all that were tried, whose
    outcomes go together (classes make up the panel), with which their rule still holds.
    """
    known = {(gain.demand_class, gain.group): gain for gain in found if not gain.foreseen}
    real = _discover(known)
    groups = dict.fromkeys(gain.group for gain in found)

    def helps(name: str, group: str) -> bool:
        own = known.get((name, group))
        speaks_against = own is not None and own.value >= 0
        return (name, group) in real or ((ALL, group) in real and not speaks_against)

    return {name: tuple(group for group in groups if helps(name, group)) for name in classes}


def _discover(known: Mapping[tuple[str, str], DriverFinding]) -> set[tuple[str, str]]:
    """Classes and groups whose gains are no chance."""
    from scipy import stats

    if not known:
        return set()
    shares = stats.false_discovery_control([gain.chance for gain in known.values()], method="bh")
    return {key for key, share in zip(known, shares, strict=True) if share <= FALSE_SHARE}


def fit_at(task: StudyTask) -> tuple[str, Drivers | None, dict[str, tuple[str, ...]]]:
    """Cutoff, contributions of the chosen groups, and what was chosen by class."""
    frequency = task.panel.frequency
    known = select_known(task.trials, task.cutoff, TRIED_STEPS[frequency], frequency)
    classes = np.concatenate([class_names(some) for some in task.seen()])
    used = choose_groups(average_gains(known), sorted(set(classes.tolist())))
    return str(task.cutoff), fit_chosen(task, used) if any(used.values()) else None, used


def fit_chosen(task: StudyTask, used: Mapping[str, Sequence[str]]) -> Drivers:
    """Contributions at a cutoff of groups that were chosen before, by class; others have none."""
    classes = np.concatenate([class_names(some) for some in task.seen()])
    panel = next(task.seen())
    design = task.design(panel, task.reach)
    columns = {
        name: np.array([one.group in used.get(name, ()) for one in design.features], bool)
        for name in sorted({*used, *classes.tolist()})
    }
    if panel.is_demand:
        totals = class_totals((some.values, class_names(some)) for some in task.taught())
        found = [effects.fit_rates(design, own, totals[ALL], totals.get(name, totals[ALL]))[0]
                 for name, own in columns.items()]  # fmt: skip
    else:
        learned = np.concatenate([some.values for some in task.taught()])
        changes, _ = effects.standardise_changes(learned)
        found = [effects.fit_changes(design, own, changes) for own in columns.values()]
    order = list(columns)
    class_of = np.array([order.index(name) for name in classes], np.int64)
    drivers = make_drivers(design, np.stack(found), class_of, changes=not panel.is_demand)
    return drivers.behind(int((task.panel.periods <= task.cutoff).sum()) - design.length)


def effects_at(task: StudyTask) -> list[DriverFinding]:
    """Effects of all drivers of a demand panel at a cutoff; none for prices."""
    if not task.panel.is_demand:
        return []
    design = task.design(next(task.seen()), 1)
    if not design.features:
        return []
    reach = float(special.ndtri(0.5 + CONFIDENCE / 2))
    found = []
    totals = class_totals((some.values, class_names(some)) for some in task.taught())
    for name, own in totals.items():
        estimates, errors = effects.estimate_effects(design, own)
        for feature, effect, error in zip(design.features, estimates, errors, strict=True):
            if np.isfinite(effect):
                low, high = float(effect - reach * error), float(effect + reach * error)
                found.append(
                    DriverFinding(
                        name, feature.group, feature.name, False, float(effect), low, high
                    )
                )
    return found


def describe_choice(
    panel: str,
    used: Mapping[str, Sequence[str]],
    tried: Sequence[DriverFinding],
    offered: Sequence[str] = (),
) -> tuple[str, ...]:
    """Sentences on what each class uses, what is left out, and what could not be tried.

    ``offered`` are the groups that the tables hold drivers of.
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
    late = sorted({gain.group for gain in tried if gain.estimated and not gain.foreseen})
    if late:
        sentences.append(
            f"{panel}: tried on values that were asked for after the day, and may be revisions: "
            f"{', '.join(late)}"
        )
    untried = [group for group in offered if group not in groups]
    if untried:
        sentences.append(
            f"{panel}: not tried, for too little of the history is covered: {', '.join(untried)}"
        )
    return tuple(sentences)
