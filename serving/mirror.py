"""The copy of published versions that is served from: fetched, verified, and cleared up.

A mirror belongs to one server process. What it holds are byte copies whose hashes were checked, and
the record of the version that was served last, so that a server that starts while its store is
away has something to say.
"""

from collections.abc import Container
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ml.artifacts.errors import StoreError, VerificationError
from ml.artifacts.folder_store import STAGING, FolderStore
from ml.artifacts.keys import is_version_id, version_key
from ml.artifacts.log import CommitRecord, parse_record, record_bytes, record_manifest
from ml.artifacts.reading import verify
from ml.artifacts.store import Store
from ml.durable import discard_leftovers, make_folder, remove_all, write_file
from pipelines.publish.reader import fetch_version
from serving.versions import ServedVersion, load_version

_LAST = "served.json"


@dataclass(frozen=True, slots=True)
class Mirror:
    """Versions of one store on this disk."""

    folder: Path  # of this store's versions and of nothing else

    def load(self, store: Store, record: CommitRecord) -> ServedVersion:
        """A version, fetched unless it is here, every byte of it checked, and indexed.

        A copy that is damaged is fetched anew.

        Raises:
            StoreError: It cannot be read, or is not what was published.
            PublishError: The disk refused.
        """
        try:
            fetch_version(self.folder, record.version_id, store=store)
        except VerificationError:
            if not self._place(record.version_id).exists():
                raise
            remove_all(self._place(record.version_id))
            fetch_version(self.folder, record.version_id, store=store)
        return self._index(record)

    def load_last(self) -> tuple[ServedVersion, CommitRecord] | None:
        """The version that was served last, if it is still here and whole; with its record."""
        path = self.folder / _LAST
        try:
            record = parse_record(path.read_bytes(), where=str(path))
            here = FolderStore(self.folder)
            if verify(here, record_manifest(here, record)):
                return None
            return self._index(record), record
        except (OSError, StoreError):
            return None

    def note(self, record: CommitRecord) -> None:
        """Keep in mind which version is served."""
        write_file(self.folder / _LAST, record_bytes(record))

    def clear(self, keep: Container[str]) -> None:
        """Remove versions that are served no more; who still reads one has its files mapped."""
        versions = self.folder / "versions"
        for place in versions.iterdir() if versions.is_dir() else ():
            if is_version_id(place.name) and place.name not in keep:
                remove_all(place)

    def _place(self, version: str) -> Path:
        return self.folder / version_key(version)

    def _index(self, record: CommitRecord) -> ServedVersion:
        here = FolderStore(self.folder)
        return load_version(self.folder, record_manifest(here, record), self.folder)


def open_mirror(cache: Path, store: str, port: int) -> Mirror:
    """The mirror of a store for the server on a port, in a folder of its own."""
    folder = cache / f"{sha256(store.encode()).hexdigest()[:12]}-{port}"
    make_folder(folder)
    discard_leftovers(folder / STAGING, "*.tmp")
    return Mirror(folder)
