"""Where a version is built, ``.staging/<version_id>/``, which no reader looks at; its documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml.artifacts import keys
from ml.artifacts.documents import check_day, to_bytes
from ml.artifacts.folder_store import STAGING
from ml.contracts.base import Contract
from ml.durable import disk_errors, make_folder, remove_all, write_new
from ml.errors import PublishError


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """A Parquet file just written."""

    path: Path  # where it lies
    dataset: str  # name of its contract
    rows: int  # number of rows
    bytes: int  # size of the file
    sha256: str  # of the file's bytes
    content_sha256: str  # of what it says; equal for equal inputs and seed
    schema_sha256: str  # of its columns
    items: int | None  # different `item_id`; `None` if the key has none
    min_ds: str | None  # first `ds`, an ISO day; `None` without rows or without that column
    max_ds: str | None  # last `ds`


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the tables of a version were made."""

    code_version: str  # version of the package and of the code
    seed: int  # of all random draws
    data_cutoff: Mapping[str, str] = field(default_factory=dict)  # last day used, by source
    model_versions: Mapping[str, str] = field(default_factory=dict)  # version of each model used
    quality_flags: tuple[str, ...] = ()  # what a reader should know about the inputs, one text each


@dataclass(frozen=True, slots=True)
class StagedVersion:
    """A version that is being built."""

    results: Path  # the results folder
    version_id: str  # of the version

    @property
    def folder(self) -> Path:
        """Where its files lie now."""
        return self.results / STAGING / self.version_id

    @property
    def date(self) -> str:
        """The day in its file names."""
        return keys.date_of(self.version_id)

    def data_path(self, dataset: str) -> Path:
        """Where a dataset's Parquet file belongs."""
        return self.folder / keys.data_name(dataset, self.date)

    @property
    def past_folder(self) -> Path:
        """Where what the version adds to the past waits for its commit, beside its files."""
        return self.folder.with_suffix(".past")

    def past_path(self, dataset: str) -> Path:
        """Where what the version adds to the past of a table waits for its commit."""
        return self.past_folder / f"{dataset}.parquet"

    def key_of(self, path: Path) -> str:
        """The key that a file will have once the version is committed."""
        return keys.version_key(self.version_id, path.relative_to(self.folder).as_posix())


def stage_version(results: Path, version: str) -> StagedVersion:
    """Make the folder to build a version in.

    Raises:
        PublishError: A version of that id exists or is being built, or the disk refused.
    """
    staged = StagedVersion(results, keys.check_version_id(version))
    if staged.folder.exists() or (results / keys.version_key(version)).exists():
        raise PublishError(f"version {version} exists in '{results}'. Start the run again.")
    with disk_errors(f"staging {version}"):
        make_folder(staged.folder)
    return staged


def discard_stale_staging(results: Path) -> list[str]:
    """Names of what dead runs left behind, removed: under the lock, before anything is staged.

    Raises:
        PublishError: The disk refused.
    """
    folder = results / STAGING
    with disk_errors(f"clearing '{folder}'", "Correct that and run again."):
        left = sorted(folder.iterdir()) if folder.is_dir() else []
        for path in left:
            remove_all(path)
    return [path.name for path in left]


def write_metadata(
    staged: StagedVersion,
    contract: Contract,
    file: DatasetFile,
    provenance: Provenance,
    *,
    as_of: str,
    refusals: int = 0,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``<dataset>_DATE_metadata.json`` beside a dataset's file; refusals count items.

    ``facts`` are what else there is to say of this dataset, as JSON.

    Raises:
        PublishError: The disk refused.
    """
    document = {
        "dataset": contract.name,
        "version_id": staged.version_id,
        "as_of": check_day(as_of),
        "rows": file.rows,
        "items": file.items,
        "refusals": refusals,
        "min_ds": file.min_ds,
        "max_ds": file.max_ds,
        "schema": [  # for readers that see no Arrow metadata
            {"name": c.name, "type": str(c.dtype), "unit": c.unit, "description": c.description}
            for c in contract.columns
        ],
        "data_cutoff": dict(provenance.data_cutoff),
        "model_versions": dict(provenance.model_versions),
        "code_version": provenance.code_version,
        "seed": provenance.seed,
        "quality_flags": list(provenance.quality_flags),
        **(facts or {}),
    }
    return write_document(staged, keys.metadata_name(contract.name, staged.date), document)


def write_model_versions(staged: StagedVersion, document: Mapping[str, Any]) -> Path:
    """Write ``metadata/model_versions.json``.

    Raises:
        PublishError: The disk refused.
    """
    return write_document(staged, keys.MODEL_VERSIONS, document)


def write_document(staged: StagedVersion, name: str, document: Mapping[str, Any]) -> Path:
    """Write a JSON document, by its path inside the version.

    Raises:
        PublishError: The disk refused.
    """
    path, data = staged.folder / name, to_bytes(document)
    with disk_errors(f"writing {path.name}"):
        make_folder(path.parent)
        write_new(path, data)
    return path
