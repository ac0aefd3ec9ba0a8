"""A whole run: plan, train, backtest, forecast, recommend, write one version."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from ml.artifacts import version as versions
from ml.artifacts.version import CommitRecord
from ml.contracts.forecasts import TOTALS
from ml.contracts.metrics import METRICS
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.ensemble.common_shocks import measure_shocks
from ml.ensemble.fitting import add_ensemble
from ml.ensemble.mixture import ENSEMBLE
from ml.errors import ConfigError, DataError
from ml.forecasters.registry import FAMILIES, POOLED, TRAINED
from ml.inventory.recommendations import insufficient
from ml.locks import hold
from ml.logs import logging_to
from ml.reporting.metrics import driver_metrics, metrics_table
from ml.run.backtest import fit_ensembles, read_backtests, read_ensemble
from ml.run.forecast import forecast_panel
from ml.run.inputs import RunInputs, read_processed
from ml.run.model_store import ModelStore
from ml.run.plan import PanelPlan, code_version, fingerprint, make_plans
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin
from ml.run.totals import read_totals, total_rows
from ml.run.train import train_families
from ml.run.version_writer import RunOutput, write_version

WORK = ".work"


def run_batch(inputs: RunInputs, request: RunRequest) -> tuple[CommitRecord, RunOutput]:
    """Run everything and commit a version; its record, and what was computed.

    Raises:
        DataError: Nothing was made before that could be copied.
        ModelError: Models are missing, or no series of a panel could be forecast.
        PublishError: The disk refused.
    """
    store = ModelStore(request.settings.models_dir, inputs.dataset_id())
    with hold(request.results), hold(store.root):
        versions.discard_stale_staging(request.results)
        reuse = _version_to_reuse(request, store.dataset_id)
        plans = make_plans(inputs, request)
        if request.train and not request.only_recommendations:
            train_families(plans, store, TRAINED, request.jobs, origins=True)
            fit_ensembles(plans, store, request.jobs)
        folders = {plan.name: store.require(plan) for plan in plans}
        output = _forecast(plans, folders, inputs, request, store)
        record = write_version(inputs, request, output, reuse=reuse)
        shutil.rmtree(request.results / WORK, ignore_errors=True)
    return record, output


def train_family(family: str, request: RunRequest) -> list[Path]:
    """Train one family on the processed tables; returns the folders of its models.

    Raises:
        DataError: There is no data.
        ConfigError: There is no such family.
    """
    if family not in (*FAMILIES, ENSEMBLE):
        raise ConfigError(f"Unknown family '{family}'. Choose one of: {FAMILIES}.")
    with logging_to(request.settings.log_dir, request.command, request.run_id):
        inputs = read_processed(request)
        store = ModelStore(request.settings.models_dir, inputs.dataset_id())
        with hold(store.root):
            plans = make_plans(inputs, request)
            if family == ENSEMBLE:
                train_families(plans, store, POOLED, request.jobs, origins=True)
                fit_ensembles(plans, store, request.jobs)
            else:
                train_families(plans, store, (family,), request.jobs)
    return [store.folder(plan.name, family) for plan in plans]


def generate_forecasts(request: RunRequest) -> CommitRecord:
    """Forecast the processed tables with the models trained on them.

    Raises:
        DataError: There is no data.
        ModelError: Models are missing.
    """
    with logging_to(request.settings.log_dir, request.command, request.run_id):
        return run_batch(read_processed(request), request)[0]


def _version_to_reuse(request: RunRequest, dataset_id: str) -> str | None:
    if not request.only_recommendations:
        return None
    record = versions.newest_whole_version(request.results)
    if record is None:
        raise DataError(
            f"--only-recommendations: '{request.results}' holds no whole version to copy the "
            f"forecasts from. Run generate_ml_results without it first."
        )
    made_from = versions.read_manifest(request.results, record.version_id).run.get("dataset_id")
    if made_from != dataset_id:
        raise DataError(
            f"--only-recommendations: the newest version {record.version_id} was made from "
            f"dataset {made_from}, the data is now {dataset_id}. Run without it."
        )
    return record.version_id


def _forecast(
    plans: Sequence[PanelPlan],
    folders: Mapping[str, Mapping[str, Path]],
    inputs: RunInputs,
    request: RunRequest,
    store: ModelStore,
) -> RunOutput:
    """Forecast every panel with its models, and measure how good they were in the backtest."""
    tuned = [plan.tuned for plan in plans]
    made_with = fingerprint(store.dataset_id, code_version(), request.settings.seed, tuned)
    model_version = f"m-{made_with}"
    origin = RowOrigin(model_version, store.dataset_id, inputs.source, request.started)
    ensembles = {plan.name: read_ensemble(store.folder(plan.name, ENSEMBLE)) for plan in plans}
    inputs_hash = _inputs_hash(inputs, request, store.dataset_id)
    work = _work_folder(request.results, fingerprint(inputs_hash, model_version, ensembles))
    chunks = {}
    metrics = [METRICS.schema.empty_table()]
    totals = TOTALS.schema.empty_table()
    wanted = request.items
    refusals = [one for one in inputs.refusals if wanted is None or one.item_id in wanted]
    for plan in plans:
        name, kind, ensemble = plan.name, plan.panel.kind, ensembles[plan.name]
        chunks[name] = forecast_panel(plan, folders[name], ensemble, inputs, request, origin, work)
        refusals += [one for chunk in chunks[name] for one in chunk.refusals]
        backtests = add_ensemble(read_backtests(store.folder(name, ENSEMBLE)), kind)
        metrics.append(metrics_table(backtests, ensemble, kind, name))
        metrics.append(driver_metrics(plan.study, kind, name))
        if plan.panel.is_demand:
            added = read_totals(chunk.folder for chunk in chunks[name])
            totals = total_rows(added, measure_shocks(backtests), plan.panel, origin, plan.seed)
    refusals.sort(key=lambda one: one.item_id)
    reasons = {one.item_id: one.reason for one in refusals if one.kind == "demand"}
    demand = next((plan for plan in plans if plan.panel.is_demand), None)
    refused = RECOMMENDATIONS.schema.empty_table()
    if demand is not None and reasons:
        refused = insufficient(
            reasons, demand.policies, frequency=demand.panel.frequency,
            as_of=demand.panel.cutoff, run_id=request.run_id,
        )  # fmt: skip
    return RunOutput(
        plans=plans,
        chunks=chunks,
        ensembles=ensembles,
        refusals=refusals,
        refused=refused,
        totals=totals,
        metrics=pa.concat_tables(metrics).sort_by([(key, "ascending") for key in METRICS.key]),
        origin=origin,
        inputs_hash=inputs_hash,
    )


def _inputs_hash(inputs: RunInputs, request: RunRequest, dataset_id: str) -> str:
    """Name of all that shapes the results of a run, in hexadecimal."""
    tables = [
        table.to_pylist() if table is not None else None
        for table in (inputs.items, inputs.inventory)
    ]
    return fingerprint(
        dataset_id, tables, request.settings.policy, request.settings.backtest_items,
        request.items, request.horizon, str(request.as_of),
    )  # fmt: skip


def _work_folder(results: Path, key: str) -> Path:
    """Where chunks wait for the version; what a dead run on the same inputs left is used again."""
    root = results / WORK
    for old in root.glob("*"):
        if old.name != key:
            shutil.rmtree(old, ignore_errors=True)
    return root / key
