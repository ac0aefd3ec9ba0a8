"""A whole run: plan, train, backtest, forecast, recommend, write one version."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml.artifacts import version as versions
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, REFUSALS
from ml.contracts.metrics import METRICS
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.ensemble.leave_one_out import add_ensemble
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.errors import DataError, ModelError, first_few
from ml.forecasters.registry import PER_SERIES
from ml.inventory.recommendations import insufficient
from ml.locks import hold
from ml.panel_tables import Refusal
from ml.reporting.driver_metrics import driver_metrics
from ml.reporting.metrics import metrics_table
from ml.run.backtest import fit_ensembles, read_backtests, read_ensemble, require_trained
from ml.run.description import Ensembles, version_facts
from ml.run.drivers import content_id, with_drivers
from ml.run.forecast import ChunkDone, ForecastTask, forecast_chunks
from ml.run.inputs import RunInputs, RunOptions, inputs_hash, make_plans, policies_of
from ml.run.model_store import ModelStore
from ml.run.plan import PanelPlan, code_version, fingerprint
from ml.run.rows import Provenance
from ml.run.train import train_families
from ml.run.version_writer import Tables, write_version

WORK = ".work"
FORECAST_PARTS = (FORECASTS.name, FORECAST_MODELS.name, REFUSALS.name)
ALL_PARTS = (*FORECAST_PARTS, RECOMMENDATIONS.name, METRICS.name)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made.

    Attributes:
        record: Its commit.
        plans: What was done.
        chunks: What became of each panel's chunks, by panel name.
        refusals: Items without a forecast.
        metrics: METRICS rows.
        ensembles: How models were combined, by panel name.
        model_version: Of all models together.
        dataset_id: Of the panels.
    """

    record: versions.CommitRecord
    plans: tuple[PanelPlan, ...]
    chunks: Mapping[str, Sequence[ChunkDone]]
    refusals: tuple[Refusal, ...]
    metrics: pa.Table
    ensembles: Ensembles
    model_version: str
    dataset_id: str


def train_all(plans: Sequence[PanelPlan], store: ModelStore, jobs: int | None) -> None:
    """Train every family and fit the ensemble; what is trained already is kept."""
    fit_ensembles(plans, store, jobs)
    train_families(plans, store, PER_SERIES, jobs)


def run_batch(
    inputs: RunInputs, options: RunOptions, *, train: bool, parts: Sequence[str] = ALL_PARTS
) -> RunResult:
    """Run everything and commit a version.

    Args:
        inputs: Panels and tables.
        options: What was asked for.
        train: Train what is not trained yet; otherwise everything must be.
        parts: Datasets to write. With recommendations alone, the rest is copied from the newest
            whole version; with forecasts alone the version is partial.

    Raises:
        DataError: An id stands for two series, or nothing was made before that could be copied.
        ModelError: Models are missing, or no series of a panel could be forecast.
        PublishError: The disk refused.
    """
    plans = make_plans(inputs, options)
    store = ModelStore(options.models_dir, content_id(inputs))
    with hold(options.results), hold(store.root):
        versions.discard_stale_staging(options.results)
        reuse = _version_to_reuse(options.results, store, parts)
        plans = with_drivers(plans, inputs, options.jobs)
        if train:
            train_all(plans, store, options.jobs)
        for plan in plans:
            require_trained(plan, store)
        return _forecast_and_write(inputs, options, plans, store, parts, reuse)


def _version_to_reuse(results: Path, store: ModelStore, parts: Sequence[str]) -> str | None:
    if set(parts) != {RECOMMENDATIONS.name}:
        return None
    record = versions.newest_whole_version(results)
    if record is None:
        raise DataError(
            f"--only-recommendations: '{results}' holds no whole version to copy the forecasts "
            f"from. Run generate_ml_results without it first."
        )
    made_from = versions.read_manifest(results, record.version_id).run.get("dataset_id")
    if made_from != store.dataset_id:
        raise DataError(
            f"--only-recommendations: the newest version {record.version_id} was made from "
            f"dataset {made_from}, the data is now {store.dataset_id}. Run without it."
        )
    return record.version_id


def _forecast_and_write(
    inputs: RunInputs,
    options: RunOptions,
    plans: tuple[PanelPlan, ...],
    store: ModelStore,
    parts: Sequence[str],
    reuse: str | None,
) -> RunResult:
    model_version = f"m-{fingerprint(store.dataset_id, code_version(), options.policy.seed)}"
    provenance = Provenance(model_version, store.dataset_id, inputs.source, options.started)
    whole_hash = inputs_hash(inputs, store.dataset_id, options)
    ensembles = {plan.name: read_ensemble(store.folder(plan.name, ENSEMBLE)) for plan in plans}
    work = _work_folder(options.results, fingerprint(whole_hash, code_version(), ensembles))
    chunks: dict[str, list[ChunkDone]] = {}
    for plan in plans:
        tasks = _tasks(plan, inputs, options, store, provenance, ensembles[plan.name], work)
        chunks[plan.name] = forecast_chunks(tasks, options.jobs)
    refusals = _refusals(inputs, options, plans, chunks)
    metrics = _metrics(plans, store, ensembles)
    facts = version_facts(inputs, options, plans, ensembles, metrics, whole_hash, provenance)
    tables = Tables(
        demand=_of_kind(plans, chunks, "demand"),
        prices=_of_kind(plans, chunks, "price"),
        refusals=refusals,
        extra_recommendations=_refused_recommendations(inputs, options, plans, refusals),
        metrics=metrics,
    )
    record = write_version(options.results, tables, facts, parts=parts, reuse=reuse)
    shutil.rmtree(options.results / WORK, ignore_errors=True)
    return RunResult(
        record, plans, chunks, refusals, metrics, ensembles, model_version, store.dataset_id
    )


def _work_folder(results: Path, key: str) -> Path:
    """Where chunks wait for the version; what a dead run on the same inputs left is used again."""
    root = results / WORK
    for old in root.glob("*") if root.exists() else ():
        if old.name != key:
            shutil.rmtree(old, ignore_errors=True)
    (root / key).mkdir(parents=True, exist_ok=True)
    return root / key


def _tasks(
    plan: PanelPlan,
    inputs: RunInputs,
    options: RunOptions,
    store: ModelStore,
    provenance: Provenance,
    ensemble: FittedEnsemble,
    work: Path,
) -> list[ForecastTask]:
    policies = policies_of(plan.panel, inputs, options.policy)
    seen = plan.train_at(plan.panel.cutoff)
    folders = store.folders(plan)
    return [
        ForecastTask(
            panel=seen.select(items),
            horizon=plan.horizon,
            reach=plan.reach,
            ensemble=ensemble,
            folders=folders,
            policies={item: policies[item] for item in items} if policies else {},
            stock=_stock_of(inputs.inventory, items),
            policy_settings=options.policy,
            provenance=provenance,
            target=work / plan.name / f"{number:06d}",
        )
        for number, items in enumerate(plan.chunks(plan.wanted, plan.reach))
    ]


def _stock_of(inventory: pa.Table | None, items: Sequence[str]) -> pa.Table | None:
    """The rows of these items: what a chunk carries does not grow with the file."""
    if inventory is None:
        return None
    return inventory.filter(pc.is_in(inventory["item_id"], value_set=pa.array(items)))


def _refusals(
    inputs: RunInputs,
    options: RunOptions,
    plans: Sequence[PanelPlan],
    chunks: Mapping[str, Sequence[ChunkDone]],
) -> tuple[Refusal, ...]:
    found = [
        one for one in inputs.refusals if options.items is None or one.item_id in options.items
    ]
    for plan in plans:
        failed = [one for chunk in chunks[plan.name] for one in chunk.refusals]
        if len(failed) == len(plan.wanted):
            raise ModelError(
                f"{plan.name}: none of {len(failed)} series could be forecast: "
                f"{first_few([f'{one.item_id}: {one.reason}' for one in failed])}."
            )
        found += failed
    return tuple(sorted(found, key=lambda one: one.item_id))


def _refused_recommendations(
    inputs: RunInputs,
    options: RunOptions,
    plans: Sequence[PanelPlan],
    refusals: Sequence[Refusal],
) -> pa.Table:
    demand = [plan for plan in plans if plan.panel.is_demand]
    reasons = {one.item_id: one.reason for one in refusals if one.kind == "demand"}
    if not demand or not reasons:
        return RECOMMENDATIONS.schema.empty_table()
    policies = policies_of(demand[0].panel, inputs, options.policy)
    return insufficient(
        reasons, policies, frequency=demand[0].panel.frequency, as_of=demand[0].panel.cutoff,
        run_id=options.run_id,
    )  # fmt: skip


def _of_kind(
    plans: Sequence[PanelPlan], chunks: Mapping[str, Sequence[ChunkDone]], kind: str
) -> list[ChunkDone]:
    return [chunk for plan in plans if plan.panel.kind == kind for chunk in chunks[plan.name]]


def _metrics(
    plans: Sequence[PanelPlan],
    store: ModelStore,
    ensembles: Ensembles,
) -> pa.Table:
    tables = []
    for plan in plans:
        kind = plan.panel.kind
        backtests = add_ensemble(read_backtests(store.folder(plan.name, ENSEMBLE)), kind)
        tables.append(metrics_table(backtests, ensembles[plan.name], kind, plan.name))
        tables.append(driver_metrics(plan.study, kind, plan.name))
    order = [(name, "ascending") for name in METRICS.key]
    return pa.concat_tables(tables).sort_by(order)
