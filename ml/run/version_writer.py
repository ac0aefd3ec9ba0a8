"""A version out of what a run computed: tables streamed together, described, and committed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.artifacts import version as versions
from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import past_key
from ml.artifacts.manifest import ManifestFile, as_entry
from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.reading import read_dataset
from ml.artifacts.staging import DatasetFile
from ml.contracts.base import Contract
from ml.contracts.beside_orders import BESIDE_ORDERS
from ml.contracts.changes import CHANGES
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, REFUSALS, TOTALS
from ml.contracts.history import HISTORY, PAST_FORECASTS
from ml.contracts.metrics import METRICS
from ml.contracts.price_outlook import PRICE_EXPOSURE, PRICE_OUTLOOK
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.contracts.simulation import PORTFOLIO_CURVES, SIMULATION
from ml.durable import disk_errors
from ml.forecasters.registry import FAMILIES
from ml.gate.facts import (
    Facts,
    JudgedCase,
    Orders,
    PanelFacts,
    describe_forecasts,
    describe_orders,
    observe,
)
from ml.gate.stored import facts_of, facts_of_record
from ml.gate.verdict import GATE, judge, to_document
from ml.inventory.labels import classify_values
from ml.inventory.recommendations import rank
from ml.page.packing import SUMMARY, pack_version
from ml.page.report import REPORT, build_report
from ml.page.version_tables import tables_of_staged
from ml.panel import in_portions
from ml.run.inputs import RunInputs
from ml.run.keep_past import history_rows, list_past, renew_tables
from ml.run.request import RunRequest
from ml.run.run_output import RunOutput, describe_models, describe_state, name_forecasts
from ml.run.said import count_followed
from ml.seeds import code_version

MODEL_VERSIONS = "model_versions"
MEASURED = (METRICS, SIMULATION, PORTFOLIO_CURVES)  # on the backtest
LATER = (
    TOTALS,
    PRICE_OUTLOOK,
    PRICE_EXPOSURE,
    SIMULATION,
    PORTFOLIO_CURVES,
)  # tables that versions of older code lack


def write_version(
    inputs: RunInputs, request: RunRequest, output: RunOutput, *, reuse: str | None
) -> versions.CommitRecord:
    """Write, verify and commit one version in the results folder, which the caller has locked.

    Datasets that were not asked for come from version ``reuse``, as far as it has them; without one
    they are left out and the version is partial.

    Raises:
        PublishError: The disk refused, or the written version does not verify.
    """
    panels: dict[str, PanelFacts] = {}  # what is noted of the forecasts while they are written
    orders: list[Orders] = []
    results = request.results
    version_id = versions.new_version_id(results, request.started, output.inputs_hash)
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
    tables = _published_tables(output, panels, orders)
    files = _write_tables(staged, tables, provenance, as_of, output, request, reuse)
    past: list[ManifestFile] = []
    if PAST_FORECASTS.name in request.parts:
        past += list_past(results)
        files += _write_past(staged, provenance, as_of, output, request, past)
    model_versions = describe_models(inputs, request, output)
    if reuse is None:
        versions.write_model_versions(staged, model_versions)
    else:
        versions.copy_dataset(results, reuse, staged, MODEL_VERSIONS)
    partial = reuse is None and METRICS.name not in request.parts
    if not partial:  # what is not deployed needs no gate
        facts = Facts(
            version_id=version_id,
            sources=dict(inputs.source),
            panels=panels,
            refusals=dict(Counter(one.kind for one in output.refusals)),  # asdict spoils a Counter
            tables=inputs.tables,
            bias=model_versions["metrics"]["bias"],
            coverage=model_versions["metrics"]["coverage_80_interval"],
            orders=orders[0] if orders and orders[0].items else None,
        )
        if reuse is not None:
            facts = _add_copied(facts, output, results, reuse)
        _write_verdict(staged, facts, request)
    run = _describe_run(inputs, request, output, cutoffs)
    _write_report(staged, files, request, as_of=as_of, partial=partial, run=run)
    versions.write_manifest(staged, files, as_of=as_of, partial=partial, run=run, past=past)
    # A run as of an earlier day, or on other data, is an explicit wish on one's own disk; the
    # guard against a late run becoming the newest belongs to publishing.
    return versions.commit_version(results, version_id, publisher=versions.publisher())


def _describe_run(
    inputs: RunInputs, request: RunRequest, output: RunOutput, cutoffs: Mapping[str, str]
) -> dict[str, Any]:
    """What the manifest says of the run."""
    return {
        "run_id": request.run_id,
        "dataset_id": output.origin.dataset_id,
        "model_version": output.origin.model_version,
        "inputs_hash": output.inputs_hash,
        "horizon": {plan.name: plan.horizon for plan in output.plans},
        "items": sum(len(plan.wanted) for plan in output.plans),
        "forecasts": name_forecasts(output.plans, inputs, request, output.origin),
        "fitted": {plan.name: describe_state(plan) for plan in output.plans},
        "chosen": {
            plan.name: asdict(plan.chosen) for plan in output.plans if plan.chosen is not None
        },
        "source": dict(inputs.source),
        "data_until": dict(cutoffs),
    }


def _write_report(
    staged: versions.StagedVersion,
    files: Sequence[Any],
    request: RunRequest,
    *,
    as_of: str,
    partial: bool,
    run: Mapping[str, Any],
) -> None:
    """Write the page for people, and what its first screen says as a document."""
    tables = tables_of_staged(staged, files, as_of=as_of, partial=partial, run=run)
    packed = pack_version(tables)
    versions.write_document(staged, SUMMARY, packed.summary)
    report = build_report(packed, request.settings.report_lang)
    with disk_errors(f"writing the report of {staged.version_id}"):
        report.save(staged.folder / REPORT)


def _published_tables(
    output: RunOutput, panels: dict[str, PanelFacts], orders: list[Orders]
) -> dict[Contract, Iterator[pa.Table]]:
    """Chunks of every table of a version; to write them fills in what is noted on the way."""
    refusals = [asdict(one) for one in output.refusals]
    return {
        FORECASTS: observe(_merge_by_item(output, FORECASTS), _largest_values(output), panels),
        FORECAST_MODELS: _merge_by_item(output, FORECAST_MODELS),
        TOTALS: iter([output.totals]),
        REFUSALS: iter([pa.Table.from_pylist(refusals, schema=REFUSALS.schema)]),
        RECOMMENDATIONS: _recommendations(output, orders),
        **{contract: _read_files(output, contract) for contract in BESIDE_ORDERS},
        PRICE_OUTLOOK: iter([output.outlook]),
        PRICE_EXPOSURE: iter([output.exposures]),
        METRICS: iter([output.metrics]),
        SIMULATION: iter([output.simulation]),
        PORTFOLIO_CURVES: iter([output.curves]),
        HISTORY: history_rows(output.plans, output.origin.source),
        CHANGES: iter([pa.concat_tables(_read_files(output, CHANGES))]),  # those gone come last
    }


def _write_tables(
    staged: versions.StagedVersion,
    tables: Mapping[Contract, Iterator[pa.Table]],
    provenance: versions.Provenance,
    as_of: str,
    output: RunOutput,
    request: RunRequest,
    reuse: str | None,
) -> list[Any]:
    """Write the datasets that were asked for, and copy the others as far as ``reuse`` has them."""
    results, parts, origin = request.results, request.parts, output.origin
    held = None if reuse is None else versions.read_manifest(results, reuse).datasets
    if held is not None and METRICS.name not in held:  # forecasts alone
        parts = (*parts, *(contract.name for contract in MEASURED))
    if held is not None and HISTORY.name not in held:  # likewise, or a version of older code
        parts = (*parts, HISTORY.name)
    # What a run that died had written bears the moment and the name of that run; forecasts that
    # stand, those of the data that they were made of.
    constants = {"run_id": request.run_id, "generated_at": request.started}
    constants |= {"model_version": origin.model_version, "dataset_id": origin.dataset_id}
    files: list[Any] = []
    for contract, chunks in tables.items():
        if contract.name in parts:
            path = staged.data_path(contract.name)
            file = _write(staged, path, contract, chunks, as_of, constants)
            facts = {"items_not_run": output.idle} if contract is FORECAST_MODELS else None
            versions.write_metadata(staged, contract, file, provenance, as_of=as_of,
                                    refusals=len(output.refusals), facts=facts)  # fmt: skip
            files += [file]
        elif reuse and held and (contract not in LATER or contract.name in held):
            files += versions.copy_dataset(results, reuse, staged, contract.name)
    return files


def _write_past(
    staged: versions.StagedVersion,
    provenance: versions.Provenance,
    as_of: str,
    output: RunOutput,
    request: RunRequest,
    past: list[ManifestFile],
) -> list[DatasetFile]:
    """Write the tables of the past; what is new of them also to files that ``past`` then names."""
    source, metrics = output.origin.source, output.metrics
    found = renew_tables(staged, output.plans, output.saved, source, metrics, request)
    about = count_followed([plan.panel for plan in output.plans])
    files = []
    for contract, table in found.items():
        path = staged.data_path(contract.name)
        files.append(_write(staged, path, contract, iter([table.held]), as_of, {}))
        versions.write_metadata(staged, contract, files[-1], provenance, as_of=as_of,
                                refusals=len(output.refusals), facts=about)  # fmt: skip
        if table.fresh.num_rows:
            path = staged.past_path(contract.name)
            file = _write(staged, path, contract, iter([table.fresh]), as_of, {})
            past.append(as_entry(file, past_key(contract.name, staged.version_id)))
    return files


def _largest_values(output: RunOutput) -> dict[str, float]:
    """The largest value of each series that was observed."""
    return {
        item: float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
        for plan in output.plans
        for some in in_portions(plan.panel)
        for item, values in zip(some.items, some.values, strict=True)
    }


def _add_copied(facts: Facts, output: RunOutput, results: Path, reuse: str) -> Facts:
    """Give forecasts that were copied the facts that they had; of a part nobody has noted any."""
    manifest = versions.read_manifest(results, reuse)
    copied = facts_of(results_store(results), manifest)
    panels = copied.panels
    if METRICS.name not in manifest.datasets:
        forecasts = read_dataset(results, FORECASTS.name, reuse)
        panels = describe_forecasts(forecasts, _largest_values(output))
    return replace(facts, panels=panels, bias=copied.bias, coverage=copied.coverage)


def _write_verdict(staged: versions.StagedVersion, facts: Facts, request: RunRequest) -> None:
    """Judge the version against the last whole one, and write that into it."""
    store = results_store(request.results)
    last = versions.newest_whole_version(request.results)
    case = JudgedCase(
        now=facts,
        before=facts_of_record(store, last),
        today=request.today,
        allow_synthetic=request.settings.allow_synthetic,
        follows=last is not None,
    )
    versions.write_document(staged, GATE, to_document(judge(case)))


def _write(
    staged: versions.StagedVersion,
    path: Path,
    contract: Contract,
    chunks: Iterator[pa.Table],
    as_of: str,
    constants: Mapping[str, object],
) -> DatasetFile:
    about = footer(contract, version_id=staged.version_id, as_of=as_of, generator=code_version())
    with DatasetWriter(path, contract, about) as writer:
        for chunk in chunks:
            table = chunk
            for name in constants.keys() & set(contract.names):
                field = contract.schema.field(name)
                column = pa.repeat(pa.scalar(constants[name], field.type), table.num_rows)
                table = table.set_column(contract.names.index(name), field, column)
            writer.append(table)
        return writer.close()


def _recommendations(output: RunOutput, orders: list[Orders]) -> Iterator[pa.Table]:
    known = [*_read_files(output, RECOMMENDATIONS)]
    rows = classify_values(rank(pa.concat_tables([*known, output.refused])))
    orders.append(describe_orders(rows))
    yield rows


def _read_files(output: RunOutput, contract: Contract) -> Iterator[pa.Table]:
    """Tables of what goes with recommendations; an empty one where there are none."""
    yield contract.schema.empty_table()
    for path in output.recommended.get(contract.name, ()):
        yield pq.read_table(path, schema=contract.schema)


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
