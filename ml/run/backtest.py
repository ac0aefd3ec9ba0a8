"""Backtest stage: all models at rolling origins on a sample of items, then the weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ml.ensemble.leave_one_out import final_spreads
from ml.ensemble.mixture import FittedEnsemble
from ml.ensemble.weights import fit_weights
from ml.evaluation.demand_class import demand_pattern
from ml.evaluation.origins import (
    BacktestPoints,
    actual_values,
    join_chunks,
    scales,
    summarise_paths,
    typical_size,
)
from ml.forecasters.base import Forecast
from ml.forecasters.per_series import FittedSeries
from ml.forecasters.registry import POOLED, forecaster
from ml.panel import Drivers, Panel
from ml.run.forecast import checked
from ml.run.model_store import ModelStore, is_done, mark_done, read_json, write_json
from ml.run.parallel import run_tasks
from ml.run.plan import PanelPlan, code_version, fingerprint
from ml.run.pooled import PREDICTED, pooled_forecast
from ml.run.train import train_lstm

WEIGHTS = "weights.json"
SPREADS = "spreads.json"


@dataclass(frozen=True, slots=True)
class BacktestTask:
    """Some items at all origins.

    Attributes:
        panel: The items, until ``as_of``.
        drivers: Of these items at each origin; ``None`` where none are used.
        cum_steps: (N, 2) steps of which sums are scored.
        models: Names.
        origins: Cutoffs, latest first.
        priors: Root mean square of a typical item at each origin.
        lstm: Folder of the pooled models of the origins.
        horizon: Steps H.
        seed: Of the run.
        files: Where the points of each origin go.
    """

    panel: Panel
    drivers: tuple[Drivers | None, ...]
    cum_steps: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    models: tuple[str, ...]
    origins: tuple[np.datetime64, ...]
    priors: tuple[float, ...]
    lstm: Path
    horizon: int
    seed: int
    files: tuple[Path, ...]


def fit_ensembles(plans: Sequence[PanelPlan], store: ModelStore, jobs: int | None) -> None:
    """Try all models at the origins of every panel; save the best weights and their spreads."""
    train_lstm(plans, store, jobs, origins=True)
    tasks = [task for plan in plans for task in _tasks(plan, store)]
    run_tasks(_backtest_chunk, tasks, jobs=jobs, label="backtest")
    for plan in plans:
        folder = _folder(plan, store)
        if not is_done(folder):
            backtests = read_backtests(plan, store)
            write_json(folder / WEIGHTS, fit_weights(backtests, plan.panel.kind))
            write_json(folder / SPREADS, final_spreads(backtests, plan.panel.kind))
            mark_done(folder, {"items": len(plan.backtest_items), "origins": len(plan.origins)})


def read_ensemble(folder: Path) -> FittedEnsemble:
    """What :func:`fit_ensembles` saved in the folder of a panel's ensemble."""
    return FittedEnsemble(read_json(folder / WEIGHTS) or {}, read_json(folder / SPREADS) or {})


def read_backtests(plan: PanelPlan, store: ModelStore) -> list[BacktestPoints]:
    """What the models said at each origin, latest first."""
    folder = store.folder(plan.name, "ensemble")
    found = []
    for cutoff in plan.origins:
        parts = sorted((folder / str(cutoff)).glob("*.npz"))
        if parts:
            found.append(join_chunks([BacktestPoints.load(path) for path in parts]))
    return found


def _folder(plan: PanelPlan, store: ModelStore) -> Path:
    shape = fingerprint(
        "ensemble", code_version(), plan.seed, plan.horizon, plan.reach, plan.models,
        plan.backtest_items, [str(day) for day in plan.origins], _cum_steps(plan).tolist(),
        plan.drivers_key(),
    )  # fmt: skip
    return store.open(plan.name, "ensemble", shape, drivers=plan.drivers_key())


def _cum_steps(plan: PanelPlan) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Of each backtest item: its own protection interval as far as H reaches, and H."""
    own = dict(zip(plan.panel.items, plan.protection, strict=True))
    steps = [[min(own[item], plan.horizon), plan.horizon]
             for item in plan.backtest_items]  # fmt: skip
    return np.asarray(steps, np.int64).reshape(-1, 2)


def _tasks(plan: PanelPlan, store: ModelStore) -> list[BacktestTask]:
    if not plan.origins:
        return []
    folder = _folder(plan, store)
    if is_done(folder):
        return []
    learned = plan.panel.select(plan.learnable)
    priors = tuple(typical_size(learned.until(cutoff)) for cutoff in plan.origins)
    steps = dict(zip(plan.backtest_items, _cum_steps(plan), strict=True))
    tasks = []
    for number, items in enumerate(plan.chunks(plan.backtest_items, plan.horizon)):
        files = tuple(folder / str(cutoff) / f"{number:05d}.npz" for cutoff in plan.origins)
        if not all(path.exists() for path in files):
            part = plan.panel.select(items)
            drivers = tuple(plan.train_at(day).select(items).drivers for day in plan.origins)
            tasks.append(
                BacktestTask(
                    part, drivers, np.stack([steps[item] for item in part.items]), plan.models,
                    plan.origins, priors, store.folder(plan.name, "lstm_origins"), plan.horizon,
                    plan.seed, files,
                )
            )  # fmt: skip
    return tasks


def _backtest_chunk(task: BacktestTask) -> None:
    """All models at all origins, the earliest first: later ones use its orders again."""
    starts: dict[str, dict[str, str]] = {}
    order = range(len(task.origins) - 1, -1, -1)
    for place in order:
        train = task.panel.until(task.origins[place])
        train = replace(train, drivers=task.drivers[place])
        forecasts = {}
        for model in task.models:
            drawn = _forecast(task, model, train, task.origins[place], starts)
            forecasts[model] = checked(drawn, train)  # judged as the forecast stage would use it
        points = _points(task, train, forecasts, place)
        path = task.files[place]
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}")
        points.save(staged)
        staged.replace(path)


def _forecast(
    task: BacktestTask,
    model: str,
    train: Panel,
    cutoff: np.datetime64,
    starts: dict[str, dict[str, str]],
) -> Forecast:
    if model in POOLED:
        folder = task.lstm / str(cutoff)
        return pooled_forecast(train, folder, folder / PREDICTED, task.horizon, task.seed)
    config = forecaster(model, horizon=task.horizon, seed=task.seed)
    if model == "arima":
        from ml.forecasters.arima_adapter import ArimaForecaster

        fitted: FittedSeries = ArimaForecaster().fit(train, starts.get(model))
        starts.setdefault(model, dict(fitted.models))
        return fitted.predict(train.items, task.horizon, seed=task.seed)
    return config.fit(train).predict(train.items, task.horizon, seed=task.seed)


def _points(
    task: BacktestTask, train: Panel, forecasts: dict[str, Forecast], place: int
) -> BacktestPoints:
    actual = actual_values(task.panel, train, task.horizon)
    parts = [summarise_paths(forecasts[model].paths, task.cum_steps) for model in task.models]
    scale, naive_mae, naive_rms = scales(train, task.priors[place])
    sums = np.cumsum(actual, axis=1)
    patterns = [demand_pattern(row).name if train.is_demand else "price" for row in train.values]
    return BacktestPoints(
        cutoff=task.origins[place],
        items=train.items,
        classes=tuple(patterns),
        models=task.models,
        points=np.stack([part[0] for part in parts]).astype(np.float32),
        means=np.stack([part[1] for part in parts]).astype(np.float32),
        cum_points=np.stack([part[2] for part in parts]).astype(np.float32),
        cum_steps=task.cum_steps,
        actual=actual,
        cum_actual=np.take_along_axis(sums, task.cum_steps - 1, axis=1),
        scale=scale,
        naive_mae=naive_mae,
        naive_rms=naive_rms,
        length=len(train.periods),
    )
