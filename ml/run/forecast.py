"""The forecast stage: items in chunks, each combined, put in rows and written by a worker.

What a run that died left of them is used again where it is whole, and made again where it is not.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.durable import staged
from ml.ensemble.calibration import spread_by_step, spread_of_sums
from ml.ensemble.fitting import weights_for
from ml.ensemble.mixture import ENSEMBLE, CombinedItem, FittedEnsemble, combine_item
from ml.ensemble.stretching import stretch_paths
from ml.errors import ModelError, first_few
from ml.evaluation.demand_class import DemandPattern, demand_pattern
from ml.forecasters.base import Forecast, is_count, predict
from ml.forecasters.registry import FALLBACK_CHAIN, forecaster
from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.recommendations import recommend
from ml.panel import Panel
from ml.panel_tables import Refusal
from ml.run.inputs import RunInputs
from ml.run.model_store import finish_part, read_part, start_part
from ml.run.parallel import run_tasks
from ml.run.plan import PanelPlan
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin, forecast_rows, model_rows
from ml.run.totals import Group, Total, add_up, label_items, save_totals
from ml.settings import PolicySettings


@dataclass(frozen=True, slots=True)
class ForecastTask:
    """Some items to forecast and recommend for."""

    panel: Panel  # the items, until `as_of`
    horizon: int  # published steps
    reach: int  # predicted steps
    protection: tuple[int, ...]  # steps of each item's protection interval
    ensemble: FittedEnsemble  # how the models are combined
    folders: Mapping[str, Path]  # of the saved models by model
    policies: Mapping[str, ItemPolicy]  # parameters of each item; empty for prices
    families: Mapping[str, str | None]  # of parts, by item, as far as they are told
    stock: pa.Table | None  # in the INVENTORY contract, `None` without a stock file
    policy_settings: PolicySettings  # defaults and seed of recommendations
    origin: RowOrigin  # what every row says of where it comes from
    folder: Path  # where the rows go


@dataclass(frozen=True, slots=True)
class ForecastChunk:
    """What became of a chunk."""

    folder: Path  # of its rows, a Parquet file a dataset
    refusals: tuple[Refusal, ...]  # items that no model could forecast


def forecast_panel(
    plan: PanelPlan,
    folders: Mapping[str, Path],
    ensemble: FittedEnsemble,
    inputs: RunInputs,
    request: RunRequest,
    origin: RowOrigin,
    work: Path,
) -> list[ForecastChunk]:
    """Forecast the wanted items of a panel, in the order of their ids.

    ``folders`` hold the saved models by model; ``work`` the finished chunks, of this run and of one
    that died on the same inputs.

    Raises:
        ModelError: No item could be forecast.
    """
    stock = inputs.inventory
    protection = dict(zip(plan.panel.items, plan.protection, strict=True))
    families = _families(inputs.items)
    tasks = [
        ForecastTask(
            panel=plan.panel.select(items),
            horizon=plan.horizon,
            reach=plan.reach,
            protection=tuple(protection[item] for item in items),
            ensemble=ensemble,
            folders=folders,
            policies={item: plan.policies[item] for item in items if plan.policies},
            families={item: families[item] for item in items if item in families},
            # What a task carries does not grow with the file.
            stock=stock and stock.filter(pc.is_in(stock["item_id"], value_set=pa.array(items))),
            policy_settings=request.settings.policy,
            origin=origin,
            folder=work / plan.name / f"{number:06d}",
        )
        for number, items in enumerate(plan.forecast_chunks)
    ]
    done = run_tasks(forecast_chunk, tasks, jobs=request.jobs, label="forecasting")
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
    """Forecast one chunk and write its rows, unless a run that died had done so already."""
    known = read_part(task.folder)
    if known is not None:
        return ForecastChunk(task.folder, tuple(Refusal(**one) for one in known["refusals"]))
    start_part(task.folder)
    tables, totals, refusals = _forecast(task)
    if totals:
        save_totals(task.folder, totals)
    for dataset, table in tables.items():
        with staged(task.folder / f"{dataset}.parquet") as path:
            pq.write_table(table, path, compression="zstd")
    finish_part(task.folder, refusals=[asdict(one) for one in refusals])
    return ForecastChunk(task.folder, refusals)


def _forecast(
    task: ForecastTask,
) -> tuple[dict[str, pa.Table], dict[Group, Total], tuple[Refusal, ...]]:
    """Rows of the chunk by dataset, what its items add up to, and those that no model forecasts."""
    panel, seed = task.panel, task.policy_settings.seed
    components = predict_components(panel, task.folders, task.reach, seed)
    patterns = [demand_pattern(row, panel.frequency) for row in panel.values]
    names = [pattern.name if panel.is_demand else "price" for pattern in patterns]
    shares = [weights_for(task.ensemble.weights, name) for name in names]
    chain = FALLBACK_CHAIN[panel.kind]
    combined = [
        _calibrate(combine_item(components, row, shares[row], chain), row, name, task)
        for row, name in enumerate(names)
    ]
    refusals = tuple(
        Refusal(item, panel.kind, one.reason or "no model", int(pattern.n_obs))
        for item, one, pattern in zip(panel.items, combined, patterns, strict=True)
        if one.paths is None
    )
    known = [row for row, one in enumerate(combined) if one.paths is not None]
    if not known:
        return {}, {}, refusals
    paths = np.stack([one.paths for one in combined if one.paths is not None])
    tables = {
        FORECASTS.name: forecast_rows(
            panel.rows(known), paths[:, :, : task.horizon], [combined[row].model for row in known],
            [combined[row].reason for row in known], task.origin,
        ),
        FORECAST_MODELS.name: model_rows(panel, components, shares, task.horizon),
    }  # fmt: skip
    totals = {}
    if panel.is_demand:
        chosen = panel.rows(known)
        labels = label_items(chosen, [names[row] for row in known], task.families, task.policies)
        totals = add_up(paths[:, :, : task.horizon], labels, seed)
        facts = [_summary(panel, row, patterns[row], combined[row]) for row in known]
        tables[RECOMMENDATIONS.name] = recommend(
            paths, facts, task.policies, task.stock, frequency=panel.frequency,
            as_of=panel.cutoff, run_id="", settings=task.policy_settings,
        )  # fmt: skip
    return tables, totals, refusals


def predict_components(
    panel: Panel, folders: Mapping[str, Path], reach: int, seed: int
) -> dict[str, Forecast]:
    """Paths of every model for all items of a chunk, out of what was trained."""
    return {
        model: predict(forecaster(model).load(folder, panel), panel.items, reach, seed=seed)
        for model, folder in folders.items()
    }


def _calibrate(combined: CombinedItem, row: int, name: str, task: ForecastTask) -> CombinedItem:
    """Give the ensemble intervals as wide as its class needs; a fallback is left as it is."""
    if combined.paths is None or combined.model != ENSEMBLE:
        return combined
    spread = spread_by_step(task.ensemble.spreads, name, task.horizon, task.reach)
    of_sums = spread_of_sums(task.ensemble.sum_spreads, name)
    steps, item = min(task.protection[row], task.horizon), task.panel.items[row]
    return replace(combined, paths=stretch_paths(combined.paths, spread, of_sums, steps, item))


def _summary(
    panel: Panel, row: int, pattern: DemandPattern, combined: CombinedItem
) -> DemandSummary:
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
