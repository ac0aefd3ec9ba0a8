"""What the documents of a version say: how it was made, by which models, how good they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ml.artifacts import version as versions
from ml.ensemble.mixture import FittedEnsemble
from ml.forecasters.registry import FAMILIES
from ml.run.inputs import RunInputs, RunOptions
from ml.run.plan import PanelPlan, code_version
from ml.run.rows import Provenance
from ml.run.version_writer import VersionFacts

Ensembles = Mapping[str, FittedEnsemble]
SUMMARISED = (
    "mape", "rmse", "accuracy", "wql", "cum_wql", "scaled_crps", "bias", "coverage_80_interval",
    "fva_naive",
)  # fmt: skip


def version_facts(
    inputs: RunInputs,
    options: RunOptions,
    plans: Sequence[PanelPlan],
    ensembles: Ensembles,
    metrics: pa.Table,
    whole_hash: str,
    provenance: Provenance,
) -> VersionFacts:
    """Everything that the documents of a version say alike."""
    cutoffs = {plan.name: str(plan.panel.cutoff) for plan in plans}
    as_of = str(options.as_of or max(cutoffs.values()))
    families = dict.fromkeys((*FAMILIES, "ensemble"), provenance.model_version)
    return VersionFacts(
        version_id=versions.new_version_id(options.results, options.started, whole_hash),
        as_of=as_of,
        run_id=options.run_id,
        started=options.started,
        provenance=versions.Provenance(
            code_version=code_version(),
            seed=options.policy.seed,
            data_cutoff=cutoffs,
            model_versions=families,
            quality_flags=inputs.quality_flags,
        ),
        model_versions=model_versions(inputs, options, plans, ensembles, metrics, provenance),
        run={
            "run_id": options.run_id,
            "dataset_id": provenance.dataset_id,
            "model_version": provenance.model_version,
            "inputs_hash": whole_hash,
            "horizon": {plan.name: plan.horizon for plan in plans},
            "items": sum(len(plan.wanted) for plan in plans),
            "source": dict(inputs.source),
        },
    )


def model_versions(
    inputs: RunInputs,
    options: RunOptions,
    plans: Sequence[PanelPlan],
    ensembles: Ensembles,
    metrics: pa.Table,
    provenance: Provenance,
) -> dict[str, Any]:
    """The document ``model_versions.json``, with its documented keys and honest ones."""
    means = {name: _ensemble_mean(metrics, name) for name in SUMMARISED}
    return {
        "model_version": provenance.model_version,
        "generated_at": options.started.isoformat(),
        "source": dict(inputs.source),
        "dataset_id": provenance.dataset_id,
        "code_version": code_version(),
        "seed": options.policy.seed,
        "models": dict.fromkeys((*FAMILIES, "ensemble"), provenance.model_version),
        "metrics": means,
        "weights": {name: one.weights for name, one in ensembles.items()},
        "spreads": {name: one.spreads for name, one in ensembles.items()},
        "backtest": {
            plan.name: {
                "items": len(plan.backtest_items),
                "of": len(plan.learnable),
                "origins": [str(day) for day in plan.origins],
            }
            for plan in plans
        },
    }


def _ensemble_mean(metrics: pa.Table, name: str) -> dict[str, float | None]:
    """A metric of the ensemble by kind, mean over origins; null where it is not defined."""
    found: dict[str, list[float]] = {}
    for row in metrics.to_pylist():
        whole = all(row[key] is None for key in ("item_id", "demand_class", "horizon_step"))
        wanted = row["model"] == "ensemble" and row["metric"] == name
        if whole and wanted and row["value"] is not None:
            found.setdefault(row["kind"], []).append(row["value"])
    kinds = sorted(set(metrics["kind"].to_pylist()))
    return {kind: sum(found[kind]) / len(found[kind]) if kind in found else None for kind in kinds}
