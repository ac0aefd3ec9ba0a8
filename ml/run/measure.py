"""How good the models of a run were in the backtest, and what stock by them had come to.

The backtest serves for many nights, and so do its measures: they are kept beside the models, under
a name for all that they are made of, and linked where a run goes on from another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.forecasts import TOTALS
from ml.contracts.metrics import METRICS
from ml.contracts.simulation import PORTFOLIO_CURVES, SIMULATION
from ml.durable import remove_all, staged
from ml.ensemble.common_shocks import CommonShocks, measure_shocks
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.reporting.metrics import driver_metrics, metrics_table
from ml.run.backtest import read_judged
from ml.run.fitted_state import digest_items
from ml.run.forecast import ForecastChunk
from ml.run.model_store import ModelStore, finish_part, link_part, read_part, read_parts, start_part
from ml.run.plan import PanelPlan, fingerprint
from ml.run.rows import RowOrigin, stamp
from ml.run.simulate import simulate_stock
from ml.run.totals import read_totals, total_rows
from ml.seeds import code_version

MEASURES = "measures"  # folder beside the models
JUDGED = (METRICS, SIMULATION, PORTFOLIO_CURVES)
Tables = dict[str, pa.Table]
"""By dataset."""
Made = tuple[Tables, dict[str, Any]]
"""What is kept: tables, and facts beside them."""


def measure_run(
    plans: Sequence[PanelPlan],
    ensembles: Mapping[str, FittedEnsemble],
    chunks: Mapping[str, Sequence[ForecastChunk]],
    store: ModelStore,
    origin: RowOrigin,
) -> Tables:
    """Rows of METRICS, SIMULATION, PORTFOLIO_CURVES and TOTALS of a run, by dataset.

    Args:
        plans: Of its panels.
        ensembles: How models were combined, by panel.
        chunks: Forecasts that were made, by panel.
        store: The models of its data.
        origin: What rows say of where they come from.
    """
    metrics, found = [METRICS.schema.empty_table()], dict[str, pa.Table]()
    for plan in plans:
        name = plan.name
        own, shocks = _judge(plan, ensembles[name], store)
        metrics += [own[METRICS.name], driver_metrics(plan.study, plan.panel.kind, name)]
        if shocks is not None:
            added = read_totals(chunk.folder for chunk in chunks.get(name, ()))
            found[TOTALS.name] = total_rows(added, shocks, plan.panel, origin, plan.seed)
            for contract in (SIMULATION, PORTFOLIO_CURVES):
                found[contract.name] = _as_of(own[contract.name], plan)
    in_order = pa.concat_tables(metrics).sort_by([(key, "ascending") for key in METRICS.key])
    return found | {METRICS.name: in_order}


def begin_measures(
    plans: Sequence[PanelPlan], ensembles: Mapping[str, FittedEnsemble], store: ModelStore
) -> list[Callable[[], None]]:
    """What can be measured while models still learn, for :func:`measure_run` to find it.

    That is of panels that go on from an earlier run, whose backtest is there, and only where it
    runs on items that were rewritten since: else all was measured before.
    """
    return [
        partial(_judge_alone, _narrow(plan), ensembles[plan.name], store)
        for plan in plans
        if plan.state is not None and not plan.state.kept.issuperset(plan.backtest_items)
    ]


def _narrow(plan: PanelPlan) -> PanelPlan:
    """The plan with the items of the backtest alone: a task does not grow with the panel."""
    items = plan.backtest_items
    policies = {item: plan.policies[item] for item in items if item in plan.policies}
    return replace(
        plan, panel=plan.panel.select(items), policies=policies, learnable=(), wanted=(),
        protection=(), forecast_chunks=(), order_chunks=(),
    )  # fmt: skip


def _judge_alone(plan: PanelPlan, ensemble: FittedEnsemble, store: ModelStore) -> None:
    _judge(plan, ensemble, store)


def _as_of(table: pa.Table, plan: PanelPlan) -> pa.Table:
    """Rows that say of which day the run is, whenever they were made."""
    place = table.column_names.index("as_of")
    field = table.schema.field(place)
    days = pa.repeat(pa.scalar(stamp(plan.panel.cutoff).item(), field.type), table.num_rows)
    return table.set_column(place, field, days)


def _judge(
    plan: PanelPlan, ensemble: FittedEnsemble, store: ModelStore
) -> tuple[Tables, CommonShocks | None]:
    """Tables about the backtest of a panel, by dataset; of demand also what items share."""
    kind, folder = plan.panel.kind, store.folder(plan.name, ENSEMBLE)
    files = {name: facts["files"] for name, facts in read_parts(folder).items()}
    made_of = fingerprint(code_version(), plan.name, files)
    judged = cache(lambda: read_judged(folder))  # not read where all is kept

    def measure() -> Made:
        table = metrics_table(judged(), ensemble, kind, plan.name)
        shared = asdict(measure_shocks(judged())) if plan.panel.is_demand else None
        return {METRICS.name: table}, {"shocks": shared}

    def supply() -> Made:
        names = (SIMULATION.name, PORTFOLIO_CURVES.name)
        return dict(zip(names, simulate_stock(plan, judged()), strict=True)), {}

    found, facts = _keep(plan, store, f"metrics-{made_of}", measure)
    if not plan.panel.is_demand:
        return found, None
    # Periods that have come since the backtest have no part in it.
    then = plan.panel.select(plan.backtest_items)
    policies = [repr(plan.policies[item]) for item in then.items]
    history = digest_items(then, plan.fitted_at)
    name = fingerprint(made_of, plan.seed, policies, history)
    stock, _ = _keep(plan, store, f"stock-{name}", supply)
    return found | stock, CommonShocks(**facts["shocks"])


def _keep(plan: PanelPlan, store: ModelStore, name: str, make: Callable[[], Made]) -> Made:
    """What is of this name; of an earlier run where it has left it, else made and kept."""
    folder = store.folder(plan.name, MEASURES)
    part = folder / name
    if plan.state is not None and read_part(part) is None:
        _take_over(plan.search.folder(plan.state.dataset_id) / MEASURES / name, part)
    facts = read_part(part)
    if facts is None:
        for other in folder.glob(f"{name.partition('-')[0]}-*"):
            remove_all(other)
        start_part(part)
        tables, facts = make()
        for dataset, table in tables.items():
            with staged(part / f"{dataset}.parquet") as path:
                pq.write_table(table, path, compression="zstd")
        finish_part(part, **facts)
    found = {one: part / f"{one.name}.parquet" for one in JUDGED}
    kept = {
        one.name: pq.read_table(path, schema=one.schema)
        for one, path in found.items()
        if path.exists()
    }
    return kept, facts


def _take_over(source: Path, target: Path) -> None:
    """Enter what an earlier run measured, if it is whole."""
    if read_part(source) is not None:
        link_part(source, start_part(target))
