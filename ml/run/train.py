"""Training stage: every family of every panel, saved where the forecast stage finds it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.forecasters.registry import POOLED, forecaster
from ml.forecasters.tunable import Settings
from ml.panel import Panel
from ml.run.model_store import ModelStore, finish_part, start_part
from ml.run.parallel import run_tasks, timed
from ml.run.plan import PanelPlan
from ml.seeds import number

CHUNK = 64  # series fitted by one task


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


def train_families(
    plans: Sequence[PanelPlan],
    store: ModelStore,
    families: Sequence[str],
    jobs: int | None,
    *,
    origins: bool = False,
) -> None:
    """Train families on every panel; parts that are trained already are kept.

    With ``origins`` pooled models are trained for the backtest's origins too: in the same go, for
    they keep all cores busy.
    """
    tasks: list[TrainTask] = []
    for plan in plans:
        for family in families:
            if family not in plan.models:
                continue
            tasks += _open_tasks(plan, store, family, origins=origins)
    largest_first = sorted(tasks, key=lambda task: -task.panel.values.size)
    run_tasks(_train_part, largest_first, jobs=jobs, label=f"training {', '.join(families)}")


def _open_tasks(
    plan: PanelPlan, store: ModelStore, family: str, *, origins: bool
) -> Iterator[TrainTask]:
    """The parts of a family that are not trained yet."""
    pooled, last = family in POOLED, plan.panel.cutoff
    folder, parts = store.open(plan, family, *((plan.reach,) if pooled else ()))
    if pooled:
        for cutoff in (*(plan.origins if origins else ()), last):
            if str(cutoff) not in parts:
                train, learnable = plan.panel, plan.learnable_at(cutoff)
                if cutoff != last:  # the backtest asks for its own items only
                    train = plan.train_at(cutoff).select((*learnable, *plan.backtest_items))
                part = folder / str(cutoff)
                own = plan.tuned.get(family, {})
                yield TrainTask(family, train, learnable, plan.reach, plan.seed, part, own)
        return
    known = {item for facts in parts.values() for item in facts["items"]}
    items = [item for item in plan.wanted if item not in known]
    size = max(1, min(CHUNK, -(-len(items) // 8)))
    for start in range(0, len(items), size):
        chunk = plan.panel.select(items[start : start + size])
        part = folder / str(last) / f"{number(0, *chunk.items):x}"
        yield TrainTask(family, chunk, chunk.items, plan.reach, plan.seed, part, {})


def _train_part(task: TrainTask) -> None:
    config = forecaster(task.family, horizon=task.reach, seed=task.seed, settings=task.settings)
    with timed(f"fit {task.family}"):
        fitted = config.fit(task.panel, learn_from=task.learnable)
    fitted.save(start_part(task.folder))
    finish_part(task.folder, items=task.panel.items, reach=task.reach)
