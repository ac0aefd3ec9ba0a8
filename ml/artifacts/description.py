"""The JSON documents that go with the tables: what each column means, and how it was made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml.artifacts.documents import checked_day, to_bytes
from ml.artifacts.manifest import DatasetFile
from ml.artifacts.staging import Staged
from ml.contracts.base import Contract
from ml.durable import disk_errors, make_folder, write_new


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the tables of a version were made.

    Attributes:
        code_version: Version of the package and of the code.
        seed: Of all random draws.
        data_cutoff: Last day used, by source.
        model_versions: Version of each model used.
        quality_flags: What a reader should know about the inputs, one text each.
    """

    code_version: str
    seed: int
    data_cutoff: Mapping[str, str] = field(default_factory=dict)
    model_versions: Mapping[str, str] = field(default_factory=dict)
    quality_flags: tuple[str, ...] = ()


def write_metadata(
    staged: Staged,
    contract: Contract,
    file: DatasetFile,
    provenance: Provenance,
    *,
    as_of: str,
    refusals: int = 0,
) -> Path:
    """Write ``<dataset>_DATE_metadata.json`` beside a dataset's file.

    Args:
        staged: The version.
        contract: Of the dataset.
        file: The written table.
        provenance: How it was made.
        as_of: ISO day that the version is as of.
        refusals: Items without a forecast.

    Raises:
        PublishError: The disk refused.
    """
    document = {
        "dataset": contract.name,
        "version_id": staged.version_id,
        "as_of": checked_day(as_of),
        "rows": file.rows,
        "items": file.items,
        "refusals": refusals,
        "min_ds": file.min_ds,
        "max_ds": file.max_ds,
        "schema": described_columns(contract),
        "data_cutoff": dict(provenance.data_cutoff),
        "model_versions": dict(provenance.model_versions),
        "code_version": provenance.code_version,
        "seed": provenance.seed,
        "quality_flags": list(provenance.quality_flags),
    }
    return _write(staged.metadata_path(contract.name), document)


def described_columns(contract: Contract) -> list[dict[str, str]]:
    """Name, type, unit and meaning of each column, for readers that see no Arrow metadata."""
    return [
        {"name": c.name, "type": str(c.dtype), "unit": c.unit, "description": c.description}
        for c in contract.columns
    ]


def write_model_versions(staged: Staged, document: Mapping[str, Any]) -> Path:
    """Write ``metadata/model_versions.json``.

    Raises:
        PublishError: The disk refused.
    """
    return _write(staged.model_versions, document)


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    data = to_bytes(document)
    with disk_errors(f"writing {path.name}"):
        make_folder(path.parent)
        write_new(path, data)
    return path
