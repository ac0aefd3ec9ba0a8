"""Reading a version back from a store, every byte of it checked against what was committed."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.artifacts.errors import MissingError, VerificationError
from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import FOLDERS, MANIFEST, is_stray, version_key
from ml.artifacts.log import find_record, record_manifest
from ml.artifacts.manifest import Manifest, ManifestFile
from ml.artifacts.store import SILENT, Body, Progress, Store, digest, holds, in_parallel, read_small
from ml.errors import DataError

LARGEST_TABLE = 2 * 1024**3


def read_dataset(
    results: Path,
    dataset: str,
    version: str | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """A dataset of a version in the local results folder, rows in the order of its key.

    Without a version that of the newest one that holds the dataset, partial versions included.

    Raises:
        DataError: There is no such version or dataset.
        PublishError: A file is missing or is not what was written.
    """
    store = results_store(results)
    record = find_record(
        store,
        lambda record: record.version_id == version if version else dataset in record.datasets,
    )
    if record is None:
        which = f"version {version}" if version else f"version with '{dataset}'"
        raise DataError(
            f"'{results}' has no committed {which}. Run generate_ml_results, or name another "
            f"folder with --results."
        )
    return read_table(store, record_manifest(store, record), dataset, columns)


def read_table(
    store: Store, manifest: Manifest, dataset: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """A dataset of a version, rows in the order of its key.

    Raises:
        DataError: The version has no such dataset.
        VerificationError: A file is missing or is not what was published.
    """
    files = manifest.datasets.get(dataset, [])
    if not files:
        raise DataError(
            f"version {manifest.version_id} in {store.name} holds no '{dataset}', only "
            f"{sorted(manifest.datasets)}."
        )
    chosen = None if columns is None else list(columns)
    return pa.concat_tables([_read_file(store, file, chosen) for file in files])


def _read_file(store: Store, file: ManifestFile, columns: list[str] | None) -> pa.Table:
    if file.bytes > LARGEST_TABLE:
        raise VerificationError(
            f"{store.name}: {file.path} has {file.bytes} bytes, too many for memory. Mirror the "
            f"version with fetch_version and read it in parts."
        )
    with pq.ParquetFile(pa.BufferReader(read_checked(store, file))) as parquet:
        return parquet.read(columns=columns)


def read_past(store: Store, manifest: Manifest, dataset: str) -> pa.Table:
    """All that was ever known of the past by the versions up to this one, in their order.

    Raises:
        DataError: There is no such table, or nothing of it yet.
        VerificationError: A file is missing or is not what was published.
    """
    files = [file for file in manifest.past if file.dataset == dataset]
    if not files:
        raise DataError(
            f"version {manifest.version_id} in {store.name} names no past of '{dataset}', only of "
            f"{sorted({file.dataset for file in manifest.past})}."
        )
    return pa.concat_tables([_read_file(store, file, None) for file in files])


def read_checked(store: Store, file: ManifestFile) -> bytes:
    """The bytes of a file of a version.

    Raises:
        VerificationError: It is missing or is not what was published.
    """
    data = read_small(store, file.path, limit=file.bytes)
    if Body.of(data).sha256 != file.sha256:
        raise VerificationError(
            f"{store.name}: {file.path} is not what was published. Restore it, run again or read "
            f"another version."
        )
    return data


def verify(
    store: Store,
    manifest: Manifest,
    *,
    at: str | None = None,
    alone: bool = True,
    past: bool = True,
    progress: Progress = SILENT,
    streams: int = 1,
) -> list[str]:
    """What is wrong with a version, one text a problem, every file of it read; none if it is whole.

    While it is staged, it lies in the folder ``at`` instead of its own. With ``alone`` what lies
    beside the manifest's files is a problem too, unless it is a stray file; with ``past`` what the
    version adds to the past is read as well. ``progress`` is told what is done, within a stage that
    the caller has begun.
    """
    files = manifest.own if past else manifest.files

    def check(file: ManifestFile) -> str | None:
        problem = file_problem(store, file, at if file in manifest.files else None)
        progress.done(file.bytes)
        return problem

    problems = [problem for problem in in_parallel(streams, check, files) if problem]
    if alone:
        own = version_key(manifest.version_id)
        known = {file.path for file in manifest.files} | {f"{own}/{MANIFEST}"}
        for entry in store.listing(f"{at or own}/"):
            key = f"{own}{entry.key.removeprefix(at or own)}"
            if key not in known and not is_stray(key):
                problems.append(f"{key}: not in the manifest")
    return problems


def file_problem(store: Store, file: ManifestFile, at: str | None = None) -> str | None:
    """What is wrong with a file of a version, every byte of it read; ``None`` if nothing is."""
    key = file.path if at is None else f"{at}/{file.path.split('/', 2)[2]}"
    try:
        size, sha256 = digest(store, key, limit=file.bytes)
    except MissingError:
        return f"{file.path}: missing"
    except VerificationError as error:
        return error.message
    if (size, sha256) != (file.bytes, file.sha256):
        return f"{file.path}: other content ({size} bytes) than written"
    return None


def find_strays(store: Store) -> list[str]:
    """Keys in our folders of a store that are none of ours; nothing uses them."""
    folders = ("_commits", "versions", *FOLDERS)
    found = (entry.key for folder in folders for entry in store.listing(f"{folder}/"))
    return [key for key in found if is_stray(key)]


def verify_stored_hashes(store: Store, manifest: Manifest) -> list[str]:
    """What is wrong with a version, by looking at its files and not reading them."""
    return [
        f"{file.path}: missing or of other content"
        for file in manifest.own
        if not holds(store, file.path, size=file.bytes, sha256=file.sha256)
    ]
