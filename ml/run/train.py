"""Training stage: every family of every panel, saved where the forecast stage finds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.errors import ModelError, first_few
from ml.forecasters.per_series import saved_items
from ml.forecasters.registry import PER_SERIES, forecaster
from ml.panel import Panel
from ml.run.model_store import DONE, ModelStore, is_done, mark_done, read_json
from ml.run.parallel import run_tasks
from ml.run.plan import PanelPlan, code_version, fingerprint
from ml.run.pooled import PREDICTED, PooledTask, train_pooled

CHUNK = 64  # series fitted by one task


@dataclass(frozen=True, slots=True)
class SeriesTask:
    """Some series to fit with one family."""

    family: str
    panel: Panel
    seed: int
    folder: Path


def train_series(
    plans: Sequence[PanelPlan], store: ModelStore, families: Sequence[str], jobs: int | None
) -> None:
    """Fit the wanted items of every panel with families that have one model a series."""
    tasks = [
        task for plan in plans for family in families for task in _series_tasks(plan, store, family)
    ]
    run_tasks(_fit_series, tasks, jobs=jobs, label=f"training {', '.join(families)}")
    for plan in plans:
        for family in families:
            mark_done(store.folder(plan.name, family), {"items": len(plan.wanted)})


def train_lstm(
    plans: Sequence[PanelPlan], store: ModelStore, jobs: int | None, *, origins: bool
) -> None:
    """Train the pooled model of every panel, and those of the backtest's origins if asked.

    The origins' models are made in the same go, for they keep all cores busy.
    """
    tasks = []
    for plan in plans:
        if origins:
            tasks += [origin_task(plan, store, cutoff) for cutoff in plan.origins]
        tasks.append(final_task(plan, store))
    tasks = [task for task in tasks if not (is_done(task.folder) and _predicted(task))]
    largest_first = sorted(tasks, key=lambda task: -task.panel.values.size)
    run_tasks(train_pooled, largest_first, jobs=jobs, label="training lstm")


def final_task(plan: PanelPlan, store: ModelStore) -> PooledTask:
    """The pooled model that the forecast is made with."""
    folder = store.open(plan.name, "lstm", pooled_fingerprint(plan), drivers=plan.drivers_key())
    panel, learnable = plan.train_at(plan.panel.cutoff), plan.learnable
    return PooledTask(panel, learnable, plan.reach, plan.seed, folder, folder / PREDICTED)


def trained_task(plan: PanelPlan, store: ModelStore) -> PooledTask:
    """The pooled model that was trained before, for predicting only.

    Raises:
        ModelError: It was trained for fewer steps than this run needs.
    """
    folder = store.folder(plan.name, "lstm")
    reach = int((read_json(folder / DONE) or {}).get("reach", 0))
    if reach < plan.reach:
        raise ModelError(
            f"models: the lstm of panel '{plan.name}' was trained for {reach} steps, this run "
            f"needs {plan.reach}. Run python ml/train_lstm.py with the same --horizon first."
        )
    panel = plan.train_at(plan.panel.cutoff)
    return PooledTask(panel, plan.learnable, reach, plan.seed, folder, folder / PREDICTED)


def origin_task(plan: PanelPlan, store: ModelStore, cutoff: np.datetime64) -> PooledTask:
    """The pooled model as it would have been at one origin of the backtest."""
    root = store.open(
        plan.name, "lstm_origins", pooled_fingerprint(plan), drivers=plan.drivers_key()
    )
    folder = root / str(cutoff)
    panel = plan.train_at(cutoff).select(plan.learnable)
    return PooledTask(panel, plan.learnable, plan.reach, plan.seed, folder, folder / PREDICTED)


def require_items(plan: PanelPlan, store: ModelStore) -> None:
    """Check that the wanted items were all fitted by the families with a model a series.

    Raises:
        ModelError: Some were not, for instance because only a few were trained with ``--items``.
    """
    for family in PER_SERIES:
        known = saved_items(store.folder(plan.name, family))
        missing = [item for item in plan.wanted if item not in known]
        if missing:
            raise ModelError(
                f"models: {len(missing)} of {len(plan.wanted)} items of panel '{plan.name}' were "
                f"never fitted by {family}: {first_few(missing)}. Run python "
                f"ml/train_{family}.py first."
            )


def pooled_fingerprint(plan: PanelPlan) -> str:
    """What shapes the pooled model beside the panel."""
    return fingerprint("lstm", code_version(), plan.reach, plan.seed, plan.drivers_key())


def _predicted(task: PooledTask) -> bool:
    return task.predicted is None or task.predicted.exists()


def _series_tasks(plan: PanelPlan, store: ModelStore, family: str) -> list[SeriesTask]:
    shape = fingerprint(family, code_version(), plan.seed, plan.drivers_key())
    folder = store.open(plan.name, family, shape, drivers=plan.drivers_key())
    known = saved_items(folder)
    items = [item for item in plan.wanted if item not in known]
    size = max(1, min(CHUNK, -(-len(items) // 8)))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    panel = plan.train_at(plan.panel.cutoff)
    return [SeriesTask(family, panel.select(part), plan.seed, folder) for part in parts]


def _fit_series(task: SeriesTask) -> None:
    config = forecaster(task.family, horizon=1, seed=task.seed)
    config.fit(task.panel).save(task.folder)
