"""A whole run: plan, train, backtest, forecast, recommend, write one version."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml.artifacts import version as versions
from ml.artifacts.folder_store import WORK
from ml.artifacts.reading import read_dataset
from ml.artifacts.version import CommitRecord
from ml.contracts.base import Contract
from ml.contracts.forecasts import FORECASTS, TOTALS
from ml.contracts.metrics import METRICS
from ml.contracts.price_outlook import PRICE_OUTLOOK
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.contracts.simulation import PORTFOLIO_CURVES, SIMULATION
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.errors import ConfigError, DataError
from ml.forecasters.registry import FAMILIES, POOLED, TRAINED
from ml.inventory.items import WHOLE_COMPANY
from ml.inventory.recommendations import insufficient
from ml.locks import hold
from ml.logs import logging_to
from ml.run.backtest import fit_ensembles, read_ensemble
from ml.run.challenge import choose_sets, take_unopposed
from ml.run.changes import ForecastIdentity, Supply, find_before, keep_recommended
from ml.run.fitted_state import forget_state
from ml.run.forecast import ForecastChunk, ForecastModels, forecast_panel
from ml.run.inputs import RunInputs, read_processed
from ml.run.measure import begin_measures, measure_run
from ml.run.model_store import ModelStore, adopt_state, keep_state, say
from ml.run.order_together import budget_of, order_together
from ml.run.parallel import stage
from ml.run.plan import PanelPlan, fingerprint, make_plans
from ml.run.portfolio import divide_portfolio
from ml.run.price_exposure import expose_prices
from ml.run.price_outlook import look_out
from ml.run.ray_engine import engine_of
from ml.run.recommend import order_context, recommend_panel
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin
from ml.run.run_output import RunOutput, name_forecasts
from ml.run.saved_paths import SavedPaths, find_paths
from ml.run.standing import home_folders
from ml.run.train import count_idle, find_needed, train_families, train_origins
from ml.run.version_writer import MEASURED, write_version
from ml.seeds import code_version
from ml.simulation.study import read_achieved


@dataclass(frozen=True, slots=True)
class _Forecasts:
    """What there is to recommend from."""

    plans: Sequence[PanelPlan]  # of the run's panels
    ensembles: Mapping[str, FittedEnsemble]  # how models were combined, by panel
    saved: Mapping[str, SavedPaths]  # paths of all their wanted items, by panel
    # rows made now, by panel; none where paths of an earlier run are taken
    chunks: Mapping[str, Sequence[ForecastChunk]]
    idle: Mapping[str, Mapping[str, int]]  # items that a model was not run for, by panel and model


def run_batch(inputs: RunInputs, request: RunRequest) -> tuple[CommitRecord, RunOutput]:
    """Run everything and commit a version; its record, and what was computed.

    Raises:
        DataError: Nothing was made before that could be copied.
        ModelError: Models are missing, or no series of a panel could be forecast.
        PublishError: The disk refused.
    """
    store = ModelStore(request.settings.models_dir, inputs.dataset_id())
    inputs_hash = _inputs_hash(inputs, request, store.dataset_id)
    with hold(request.results), hold(store.root), engine_of(request, request.results, store.root):
        versions.discard_stale_staging(request.results)
        spared = _spare_forecasts(inputs, request, store.dataset_id)
        reuse = None if spared is None else _version_to_reuse(request, store.dataset_id)
        found = None if spared is None else _find_forecasts(spared, store)
        if found is not None and not request.only_recommendations:
            say(f"nothing is new but the stock: the forecasts of {reuse} stand (--refit: all anew)")
            request = replace(request, only_recommendations=True)
        elif not request.only_recommendations:
            reuse = None
        forecasts = found or _make_forecasts(inputs, request, store, inputs_hash)
        output = _recommend(forecasts, inputs, request, store, inputs_hash, reuse)
        with stage("writing"):
            record = write_version(inputs, request, output, reuse=reuse)
            _keep_for_next(inputs, request, output, store, record)
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
        with hold(store.root), engine_of(request, store.root):
            plans = make_plans(inputs, replace(request, refit=True))
            for plan in plans:  # what goes on from elsewhere does not go together with this
                forget_state(store.root / plan.name)
            if family == ENSEMBLE:
                train_origins(plans, store, request.jobs)
                fit_ensembles(plans, store, request.jobs)
                train_families(plans, store, POOLED, request.jobs)
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


def _spare_forecasts(
    inputs: RunInputs, request: RunRequest, dataset_id: str
) -> tuple[PanelPlan, ...] | None:
    """Plans for recommendations alone; ``None`` where forecasts are to be made.

    They are not where that is asked for, and where the newest version has the very same ones.
    """
    if request.only_recommendations:
        return make_plans(inputs, request, study=False)
    record = versions.newest_version_with(request.results, FORECASTS.name)
    asked = request.only_forecasts or request.all_models or request.refit or request.refit_panels
    if asked or not request.train or request.items is not None or record is None:
        return None
    run = versions.read_manifest(request.results, record.version_id).run
    if run.get("dataset_id") != dataset_id:
        return None
    plans = make_plans(inputs, request, study=False)
    origin = _origin_of(plans, inputs, request, dataset_id)
    same = run.get("forecasts") == name_forecasts(plans, inputs, request, origin)
    return plans if same else None


def _version_to_reuse(request: RunRequest, dataset_id: str) -> str:
    """The version whose forecasts are copied: the newest one that has some, a partial one too."""
    record = versions.newest_version_with(request.results, FORECASTS.name)
    if record is None:
        raise DataError(
            f"--only-recommendations: '{request.results}' holds no whole version, nor one of "
            f"--only-forecasts, to copy the forecasts from. Run generate_ml_results without it "
            f"first."
        )
    made_from = versions.read_manifest(request.results, record.version_id).run.get("dataset_id")
    if made_from != dataset_id:
        raise DataError(
            f"--only-recommendations: the newest version {record.version_id} was made from "
            f"dataset {made_from}, the data is now {dataset_id}. Run without it."
        )
    return record.version_id


def _find_forecasts(planned: Sequence[PanelPlan], store: ModelStore) -> _Forecasts | None:
    """The paths that an earlier run left, if all are there; ``None`` with a line if not."""
    plans, ensembles, saved = [], {}, {}
    for plan in planned:
        ensembles[plan.name] = read_ensemble(store.folder(plan.name, ENSEMBLE))
        found = saved[plan.name] = find_paths(plan, store, ensembles[plan.name])
        lacking = [item for item in plan.wanted if item not in found.parts]
        if lacking or found.study is None:
            say(
                f"{plan.name}: {len(lacking)} of {len(plan.wanted)} items have no saved paths of "
                "these data, settings, lead times and this code: they are forecast again"
            )
            return None
        plans.append(replace(plan, study=found.study))
    return _Forecasts(plans, ensembles, saved, {}, {})


def _make_forecasts(
    inputs: RunInputs, request: RunRequest, store: ModelStore, inputs_hash: str
) -> _Forecasts:
    """Forecast every panel, after training what is not trained yet."""
    plans = make_plans(inputs, request)
    for plan in plans:
        budget_of(plan, request)  # refused now rather than after the forecasts
    if request.train and not request.only_recommendations:
        plans = choose_sets(plans, inputs, request, store)
        whole = [adopt_state(plan, store) for plan in plans]
        if not all(whole):
            anew = make_plans(inputs, replace(request, refit=True))
            plans = tuple(take_unopposed(plan, "what was in use is damaged.") for plan in anew)
        train_origins(plans, store, request.jobs)
        fit_ensembles(plans, store, request.jobs)
    ensembles = {plan.name: read_ensemble(store.folder(plan.name, ENSEMBLE)) for plan in plans}
    needed = {
        plan.name: find_needed(plan, ensembles[plan.name], every=request.all_models)
        for plan in plans
    }
    if request.train and not request.only_recommendations:
        beside = begin_measures(plans, ensembles, store)
        train_families(plans, store, TRAINED, request.jobs, needed, beside)
    folders = {plan.name: store.require(plan, needed[plan.name]) for plan in plans}
    for plan in plans:
        keep_state(plan)
    origin = _origin_of(plans, inputs, request, store.dataset_id)
    work = _work_folder(request.results, inputs_hash, origin, ensembles)
    chunks, saved = {}, {}
    for plan in plans:
        name, ensemble = plan.name, ensembles[plan.name]
        before = find_paths(plan, store, ensemble)
        models = ForecastModels(
            folders[name],
            {model: frozenset(items) for model, items in needed[name].items()},
            ensemble,
            home_folders(plan, folders[name]),
        )
        chunks[name] = forecast_panel(plan, models, inputs, request, origin, work, before)
        saved[name] = find_paths(plan, store, ensemble)
    idle = {plan.name: count_idle(plan, needed[plan.name]) for plan in plans}
    return _Forecasts(plans, ensembles, saved, chunks, idle)


def _recommend(
    forecasts: _Forecasts,
    inputs: RunInputs,
    request: RunRequest,
    store: ModelStore,
    inputs_hash: str,
    reuse: str | None,
) -> RunOutput:
    """Recommend from the paths, and measure how good the models were in the backtest."""
    plans, saved, wanted = forecasts.plans, forecasts.saved, request.items
    origin = _origin_of(plans, inputs, request, store.dataset_id)
    work = _work_folder(request.results, inputs_hash, origin, forecasts.ensembles)
    refusals = [one for one in inputs.refusals if wanted is None or one.item_id in wanted]
    refusals += [one for plan in plans for one in saved[plan.name].refusals]
    refusals.sort(key=lambda one: one.item_id)
    reasons = {one.item_id: one.reason for one in refusals if one.kind == "demand"}
    demand = next((plan for plan in plans if plan.panel.is_demand), None)
    copied = (*MEASURED, TOTALS)
    tables = {} if reuse is None else _read_copied(request.results, reuse, copied)
    if METRICS.name not in tables:  # of a part, or of nothing
        with stage("measuring"):
            found = measure_run(plans, forecasts.ensembles, forecasts.chunks, store, origin)
            tables = found | tables
    tables = {one.name: one.schema.empty_table() for one in copied} | tables
    recommended: dict[str, list[Path]] = {}
    refused = RECOMMENDATIONS.schema.empty_table()
    if demand is not None and not request.only_forecasts:
        achieved = read_achieved(tables[SIMULATION.name])
        own, context = saved[demand.name], order_context(demand, inputs, request)
        chosen = replace(demand, policies=divide_portfolio(demand, own, context, request))
        chosen, joint = order_together(chosen, own, achieved, inputs, request, work)
        plans = [chosen if plan is demand else plan for plan in plans]
        before = find_before(request.results, demand.name, _identity(chosen, request, store))
        recommended = recommend_panel(chosen, own, achieved, before, inputs, request, work) | joint
        refused = insufficient(reasons, chosen.policies, context)
    return RunOutput(
        plans=plans,
        chunks=forecasts.chunks,
        idle=forecasts.idle,
        recommended=recommended,
        outlook=_look_out(forecasts, request),
        ensembles=forecasts.ensembles,
        refusals=refusals,
        refused=refused,
        totals=tables[TOTALS.name],
        metrics=tables[METRICS.name],
        simulation=tables[SIMULATION.name],
        curves=tables[PORTFOLIO_CURVES.name],
        origin=origin,
        inputs_hash=inputs_hash,
        saved=saved,
        exposures=expose_prices(plans, saved, inputs, request, tables[METRICS.name]),
    )


def _look_out(forecasts: _Forecasts, request: RunRequest) -> pa.Table:
    """Rows of PRICE_OUTLOOK of all panels, sorted; none of a run for forecasts alone."""
    tables = [PRICE_OUTLOOK.schema.empty_table()]
    for plan in forecasts.plans:
        if not plan.panel.is_demand and not request.only_forecasts:
            weights = forecasts.ensembles[plan.name].weights
            fear = request.settings.policy.risk_aversion
            tables.append(look_out(plan, forecasts.saved[plan.name], weights, fear))
    return pa.concat_tables(tables).sort_by([(key, "ascending") for key in PRICE_OUTLOOK.key])


def _identity(plan: PanelPlan, request: RunRequest, store: ModelStore) -> ForecastIdentity:
    """What the forecast of a panel is made from."""
    state = None if plan.state is None else plan.state.name
    made_by = fingerprint(code_version(), request.settings.seed, plan.tuned, plan.horizon, state)
    return ForecastIdentity(store.dataset_id, made_by)


def _keep_for_next(
    inputs: RunInputs,
    request: RunRequest,
    output: RunOutput,
    store: ModelStore,
    record: CommitRecord,
) -> None:
    """Keep what was recommended from, for the next run to compare with; not of some items alone."""
    demand = next((plan for plan in output.plans if plan.panel.is_demand), None)
    if demand is None or request.items is not None or request.only_forecasts:
        return
    rows = read_dataset(request.results, RECOMMENDATIONS.name, record.version_id)
    keep_recommended(
        request.results,
        demand.name,
        Supply(demand.policies, inputs.inventory, inputs.open_orders),
        order_context(demand, inputs, request),
        rows.filter(pc.equal(rows["location_id"], WHOLE_COMPANY)),
        version_id=record.version_id,
        identity=_identity(demand, request, store),
    )


def _read_copied(results: Path, version: str, contracts: Sequence[Contract]) -> dict[str, pa.Table]:
    """Those of these tables that the version has which is copied from."""
    held = versions.read_manifest(results, version).datasets
    return {
        one.name: read_dataset(results, one.name, version) for one in contracts if one.name in held
    }


def _origin_of(
    plans: Sequence[PanelPlan], inputs: RunInputs, request: RunRequest, dataset_id: str
) -> RowOrigin:
    tuned = [plan.tuned for plan in plans]
    before = {plan.name: plan.state.name for plan in plans if plan.state is not None}
    made_with = fingerprint(dataset_id, code_version(), request.settings.seed, tuned, before)
    return RowOrigin(f"m-{made_with}", dataset_id, inputs.source, request.started)


def _inputs_hash(inputs: RunInputs, request: RunRequest, dataset_id: str) -> str:
    """Name of all that shapes the results of a run, in hexadecimal."""
    tables = [
        table.to_pylist() if table is not None else None
        for table in (
            *(inputs.items, inputs.inventory, inputs.open_orders, inputs.receipts),
            *(inputs.exposure, inputs.stock_by_location, inputs.suppliers),
        )
    ]
    return fingerprint(
        dataset_id, tables, request.settings.policy, request.settings.backtest_items,
        request.items, request.all_models, request.horizon, str(request.as_of),
        str(request.decision_day), inputs.sites and asdict(inputs.sites),
    )  # fmt: skip


def _work_folder(
    results: Path, inputs_hash: str, origin: RowOrigin, ensembles: Mapping[str, FittedEnsemble]
) -> Path:
    """Where chunks wait for the version; what a dead run on the same inputs left is used again."""
    key = fingerprint(inputs_hash, origin.model_version, ensembles)
    root = results / WORK
    for old in root.glob("*"):
        if old.name != key:
            shutil.rmtree(old, ignore_errors=True)
    return root / key
