"""The documented plain names: copies of the newest version's files, written after its commit.

Each file is replaced as a whole, the set is not: who needs one set follows the pointer.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.artifacts.errors import VerificationError
from ml.artifacts.keys import DATASET_FOLDERS, FORMER_FOLDERS, date_of, version_key
from ml.artifacts.log import CommitRecord, newest, read_parent, record_manifest
from ml.artifacts.manifest import ManifestFile
from ml.artifacts.store import Body, Store, holds, in_parallel
from ml.durable import NewFile, sha256_of

_DATED = re.compile(r"_([0-9]{4}-[0-9]{2}-[0-9]{2})(_metadata\.json|\.parquet)")


def refresh(
    store: Store, head: CommitRecord, local: Path | None = None, streams: int = 1
) -> tuple[CommitRecord, list[str]]:
    """Bring the flat view to the newest record's version; the record shown, and the keys changed.

    It is a later one if others published meanwhile. What ``local``, a results folder on this disk,
    holds need not be fetched from the store.

    Raises:
        VerificationError: A file of the version is damaged.
    """

    def write(item: tuple[str, ManifestFile | None]) -> str | None:
        key, file = item
        if file is None:
            store.remove(key)
            return key
        if holds(store, key, size=file.bytes, sha256=file.sha256):
            return None
        with _content(store, file, local) as body:
            store.put(key, body)
        return key

    changed: list[str] = []
    while True:
        keys = in_parallel(streams, write, sorted(expected_files(store, head).items()))
        changed += [key for key in keys if key]
        latest = newest(store)
        if latest is None or latest.seq == head.seq:
            return head, changed
        head = latest


def expected_files(store: Store, head: CommitRecord) -> dict[str, ManifestFile | None]:
    """The flat keys and the file that each has to hold, ``None`` for those that have to go.

    They are the newest whole version's files, and over them those of partial ones since. Names of
    the same or later days that these have not, from a run before or a version taken back, would
    mix two versions: they go where the store lets them, and otherwise later days show the newest.
    """
    layers = [head]
    while layers[-1].partial and (parent := read_parent(store, layers[-1])):
        layers.append(parent)
    files: dict[str, ManifestFile | None] = {}
    for record in reversed(layers):
        manifest = record_manifest(store, record)
        base = f"{version_key(record.version_id)}/"
        files |= {file.path.removeprefix(base): file for file in manifest.files}
    since, day = (date_of(record.version_id) for record in (layers[-1], head))
    others: dict[str, ManifestFile | None] = {}
    for name, key, found, suffix in dated_files(store, since):
        same = files.get(f"{name}_{day}{suffix}")
        if key not in files and (store.withdraws or (same and found > day)):
            others[key] = None if store.withdraws else same
    return files | others


def dated_files(store: Store, since: str) -> Iterator[tuple[str, str, str, str]]:
    """Flat files of a day and later: dataset with its folder, key, day, what the name ends in."""
    for dataset, folder in (*DATASET_FOLDERS.items(), *FORMER_FOLDERS.items()):
        name = f"{folder}/{dataset}"
        for entry in store.listing(f"{name}_", after=f"{name}_{since}"):
            match = _DATED.fullmatch(entry.key.removeprefix(name))
            if match is not None:
                yield name, entry.key, match[1], match[2]


@contextmanager
def _content(store: Store, file: ManifestFile, local: Path | None) -> Iterator[Body]:
    path = None if local is None else local / file.path
    if path is not None and path.is_file() and sha256_of(path) == file.sha256:
        yield Body(path, file.bytes, file.sha256)
        return
    with tempfile.TemporaryDirectory(prefix="previsor-") as folder:
        yield fetch(store, file, Path(folder, "object"))


def fetch(store: Store, file: ManifestFile, path: Path) -> Body:
    """Bring an object to a new file on this disk.

    Raises:
        VerificationError: Its content is not what the manifest says.
    """
    with NewFile(path) as new:
        for block in store.get(file.path, limit=file.bytes):
            new.write(block)
    if (new.size, new.sha256) != (file.bytes, file.sha256):
        raise VerificationError(f"{store.name}: {file.path}: other content than was published.")
    return Body(path, new.size, new.sha256)
