"""A version out of what a run computed: tables streamed together, described, and committed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.artifacts import version as versions
from ml.artifacts.parquet_file import DatasetFile, DatasetWriter, footer
from ml.contracts.base import Contract
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, REFUSALS
from ml.contracts.metrics import METRICS
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.ensemble.mixture import FittedEnsemble
from ml.forecasters.registry import FAMILIES
from ml.inventory.recommendations import insufficient, rank
from ml.panel_tables import Refusal
from ml.run.forecast import ForecastChunk
from ml.run.inputs import RunInputs
from ml.run.plan import PanelPlan, code_version, fingerprint
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin

MODEL_VERSIONS = "model_versions"
SUMMARISED = (
    "mape", "rmse", "accuracy", "wql", "cum_wql", "scaled_crps", "bias", "coverage_80_interval",
    "fva_naive",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunOutput:
    """What a run computed.

    Attributes:
        plans: Of its panels.
        chunks: Forecast chunks of each panel, by its name, in the order of their items.
        ensembles: How models were combined, by panel name.
        refusals: Items without a forecast, sorted.
        metrics: METRICS rows.
        origin: What every row says of where it comes from.
    """

    plans: Sequence[PanelPlan]
    chunks: Mapping[str, Sequence[ForecastChunk]]
    ensembles: Mapping[str, FittedEnsemble]
    refusals: Sequence[Refusal]
    metrics: pa.Table
    origin: RowOrigin


def write_version(
    inputs: RunInputs, request: RunRequest, output: RunOutput, *, reuse: str | None
) -> versions.CommitRecord:
    """Write, verify and commit one version in the results folder, which the caller has locked.

    Args:
        inputs: What the run was on.
        request: Says which datasets to write.
        output: What was computed.
        reuse: Version to take the other datasets from; ``None`` = leave them out: partial.

    Raises:
        PublishError: The disk refused, or the written version does not verify.
    """
    results, parts = request.results, request.parts
    whole_hash = inputs_hash(inputs, request, output.origin.dataset_id)
    version_id = versions.new_version_id(results, request.started, whole_hash)
    cutoffs = {plan.name: str(plan.panel.cutoff) for plan in output.plans}
    as_of = str(request.as_of or max(cutoffs.values()))
    provenance = versions.Provenance(
        code_version=code_version(),
        seed=request.settings.seed,
        data_cutoff=cutoffs,
        model_versions=dict.fromkeys((*FAMILIES, "ensemble"), output.origin.model_version),
        quality_flags=inputs.quality_flags,
    )
    staged = versions.stage_version(results, version_id)
    files: list[Any] = []
    for contract in (FORECASTS, FORECAST_MODELS, REFUSALS, RECOMMENDATIONS, METRICS):
        if contract.name in parts:
            file = _write(staged, contract, _stream(contract, output, request), as_of)
            versions.write_metadata(staged, contract, file, provenance, as_of=as_of,
                                    refusals=len(output.refusals))  # fmt: skip
            files.append(file)
        elif reuse is not None:
            files += versions.copy_dataset(results, reuse, staged, contract.name)
    if reuse is None:
        versions.write_model_versions(staged, _model_versions(inputs, request, output))
    else:
        versions.copy_dataset(results, reuse, staged, MODEL_VERSIONS)
    run = {
        "run_id": request.run_id,
        "dataset_id": output.origin.dataset_id,
        "model_version": output.origin.model_version,
        "inputs_hash": whole_hash,
        "horizon": {plan.name: plan.horizon for plan in output.plans},
        "items": sum(len(plan.wanted) for plan in output.plans),
        "source": dict(inputs.source),
    }
    partial = reuse is None and METRICS.name not in parts
    versions.write_manifest(staged, files, as_of=as_of, partial=partial, run=run)
    # A run as of an earlier day, or on other data, is an explicit wish on one's own disk; the
    # guard against a late run becoming the newest belongs to publishing.
    return versions.commit_version(
        results, version_id, publisher=versions.publisher(), allow_stale=True
    )


def inputs_hash(inputs: RunInputs, request: RunRequest, dataset_id: str) -> str:
    """Name of all that shapes the results of a run, in hexadecimal."""
    tables = [
        table.to_pylist() if table is not None else None
        for table in (inputs.items, inputs.inventory)
    ]
    return fingerprint(
        dataset_id, tables, request.settings.policy, request.settings.backtest_items,
        request.items, request.horizon, str(request.as_of),
    )  # fmt: skip


def _model_versions(inputs: RunInputs, request: RunRequest, output: RunOutput) -> dict[str, Any]:
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
        "backtest": {
            plan.name: {
                "items": len(plan.backtest_items),
                "of": len(plan.learnable),
                "origins": [str(day) for day in plan.origins],
            }
            for plan in output.plans
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


def _write(
    staged: versions.Staged, contract: Contract, chunks: Iterator[pa.Table], as_of: str
) -> DatasetFile:
    about = footer(contract, version_id=staged.version_id, as_of=as_of, generator=code_version())
    with DatasetWriter(staged.data_path(contract.name), contract, about) as writer:
        for chunk in chunks:
            writer.append(chunk)
        return writer.close()


def _stream(contract: Contract, output: RunOutput, request: RunRequest) -> Iterator[pa.Table]:
    if contract is REFUSALS:
        rows = [asdict(one) for one in output.refusals]
        yield pa.Table.from_pylist(rows, schema=contract.schema)
    elif contract is METRICS:
        yield output.metrics
    elif contract is RECOMMENDATIONS:
        known = _read_chunks(output, "demand", contract)
        ranked = rank(pa.concat_tables([*known, _refused_recommendations(output)]))
        yield _fill(ranked, contract, "run_id", request.run_id)
    else:
        for chunk in _merge_by_item(output, contract):
            # What a run that died had written bears the moment of that run.
            stamped = "generated_at" in contract.names
            yield _fill(chunk, contract, "generated_at", request.started) if stamped else chunk


def _refused_recommendations(output: RunOutput) -> pa.Table:
    """A row without quantities for every demand item that has no forecast."""
    plan = next((one for one in output.plans if one.panel.is_demand), None)
    reasons = {one.item_id: one.reason for one in output.refusals if one.kind == "demand"}
    if plan is None or not reasons:
        return RECOMMENDATIONS.schema.empty_table()
    return insufficient(
        reasons, plan.policies, frequency=plan.panel.frequency, as_of=plan.panel.cutoff, run_id=""
    )


def _fill(table: pa.Table, contract: Contract, name: str, value: object) -> pa.Table:
    """The table with one value in all rows of a column."""
    field = contract.schema.field(name)
    column = pa.repeat(pa.scalar(value, field.type), table.num_rows)
    return table.set_column(table.schema.get_field_index(name), field, column)


def _read_chunks(output: RunOutput, kind: str, contract: Contract) -> Iterator[pa.Table]:
    """Tables of the chunks of one kind, each panel's in order of its items."""
    for plan in output.plans:
        for chunk in output.chunks[plan.name] if plan.panel.kind == kind else ():
            path = chunk.folder / f"{contract.name}.parquet"
            if path.exists():
                yield pq.read_table(path, schema=contract.schema)


def _merge_by_item(output: RunOutput, contract: Contract) -> Iterator[pa.Table]:
    """Chunks of demand in order of their items, price rows (few) put in between by id."""
    rest = pa.concat_tables(
        [contract.schema.empty_table(), *_read_chunks(output, "price", contract)]
    )
    for chunk in _read_chunks(output, "demand", contract):
        if chunk.num_rows:
            before = pc.less_equal(rest["item_id"], pc.max(chunk["item_id"]))
            yield pa.concat_tables([chunk, rest.filter(before)])
            rest = rest.filter(pc.invert(before))
    yield rest
