"""Reading published results. It needs ``requirements_reader.txt`` and nothing of the models.

>>> from pipelines.publish.reader import read_ml_results        # doctest: +SKIP
>>> read_ml_results("forecasts", store="/mnt/results")           # doctest: +SKIP
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.artifacts.commit_log import CommitRecord
from ml.artifacts.keys import MANIFEST, version_key
from ml.artifacts.manifest import MAX_BYTES, Manifest, ManifestFile, folder_problems
from ml.artifacts.staging import scratch_path
from ml.durable import (
    disk_errors,
    make_folder,
    move_folder,
    remove_all,
    sync_tree,
    write_new,
)
from ml.errors import DataError
from pipelines.publish import log
from pipelines.publish.errors import ConflictError, VerificationError
from pipelines.publish.flat_view import fetched
from pipelines.publish.opening import open_store
from pipelines.publish.store import Body, Store, read_small
from pipelines.publish.uploading import stored_manifest
from pipelines.publish.verify import find_record

LARGEST_TABLE = 2 * 1024**3


def read_ml_results(
    dataset: str,
    version: str | None = None,
    at: datetime | date | str | None = None,
    *,
    store: Store | Path | str | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """A published table, every byte of it checked against what was committed.

    Args:
        dataset: Its name: ``forecasts``, ``recommendations``, ``metrics`` and so on.
        version: Id of the version; the newest one without it.
        at: What readers saw at that moment instead, a day standing for its end; UTC where it has
            no time zone.
        store: A store, or its folder; the settings' S3 store without it.
        columns: Only these columns.

    Returns:
        The table, rows in the order of its key.

    Raises:
        DataError: The version has no such dataset.
        StoreError: The store or the version cannot be read, or there was none.
    """
    opened = _opened(store)
    manifest = _manifest(opened, _record(opened, version, at))
    files = manifest.datasets.get(dataset, [])
    if not files:
        raise DataError(
            f"version {manifest.version_id} in {opened.name} holds no '{dataset}', only "
            f"{sorted(manifest.datasets)}."
        )
    return pa.concat_tables([_table(opened, file, columns) for file in files])


def fetch_version(
    folder: Path | str,
    version: str | None = None,
    *,
    store: Store | Path | str | None = None,
) -> Path:
    """Mirror a published version to ``folder/versions/<id>/``, whole or not at all.

    Args:
        folder: Is made if it is missing.
        version: Id of the version; the newest one without it.
        store: A store, or its folder; the settings' S3 store without it.

    Returns:
        The folder of the version.

    Raises:
        StoreError: The store or the version cannot be read.
        PublishError: The disk refused.
    """
    opened, root = _opened(store), Path(folder).absolute()
    record = find_record(opened, version, trusting=True)
    manifest = _manifest(opened, record)
    target = root / version_key(record.version_id)
    with disk_errors(f"fetching version {record.version_id}", "Correct that and run again."):
        if target.exists():
            return _whole(target, manifest)
        staging = scratch_path(root)
        try:
            _fetch(opened, manifest, staging)
            sync_tree(staging)
            move_folder(staging, target)
        finally:
            remove_all(staging)
    return target


def _opened(store: Store | Path | str | None) -> Store:
    if store is None or isinstance(store, str | Path):
        return open_store(None if store is None else Path(store))
    return store


def _record(store: Store, version: str | None, at: datetime | date | str | None) -> CommitRecord:
    if at is None:
        return find_record(store, version, trusting=True)
    if version is not None:
        raise ValueError("version and at exclude each other")
    moment, head = _moment(at), find_record(store, None, trusting=True)
    while datetime.fromisoformat(head.published_at) > moment:
        if not head.parent:
            raise ConflictError(f"{store.name}: nothing was published before {moment}.")
        head = log.read_record(store, head.parent)
    return head


def _moment(at: datetime | date | str) -> datetime:
    """A moment in UTC; a day is its last microsecond."""
    if isinstance(at, str):
        at = date.fromisoformat(at) if len(at) == len("2026-11-20") else datetime.fromisoformat(at)
    if not isinstance(at, datetime):
        at = datetime.combine(at + timedelta(days=1), time(), UTC) - timedelta(microseconds=1)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _manifest(store: Store, record: CommitRecord) -> Manifest:
    return stored_manifest(store, record.version_id, sha256=record.manifest_sha256)


def _table(store: Store, file: ManifestFile, columns: Sequence[str] | None) -> pa.Table:
    if file.bytes > LARGEST_TABLE:
        raise VerificationError(
            f"{store.name}: {file.path} has {file.bytes} bytes, too many for memory. Mirror the "
            f"version with fetch_version and read it in parts."
        )
    data = Body.of(read_small(store, file.path, limit=file.bytes))
    if (data.size, data.sha256) != (file.bytes, file.sha256):
        raise VerificationError(
            f"{store.name}: {file.path} is not what was published. Read another version."
        )
    with pq.ParquetFile(pa.BufferReader(data.source)) as parquet:
        return parquet.read(columns=None if columns is None else list(columns))


def _fetch(store: Store, manifest: Manifest, staging: Path) -> None:
    base = f"{version_key(manifest.version_id)}/"
    for file in manifest.files:
        path = staging / file.path.removeprefix(base)
        make_folder(path.parent)
        fetched(store, file, path)
    data = read_small(store, f"{base}{MANIFEST}", limit=MAX_BYTES)
    write_new(staging / MANIFEST, data)


def _whole(target: Path, manifest: Manifest) -> Path:
    if problems := folder_problems(target, manifest):
        raise VerificationError(
            f"'{target}' is there and not what was published: {problems[0]} (of {len(problems)} "
            f"problems). Remove it and fetch again."
        )
    return target
