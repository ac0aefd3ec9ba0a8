"""The forecast stage: items in chunks, each combined, put in rows and written by a worker.

The paths behind the rows are saved for the stages after it. What a run that died left of both is
used again where it is whole, and made again where it is not; forecasts that rest on nothing new are
taken over (:mod:`ml.run.standing`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS
from ml.durable import link_new, staged
from ml.ensemble.calibration import spread_by_step, spread_of_sums
from ml.ensemble.fitting import weights_for
from ml.ensemble.mixture import ENSEMBLE, CombinedItem, FittedEnsemble, combine_item
from ml.ensemble.stretching import stretch_paths
from ml.errors import ModelError, first_few
from ml.evaluation.demand_class import weight_classes
from ml.forecasters.base import Forecast, join_forecasts, predict
from ml.forecasters.registry import FALLBACK_CHAIN, forecaster
from ml.inventory.items import ItemPolicy
from ml.panel import Panel
from ml.panel_tables import Refusal
from ml.run.inputs import RunInputs
from ml.run.model_store import finish_part, read_part, say, start_part
from ml.run.parallel import run_tasks, timed
from ml.run.plan import PanelPlan
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin, forecast_rows, model_rows, sort_models
from ml.run.saved_paths import SavedPaths, discard_other_paths, save_paths, save_study
from ml.run.standing import (
    StandingItems,
    find_standing,
    name_items,
    read_model_rows,
    read_standing,
    take_over,
)
from ml.run.totals import add_up, label_items, save_totals


@dataclass(frozen=True, slots=True)
class ForecastModels:
    """What a panel is forecast with."""

    folders: Mapping[str, Path]  # of the saved models by model
    needed: Mapping[str, frozenset[str]]  # the items that each model is run for
    ensemble: FittedEnsemble  # how the models are combined
    # of items whose forecasts rest on another run's models, their folders
    homes: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)

    def of(self, items: Collection[str]) -> "ForecastModels":
        """The same for some items: what a task carries does not grow with the file."""
        own = frozenset(items)
        return replace(
            self,
            needed={model: run & own for model, run in self.needed.items()},
            homes={item: self.homes[item] for item in items if item in self.homes},
        )

    def places(self, model: str, items: Collection[str]) -> dict[Path, list[str]]:
        """Items by the folder that a model of theirs is in."""
        found: dict[Path, list[str]] = {}
        for item in sorted(items):
            found.setdefault(self.homes.get(item, self.folders)[model], []).append(item)
        return found


@dataclass(frozen=True, slots=True)
class ForecastTask:
    """Some items to forecast."""

    panel: Panel  # the items, until `as_of`
    horizon: int  # published steps
    protection: tuple[int, ...]  # steps of each item's protection interval
    models: ForecastModels  # what they are forecast with
    policies: Mapping[str, ItemPolicy]  # parameters of each item; empty for prices
    families: Mapping[str, str | None]  # of parts, by item, as far as they are told
    seed: int  # of the run
    origin: RowOrigin  # what every row says of where it comes from
    folder: Path  # where the rows go
    paths: Path  # where the paths go, those of demand
    fitted_at: np.datetime64  # last period that weights and pooled models were fitted on
    standing: StandingItems  # what is there of them already

    def of(self, items: Collection[str]) -> "ForecastTask":
        """The same of some of its items."""
        panel = self.panel.select(tuple(items))
        own = dict(zip(self.panel.items, self.protection, strict=True))
        steps = tuple(own[item] for item in panel.items)
        return replace(self, panel=panel, protection=steps, models=self.models.of(panel.items))

    @property
    def steps(self) -> dict[str, int]:
        """Steps predicted of each item: those published, and those of its own interval."""
        pairs = zip(self.panel.items, self.protection, strict=True)
        return {item: max(self.horizon, own) for item, own in pairs}


@dataclass(frozen=True, slots=True)
class ForecastChunk:
    """What became of a chunk."""

    folder: Path  # of its rows, a Parquet file a dataset
    refusals: tuple[Refusal, ...]  # items that no model could forecast


def forecast_panel(
    plan: PanelPlan,
    models: ForecastModels,
    inputs: RunInputs,
    request: RunRequest,
    origin: RowOrigin,
    work: Path,
    saved: SavedPaths,
) -> list[ForecastChunk]:
    """Forecast the wanted items of a panel, in the order of their ids, and save their paths.

    New recommendations alone take the chunks only of which paths are missing.

    Args:
        plan: What to forecast.
        models: What it is forecast with.
        inputs: What the run knows.
        request: What it is asked for.
        origin: What every row says of where it comes from.
        work: Holds the finished chunks, of this run and of one that died on the same inputs.
        saved: What is there of the paths; a run of all items takes the place of others.

    Raises:
        ModelError: No item could be forecast.
    """
    protection = dict(zip(plan.panel.items, plan.protection, strict=True))
    families = _families(inputs.items)
    steps = [tuple(protection[item] for item in items) for items in plan.forecast_chunks]
    parts = [saved.part_for(*chunk) for chunk in zip(plan.forecast_chunks, steps, strict=True)]
    save_study(saved, plan.study)
    labels = {
        item: (families.get(item), own.unit_cost, own.currency)
        for item, own in plan.policies.items()
    }
    names = name_items(plan, models.needed, labels, inputs.source[plan.panel.kind])
    there = find_standing(plan, saved, names) if request.goes_on(plan.name) else {}
    if there:
        say(f"{plan.name}: the forecasts of {len(there)} of {len(names)} items stand")
    numbers = [
        number
        for number, items in enumerate(plan.forecast_chunks)
        if not (request.only_recommendations and saved.hold(items))
    ]
    tasks = (
        ForecastTask(
            panel=plan.panel.select(items),
            horizon=plan.horizon,
            protection=steps[number],
            models=models.of(items),
            policies={item: plan.policies[item] for item in items if plan.policies},
            families={item: families[item] for item in items if item in families},
            seed=request.settings.policy.seed,
            origin=origin,
            folder=work / plan.name / f"{number:06d}",
            paths=parts[number],
            fitted_at=plan.fitted_at,
            standing=StandingItems(
                {item: names[item] for item in items},
                {item: there[item] for item in items if item in there},
            ),
        )
        for number, items in ((one, plan.forecast_chunks[one]) for one in numbers)
    )
    done = run_tasks(
        forecast_chunk, tasks, jobs=request.jobs, label="forecasting", total=len(numbers)
    )
    if request.items is None and not request.only_recommendations:
        discard_other_paths(saved, parts)
    chunks = sorted(done, key=lambda chunk: chunk.folder)
    refused = [one for chunk in chunks for one in chunk.refusals]
    if len(refused) == len(plan.wanted):
        raise ModelError(
            f"{plan.name}: none of {len(refused)} series could be forecast: "
            f"{first_few([f'{one.item_id}: {one.reason}' for one in refused])}."
        )
    return chunks


def _families(items: pa.Table | None) -> dict[str, str | None]:
    """Family of each item, as the items file tells it."""
    if items is None or "family" not in items.column_names:
        return {}
    return dict(zip(items["item_id"].to_pylist(), items["family"].to_pylist(), strict=True))


def forecast_chunk(task: ForecastTask) -> ForecastChunk:
    """Forecast one chunk, save its paths and write its rows, unless a run that died had done so."""
    known = read_part(task.paths)
    if known is not None and read_part(task.folder) is not None:
        return ForecastChunk(task.folder, tuple(Refusal(**one) for one in known["refusals"]))
    items = task.panel.items
    if take_over(task.standing, items, task.paths, task.folder):
        return ForecastChunk(task.folder, ())
    made = read_standing(task.standing)
    combined, models = _combine(task.of([item for item in items if item not in made]))
    if made:
        models = sort_models([models, *read_model_rows(task.standing, list(made))])
    return _write_chunk(task, [(made | combined)[item] for item in items], models)


def _combine(task: ForecastTask) -> tuple[dict[str, CombinedItem], pa.Table]:
    """The ensemble of each item, calibrated, and rows of the models that it is made of."""
    if not task.panel.items:
        return {}, FORECAST_MODELS.schema.empty_table()
    names = weight_classes(task.panel)
    shares = [weights_for(task.models.ensemble.weights, name) for name in names]
    components = predict_components(task, shares)
    chain = FALLBACK_CHAIN[task.panel.kind]
    with timed("combine"):
        combined = {
            item: _calibrate(combine_item(components, item, own, chain), row, name, task)
            for row, (item, own, name) in enumerate(
                zip(task.panel.items, shares, names, strict=True)
            )
        }
    with timed("rows"):
        return combined, model_rows(task.panel, components, shares, task.horizon)


def _write_chunk(
    task: ForecastTask, combined: Sequence[CombinedItem], models: pa.Table
) -> ForecastChunk:
    """Write rows and paths of a chunk; the rows go with the paths as well, for later runs."""
    refusals = tuple(
        Refusal(item, task.panel.kind, one.reason or "no model", int((~np.isnan(values)).sum()))
        for item, one, values in zip(task.panel.items, combined, task.panel.values, strict=True)
        if one.paths is None
    )
    start_part(task.folder)
    if len(refusals) < len(combined):
        with timed("rows"):
            _write_rows(task, combined)
            _write_table(task.folder, FORECAST_MODELS.name, models)
    _write_paths(task, combined, refusals)
    finish_part(task.folder)
    return ForecastChunk(task.folder, refusals)


def _write_paths(
    task: ForecastTask, combined: Sequence[CombinedItem], refusals: Sequence[Refusal]
) -> None:
    items = task.panel.items
    start_part(task.paths)
    if len(refusals) < len(items):
        save_paths(task.paths, items, combined)
        for path in sorted(task.folder.iterdir()):
            link_new(path, task.paths / path.name)
    finish_part(
        task.paths,
        steps=dict(zip(items, task.protection, strict=True)),
        names=task.standing.names,
        refusals=[asdict(one) for one in refusals],
    )


def _write_rows(task: ForecastTask, combined: Sequence[CombinedItem]) -> None:
    """Forecast rows of the chunk, and what its items add up to."""
    known = [row for row, one in enumerate(combined) if one.paths is not None]
    chosen = task.panel.rows(known)
    published = np.stack(
        [one.paths[:, : task.horizon] for one in combined if one.paths is not None]
    )
    _write_table(
        task.folder, FORECASTS.name,
        forecast_rows(chosen, published, [combined[row].model for row in known],
                      [combined[row].reason for row in known], task.origin, task.fitted_at),
    )  # fmt: skip
    if task.panel.is_demand:
        labels = label_items(chosen, weight_classes(chosen), task.families, task.policies)
        save_totals(task.folder, add_up(published, labels, task.seed))


def _write_table(folder: Path, dataset: str, table: pa.Table) -> None:
    with staged(folder / f"{dataset}.parquet", flush_name=False) as path:
        pq.write_table(table, path, compression="zstd")


def predict_components(
    task: ForecastTask, shares: Sequence[Mapping[str, float]]
) -> dict[str, Forecast]:
    """Paths of every model for the items that need it, out of what was trained.

    Where none of an item's models has any, those of the fallback chain are run too.
    """
    items, chain = task.panel.items, FALLBACK_CHAIN[task.panel.kind]
    found = {
        model: _predict(model, task.models.needed[model], task) for model in task.models.folders
    }
    stranded = [
        item
        for item, own in zip(items, shares, strict=True)
        if not any(found[model].has(item) for model, share in own.items() if share > 0)
    ]
    if stranded:
        found |= {
            model: _predict(model, task.models.needed[model].union(stranded), task)
            for model in chain
        }
    return found


def _predict(model: str, items: Collection[str], task: ForecastTask) -> Forecast:
    """Paths of one model for some items of a task."""
    if not items:
        return Forecast((), np.empty((0, 0, task.horizon), np.float32))
    panel, steps = task.panel.select(tuple(items)), task.steps
    longest = max(steps[item] for item in panel.items)
    with timed(f"predict {model}"):
        return join_forecasts(
            [
                predict(
                    forecaster(model).load(folder, panel.select(own)), own, longest,
                    seed=task.seed, steps=steps,
                )
                for folder, own in task.models.places(model, panel.items).items()
            ]
        )  # fmt: skip


def _calibrate(combined: CombinedItem, row: int, name: str, task: ForecastTask) -> CombinedItem:
    """Give the ensemble intervals as wide as its class needs; a fallback is left as it is."""
    if combined.paths is None or combined.model != ENSEMBLE:
        return combined
    reach = combined.paths.shape[1]
    spread = spread_by_step(task.models.ensemble.spreads, name, task.horizon, reach)
    of_sums = spread_of_sums(task.models.ensemble.sum_spreads, name)
    steps, item = min(task.protection[row], task.horizon), task.panel.items[row]
    return replace(combined, paths=stretch_paths(combined.paths, spread, of_sums, steps, item))
