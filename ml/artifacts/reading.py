"""Reading a committed version back, every file checked against its manifest."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.artifacts.commit_log import CommitRecord, newest_commit, read_record
from ml.artifacts.manifest import Manifest, ManifestFile, read_manifest
from ml.durable import disk_errors, sha256_of
from ml.errors import DataError, PublishError


def read_dataset(
    results: Path,
    dataset: str,
    version: str | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """A dataset of a version.

    Args:
        results: The results folder.
        dataset: Name of the table.
        version: Id of the version; without it the newest one that holds the dataset, partial
            versions included.
        columns: Only these columns; all without it.

    Returns:
        The table, rows in the order of its key.

    Raises:
        DataError: There is no such version or dataset.
        PublishError: A file is missing or is not what was written.
    """
    manifest = _manifest(results, dataset, version)
    files = manifest.datasets.get(dataset, [])
    if not files:
        raise DataError(
            f"version {manifest.version_id} in '{results}' holds no '{dataset}', only "
            f"{sorted(manifest.datasets)}."
        )
    with disk_errors(f"reading '{dataset}' of version {manifest.version_id}", "Correct that."):
        return pa.concat_tables([_table(results, file, columns) for file in files])


def _manifest(results: Path, dataset: str, version: str | None) -> Manifest:
    record = newest_commit(results)
    while record is not None and not _holds(record, dataset, version):
        record = read_record(results, record.parent) if record.parent else None
    if record is None:
        which = f"version {version}" if version else f"version with '{dataset}'"
        raise DataError(
            f"'{results}' has no committed {which}. Run generate_ml_results, or name another "
            f"folder with --results."
        )
    return read_manifest(results, record.version_id, sha256=record.manifest_sha256)


def _holds(record: CommitRecord, dataset: str, version: str | None) -> bool:
    return record.version_id == version if version else dataset in record.datasets


def _table(results: Path, file: ManifestFile, columns: Sequence[str] | None) -> pa.Table:
    path = results / file.path
    if not path.is_file():
        raise PublishError(f"{file.path}: is missing. Restore it or run again.")
    if path.stat().st_size != file.bytes or sha256_of(path) != file.sha256:
        raise PublishError(
            f"{file.path}: verification failed, its content is not what was written. Restore it "
            f"or run again."
        )
    with pq.ParquetFile(path) as parquet:
        return parquet.read(columns=None if columns is None else list(columns))
