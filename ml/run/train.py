"""Training stage: every family of every panel, saved where the forecast stage finds it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.ensemble.fitting import weights_for
from ml.ensemble.mixture import FittedEnsemble
from ml.evaluation.demand_class import weight_classes
from ml.forecasters.registry import POOLED, forecaster
from ml.forecasters.tunable import Settings
from ml.panel import Panel
from ml.run.model_store import ModelStore, finish_part, start_part
from ml.run.parallel import run_tasks, timed
from ml.run.plan import PanelPlan
from ml.seeds import number

CHUNK = 64  # series fitted by one task
SMALL_PANEL = 200  # items up to which all models are run, for people to compare them
Needed = Mapping[str, tuple[str, ...]]
"""Items that each model forecasts, by model."""


@dataclass(frozen=True, slots=True)
class TrainTask:
    """A part of a family's models."""

    family: str  # its name
    panel: Panel  # all items that are fitted or predicted, until the cutoff
    learnable: tuple[str, ...]  # those that a pooled model learns from
    reach: int  # longest step
    seed: int  # of training
    folder: Path  # of the part
    settings: Settings  # beside the defaults


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
    """Train the pooled families for the backtest's origins; what is trained already is kept."""
    tasks = [
        task
        for plan in plans
        for family in POOLED
        if family in plan.models
        for task in _open_pooled(plan, store, family, plan.origins)
    ]
    _train(tasks, jobs, "training for the backtest")


def train_families(
    plans: Sequence[PanelPlan],
    store: ModelStore,
    families: Sequence[str],
    jobs: int | None,
    needed: Mapping[str, Needed] | None = None,
) -> None:
    """Train families on all of every panel's history; what is trained already is kept.

    Of the panels that ``needed`` names, the families with one model a series are trained on the
    items that it names, and a pooled family only if there are any.
    """
    tasks: list[TrainTask] = []
    for plan in plans:
        wanted = (needed or {}).get(plan.name)
        for family in (one for one in families if one in plan.models):
            items = plan.wanted if wanted is None else wanted[family]
            if family not in POOLED:
                tasks += _open_series(plan, store, family, items)
            elif items:
                tasks += _open_pooled(plan, store, family, (plan.panel.cutoff,))
    _train(tasks, jobs, f"training {', '.join(families)}")


def _train(tasks: Sequence[TrainTask], jobs: int | None, label: str) -> None:
    largest_first = sorted(tasks, key=lambda task: -task.panel.values.size)
    run_tasks(_train_part, largest_first, jobs=jobs, label=label)


def _open_pooled(
    plan: PanelPlan, store: ModelStore, family: str, cutoffs: Iterable[np.datetime64]
) -> Iterator[TrainTask]:
    """Those of the cutoffs that a pooled family is not trained for yet."""
    folder, parts = store.open(plan, family, plan.reach)
    for cutoff in cutoffs:
        if str(cutoff) in parts:
            continue
        train, learnable = plan.panel, plan.learnable_at(cutoff)
        if cutoff != plan.panel.cutoff:  # the backtest asks for its own items only
            train = plan.train_at(cutoff).select((*learnable, *plan.backtest_items))
        own = plan.tuned.get(family, {})
        part = folder / str(cutoff)
        yield TrainTask(family, train, learnable, plan.reach, plan.seed, part, own)


def _open_series(
    plan: PanelPlan, store: ModelStore, family: str, items: Sequence[str]
) -> Iterator[TrainTask]:
    """Those of the items that a family with one model a series is not trained on yet, in parts."""
    folder, parts = store.open(plan, family)
    known = {item for facts in parts.values() for item in facts["items"]}
    left = [item for item in items if item not in known]
    size = max(1, min(CHUNK, -(-len(left) // 8)))
    for start in range(0, len(left), size):
        chunk = plan.panel.select(left[start : start + size])
        part = folder / str(plan.panel.cutoff) / f"{number(0, *chunk.items):x}"
        yield TrainTask(family, chunk, chunk.items, plan.reach, plan.seed, part, {})


def _train_part(task: TrainTask) -> None:
    config = forecaster(task.family, horizon=task.reach, seed=task.seed, settings=task.settings)
    with timed(f"fit {task.family}"):
        fitted = config.fit(task.panel, learn_from=task.learnable)
    fitted.save(start_part(task.folder))
    finish_part(task.folder, items=task.panel.items, reach=task.reach)
