"""Forecast stage: load the trained models, draw paths, combine, write rows chunk by chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.durable import staged
from ml.ensemble.calibration import spread_by_step, stretch_paths
from ml.ensemble.mixture import ENSEMBLE, CombinedItem, FittedEnsemble, combine_item, is_usable
from ml.ensemble.weights import weights_for
from ml.evaluation.demand_class import DemandPattern, demand_pattern
from ml.forecasters.base import Forecast, is_count, mark_failed_items
from ml.forecasters.registry import FALLBACK_CHAIN, forecaster
from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.recommendations import recommend
from ml.panel import Panel
from ml.panel_tables import Refusal
from ml.run.model_store import finish_part, read_part, start_part
from ml.run.parallel import run_tasks
from ml.run.rows import Provenance, forecast_rows, model_rows
from ml.settings import PolicySettings


@dataclass(frozen=True, slots=True)
class ForecastTask:
    """Some items to forecast and recommend for.

    Attributes:
        panel: The items, until ``as_of``.
        horizon: Published steps.
        reach: Predicted steps.
        ensemble: How the models are combined.
        folders: Of the saved models by family.
        policies: Parameters of each item; empty for prices.
        stock: In the INVENTORY contract, ``None`` without a stock file.
        policy_settings: Defaults and seed of recommendations.
        provenance: Of the run.
        target: Where the rows go, without the suffixes.
        refusals: Where items go that no model could forecast.
    """

    panel: Panel
    horizon: int
    reach: int
    ensemble: FittedEnsemble
    folders: Mapping[str, Path]
    policies: Mapping[str, ItemPolicy]
    stock: pa.Table | None
    policy_settings: PolicySettings
    provenance: Provenance
    target: Path


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """What became of a chunk.

    Attributes:
        target: Where its rows are, without the suffixes.
        refusals: Items that no model could forecast.
    """

    target: Path
    refusals: tuple[Refusal, ...]


def part(target: Path, dataset: str) -> Path:
    """File of a chunk's rows of one dataset."""
    return target / f"{dataset}.parquet"


def forecast_chunks(tasks: Sequence[ForecastTask], jobs: int | None) -> list[ChunkDone]:
    """Forecast all chunks; a chunk that an earlier run finished is not done again."""
    done = run_tasks(forecast_chunk, tasks, jobs=jobs, label="forecasting")
    return sorted(done, key=lambda chunk: chunk.target)


def forecast_chunk(task: ForecastTask) -> ChunkDone:
    """Forecast one chunk and write its rows, unless a run that died had done so already."""
    known = read_part(task.target)
    if known is None:
        start_part(task.target)
        done = _forecast(task)
        finish_part(task.target, refusals=[asdict(one) for one in done.refusals])
        return done
    return ChunkDone(task.target, tuple(Refusal(**one) for one in known["refusals"]))


def _forecast(task: ForecastTask) -> ChunkDone:
    components = predict_components(task.panel, task.folders, task.reach, task.policy_settings.seed)
    patterns = [demand_pattern(row) for row in task.panel.values]
    names = [pattern.name if task.panel.is_demand else "price" for pattern in patterns]
    shares = [weights_for(task.ensemble.weights, name) for name in names]
    chain = FALLBACK_CHAIN[task.panel.kind]
    combined = [
        _calibrated(combine_item(components, row, shares[row], chain), item, name, task)
        for row, (item, name) in enumerate(zip(task.panel.items, names, strict=True))
    ]
    rows = [row for row, one in enumerate(combined) if one.paths is not None]
    refusals = tuple(
        Refusal(item, task.panel.kind, one.reason or "no model", int(pattern.n_obs))
        for item, one, pattern in zip(task.panel.items, combined, patterns, strict=True)
        if one.paths is None
    )
    if rows:
        _write_rows(task, components, combined, shares, patterns, rows)
    return ChunkDone(task.target, refusals)


def _calibrated(combined: CombinedItem, item: str, name: str, task: ForecastTask) -> CombinedItem:
    """The ensemble with intervals as wide as its class needs; a fallback is left as it is."""
    if combined.paths is None or combined.model != ENSEMBLE:
        return combined
    spread = spread_by_step(task.ensemble.spreads, name, task.horizon, task.reach)
    return replace(combined, paths=stretch_paths(combined.paths, spread, item))


def predict_components(
    panel: Panel, folders: Mapping[str, Path], reach: int, seed: int
) -> dict[str, Forecast]:
    """Paths of every model for all items of a chunk; those that are no forecast are failures."""
    found = {}
    for model, folder in folders.items():
        fitted = forecaster(model, horizon=reach, seed=seed).load(folder, panel)
        found[model] = mark_failed_items(fitted.predict(panel.items, reach, seed=seed), panel)
    return found


def _write_rows(
    task: ForecastTask,
    components: Mapping[str, Forecast],
    combined: Sequence[CombinedItem],
    shares: Sequence[Mapping[str, float]],
    patterns: Sequence[DemandPattern],
    rows: Sequence[int],
) -> None:
    panel = task.panel.rows(rows)
    paths = np.stack([combined[row].paths for row in rows])  # type: ignore[misc] # rows have paths
    published = paths[:, :, : task.horizon]
    models = [combined[row].model for row in rows]
    reasons = [combined[row].reason for row in rows]
    _save(forecast_rows(panel, published, models, reasons, task.provenance), task, "forecasts")
    parts = {}
    for model, forecast in components.items():
        alive = [row for row in range(len(forecast.items)) if is_usable(forecast.paths[row])]
        parts[model] = (alive, forecast.paths[alive][:, :, : task.horizon])
    _save(model_rows(task.panel, parts, shares), task, "forecast_models")
    if task.panel.is_demand:
        facts = [_facts(task.panel, row, patterns[row], combined[row]) for row in rows]
        table = recommend(
            paths, facts, task.policies, task.stock, frequency=panel.frequency,
            as_of=panel.cutoff, run_id="", settings=task.policy_settings,
        )  # fmt: skip
        _save(table, task, "recommendations")


def _facts(panel: Panel, row: int, pattern: DemandPattern, combined: CombinedItem) -> DemandSummary:
    values = panel.values[row]
    demanded = np.flatnonzero(np.nan_to_num(values) > 0)
    return DemandSummary(
        item_id=panel.items[row],
        demand_class=pattern.name,
        adi=pattern.adi,
        cv2=pattern.cv2,
        n_obs=pattern.n_obs,
        n_nonzero=pattern.n_nonzero,
        last_demand=panel.periods[demanded[-1]] if len(demanded) else None,
        model_id=combined.model,
        model_role="champion" if combined.reason is None else "fallback",
        whole_units=is_count(values),
    )


def _save(table: pa.Table, task: ForecastTask, dataset: str) -> None:
    with staged(part(task.target, dataset)) as path:
        pq.write_table(table, path, compression="zstd")
