"""Why an item's forecast is what it is, out of what a run left behind.

Nothing is trained or forecast here: the newest version, the saved models and the processed tables
are read, and no model library is loaded.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from ml.artifacts.keys import MANIFEST, version_key
from ml.artifacts.reading import read_dataset
from ml.artifacts.version import CommitRecord, commits, read_manifest
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, REFUSALS
from ml.contracts.metrics import METRICS
from ml.ensemble.mixture import ENSEMBLE
from ml.errors import ConfigError, DataError, ModelError, first_few
from ml.evaluation.demand_class import demand_pattern
from ml.evaluation.origins import BacktestPoints, pick_items
from ml.evaluation.scores import measure_losses
from ml.forecasters.base import read_items
from ml.forecasters.registry import FAMILIES, TRAINED
from ml.frequency import Frequency
from ml.panel import Floats
from ml.processed import has_processed
from ml.reporting.explanation import ItemBacktest, ItemFacts, ItemHistory, Row, explain_forecast
from ml.run.backtest import read_ensemble, read_judged
from ml.run.inputs import read_processed
from ml.run.model_store import ModelStore
from ml.run.plan import panel_name
from ml.run.request import RunRequest
from ml.settings import Settings


def explain(item: str, config: Settings, results: Path) -> str:
    """The explanation of one item's forecast in the newest version of ``results``, for people.

    Raises:
        ConfigError: The version knows no such item.
        DataError: There is no version yet.
        ModelError: The models that made the version are gone.
    """
    rows = _rows(results, FORECASTS.name, item)
    record = commits(results)[-1]
    if not rows:
        return _explain_refusal(item, results, record)
    first = rows[0]
    folder = _panel_folder(ModelStore(config.models_dir, first["dataset_id"]), first)
    backtests, saved = read_judged(folder / ENSEMBLE), _saved(folder, first)
    models = [one for one in (backtests[0].models if backtests else FAMILIES) if one != ENSEMBLE]
    shares = {row["model"]: row["weight"] for row in _rows(results, FORECAST_MODELS.name, item)
              if row["horizon_step"] == 1}  # fmt: skip
    silent = [model for model in models if model not in shares]
    failures = _read_failures(first, saved, silent)
    return explain_forecast(
        ItemFacts(
            item=item,
            panel=folder.name,
            version=record.version_id,
            first=first,
            history=_read_history(item, first, config),
            ensemble=read_ensemble(folder / "ensemble"),
            shares=shares,
            failures=failures,
            idle=tuple(model for model in silent if model not in failures),
            backtest=_score_item(item, backtests, first["kind"]),
            tried=len(backtests[0].items) if backtests else 0,
            metrics=_read_metrics(results, first["dataset_id"], first["kind"], folder.name),
        )
    )


def _rows(results: Path, dataset: str, item: str) -> list[dict[str, Any]]:
    """The item's rows in the newest version, in the order of the key."""
    table = read_dataset(results, dataset)
    return table.filter(pc.equal(table["item_id"], item)).to_pylist()


def _explain_refusal(item: str, results: Path, record: CommitRecord) -> str:
    """What is known of an item without a forecast.

    Raises:
        ConfigError: Nothing is.
    """
    refused = _rows(results, REFUSALS.name, item)
    if refused:
        (row,) = refused
        return (
            f"item {item}: refused a forecast in version {record.version_id}: {row['reason']} "
            f"({row['n_obs']} observed periods)"
        )
    known = pc.unique(read_dataset(results, FORECASTS.name, columns=["item_id"])["item_id"])
    ids = known.to_pylist()
    near = get_close_matches(item, ids, n=3, cutoff=0.6) or ids
    raise ConfigError(
        f"explain: '{item}' is none of the {len(ids)} items of version {record.version_id} in "
        f"'{results}'. Known are for example {first_few(near)}."
    )


def _panel_folder(store: ModelStore, first: Row) -> Path:
    """The folder of the panel whose models forecast the item.

    Raises:
        ModelError: There is none.
    """
    start = np.datetime64(first["as_of"].date())
    folder = store.root / panel_name(first["kind"], Frequency(first["frequency"]), start)
    if read_ensemble(folder / ENSEMBLE).weights:
        return folder
    raise ModelError(
        f"models: none of '{first['item_id']}' are saved in '{store.root}': not trained here, or "
        f"removed since. Run generate_ml_results, or python ml/train_prophet.py and the other "
        f"training commands, then explain again."
    )


def _saved(panel: Path, first: Row) -> dict[str, Row]:
    """What each family has saved of the item, by name."""
    cutoff = str(first["as_of"].date())
    rows = {name: read_items(panel / name / cutoff, [first["item_id"]]) for name in TRAINED}
    return {name: found[0] for name, found in rows.items() if found}


def _read_failures(first: Row, saved: Mapping[str, Row], silent: Sequence[str]) -> dict[str, str]:
    """Why models without a forecast failed: as they were saved, or as its rows tell."""
    told = [part.partition(": ") for part in (first["fallback_reason"] or "").split("; ")]
    reasons = {model: reason for model, _, reason in told}
    reasons |= {model: row["failure"] for model, row in saved.items() if row["failure"]}
    return {model: reasons[model] for model in silent if model in reasons}


def _read_history(item: str, first: Row, config: Settings) -> ItemHistory | str:
    """What the models saw of the item, or why it cannot be shown."""
    end: date = first["as_of"].date()
    elsewhere = "not to be shown: it is not in DATA_DIR/processed; the run read other files"
    if not has_processed(config.data_dir):
        return elsewhere
    try:
        inputs = read_processed(RunRequest(command="explain", as_of=end, settings=config))
    except DataError as error:
        return f"not to be shown: {error}"
    panel = next((one.select([item]) for one in inputs.panels if item in one.items), None)
    if panel is None:
        return elsewhere
    values = panel.values[0]
    places = np.flatnonzero(panel.observed()[0])
    end_seen = str(panel.periods[places[-1]])
    same = len(places) == first["n_train"] and end_seen == str(first["train_end"].date())
    pattern = demand_pattern(values, panel.frequency) if panel.is_demand else None
    return ItemHistory(panel.periods[places[0] :], values[places[0] :], pattern, same)


def _score_item(item: str, backtests: list[BacktestPoints], kind: str) -> ItemBacktest | None:
    """Scores of the item at the origins; ``None`` if the backtest did not run on it."""
    if not backtests or item not in backtests[0].items:
        return None
    rows = [one.items.index(item) for one in backtests]
    alone = [pick_items(one, slice(row, row + 1)) for one, row in zip(backtests, rows, strict=True)]
    periods, sums = {}, {}
    for model in alone[0].models:
        found = [measure_losses(one, model) for one in alone]
        periods[model] = _mean([one.scaled_crps for one in found])
        sums[model] = _mean([one.cum_scaled_crps for one in found]) if kind == "demand" else None
    return ItemBacktest(tuple(str(one.cutoff) for one in alone), alone[0].classes[0],
                        int(alone[0].cum_steps[0, 0]), periods, sums)  # fmt: skip


def _mean(scores: Sequence[Floats]) -> float | None:
    every = np.concatenate([one.ravel() for one in scores])
    known = every[~np.isnan(every)]
    return float(known.mean()) if len(known) else None


def _read_metrics(results: Path, dataset_id: str, kind: str, panel: str) -> list[Row]:
    """Metrics of the panel in the newest version of the same dataset; none where none holds any.

    A version of forecasts alone has none, but those of an earlier one on the same data hold.
    """
    for record in reversed(commits(results)):
        if not (results / version_key(record.version_id, MANIFEST)).is_file():
            continue  # removed since, as those before it
        manifest = read_manifest(results, record.version_id, sha256=record.manifest_sha256)
        same = manifest.run.get("dataset_id") == dataset_id
        if same and METRICS.name in manifest.datasets:
            rows = read_dataset(results, METRICS.name, record.version_id).to_pylist()
            # Version 1 of the table did not name the panel.
            return [row for row in rows if row["kind"] == kind and row.get("panel", panel) == panel]
    return []
