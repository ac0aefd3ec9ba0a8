"""Putting back files of a committed version that were damaged or lost, from where they are whole.

The record says by hash what each file has to be, so only those bytes can ever be put back, and a
file that is whole is never written. It works both ways: from the results folder into the store, and
back.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ml.artifacts import log
from ml.artifacts.documents import MAX_BYTES
from ml.artifacts.errors import MissingError, StoreError, VerificationError, after_change
from ml.artifacts.flat_view import fetch
from ml.artifacts.keys import MANIFEST, POINTER, commit_key, version_key
from ml.artifacts.log import CommitRecord, record_manifest
from ml.artifacts.manifest import METADATA, Manifest, ManifestFile, stored_manifest
from ml.artifacts.reading import file_problem
from ml.artifacts.store import SILENT, Body, Progress, Store, in_parallel, read_small
from ml.durable import disk_errors

AGAIN = "Some files may be put back and others not: run the same again, which goes on there."


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What was done with a version, or would be."""

    restored: tuple[str, ...]  # keys put back
    lost: tuple[str, ...]  # what could not be, one text each


def repair(
    target: Store,
    record: CommitRecord,
    source: Store,
    *,
    dry_run: bool = False,
    progress: Progress = SILENT,
    streams: int = 1,
) -> RepairResult:
    """Read every file of a version, and put back what is damaged or missing.

    It may be called again after any crash.

    Args:
        target: The store with the damage.
        record: Of the version, as the log of ``target`` has it.
        source: Where whole copies may be.
        dry_run: Only say what would be done.
        progress: Is told what is read of the tables, in a stage that the caller has begun.
        streams: Files at a time.

    Raises:
        StoreError: ``target`` cannot be read, or takes nothing.
    """
    files: tuple[ManifestFile, ...] = ()
    try:
        manifest = record_manifest(target, record)
    except VerificationError as damage:
        try:
            manifest = stored_manifest(source, record.version_id, sha256=record.manifest_sha256)
        except VerificationError:
            return RepairResult((), (f"{damage.message} No whole copy is in {source.name}.",))
        files = (_manifest_as_file(source, manifest),)  # after what it names

    written: list[str] = []

    def mend(file: ManifestFile) -> tuple[bool, str | None]:
        problem = file_problem(target, file)
        progress.done(0 if file.dataset == METADATA else file.bytes)
        if problem is None:
            return False, None
        return _put_back(target, file, source, problem, None if dry_run else written)

    every = (*manifest.own, *files)
    try:
        with disk_errors("putting files back", AGAIN):
            done = [*in_parallel(streams, mend, manifest.own), *map(mend, files)]
    except StoreError as error:
        raise after_change(error, AGAIN) if written or error.maybe_done else error from None
    return RepairResult(
        restored=tuple(file.path for file, (mended, _) in zip(every, done, strict=True) if mended),
        lost=tuple(problem for _, problem in done if problem),
    )


def restore_newest_record(store: Store, *, dry_run: bool = False) -> tuple[str, ...]:
    """Put the record that the pointer copies back into the log, where it is damaged or lost.

    It has to fit between the records before and after it. Older ones can only come from a copy.

    Returns:
        Its key, if it was put back or would be.

    Raises:
        VerificationError: The record before it is damaged or lost as well, or one does not fit.
    """
    try:
        data = read_small(store, POINTER, limit=MAX_BYTES)
        pointed = log.parse_record(data, where=f"{store.name}: {POINTER}")
    except VerificationError:
        return ()
    key = commit_key(pointed.seq)
    try:
        log.read_record(store, pointed.seq)
    except VerificationError:
        log.check_place(store, pointed)
        if not dry_run and not store.create(key, Body.of(data)):
            store.put(key, Body.of(data))
        return (key,)
    return ()


def _manifest_as_file(source: Store, manifest: Manifest) -> ManifestFile:
    key = version_key(manifest.version_id, MANIFEST)
    found = source.head(key)
    return ManifestFile(key, METADATA, found.size if found else 0, manifest.sha256)


def _put_back(
    target: Store, file: ManifestFile, source: Store, problem: str, written: list[str] | None
) -> tuple[bool, str | None]:
    """Write a file that was found damaged, unless ``written``, the list of those, is missing.

    Returns:
        Whether it is whole now, or would be, and else why not.
    """
    with tempfile.TemporaryDirectory(prefix="previsor-") as folder:
        try:
            body = fetch(source, file, Path(folder, "object"))
        except MissingError:
            return False, f"{problem}, and there is no copy of it in {source.name}"
        except VerificationError:
            return False, f"{problem}, and the copy in {source.name} is damaged too"
        if written is None:
            return True, None
        if not target.create(file.path, body) and file_problem(target, file):
            target.put(file.path, body)  # what is there is damaged still, one look ago
        written.append(file.path)
    left = file_problem(target, file)
    return left is None, left and f"{left}, also after it was put back"
