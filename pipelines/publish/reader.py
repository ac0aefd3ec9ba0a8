"""Reading published results. It needs ``requirements_reader.txt`` and nothing of the models.

>>> from pipelines.publish.reader import open_ml_results        # doctest: +SKIP
>>> open_ml_results("/mnt/results").read("forecasts")            # doctest: +SKIP
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.artifacts import log
from ml.artifacts.commit import refuse_problems
from ml.artifacts.errors import ConflictError, DeniedError, MissingError
from ml.artifacts.flat_view import fetch
from ml.artifacts.folder_store import FolderStore, folder_store, scratch_path
from ml.artifacts.keys import (
    DATASET_FOLDERS,
    FORMER_FOLDERS,
    MANIFEST,
    date_of,
    metadata_name,
    version_key,
)
from ml.artifacts.log import CommitRecord, record_manifest
from ml.artifacts.manifest import MAX_BYTES, Manifest
from ml.artifacts.reading import read_checked, read_past, read_table, verify
from ml.artifacts.store import Store, read_small
from ml.durable import disk_errors, make_folder, move_folder, remove_all, sync_tree, write_new
from ml.errors import DataError
from pipelines.publish.collect_garbage import is_marked
from pipelines.publish.s3_target import settings_target


@dataclass(frozen=True, slots=True)
class ResultsSnapshot:
    """One published version: what is read from it belongs together, whatever is published since."""

    store: Store  # it is read from
    record: CommitRecord  # that published it
    manifest: Manifest  # its files, with their hashes

    @property
    def version_id(self) -> str:
        """Of the version."""
        return self.manifest.version_id

    @property
    def as_of(self) -> date:
        """The day that it is as of."""
        return date.fromisoformat(self.manifest.as_of)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of its tables."""
        return tuple(sorted(self.manifest.datasets))

    def read(self, dataset: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table, every byte of it checked; rows in the order of its key.

        Raises:
            DataError: The version has no such dataset.
            StoreError: It cannot be read; where the version was removed since, the line says so.
        """
        with _removal_named(self.store, self.record):
            return read_table(self.store, self.manifest, dataset, columns)

    def read_past(self, dataset: str) -> pa.Table:
        """Rows of ``past_forecasts`` or ``scores`` of all versions so far, in their order.

        Raises:
            DataError: There is no such table, or nothing has come true yet.
            StoreError: It cannot be read.
        """
        return read_past(self.store, self.manifest, dataset)

    def metadata(self, dataset: str) -> dict[str, Any]:
        """What ``<dataset>_DATE_metadata.json`` says of a table; raises as :meth:`read`."""
        if dataset not in DATASET_FOLDERS:
            raise DataError(f"no dataset is called {dataset!r}, only {sorted(DATASET_FOLDERS)}.")
        name = metadata_name(dataset, date_of(self.version_id))
        former = f"{FORMER_FOLDERS.get(dataset)}/{name.rpartition('/')[2]}"
        there = {file.path for file in self.manifest.files}
        is_former = version_key(self.version_id, former) in there
        return self.document(former if is_former else name)

    def document(self, name: str) -> dict[str, Any]:
        """A JSON document, such as ``metadata/model_versions.json``; raises as :meth:`read`."""
        key = version_key(self.version_id, name)
        file = next((one for one in self.manifest.files if one.path == key), None)
        if file is None or not name.endswith(".json"):
            raise DataError(f"version {self.version_id} in {self.store.name} holds no '{name}'.")
        with _removal_named(self.store, self.record):
            content: dict[str, Any] = json.loads(read_checked(self.store, file))
        return content


def open_ml_results(
    store: Store | Path | str | None = None,
    version: str | None = None,
    at: datetime | date | str | None = None,
) -> ResultsSnapshot:
    """One published version, to read several tables from.

    Args:
        store: A store, or its folder; the settings' S3 store without it.
        version: Id of the version; the newest one without it.
        at: What readers saw at that moment instead, a day standing for its end; UTC where it has
            no time zone.

    Raises:
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
    with _removal_named(opened, record):
        return ResultsSnapshot(opened, record, record_manifest(opened, record))


def read_ml_results(
    dataset: str,
    version: str | None = None,
    at: datetime | date | str | None = None,
    *,
    store: Store | Path | str | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """One table of a version opened by :func:`open_ml_results`, for who needs no second one.

    Raises:
        DataError: The version has no such dataset.
        StoreError: The store or the version cannot be read, or there was none.
    """
    return open_ml_results(store, version, at).read(dataset, columns)


@contextmanager
def _removal_named(store: Store, record: CommitRecord) -> Iterator[None]:
    """Say of a file that is missing that its version was removed, where it was."""
    try:
        yield
    except MissingError:
        with suppress(DeniedError):
            if is_marked(store, record.version_id):
                raise ConflictError(
                    f"{store.name}: version {record.version_id} (record {record.seq}) was removed "
                    f"by --gc, or is being removed. Open the newest one; --pin keeps a version."
                ) from None
        raise


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
    snapshot, root = open_ml_results(store, version), Path(folder).absolute()
    opened, record, manifest = snapshot.store, snapshot.record, snapshot.manifest
    target, doing = root / version_key(record.version_id), f"fetching version {record.version_id}"
    with disk_errors(doing, "Correct that and run again."), _removal_named(opened, record):
        if target.exists():
            mirror = FolderStore(root)
            advice = "It is there and not what was published: remove it and fetch again."
            refuse_problems(mirror, manifest, verify(mirror, manifest, past=False), advice)
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


def open_store(
    folder: Path | None = None, *, single_writer: bool = False, patience: float | None = None
) -> Store:
    """A store in a folder, or in the settings' bucket without one; nothing is sent yet.

    Args:
        folder: Of the store.
        single_writer: See :class:`ml.artifacts.store.Store`.
        patience: Seconds without progress after which a bucket is given up, where the usual
            minute is too long.

    Raises:
        ConfigError: The settings are not complete or not safe.
    """
    if folder is not None:
        return folder_store(folder, single_writer=single_writer)
    from pipelines.publish.s3_connection import RetryPolicy
    from pipelines.publish.s3_store import S3Store

    retries = None if patience is None else RetryPolicy(patience)
    return S3Store(settings_target(), single_writer=single_writer, retries=retries)


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
