"""Backtest stage: all models at rolling origins on a sample of items, then the weights.

A portion of items is tried twice: first by the models that learn from one series alone, which can
be done while the pooled ones are trained, and then by these.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ml.durable import remove_all, staged
from ml.ensemble.fitting import fit_ensemble
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.ensemble.mixture_score import measure_items
from ml.evaluation.demand_class import weight_classes
from ml.evaluation.origins import (
    BacktestPoints,
    Float32s,
    actual_values,
    add_models,
    item_sizes,
    join_files,
    pick_models,
    scales,
    summarise_paths,
    typical_of,
)
from ml.forecasters.base import Fitted, Forecast, predict
from ml.forecasters.registry import POOLED, forecaster
from ml.panel import Drivers, Floats, Ints, Panel, draw_teachers
from ml.run.model_store import FITTED, ModelStore, Parts, finish_part, read_part, start_part
from ml.run.parallel import run_tasks, stage, timed
from ml.run.plan import PanelPlan

MEASURED = ".npy"  # files of what weights are chosen by, beside the points
BEGUN = "-begun"  # what a part is called that the pooled models are still missing from


@dataclass(frozen=True, slots=True)
class BacktestTask:
    """Some items at all origins."""

    panel: Panel  # the items, until `as_of`
    cutoffs: tuple[np.datetime64, ...]  # of the origins, latest first
    drivers: tuple[Drivers | None, ...]  # as they were known at each origin
    # root mean square of a typical item at each origin; none of what is begun already
    priors: tuple[float, ...]
    cum_steps: Ints  # (N, C) steps of which sums are kept; the first two are scored
    models: tuple[str, ...]  # names
    pooled: Mapping[str, Path]  # folders of the pooled models, which are trained already, by name
    horizon: int  # steps H
    seed: int  # of the run
    folder: Path  # of the part that holds the points of each origin

    @property
    def begun(self) -> Path:
        """Folder of the part without the pooled models."""
        return self.folder.with_name(self.folder.name + BEGUN)

    def trains(self) -> Iterator[Panel]:
        """The items as they were at each origin, the earliest first."""
        for cutoff, drivers in zip(reversed(self.cutoffs), reversed(self.drivers), strict=True):
            yield replace(self.panel.until(cutoff), drivers=drivers)


def fit_ensembles(plans: Sequence[PanelPlan], store: ModelStore, jobs: int | None) -> None:
    """Try all models at the origins of every panel; save the best weights and their spreads.

    Pooled models are trained before, those of the origins too.
    """
    begin: list[BacktestTask] = []
    finish: list[BacktestTask] = []
    unfitted = []
    for plan in plans:
        made, chunks = _backtest_tasks(plan, store)
        begin += _open_alone(plan, made, chunks, None)
        finish += [task for task in chunks if task.folder.name not in made]
        for over in (task.begun for task in chunks if task.folder.name in made):
            remove_all(over)  # the run before died
        if FITTED not in made:
            unfitted.append((plan, len(chunks)))
    run_tasks(try_alone, begin, jobs=jobs, label="backtest of single series")
    run_tasks(_try_pooled, finish, jobs=jobs, label="backtest")
    for plan, count in unfitted:
        folder = store.folder(plan.name, ENSEMBLE)
        with stage(f"weighing models, {plan.name}"):
            measured = _read_measured(folder)
            fitted, judged = fit_ensemble(read_backtests(folder), plan.panel.kind, measured)
            part = start_part(folder / FITTED)
            for one in judged:
                _save(one, part)
        finish_part(part, **asdict(fitted), chunks=count)


def begin_backtest(
    plan: PanelPlan, store: ModelStore, priors: Sequence[float]
) -> list[BacktestTask]:
    """What is not begun yet of a panel's backtest, for :func:`try_alone`: no model is needed.

    ``priors`` are the sizes of a typical item at the origins.
    """
    return _open_alone(plan, *_backtest_tasks(plan, store), priors)


def _open_alone(
    plan: PanelPlan, made: Parts, chunks: Sequence[BacktestTask], priors: Sequence[float] | None
) -> list[BacktestTask]:
    missing = [one for one in chunks if not {one.folder.name, one.begun.name} & made.keys()]
    if missing and priors is None:
        priors = [measure_typical(plan, cutoff) for cutoff in plan.origins]
    return [replace(task, priors=tuple(priors or ())) for task in missing]


def measure_typical(plan: PanelPlan, cutoff: np.datetime64, seen: Panel | None = None) -> float:
    """Root mean square of a typical item of a plan as it was at an origin.

    Of at most as many items as pooled models learn from; ``seen`` are some as they were there,
    which are not looked up again.
    """
    typical = draw_teachers(plan.learnable)
    known = set(() if seen is None else seen.items)
    sizes = [item_sizes(plan.train_at(cutoff, [item for item in typical if item not in known]))]
    if seen is not None:
        sizes.append(item_sizes(seen.select(typical)))
    return typical_of(sizes)


def read_ensemble(folder: Path) -> FittedEnsemble:
    """What :func:`fit_ensembles` saved in the folder of a panel's ensemble."""
    fitted = read_part(folder / FITTED) or {"weights": {}, "spreads": {}}
    return FittedEnsemble(fitted["weights"], fitted["spreads"], fitted.get("sum_spreads", {}))


def read_backtests(folder: Path) -> list[BacktestPoints]:
    """What the models said at each origin, latest first, from the folder of an ensemble."""
    return list(_read_origins(folder))


def _read_measured(folder: Path) -> list[tuple[Floats, Floats]]:
    """How far models lie from what came true, and from each other, at each origin, latest first."""
    origins: dict[str, list[Floats]] = {}
    for path in sorted(folder.glob(f"*/*{MEASURED}")):
        origins.setdefault(path.stem, []).append(np.load(path, allow_pickle=False))
    joined = [np.concatenate(parts) for _, parts in sorted(origins.items(), reverse=True)]
    return [(one[:, 0], one[:, 1:]) for one in joined]


def _read_origins(folder: Path) -> Iterator[BacktestPoints]:
    """The same one after the other; points are read model by model when they are asked for."""
    chunks: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/*.npz")):
        if path.parent.name.isdigit():
            chunks.setdefault(path.stem, []).append(path)
    for _, paths in sorted(chunks.items(), reverse=True):
        yield join_files(paths)


def read_judged(folder: Path) -> list[BacktestPoints]:
    """The same with the ensemble as one more model, as :func:`fit_ensembles` judged it."""
    judged = []
    for one in _read_origins(folder):
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
    rows = {item: row for row, item in enumerate(plan.panel.items)}
    known = [plan.study.drivers.get(str(cutoff)) for cutoff in plan.origins]
    pooled = {family: store.folder(plan.name, family) for family in POOLED if family in plan.models}
    chunks = plan.backtest_chunks if plan.origins else ()
    return made, [
        BacktestTask(
            plan.panel.select(items), plan.origins,
            tuple(one and one.rows([rows[item] for item in items]) for one in known), (),
            np.asarray([steps[item] for item in items], np.int64), plan.models, pooled,
            plan.horizon, plan.seed, folder / f"{number:05d}",
        )
        for number, items in enumerate(chunks)
    ]  # fmt: skip


def try_alone(task: BacktestTask) -> None:
    """The models of single series at all origins; later ones may start from what it found."""
    starts: dict[str, Fitted] = {}
    start_part(task.begun)
    models = [model for model in task.models if model not in task.pooled]
    for train, prior in zip(task.trains(), reversed(task.priors), strict=True):
        forecasts = {}
        for model in models:
            family = forecaster(model, horizon=task.horizon, seed=task.seed)
            with timed(f"fit {model}"):
                fitted = family.fit(train, start=starts.get(model))
                starts.setdefault(model, fitted)
            forecasts[model] = _predict(model, fitted, task)
        actual = actual_values(task.panel, train, task.horizon)
        points = summarise_origin(train, actual, forecasts, task.cum_steps, prior)
        _save(points, task.begun)
    finish_part(task.begun)


def _try_pooled(task: BacktestTask) -> None:
    """The pooled models at all origins, beside what the others said."""
    start_part(task.folder)
    for train in task.trains():
        forecasts = {}
        for model, folder in task.pooled.items():
            family = forecaster(model, horizon=task.horizon, seed=task.seed)
            with timed(f"fit {model}"):
                fitted = family.load(folder / str(train.cutoff), train)
            forecasts[model] = _predict(model, fitted, task)
        alone = BacktestPoints.load(task.begun / f"{train.cutoff}.npz")
        points, means, sums = _boil_down(forecasts.values(), task.cum_steps)
        pooled = replace(
            alone, models=tuple(forecasts), points=points, means=means, cum_points=sums
        )
        whole = pick_models(add_models(alone, pooled), task.models)
        _save(whole, task.folder)
        with timed("measure"), staged(task.folder / f"{whole.cutoff}{MEASURED}") as path:
            near, between = measure_items(whole, task.panel.kind)
            with path.open("wb") as stream:
                np.save(stream, np.concatenate([near[:, None], between], axis=1))
    finish_part(task.folder)
    remove_all(task.begun)


def _predict(model: str, fitted: Fitted, task: BacktestTask) -> Forecast:
    with timed(f"predict {model}"):
        return predict(fitted, task.panel.items, task.horizon, seed=task.seed)


def _save(points: BacktestPoints, part: Path) -> None:
    with staged(part / f"{points.cutoff}.npz") as path:
        points.save(path)


def summarise_origin(
    train: Panel,
    actual: Floats,
    forecasts: Mapping[str, Forecast],
    cum_steps: Ints,
    prior: float,
) -> BacktestPoints:
    """What models said at an origin of all items of ``train``, next to what came true (N, H)."""
    points, means, cum_points = _boil_down(forecasts.values(), cum_steps)
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


def _boil_down(
    forecasts: Iterable[Forecast], cum_steps: Ints
) -> tuple[Float32s, Float32s, Float32s]:
    """Points, means and points of sums of each forecast, see :class:`BacktestPoints`."""
    parts = [summarise_paths(one.paths, cum_steps) for one in forecasts]
    points, means, sums = (np.stack(every).astype(np.float32) for every in zip(*parts, strict=True))
    return points, means, sums
