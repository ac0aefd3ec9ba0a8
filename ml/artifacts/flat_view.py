"""The documented plain names: copies of the newest version's files, refreshed after it.

Each file is replaced as a whole, the set is not: who needs one set follows the pointer.
"""

import re
from pathlib import Path

from ml.artifacts import keys
from ml.artifacts.commit_log import CommitRecord, newest_commit, read_record
from ml.artifacts.documents import read_bytes
from ml.artifacts.manifest import ManifestFile, read_manifest
from ml.artifacts.staging import scratch_path
from ml.durable import (
    copy_new,
    disk_errors,
    make_folder,
    remove,
    replace,
    sha256_of,
    write_new,
)
from ml.errors import PublishError
from ml.locks import hold

LAGGING = (
    "The version is committed and whole, but pointer or flat view lag behind it; correct that, "
    "the next run mends them."
)
VIEW_LOCK = ".view.lock"
_DATED = re.compile(r"(.+)_([0-9]{4}-[0-9]{2}-[0-9]{2})(_metadata\.json|\.parquet)")


def repair_flat_view(results: Path) -> list[str]:
    """Bring pointer and flat view to the newest commit; does nothing where they are.

    Returns:
        The keys written or removed.

    Raises:
        PublishError: A file of the version is damaged, or the disk refused.
    """
    with (
        disk_errors(f"refreshing the flat view of '{results}'", LAGGING),
        hold(results, name=VIEW_LOCK, wait=True),
    ):
        newest = newest_commit(results)
        if newest is None:
            return []
        changed = _refresh_pointer(results, newest)
        wanted = _wanted(results, newest)
        for key, file in sorted(wanted.items()):
            if not _is(results / key, file):
                _put(results, key, file)
                changed.append(key)
        return changed + _withdraw(results, wanted, newest)


def _refresh_pointer(results: Path, newest: CommitRecord) -> list[str]:
    pointer = results / keys.POINTER
    record = keys.commit_key(newest.seq)
    data = read_bytes(results / record, where=record)
    if pointer.is_file() and pointer.read_bytes() == data:
        return []
    make_folder(pointer.parent)
    new = scratch_path(results)
    write_new(new, data)
    replace(new, pointer)
    return [keys.POINTER]


def _wanted(results: Path, newest: CommitRecord) -> dict[str, ManifestFile]:
    """The flat keys: the newest whole version's, and over them the partial ones since."""
    layers = [newest]
    while layers[-1].partial and layers[-1].parent:
        layers.append(read_record(results, layers[-1].parent))
    wanted: dict[str, ManifestFile] = {}
    for record in reversed(layers):
        manifest = read_manifest(results, record.version_id, sha256=record.manifest_sha256)
        base = f"{keys.version_key(record.version_id)}/"
        wanted |= {file.path.removeprefix(base): file for file in manifest.files}
    return wanted


def _is(path: Path, file: ManifestFile) -> bool:
    return path.is_file() and path.stat().st_size == file.bytes and sha256_of(path) == file.sha256


def _put(results: Path, key: str, file: ManifestFile) -> None:
    target = results / key
    make_folder(target.parent)
    new = scratch_path(results)
    if copy_new(results / file.path, new) != (file.bytes, file.sha256):
        remove(new)
        raise PublishError(
            f"{file.path}: verification failed, its content is not what the manifest says; the "
            f"flat view was left as it was. Restore the version or run again."
        )
    replace(new, target)


def _withdraw(results: Path, wanted: dict[str, ManifestFile], newest: CommitRecord) -> list[str]:
    """Remove what an earlier run of the same day (or a later one, taken back) left there.

    Otherwise the folders would mix two versions of one day. Earlier days stay.
    """
    oldest = min((day for key in wanted if (day := _day_of(key))), default=None)
    since = oldest or keys.date_of(newest.version_id)
    changed = []
    for dataset, folder in keys.DATASET_FOLDERS.items():
        for path in sorted((results / folder).glob(f"{dataset}_*")):
            key = f"{folder}/{path.name}"
            if key not in wanted and (_day_of(key, dataset) or "") >= since:
                remove(path)
                changed.append(key)
    return changed


def _day_of(key: str, dataset: str | None = None) -> str | None:
    match = _DATED.fullmatch(key.rsplit("/", 1)[-1])
    if match is None or (dataset is not None and match[1] != dataset):
        return None
    return match[2]
