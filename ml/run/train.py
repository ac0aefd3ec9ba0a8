"""Training stage: every family of every panel, saved where the forecast stage finds it."""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ml.ensemble.fitting import weights_for
from ml.ensemble.mixture import FittedEnsemble
from ml.evaluation.demand_class import weight_classes
from ml.forecasters.registry import LASTING, POOLED, ROLLED, forecaster, lasting
from ml.forecasters.tunable import Settings
from ml.panel import Panel, draw_teachers, learnable_until
from ml.run.backtest import BacktestTask, begin_backtest, measure_typical, try_alone
from ml.run.model_store import ModelStore, finish_part, read_parts, start_part
from ml.run.parallel import give_back, retire_workers, run_tasks, timed
from ml.run.plan import PanelPlan
from ml.seeds import number

CHUNK = 64  # series fitted by one task
SMALL_PANEL = 200  # items up to which all models are run, for people to compare them
Needed = Mapping[str, tuple[str, ...]]
"""Items that each model forecasts, by model."""


@dataclass(frozen=True, slots=True)
class School:
    """What a family learns from at a cutoff."""

    panel: Panel  # all items that are fitted or predicted, until the cutoff
    learnable: tuple[str, ...]  # those that a pooled model learns from


@dataclass(frozen=True, slots=True)
class TrainStep:
    """A part of a family's models: one fit."""

    school: School  # what is learned from
    folder: Path  # of the part


@dataclass(frozen=True, slots=True)
class TrainTask:
    """Parts of a family's models, one after the other."""

    family: str  # its name
    steps: tuple[TrainStep, ...]  # by cutoff, ascending
    reach: int  # longest step
    seed: int  # of training
    settings: Settings  # beside the defaults
    start: Path | None = None  # part of an earlier cutoff that the first step may go on from
    # whether to learn; else what was learned at `start` looks at the panel as it is now
    learns: bool = True

    @property
    def size(self) -> int:
        """Values to learn from."""
        return sum(step.school.panel.values.size for step in self.steps)


def find_needed(plan: PanelPlan, ensemble: FittedEnsemble, *, every: bool) -> Needed:
    """The wanted items that each model forecasts, by model.

    A model without a share in an item's demand class is not run for it, unless ``every`` one is
    asked for or the panel is small; nor is anything left out before there are weights.
    """
    items = plan.wanted
    if every or len(plan.panel.items) <= SMALL_PANEL or not ensemble.weights:
        return dict.fromkeys(plan.models, items)
    classes = weight_classes(plan.panel.select(items))
    shares = {name: weights_for(ensemble.weights, name) for name in set(classes)}
    return {
        model: tuple(
            item
            for item, name in zip(items, classes, strict=True)
            if shares[name].get(model, 0.0) > 0
        )
        for model in plan.models
    }


def count_idle(plan: PanelPlan, needed: Needed) -> dict[str, int]:
    """How many of the wanted items each model is not run for, where there are any."""
    counts = {model: len(plan.wanted) - len(items) for model, items in needed.items()}
    return {model: count for model, count in counts.items() if count}


def train_origins(plans: Sequence[PanelPlan], store: ModelStore, jobs: int | None) -> None:
    """Train the pooled families for the backtest's origins; what is trained already is kept.

    The network of an origin goes on from that of the one before it, so one process is busy with
    them for long: the others begin the backtest meanwhile. A plan that goes on from an earlier run
    has that run's weights, and needs neither.
    """
    tasks: list[TrainTask] = []
    begun: list[BacktestTask] = []
    for plan in (one for one in plans if one.state is None):
        schools, priors = {}, []
        for cutoff in plan.origins:
            schools[cutoff] = school_of(plan, cutoff)
            priors.append(measure_typical(plan, cutoff, schools[cutoff].panel))
        begun += begin_backtest(plan, store, priors)
        for family in (one for one in POOLED if one in plan.models):
            tasks += _open_pooled(plan, store, family, plan.origins, schools.__getitem__)
    in_order = [*_largest_first(tasks), *begun]
    run_tasks(_prepare_backtest, in_order, jobs=jobs, label="training for the backtest")


def train_families(
    plans: Sequence[PanelPlan],
    store: ModelStore,
    families: Sequence[str],
    jobs: int | None,
    needed: Mapping[str, Needed] | None = None,
    beside: Sequence[Callable[[], None]] = (),
) -> None:
    """Train families on all of every panel's history; what is trained already is kept.

    Of the panels that ``needed`` names, the families with one model a series are trained on the
    items that it names, and a pooled family only if there are any. What is to be done ``beside``
    that comes first, each in a process of its own: it takes long.
    """
    tasks: list[TrainTask] = []
    series: list[Callable[[], TrainTask]] = []
    for plan in plans:
        wanted = (needed or {}).get(plan.name)
        look = cache(partial(_look_at, plan))
        for family in (one for one in families if one in plan.models):
            items = plan.wanted if wanted is None else wanted[family]
            if family not in POOLED:
                series += _open_series(plan, store, family, items)
            elif items:
                rolled = family in ROLLED and plan.state is None
                cutoffs = (*(plan.origins if rolled else ()), plan.panel.cutoff)
                tasks += _open_pooled(plan, store, family, cutoffs, look)
    in_order = chain(beside, _largest_first(tasks), (make() for make in series))
    label, total = f"training {', '.join(families)}", len(beside) + len(tasks) + len(series)
    run_tasks(_train_or_call, in_order, jobs=jobs, label=label, total=total)
    if any(plan.state is None and len(plan.panel.items) > SMALL_PANEL for plan in plans):
        retire_workers()


def _largest_first(tasks: Sequence[TrainTask]) -> list[TrainTask]:
    return sorted(tasks, key=lambda task: -task.size)


def _train_or_call(task: TrainTask | Callable[[], None]) -> None:
    if isinstance(task, TrainTask):
        train_parts(task)
    else:
        task()


def _prepare_backtest(task: TrainTask | BacktestTask) -> None:
    if isinstance(task, TrainTask):
        train_parts(task)
    else:
        try_alone(task)


def school_of(plan: PanelPlan, cutoff: np.datetime64) -> School:
    """What a pooled family is fitted on at an origin: the backtest asks for its own items only."""
    teachers = draw_teachers(learnable_until(plan.panel, cutoff))
    return School(plan.train_at(cutoff, (*teachers, *plan.backtest_items)), teachers)


def _look_at(plan: PanelPlan, cutoff: np.datetime64) -> School:
    if cutoff == plan.panel.cutoff:
        return School(plan.panel, draw_teachers(plan.learnable))
    return school_of(plan, cutoff)


def _open_pooled(
    plan: PanelPlan,
    store: ModelStore,
    family: str,
    cutoffs: Sequence[np.datetime64],
    look: Callable[[np.datetime64], School],
) -> Iterator[TrainTask]:
    """Those cutoffs that a pooled family is not trained for yet.

    A family that goes on from earlier cutoffs is trained for all of them in their order, for the
    last one's model rests on those of the origins.
    """
    rolled = family in ROLLED
    rests_on = [str(day) for day in plan.origins] if rolled else []
    folder, parts = store.open(plan, family, plan.reach, *rests_on)
    cutoffs = sorted(cutoffs)
    missing = [one for one in cutoffs if not _is_trained(parts.get(str(one)), plan, one)]
    own, start = plan.tuned.get(family, {}), None
    links = [[one] for one in missing]
    goes_on = plan.state is not None and family in LASTING
    if rolled and missing and not goes_on:  # what comes after a missing one rests on it
        known = cutoffs.index(missing[0])
        links, start = [cutoffs[known:]], folder / str(cutoffs[known - 1]) if known else None
    if goes_on and plan.state is not None:
        start = store.before(plan.name, family, plan.state)
    for linked in links:
        steps = tuple(TrainStep(look(one), folder / str(one)) for one in linked)
        yield TrainTask(family, steps, plan.reach, plan.seed, own, start, learns=not goes_on)


def _is_trained(part: Mapping[str, Any] | None, plan: PanelPlan, cutoff: np.datetime64) -> bool:
    """Whether a part is there and knows the items that are asked for at a cutoff."""
    asked = plan.panel.items if cutoff == plan.panel.cutoff else plan.backtest_items
    return part is not None and set(asked) <= set(part["items"])


def _open_series(
    plan: PanelPlan, store: ModelStore, family: str, items: Sequence[str]
) -> Iterator[Callable[[], TrainTask]]:
    """What makes the tasks of items that a family of single series is not trained on yet."""
    folder, parts = store.open(plan, family)
    known = {item for facts in parts.values() for item in facts["items"]}
    left = [item for item in items if item not in known]
    start, kept = _find_kept(plan, store, family)
    for learns in (True, False):
        own = [item for item in left if (item not in kept) == learns]
        size = max(1, min(CHUNK, -(-len(own) // 8)))
        for first in range(0, len(own), size):
            items, begin = own[first : first + size], None if learns else start
            yield partial(_open_part, plan, family, items, folder, begin, learns=learns)


def _open_part(
    plan: PanelPlan, family: str, items: Sequence[str], folder: Path, start: Path | None, *,
    learns: bool,
) -> TrainTask:  # fmt: skip
    """Some items of a family of single series, in the order of their ids."""
    chunk = plan.panel.select(items)
    part = folder / str(plan.panel.cutoff) / f"{number(0, *chunk.items):x}"
    step = TrainStep(School(chunk, chunk.items), part)
    return TrainTask(family, (step,), plan.reach, plan.seed, {}, start, learns=learns)


def _find_kept(
    plan: PanelPlan, store: ModelStore, family: str
) -> tuple[Path | None, frozenset[str]]:
    """Where an earlier run's models of a family are, and the items of which they still serve."""
    if plan.state is None:
        return None, frozenset()
    folder = store.before(plan.name, family, plan.state)
    there = {item for facts in read_parts(folder).values() for item in facts["items"]}
    return folder, plan.state.kept & there


def train_parts(task: TrainTask) -> None:
    """Fit the parts of a task one after the other, and save each."""
    config = forecaster(task.family, horizon=task.reach, seed=task.seed, settings=task.settings)
    before = task.start
    for step in task.steps:
        panel, learnable = step.school.panel, step.school.learnable
        with timed(f"fit {task.family}"):
            fitted = start = None
            if before is not None and not task.learns:
                fitted = lasting(config).look_again(before, panel, learnable)
            if fitted is None:
                # What is read is what was saved, whichever process went on from it.
                start = None if before is None else config.load(before, panel.rows([]))
                fitted = config.fit(panel, learn_from=learnable, start=start)
        fitted.save(start_part(step.folder))
        finish_part(step.folder, items=panel.items, reach=task.reach)
        before = step.folder if task.family in ROLLED else None
        del fitted, start  # what the next step needs of them is read
        if "keras" in sys.modules:
            gc.collect()  # its objects hold each other
        give_back()
