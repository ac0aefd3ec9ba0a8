"""The manifest of a version: every file with its size and hashes, written last, checked first."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ml.artifacts.documents import FORMAT, Day, VersionId, check_day, parse, to_bytes
from ml.artifacts.errors import VerificationError
from ml.artifacts.keys import MANIFEST, PAST, check_key, past_key, version_key
from ml.artifacts.staging import DatasetFile, StagedVersion
from ml.artifacts.store import Store, read_small
from ml.durable import disk_errors, sha256_of, write_new
from ml.errors import first_few

METADATA = "metadata"  # dataset of the JSON documents
REPORT = "report"  # dataset of the page for people, and folder of its files
MAX_BYTES = 16 << 20  # thousands of files, and a run described at length


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a version; what only tables have is ``None`` for a JSON document."""

    path: str  # key below the results folder, `versions/<id>/…`
    dataset: str  # what it holds
    bytes: int  # its size
    sha256: str  # of its bytes
    content_sha256: str | None = None  # of what the table says
    rows: int | None = None  # of the table
    schema_sha256: str | None = None  # of the table's columns
    min_ds: str | None = None  # first day of the table, ISO
    max_ds: str | None = None  # last day of the table


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version consists of."""

    version_id: VersionId  # of the version
    as_of: Day  # ISO day that it is as of
    partial: bool  # whether it holds only a part and is not to be deployed
    run: Mapping[str, Any]  # how it was made
    files: tuple[ManifestFile, ...]  # all files but the manifest itself, by path
    # the whole past: files beside the versions that are created once and never removed, by path
    past: tuple[ManifestFile, ...] = ()
    sha256: str = ""  # of the manifest's own bytes

    @property
    def size(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(file.bytes for file in self.files)

    @property
    def own(self) -> tuple[ManifestFile, ...]:
        """All that comes with this version: its files, and what it adds to the past."""
        added = {past_key(name, self.version_id) for name in PAST}
        return (*self.files, *(file for file in self.past if file.path in added))

    @property
    def datasets(self) -> dict[str, list[ManifestFile]]:
        """The tables' files by dataset, without JSON documents and the report."""
        tables: dict[str, list[ManifestFile]] = {}
        for file in self.files:
            if file.dataset not in {METADATA, REPORT}:
                tables.setdefault(file.dataset, []).append(file)
        return tables


def write_manifest(
    staged: StagedVersion,
    files: Iterable[DatasetFile | ManifestFile],
    *,
    as_of: str,
    partial: bool,
    run: Mapping[str, Any],
    past: Iterable[ManifestFile] = (),
) -> Manifest:
    """Write the manifest, the last file of a staged version; documents and report are found by it.

    ``files`` are all its tables, written ones and copied ones, ``past`` those of the whole past,
    what the version adds to it among them. ``run`` is anything that JSON can hold.

    Raises:
        PublishError: The disk refused.
        ValueError: A table in the folder is not among ``files``, or the other way round.
    """
    tables = [
        file if isinstance(file, ManifestFile) else as_entry(file, staged.key_of(file.path))
        for file in files
    ]
    with disk_errors(f"writing the manifest of {staged.version_id}"):
        found = [
            *((METADATA, path) for path in staged.folder.rglob("*.json")),
            *((REPORT, path) for path in (staged.folder / REPORT).rglob("*") if path.is_file()),
        ]
        others = [
            ManifestFile(staged.key_of(path), dataset, path.stat().st_size, sha256_of(path))
            for dataset, path in found
        ]
        entries = sorted([*tables, *others], key=lambda file: file.path)
        present = {staged.key_of(path) for path in staged.folder.rglob("*") if path.is_file()}
        if odd := sorted(present ^ {entry.path for entry in entries}):
            raise ValueError(f"files and list of {staged.version_id} differ in {first_few(odd)}")
        data = to_bytes(
            {
                "format": FORMAT,
                "version_id": staged.version_id,
                "as_of": check_day(as_of),
                "partial": partial,
                "run": dict(run),
                "files": [asdict(entry) for entry in entries],
                "past": [asdict(file) for file in sorted(past, key=lambda file: file.path)],
            }
        )
        write_new(staged.folder / MANIFEST, data)
    return parse_manifest(data, staged.version_id)


def as_entry(file: DatasetFile, key: str) -> ManifestFile:
    """The entry of a file just written under the key that it will have."""
    both = [field.name for field in fields(ManifestFile) if field.name != "path"]
    return ManifestFile(key, **{name: getattr(file, name) for name in both})


def parse_manifest(data: bytes, version: str, *, place: str = "") -> Manifest:
    """A manifest from its bytes, with every key in it checked; messages name the place.

    Raises:
        StoreRefusedError: It is of a format not known here.
        VerificationError: It is damaged or of another version.
    """
    where = f"{place}: {version_key(version, MANIFEST)}".removeprefix(": ")
    manifest = parse(Manifest, data, where=where)
    for file in manifest.files:
        check_key(file.path, below=version_key(version), where=where)
    for file in manifest.past:
        check_key(file.path, below="history", where=where)
    if len({file.path for file in manifest.files}) != len(manifest.files):
        raise VerificationError(f"{where}: names a file twice. The file is damaged.")
    if manifest.version_id != version:
        raise VerificationError(f"{where}: is of version {manifest.version_id!r}. Restore it.")
    return replace(manifest, sha256=hashlib.sha256(data).hexdigest())


def stored_manifest(
    store: Store, version: str, *, sha256: str | None = None, at: str | None = None
) -> Manifest:
    """The manifest of a version in a store, every key in it checked.

    Its bytes must hash to ``sha256``, as the commit says. While it is staged, the version lies in
    the folder ``at`` instead of its own.

    Raises:
        VerificationError: It is missing, damaged or not the one that was committed.
    """
    key = f"{at or version_key(version)}/{MANIFEST}"
    data = read_small(store, key, limit=MAX_BYTES)
    manifest = parse_manifest(data, version, place=store.name)
    if sha256 is not None and manifest.sha256 != sha256:
        raise VerificationError(
            f"{store.name}: {key} has sha256 {manifest.sha256[:12]}…, its commit says "
            f"{sha256[:12]}…: it was changed after it was committed. Restore it, or take another "
            f"version."
        )
    return manifest
