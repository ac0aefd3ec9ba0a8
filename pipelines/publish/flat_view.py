"""The plain names in a store: copies of the newest version's files, written after its commit.

Each object is whole, the set is not: who needs one set follows the pointer. Nothing is removed,
for who publishes may not: files of later days, which a rollback withdraws, get the content of the
version that is the newest now.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ml.artifacts.commit_log import CommitRecord
from ml.artifacts.keys import DATASET_FOLDERS, date_of, metadata_name, version_key
from ml.artifacts.keys import data_name as table_name
from ml.artifacts.manifest import Manifest, ManifestFile
from ml.durable import NewFile
from pipelines.publish import log
from pipelines.publish.errors import VerificationError
from pipelines.publish.local_version import LocalVersion, still_holds
from pipelines.publish.store import Body, Store, holds
from pipelines.publish.streams import in_streams
from pipelines.publish.uploading import stored_manifest

_DATED = re.compile(r"_([0-9]{4}-[0-9]{2}-[0-9]{2})(_metadata\.json|\.parquet)")


def refresh(
    store: Store, head: CommitRecord, local: LocalVersion | None = None, streams: int = 1
) -> tuple[CommitRecord, list[str]]:
    """Bring the flat view to the newest version; does nothing where it is.

    Args:
        store: The store.
        head: The newest record.
        local: A version on this disk, whose files need not be fetched from the store.
        streams: Files written at a time.

    Returns:
        The record that the view shows, which is a later one if others published meanwhile, and
        the keys written.

    Raises:
        VerificationError: A file of the version is damaged.
    """

    def write(item: tuple[str, ManifestFile]) -> str | None:
        key, file = item
        if holds(store, key, size=file.bytes, sha256=file.sha256):
            return None
        with _content(store, file, local) as body:
            store.put(key, body)
        return key

    changed: list[str] = []
    while True:
        manifest = stored_manifest(store, head.version_id, sha256=head.manifest_sha256)
        keys = in_streams(streams, write, wanted(store, manifest).items())
        changed += [key for key in keys if key]
        newest = log.newest(store)
        if newest is None or newest.seq == head.seq:
            return head, changed
        head = newest


def wanted(store: Store, manifest: Manifest) -> dict[str, ManifestFile]:
    """The flat keys and the file that each has to hold."""
    base = f"{version_key(manifest.version_id)}/"
    keys = {file.path.removeprefix(base): file for file in manifest.files}
    day = date_of(manifest.version_id)
    later = {}
    for dataset in DATASET_FOLDERS:
        names = {
            ".parquet": table_name(dataset, day),
            "_metadata.json": metadata_name(dataset, day),
        }
        for key, suffix in _later(store, dataset, day):
            if names[suffix] in keys:
                later[key] = keys[names[suffix]]
    return keys | later


def _later(store: Store, dataset: str, day: str) -> Iterator[tuple[str, str]]:
    """Flat files of a dataset that carry a later day, and what their names end in."""
    prefix = f"{DATASET_FOLDERS[dataset]}/{dataset}"
    for entry in store.listing(f"{prefix}_", after=f"{prefix}_{day}"):
        match = _DATED.fullmatch(entry.key.removeprefix(prefix))
        if match is not None and match[1] > day:
            yield entry.key, match[2]


@contextmanager
def _content(store: Store, file: ManifestFile, local: LocalVersion | None) -> Iterator[Body]:
    if local is not None and file in local.manifest.files and still_holds(local, file):
        yield local.body(file)
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="previsor-"))
        yield fetched(store, file, Path(folder, "object"))


def fetched(store: Store, file: ManifestFile, path: Path) -> Body:
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
