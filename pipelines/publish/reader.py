"""Reading published results. It needs ``requirements_reader.txt`` and nothing of the models.

>>> from pipelines.publish.reader import read_ml_results        # doctest: +SKIP
>>> read_ml_results("forecasts", store="/mnt/results")           # doctest: +SKIP
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa

from ml.artifacts import log
from ml.artifacts.commit import refuse_problems
from ml.artifacts.errors import ConflictError
from ml.artifacts.flat_view import fetch
from ml.artifacts.folder_store import FolderStore, folder_store, scratch_path
from ml.artifacts.keys import MANIFEST, version_key
from ml.artifacts.log import CommitRecord, record_manifest
from ml.artifacts.manifest import MAX_BYTES
from ml.artifacts.reading import read_table, verify
from ml.artifacts.store import Store, read_small
from ml.durable import disk_errors, make_folder, move_folder, remove_all, sync_tree, write_new
from pipelines.publish.s3_target import settings_target


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
    opened = _open(store)
    if at is None:
        record = published_record(opened, version, trusting=True)
    elif version is None:
        moment = _moment(at)
        found = log.find_record(
            opened, lambda one: datetime.fromisoformat(one.published_at) <= moment, trusting=True
        )
        if found is None:
            raise ConflictError(f"{opened.name}: nothing was published before {moment}.")
        record = found
    else:
        raise ValueError("version and at exclude each other")
    return read_table(opened, record_manifest(opened, record), dataset, columns)


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
    opened, root = _open(store), Path(folder).absolute()
    record = published_record(opened, version, trusting=True)
    manifest = record_manifest(opened, record)
    target = root / version_key(record.version_id)
    with disk_errors(f"fetching version {record.version_id}", "Correct that and run again."):
        if target.exists():
            mirror = FolderStore(root)
            advice = "It is there and not what was published: remove it and fetch again."
            refuse_problems(mirror, manifest, verify(mirror, manifest), advice)
            return target
        staging = scratch_path(root)
        try:
            base = f"{version_key(record.version_id)}/"
            for file in manifest.files:
                path = staging / file.path.removeprefix(base)
                make_folder(path.parent)
                fetch(opened, file, path)
            data = read_small(opened, f"{base}{MANIFEST}", limit=MAX_BYTES)
            write_new(staging / MANIFEST, data)
            sync_tree(staging)
            move_folder(staging, target)
        finally:
            remove_all(staging)
    return target


def open_store(folder: Path | None = None, *, single_writer: bool = False) -> Store:
    """A store in a folder, or in the settings' bucket without one; nothing is sent yet.

    Raises:
        ConfigError: The settings are not complete or not safe.
    """
    if folder is not None:
        return folder_store(folder, single_writer=single_writer)
    from pipelines.publish.s3_store import S3Store

    return S3Store(settings_target(), single_writer=single_writer)


def published_record(
    store: Store, version: str | None = None, *, trusting: bool = False
) -> CommitRecord:
    """The newest record, or the newest one of a version; trusting as :func:`log.newest`.

    Raises:
        ConflictError: There is none.
    """
    record = log.find_record(
        store, lambda record: version in (None, record.version_id), trusting=trusting
    )
    if record is None:
        what = f"version {version} was never published" if version else "nothing was published"
        raise ConflictError(f"{store.name}: {what}. Look at --list.")
    return record


def _moment(at: datetime | date | str) -> datetime:
    """A moment in UTC; a day is its last microsecond."""
    if isinstance(at, str):
        at = date.fromisoformat(at) if len(at) == len("2026-11-20") else datetime.fromisoformat(at)
    if not isinstance(at, datetime):
        at = datetime.combine(at + timedelta(days=1), time(), UTC) - timedelta(microseconds=1)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _open(store: Store | Path | str | None) -> Store:
    if store is None or isinstance(store, str | Path):
        return open_store(None if store is None else Path(store))
    return store
