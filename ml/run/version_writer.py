"""A version out of the chunks: tables streamed together, described, and committed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
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
from ml.inventory.recommendations import rank
from ml.panel_tables import Refusal
from ml.run.forecast import ChunkDone, part

MODEL_VERSIONS = "model_versions"


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What all documents of a version say alike.

    Attributes:
        version_id: Of the version.
        as_of: ISO day.
        run_id: Name of the execution.
        started: When it started, UTC.
        provenance: For the ``*_metadata.json``.
        model_versions: The document ``model_versions.json``.
        run: For the manifest.
    """

    version_id: str
    as_of: str
    run_id: str
    started: datetime
    provenance: versions.Provenance
    model_versions: Mapping[str, Any]
    run: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tables:
    """What a version is made of.

    Attributes:
        demand: Chunks of demand panels, each panel's in order of its items.
        prices: Chunks of price panels.
        refusals: Items without a forecast.
        extra_recommendations: Rows of refused items.
        metrics: METRICS rows.
    """

    demand: Sequence[ChunkDone]
    prices: Sequence[ChunkDone]
    refusals: Sequence[Refusal]
    extra_recommendations: pa.Table
    metrics: pa.Table


def write_version(
    results: Path, tables: Tables, facts: VersionFacts, *, parts: Sequence[str], reuse: str | None
) -> versions.CommitRecord:
    """Write, verify and commit one version.

    Args:
        results: Results folder, locked by the caller.
        tables: What was computed.
        facts: What the documents say.
        parts: Datasets to write.
        reuse: Version to take the other datasets from; ``None`` = leave them out: partial.

    Raises:
        PublishError: The disk refused, or the written version does not verify.
    """
    staged = versions.stage_version(results, facts.version_id)
    files: list[Any] = []
    for contract in (FORECASTS, FORECAST_MODELS, REFUSALS, RECOMMENDATIONS, METRICS):
        if contract.name in parts:
            file = _write(staged, contract, _stream(contract, tables, facts), facts)
            versions.write_metadata(staged, contract, file, facts.provenance, as_of=facts.as_of,
                                    refusals=len(tables.refusals))  # fmt: skip
            files.append(file)
        elif reuse is not None:
            files += versions.copy_dataset(results, reuse, staged, contract.name)
    if reuse is None:
        versions.write_model_versions(staged, facts.model_versions)
    else:
        versions.copy_dataset(results, reuse, staged, MODEL_VERSIONS)
    partial = reuse is None and METRICS.name not in parts
    versions.write_manifest(staged, files, as_of=facts.as_of, partial=partial, run=facts.run)
    # A run as of an earlier day, or on other data, is an explicit wish on one's own disk; the
    # guard against a late run becoming the newest belongs to publishing.
    return versions.commit_version(
        results, facts.version_id, publisher=versions.publisher(), allow_stale=True
    )


def _write(
    staged: versions.Staged, contract: Contract, chunks: Iterator[pa.Table], facts: VersionFacts
) -> DatasetFile:
    about = footer(contract, version_id=facts.version_id, as_of=facts.as_of,
                   generator=facts.provenance.code_version)  # fmt: skip
    with DatasetWriter(staged.data_path(contract.name), contract, about) as writer:
        for chunk in chunks:
            writer.append(chunk)
        return writer.close()


def _stream(contract: Contract, tables: Tables, facts: VersionFacts) -> Iterator[pa.Table]:
    if contract is REFUSALS:
        rows = sorted((asdict(one) for one in tables.refusals), key=lambda row: row["item_id"])
        yield pa.Table.from_pylist(rows, schema=contract.schema)
    elif contract is METRICS:
        yield tables.metrics
    elif contract is RECOMMENDATIONS:
        chunks = [*_chunks(tables.demand, contract), tables.extra_recommendations]
        ranked = rank(pa.concat_tables(chunks))
        yield _constant(ranked, contract, "run_id", facts.run_id)
    else:
        for chunk in _merged(tables.demand, tables.prices, contract):
            if "generated_at" in contract.names:
                yield _constant(chunk, contract, "generated_at", facts.started)
            else:
                yield chunk


def _constant(table: pa.Table, contract: Contract, name: str, value: object) -> pa.Table:
    field = contract.schema.field(name)
    column = pa.repeat(pa.scalar(value, field.type), table.num_rows)
    return table.set_column(table.schema.get_field_index(name), field, column)


def _chunks(chunks: Sequence[ChunkDone], contract: Contract) -> Iterator[pa.Table]:
    for chunk in chunks:
        path = part(chunk.target, contract.name)
        if path.exists():
            yield pq.read_table(path, schema=contract.schema)


def _merged(
    demand: Sequence[ChunkDone], prices: Sequence[ChunkDone], contract: Contract
) -> Iterator[pa.Table]:
    """Chunks of demand in order of their items, price rows (few) put in between by id."""
    few = [*_chunks(prices, contract)]
    rest = pa.concat_tables(few) if few else contract.schema.empty_table()
    for chunk in _chunks(demand, contract):
        if not chunk.num_rows:
            continue
        last = max(chunk["item_id"].to_pylist())
        before = pc.less_equal(rest["item_id"], last)
        yield pa.concat_tables([chunk, rest.filter(before)])
        rest = rest.filter(pc.invert(before))
    yield rest
