"""The drivers stage: the study of one panel, before anything is trained."""

import numpy as np

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
from ml.panel import Panel
from ml.processed import known_by
from ml.run.inputs import RunInputs
from ml.run.parallel import run_tasks


def study_drivers(
    name: str,
    panel: Panel,
    learnable: tuple[str, ...],
    origins: tuple[np.datetime64, ...],
    reach: int,
    inputs: RunInputs,
    jobs: int | None,
) -> Study:
    """Try the drivers on a panel's past, and fit those that help at each cutoff.

    Args:
        name: Of the panel, for what people read.
        panel: Its series until ``as_of``.
        learnable: Items that are learned from.
        origins: Cutoffs of the backtest.
        reach: Steps that contributions must reach.
        inputs: Hold the outside tables.
        jobs: Worker processes.
    """
    tables = known_by(inputs.outside, period_end(panel.cutoff, panel.frequency))
    obstacle = None
    if not inputs.drivers:
        obstacle = "no drivers, as asked"
    elif not tables and panel.frequency is Frequency.MONTHLY:  # it averages the calendar away
        obstacle = "no drivers are used: there are no outside tables"
    elif not learnable:
        obstacle = "no drivers are used: there is no item to learn from"
    if obstacle:
        return Study((), (), {}, {}, (f"{name}: {obstacle}",))
    tasks = trial_tasks(panel.select(learnable), tables, inputs.region)
    found = run_tasks(try_origin, tasks, jobs=jobs, label=f"trying drivers, {name}")
    trials = tuple(sorted((trial for part in found for trial in part), key=_place))
    studies = [
        StudyTask(panel, learnable, cutoff, reach, tables, inputs.region, trials)
        for cutoff in dict.fromkeys((panel.cutoff, *origins))
    ]
    fitted = run_tasks(fit_at, studies, jobs=jobs, label=f"fitting drivers, {name}")
    drivers = {day: one for day, one, _ in fitted if one is not None}
    used = next(groups for day, _, groups in fitted if day == str(panel.cutoff))
    (effects,) = run_tasks(effects_at, studies[:1], jobs=1, label="effects of drivers")
    tried = tuple(average_gains(trials))
    frame = frame_at(panel, tables, inputs.region, panel.cutoff, 1)
    offered = list(dict.fromkeys(one.group for one in frame.features if one.driver))
    sentences = (*describe_choice(name, used, tried, offered), *frame.statements)
    return Study(tried, tuple(effects), used, drivers, sentences)


def _place(trial: Trial) -> tuple[np.datetime64, str, str, bool]:
    return trial.origin, trial.demand_class, trial.group, trial.foreseen
