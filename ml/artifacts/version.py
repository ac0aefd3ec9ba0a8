"""Versions in the local results folder: from the staging folder into the log, and back.

The order is what makes it safe: all files on the disk, then the folder under its final name, then
the record in the log (from here on it is published), then pointer and flat view.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ml.artifacts import commit, keys, log
from ml.artifacts.errors import VerificationError
from ml.artifacts.folder_store import STAGING, results_store
from ml.artifacts.log import CommitRecord, publisher
from ml.artifacts.manifest import Manifest, ManifestFile, stored_manifest, write_manifest
from ml.artifacts.reading import verify
from ml.artifacts.staging import (
    Provenance,
    StagedVersion,
    discard_stale_staging,
    stage_version,
    write_document,
    write_metadata,
    write_model_versions,
)
from ml.artifacts.store import Body
from ml.durable import copy_new, disk_errors, make_folder, move_folder, remove_all, sync_tree
from ml.errors import DataError, PublishError
from ml.locks import hold

__all__ = [
    "CommitRecord",
    "Manifest",
    "ManifestFile",
    "Provenance",
    "StagedVersion",
    "commit_version",
    "commits",
    "copy_dataset",
    "discard_stale_staging",
    "new_version_id",
    "newest_version_with",
    "newest_whole_version",
    "publisher",
    "read_manifest",
    "repair_flat_view",
    "stage_version",
    "verify_version",
    "write_document",
    "write_manifest",
    "write_metadata",
    "write_model_versions",
]
MODEL_VERSIONS = "model_versions"
VIEW_LOCK = ".view.lock"


def commits(results: Path) -> list[CommitRecord]:
    """The whole log in order.

    Raises:
        PublishError: A number is missing or a record is damaged.
    """
    return list(log.records(results_store(results)))


def newest_whole_version(results: Path) -> CommitRecord | None:
    """The newest record of a version that holds everything."""
    return log.find_record(results_store(results), lambda record: not record.partial)


def newest_version_with(results: Path, dataset: str) -> CommitRecord | None:
    """The newest record of a version, whole or not, that holds a dataset."""
    return log.find_record(results_store(results), lambda record: dataset in record.datasets)


def read_manifest(results: Path, version: str, *, sha256: str | None = None) -> Manifest:
    """The manifest of a version; its bytes must hash to ``sha256``, as the commit record says.

    Raises:
        PublishError: It is missing, damaged, or not the one that was committed.
    """
    if not keys.is_version_id(version):
        raise PublishError(
            f"{version!r} is not the id of a version, as 20261120T021503Z-1a2b3c4d is."
        )
    return stored_manifest(results_store(results), version, sha256=sha256)


def verify_version(results: Path, version: str) -> list[str]:
    """Files of a version on the disk that are missing, of other content, or not in the manifest."""
    store = results_store(results)
    sha256 = {record.version_id: record.manifest_sha256 for record in log.records(store)}
    try:
        manifest = read_manifest(results, version, sha256=sha256.get(version))
    except PublishError as error:
        return [str(error)]
    return verify(store, manifest)


def new_version_id(results: Path, started: datetime, inputs_hash: str) -> str:
    """An id that no version has: none in the log, none on the disk, none being built.

    It is made as by :func:`ml.artifacts.keys.version_id`.

    Raises:
        PublishError: The log is damaged.
    """
    taken = {record.version_id for record in commits(results)}
    taken |= {path.name for name in ("versions", STAGING) for path in (results / name).glob("*")}
    return keys.version_id(started, inputs_hash, taken=taken)


def copy_dataset(
    results: Path, from_version: str, staged: StagedVersion, dataset: str
) -> tuple[ManifestFile, ...]:
    """Copy a dataset's table and its description into a staged version, under its day.

    The bytes stay what they were, the version named in footer and description included: it is
    the one that made them. A dataset is a table, or ``model_versions``.

    Returns:
        The table's entries for the manifest; none for ``model_versions``, a document.

    Raises:
        DataError: The earlier version has no such dataset.
        PublishError: A file of it is damaged, or the disk refused.
    """
    earlier = read_manifest(results, from_version)
    description = (
        keys.MODEL_VERSIONS
        if dataset == MODEL_VERSIONS
        else keys.metadata_name(dataset, keys.date_of(from_version))
    )
    also = keys.version_key(from_version, description)
    chosen = [file for file in earlier.files if dataset == file.dataset or file.path == also]
    if not chosen:
        raise DataError(
            f"version {from_version} holds no '{dataset}', only {sorted(earlier.datasets)}. "
            f"Run without --only-recommendations first."
        )
    with disk_errors(f"copying '{dataset}' from version {from_version}"):
        copies = [_copy(results, file, staged, from_version) for file in chosen]
    return tuple(copy for copy in copies if copy.dataset == dataset)


def _copy(results: Path, file: ManifestFile, staged: StagedVersion, version: str) -> ManifestFile:
    inside = file.path.removeprefix(f"{keys.version_key(version)}/")
    folder, name = inside.rsplit("/", 1)
    target = staged.folder / folder / name.replace(f"_{keys.date_of(version)}", f"_{staged.date}")
    make_folder(target.parent)
    size, sha256 = copy_new(results / file.path, target)
    if (size, sha256) != (file.bytes, file.sha256):
        raise VerificationError(
            f"{file.path}: its content is not what the manifest says. Run again without "
            f"--only-recommendations."
        )
    return replace(file, path=staged.key_of(target))


def commit_version(results: Path, version: str, *, publisher: str) -> CommitRecord:
    """Make a staged version the newest one, whatever its day; may be called again after a crash.

    It is staged with its manifest, or was moved by a call that died.

    Returns:
        The record in the log; of an earlier call if that had committed the version already.

    Raises:
        PublishError: The version is damaged, or the disk refused. Unless the message says that it
            is committed, it is not, and readers see what they saw before.
    """
    store = results_store(results)
    staged, final = StagedVersion(results, version).folder, results / keys.version_key(version)
    at = None if final.exists() else staged.relative_to(results).as_posix()
    with disk_errors(f"committing {version}"):
        manifest = stored_manifest(store, version, at=at)
        _place_past(StagedVersion(results, version), manifest)
        commit.refuse_problems(store, manifest, verify(store, manifest, at=at), "Run again.")
        if at is not None:
            sync_tree(staged)
            move_folder(staged, final)
        record, _ = commit.commit(store, manifest, publisher=publisher, force=True)
        remove_all(StagedVersion(results, version).past_folder)
    repair_flat_view(results)
    return record


def _place_past(staged: StagedVersion, manifest: Manifest) -> None:
    """Create what a version adds to the past, unless a call that died has done so."""
    for file in manifest.own[len(manifest.files) :]:
        path = staged.past_path(file.dataset)
        if path.exists():
            results_store(staged.results).create(file.path, Body(path, file.bytes, file.sha256))


def repair_flat_view(results: Path) -> list[str]:
    """Bring pointer and flat view to the newest commit; the flat keys written or removed.

    Raises:
        PublishError: A file of the version is damaged, or the disk refused.
    """
    with hold(results, name=VIEW_LOCK, wait=True):
        return commit.show_newest(results_store(results), results)
