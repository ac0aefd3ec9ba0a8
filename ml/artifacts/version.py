"""Committing a version: from the staging folder into the log, then the view for people.

The order is what makes it safe: all files on the disk, then the folder under its final name, then
the record in the log (from here on it is published), then pointer and flat view.
"""

from datetime import datetime
from pathlib import Path

from ml.artifacts import commit_log
from ml.artifacts.commit_log import CommitRecord, commits, newest_commit, newest_whole_version
from ml.artifacts.copying import copy_dataset
from ml.artifacts.description import Provenance, write_metadata, write_model_versions
from ml.artifacts.documents import read_bytes
from ml.artifacts.flat_view import repair_flat_view
from ml.artifacts.keys import MANIFEST, version_id, version_key
from ml.artifacts.lock import results_lock
from ml.artifacts.manifest import (
    Manifest,
    ManifestFile,
    folder_problems,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from ml.artifacts.staging import STAGING, Staged, discard_stale_staging, stage_version
from ml.durable import disk_errors, move_folder, sync_tree
from ml.errors import PublishError, first_few

__all__ = [
    "CommitRecord",
    "Manifest",
    "ManifestFile",
    "Provenance",
    "Staged",
    "commit_version",
    "commits",
    "copy_dataset",
    "discard_stale_staging",
    "new_version_id",
    "newest_commit",
    "newest_whole_version",
    "read_manifest",
    "repair_flat_view",
    "results_lock",
    "stage_version",
    "verify_version",
    "write_manifest",
    "write_metadata",
    "write_model_versions",
]


def new_version_id(results: Path, started: datetime, inputs_hash: str) -> str:
    """An id that no version has: none in the log, none on the disk, none being built.

    Args:
        results: The results folder.
        started: When the run started; any time zone, but one.
        inputs_hash: Hexadecimal hash of all that went into the run.

    Raises:
        PublishError: The log is damaged.
    """
    taken = {record.version_id for record in commits(results)}
    taken |= {path.name for name in ("versions", STAGING) for path in (results / name).glob("*")}
    return version_id(started, inputs_hash, taken=taken)


def commit_version(
    results: Path, version: str, *, publisher: str, allow_stale: bool = False
) -> CommitRecord:
    """Make a staged version the newest one; may be called again after any crash.

    Args:
        results: The results folder.
        version: Id of the version, staged with its manifest or moved by a call that died.
        publisher: Who commits, for instance ``host/user``.
        allow_stale: Commit although the newest version is as of a later day.

    Returns:
        The record in the log; of an earlier call if that had committed the version already.

    Raises:
        PublishError: The version is damaged, stale, or the disk refused. Unless the message says
            that it is committed, it is not, and readers see what they saw before.
    """
    with disk_errors(f"committing {version}"):
        manifest = _settled(results, version, allow_stale=allow_stale)
        record = _logged(results, manifest, publisher, allow_stale=allow_stale)
    repair_flat_view(results)
    return record


def _settled(results: Path, version: str, *, allow_stale: bool) -> Manifest:
    """The manifest of a version that lies in ``versions/`` whole."""
    final = results / version_key(version)
    folder = final if final.exists() else Staged(results, version).folder
    where = f"{folder.relative_to(results)}/{MANIFEST}"
    manifest = parse_manifest(read_bytes(folder / MANIFEST, where=where), version)
    if problems := folder_problems(folder, manifest):
        raise PublishError(
            f"verification failed: {len(problems)} files of version {version}: "
            f"{first_few(list(problems))}. Run again."
        )
    if folder != final:
        _refuse_stale(manifest, newest_commit(results), allow_stale=allow_stale)
        sync_tree(folder)
        move_folder(folder, final)
    return manifest


def _logged(
    results: Path, manifest: Manifest, publisher: str, *, allow_stale: bool
) -> CommitRecord:
    """The one record of the version. What is decided on is the log up to the number tried."""
    while True:
        log = commits(results)
        for record in log:
            if record.version_id == manifest.version_id:
                return record
        head = log[-1] if log else None
        _refuse_stale(manifest, head, allow_stale=allow_stale)
        record = commit_log.next_record(manifest, head, publisher)
        if commit_log.append(results, record):
            return record


def _refuse_stale(manifest: Manifest, head: CommitRecord | None, *, allow_stale: bool) -> None:
    if head is not None and head.as_of > manifest.as_of and not allow_stale:
        raise PublishError(
            f"stale: version {manifest.version_id} is as of {manifest.as_of}, the newest one "
            f"({head.version_id}) as of {head.as_of}; it was not committed. Say so explicitly if "
            f"the older one is to be the newest."
        )


def verify_version(results: Path, version: str) -> list[str]:
    """What is wrong with a version on the disk; nothing if it is whole.

    Returns:
        One text a problem: files missing, of another size or content, or not in the manifest.
    """
    sha256 = {record.version_id: record.manifest_sha256 for record in commits(results)}
    try:
        manifest = read_manifest(results, version, sha256=sha256.get(version))
    except PublishError as error:
        return [str(error)]
    return folder_problems(results / version_key(version), manifest)
