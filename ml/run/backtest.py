"""Backtest stage: all models at rolling origins on a sample of items, then the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ml.durable import staged
from ml.ensemble.fitting import fit_ensemble
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.evaluation.demand_class import weight_classes
from ml.evaluation.origins import (
    BacktestPoints,
    actual_values,
    add_models,
    join_chunks,
    pick_model,
    scales,
    summarise_paths,
    typical_size,
)
from ml.forecasters.base import Fitted, Forecast, predict
from ml.forecasters.registry import POOLED, forecaster
from ml.panel import Floats, Ints, Panel
from ml.run.model_store import FITTED, ModelStore, Parts, finish_part, read_part, start_part
from ml.run.parallel import run_tasks, stage, timed
from ml.run.plan import PanelPlan


@dataclass(frozen=True, slots=True)
class BacktestTask:
    """Some items at all origins."""

    panel: Panel  # the items, until `as_of`
    # the same at each origin, latest first, with the drivers as known there
    trains: tuple[Panel, ...]
    priors: tuple[float, ...]  # root mean square of a typical item at each origin
    cum_steps: Ints  # (N, C) steps of which sums are kept; the first two are scored
    models: tuple[str, ...]  # names
    pooled: Mapping[str, Path]  # folders of the pooled models, which are trained already, by name
    horizon: int  # steps H
    seed: int  # of the run
    folder: Path  # of the part that holds the points of each origin


def fit_ensembles(plans: Sequence[PanelPlan], store: ModelStore, jobs: int | None) -> None:
    """Try all models at the origins of every panel; save the best weights and their spreads.

    Pooled models are trained before, those of the origins too.
    """
    tasks: list[BacktestTask] = []
    unfitted = []
    for plan in plans:
        made, chunks = _backtest_tasks(plan, store)
        tasks += [task for task in chunks if task.folder.name not in made]
        if FITTED not in made:
            unfitted.append((plan, len(chunks)))
    run_tasks(_backtest_chunk, tasks, jobs=jobs, label="backtest")
    for plan, count in unfitted:
        folder = store.folder(plan.name, ENSEMBLE)
        with stage(f"weighing models, {plan.name}"):
            fitted, judged = fit_ensemble(read_backtests(folder), plan.panel.kind)
            part = start_part(folder / FITTED)
            for one in judged:
                with staged(part / f"{one.cutoff}.npz") as path:
                    pick_model(one, ENSEMBLE).save(path)
        finish_part(part, **asdict(fitted), chunks=count)


def read_ensemble(folder: Path) -> FittedEnsemble:
    """What :func:`fit_ensembles` saved in the folder of a panel's ensemble."""
    fitted = read_part(folder / FITTED) or {"weights": {}, "spreads": {}}
    return FittedEnsemble(fitted["weights"], fitted["spreads"], fitted.get("sum_spreads", {}))


def read_backtests(folder: Path) -> list[BacktestPoints]:
    """What the models said at each origin, latest first, from the folder of an ensemble."""
    chunks: dict[str, list[BacktestPoints]] = {}
    for path in sorted(folder.glob("*/*.npz")):
        if path.parent.name != FITTED:
            chunks.setdefault(path.stem, []).append(BacktestPoints.load(path))
    return [join_chunks(parts) for _, parts in sorted(chunks.items(), reverse=True)]


def read_judged(folder: Path) -> list[BacktestPoints]:
    """The same with the ensemble as one more model, as :func:`fit_ensembles` judged it."""
    judged = []
    for one in read_backtests(folder):
        path = folder / FITTED / f"{one.cutoff}.npz"
        # Older code kept none; what it made can still be explained.
        judged.append(add_models(one, BacktestPoints.load(path)) if path.exists() else one)
    return judged


def _backtest_tasks(plan: PanelPlan, store: ModelStore) -> tuple[Parts, list[BacktestTask]]:
    """What is made already, and one task for each chunk of backtest items."""
    # Sums that are scored: to the item's own protection interval as far as H reaches, and to H.
    # All others let stock be simulated for any lead time.
    own = dict(zip(plan.panel.items, plan.protection, strict=True))
    every = range(1, plan.horizon + 1) if plan.panel.is_demand else ()
    steps = {
        item: [min(own[item], plan.horizon), plan.horizon, *every] for item in plan.backtest_items
    }
    folder, made = store.open(
        plan, ENSEMBLE, plan.horizon, plan.reach, plan.models,
        [str(day) for day in plan.origins], list(steps.items()),
    )  # fmt: skip
    trains = [plan.train_at(cutoff) for cutoff in plan.origins]
    priors = tuple(typical_size(train.select(plan.learnable)) for train in trains)
    pooled = {family: store.folder(plan.name, family) for family in POOLED}
    chunks = plan.backtest_chunks if plan.origins else ()
    return made, [
        BacktestTask(
            plan.panel.select(items), tuple(train.select(items) for train in trains), priors,
            np.asarray([steps[item] for item in items], np.int64), plan.models, pooled,
            plan.horizon, plan.seed, folder / f"{number:05d}",
        )
        for number, items in enumerate(chunks)
    ]  # fmt: skip


def _backtest_chunk(task: BacktestTask) -> None:
    """All models at all origins, the earliest first: later ones may start from what it found."""
    starts: dict[str, Fitted] = {}
    start_part(task.folder)
    for train, prior in zip(reversed(task.trains), reversed(task.priors), strict=True):
        forecasts = []
        for model in task.models:
            family = forecaster(model, horizon=task.horizon, seed=task.seed)
            with timed(f"fit {model}"):
                if model in task.pooled:
                    fitted = family.load(task.pooled[model] / str(train.cutoff), train)
                else:
                    fitted = family.fit(train, start=starts.get(model))
                    starts.setdefault(model, fitted)
            with timed(f"predict {model}"):
                forecasts.append(predict(fitted, train.items, task.horizon, seed=task.seed))
        actual = actual_values(task.panel, train, task.horizon)
        made = dict(zip(task.models, forecasts, strict=True))
        points = summarise_origin(train, actual, made, task.cum_steps, prior)
        with staged(task.folder / f"{train.cutoff}.npz") as path:
            points.save(path)
    finish_part(task.folder)


def summarise_origin(
    train: Panel,
    actual: Floats,
    forecasts: Mapping[str, Forecast],
    cum_steps: Ints,
    prior: float,
) -> BacktestPoints:
    """What models said at an origin of all items of ``train``, next to what came true (N, H)."""
    points, means, cum_points = (
        np.stack(parts).astype(np.float32)
        for parts in zip(
            *(summarise_paths(one.paths, cum_steps) for one in forecasts.values()), strict=True
        )
    )
    scale, naive_mae, naive_rms = scales(train, prior)
    sums = np.cumsum(actual, axis=1)
    return BacktestPoints(
        cutoff=train.cutoff,
        items=train.items,
        classes=weight_classes(train),
        models=tuple(forecasts),
        points=points,
        means=means,
        cum_points=cum_points,
        cum_steps=cum_steps,
        actual=actual,
        cum_actual=np.take_along_axis(sums, cum_steps - 1, axis=1),
        scale=scale,
        naive_mae=naive_mae,
        naive_rms=naive_rms,
        length=len(train.periods),
    )
