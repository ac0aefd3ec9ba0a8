"""The drivers stage: the study of every panel, before anything is trained."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ml.contracts.outside import AS_PUBLISHED_KEY
from ml.drivers.study import (
    Study,
    StudyTask,
    average_gains,
    describe_choice,
    effects_at,
    fit_at,
    trial_tasks,
)
from ml.drivers.trial import Trial, frame_at, try_origin
from ml.frequency import Frequency, period_end
from ml.panel import dataset_id
from ml.processed import known_by
from ml.run.inputs import RunInputs
from ml.run.parallel import run_tasks
from ml.run.plan import PanelPlan


def with_drivers(
    plans: Sequence[PanelPlan], inputs: RunInputs, jobs: int | None
) -> tuple[PanelPlan, ...]:
    """The plans with the studies of their drivers; a panel without any says so."""
    return tuple(_studied(plan, inputs, jobs) for plan in plans)


def content_id(inputs: RunInputs) -> str:
    """Name of all that models learn from: the panels, and the outside rows known in time."""
    return dataset_id(list(inputs.panels), _outside_id(inputs) if inputs.drivers else "none")


def _outside_id(inputs: RunInputs) -> str:
    digest = hashlib.sha256(inputs.region.encode())
    for name, table in sorted(inputs.outside.items()):
        digest.update(name.encode())
        ordered = table.sort_by([(key, "ascending") for key in AS_PUBLISHED_KEY])
        for column in (*AS_PUBLISHED_KEY, "value", "preliminary"):
            digest.update(repr(ordered[column].to_pylist()).encode())
    return digest.hexdigest()[:12]


def _place(trial: Trial) -> tuple[np.datetime64, str, str, bool]:
    return trial.origin, trial.demand_class, trial.group, trial.foreseen


def _studied(plan: PanelPlan, inputs: RunInputs, jobs: int | None) -> PanelPlan:
    if not inputs.drivers:
        return replace(plan, study=Study((), (), {}, {}, (f"{plan.name}: no drivers, as asked",)))
    tables = known_by(inputs.outside, period_end(plan.panel.cutoff, plan.panel.frequency))
    if not tables and plan.panel.frequency is Frequency.MONTHLY:  # it averages the calendar away
        none = f"{plan.name}: no drivers are used: there are no outside tables"
        return replace(plan, study=Study((), (), {}, {}, (none,)))
    if not plan.learnable:
        none = f"{plan.name}: no drivers are used: there is no item to learn from"
        return replace(plan, study=Study((), (), {}, {}, (none,)))
    learned = plan.panel.select(plan.learnable)
    tasks = trial_tasks(learned, tables, inputs.region)
    found = run_tasks(try_origin, tasks, jobs=jobs, label=f"trying drivers, {plan.name}")
    trials = tuple(sorted((trial for part in found for trial in part), key=_place))
    cutoffs = dict.fromkeys((plan.panel.cutoff, *plan.origins))
    studies = [
        StudyTask(plan.panel, plan.learnable, cutoff, plan.reach, tables, inputs.region, trials)
        for cutoff in cutoffs
    ]  # fmt: skip
    fitted = run_tasks(fit_at, studies, jobs=jobs, label=f"fitting drivers, {plan.name}")
    drivers = {day: one for day, one, _ in fitted if one is not None}
    used = next(groups for day, _, groups in fitted if day == str(plan.panel.cutoff))
    (effects,) = run_tasks(effects_at, studies[:1], jobs=1, label="effects of drivers")
    tried = tuple(average_gains(trials))
    frame = frame_at(plan.panel, tables, inputs.region, plan.panel.cutoff, 1)
    offered = list(dict.fromkeys(one.group for one in frame.features if one.driver))
    sentences = (*describe_choice(plan.name, used, tried, offered), *frame.statements)
    return replace(plan, study=Study(tried, tuple(effects), used, drivers, sentences))
