"""What a run computed, its name, and the document that says with which models."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.price_outlook import PRICE_EXPOSURE
from ml.ensemble.mixture import FittedEnsemble
from ml.forecasters.registry import FAMILIES
from ml.panel_tables import Refusal
from ml.run.forecast import ForecastChunk
from ml.run.inputs import RunInputs
from ml.run.plan import PanelPlan, fingerprint
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin
from ml.run.saved_paths import SavedPaths
from ml.seeds import code_version

SUMMARISED = (
    "mape", "rmse", "accuracy", "wql", "cum_wql", "scaled_crps", "bias", "coverage_80_interval",
    "fva_naive", "skill", "stock_skill",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunOutput:
    """What a run computed."""

    plans: Sequence[PanelPlan]  # of its panels
    # forecast chunks of each panel, by its name, in the order of their items; none where the
    # forecasts are copied
    chunks: Mapping[str, Sequence[ForecastChunk]]
    # files of rows of RECOMMENDATIONS and what goes with them by dataset, in the order of their
    # items; none of a run for forecasts alone
    recommended: Mapping[str, Sequence[Path]]
    ensembles: Mapping[str, FittedEnsemble]  # how models were combined, by panel name
    refusals: Sequence[Refusal]  # items without a forecast, sorted
    refused: pa.Table  # RECOMMENDATIONS rows of demand items among them, without quantities
    outlook: pa.Table  # PRICE_OUTLOOK rows
    totals: pa.Table  # TOTALS rows of demand
    metrics: pa.Table  # METRICS rows
    simulation: pa.Table  # SIMULATION rows
    curves: pa.Table  # PORTFOLIO_CURVES rows
    origin: RowOrigin  # what every row says of where it comes from
    inputs_hash: str  # name of all that shaped the results, in hexadecimal
    # items that a model was not run for, by panel and model
    idle: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    # PRICE_EXPOSURE rows
    exposures: pa.Table = field(default_factory=PRICE_EXPOSURE.schema.empty_table)
    # paths of all wanted items by panel name, of which is said what is kept of the past
    saved: Mapping[str, SavedPaths] = field(default_factory=dict)


def name_forecasts(
    plans: Sequence[PanelPlan], inputs: RunInputs, request: RunRequest, origin: RowOrigin
) -> str:
    """Twelve hexadecimal digits that stand for all that shapes forecasts and their totals."""
    shapes = {plan.name: [plan.horizon, plan.reach, plan.protection] for plan in plans}
    items = None if inputs.items is None else inputs.items.to_pylist()
    return fingerprint(
        origin.model_version, shapes, items, request.items, request.all_models,
        [asdict(one) for one in inputs.refusals], inputs.quality_flags, dict(inputs.source),
    )  # fmt: skip


def describe_models(inputs: RunInputs, request: RunRequest, output: RunOutput) -> dict[str, Any]:
    """The document ``model_versions.json``, with its documented keys and honest ones."""
    origin = output.origin
    return {
        "model_version": origin.model_version,
        "generated_at": request.started.isoformat(),
        "source": dict(inputs.source),
        "dataset_id": origin.dataset_id,
        "code_version": code_version(),
        "seed": request.settings.seed,
        "models": dict.fromkeys((*FAMILIES, "ensemble"), origin.model_version),
        "metrics": {name: _ensemble_mean(output.metrics, name) for name in SUMMARISED},
        "weights": {name: one.weights for name, one in output.ensembles.items()},
        "spreads": {name: one.spreads for name, one in output.ensembles.items()},
        "cum_spreads": {name: one.sum_spreads for name, one in output.ensembles.items()},
        "backtest": {
            plan.name: {
                "items": len(plan.backtest_items),
                "of": len(plan.learnable),
                "origins": [str(day) for day in plan.origins],
            }
            for plan in output.plans
        },
    }


def describe_state(plan: PanelPlan) -> dict[str, Any]:
    """What a panel's models were fitted on.

    ``state`` names what an earlier run left of them, ``lineage`` the datasets of the runs that did.
    """
    if plan.state is None:
        return {"fitted_at": str(plan.fitted_at), "state": None}
    lineage = [*plan.state.lineage]
    return {"fitted_at": str(plan.fitted_at), "state": plan.state.name, "lineage": lineage}


def _ensemble_mean(metrics: pa.Table, name: str) -> dict[str, float | None]:
    """A metric of the ensemble by kind, mean over origins; null where it is not defined."""
    chosen = (pc.field("model") == "ensemble") & (pc.field("metric") == name)
    for key in ("item_id", "demand_class", "horizon_step"):
        chosen &= pc.field(key).is_null()
    found = metrics.filter(chosen & pc.field("value").is_valid()).to_pylist()
    means = {}
    for kind in sorted(pc.unique(metrics["kind"]).to_pylist()):
        values = [row["value"] for row in found if row["kind"] == kind]
        means[kind] = sum(values) / len(values) if values else None
    return means
