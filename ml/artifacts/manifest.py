"""The manifest of a version: every file with its size and hashes, written last, checked first."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ml.artifacts.dataset_file import DatasetFile
from ml.artifacts.documents import FORMAT, checked_day, from_bytes, read_bytes, to_bytes
from ml.artifacts.keys import MANIFEST, checked_key, is_version_id, version_key
from ml.artifacts.staging import Staged
from ml.durable import disk_errors, sha256_of, write_new
from ml.errors import PublishError, first_few

METADATA = "metadata"  # dataset of the JSON documents
MAX_BYTES = 16 << 20  # thousands of files, and a run described at length


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a version; what only tables have is ``None`` for a JSON document.

    Attributes:
        path: Key below the results folder, ``versions/<id>/…``.
        dataset: What it holds.
        bytes: Its size.
        sha256: Of its bytes.
        content_sha256: Of what the table says.
        rows: Of the table.
        schema_sha256: Of the table's columns.
        min_ds: First day of the table, ISO.
        max_ds: Last day of the table.
    """

    path: str
    dataset: str
    bytes: int
    sha256: str
    content_sha256: str | None = None
    rows: int | None = None
    schema_sha256: str | None = None
    min_ds: str | None = None
    max_ds: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version consists of.

    Attributes:
        version_id: Of the version.
        as_of: ISO day that it is as of.
        partial: Whether it holds only a part and is not to be deployed.
        run: How it was made.
        files: All files but the manifest itself, by path.
        sha256: Of the manifest's own bytes.
    """

    version_id: str
    as_of: str
    partial: bool
    run: Mapping[str, Any]
    files: tuple[ManifestFile, ...]
    sha256: str

    @property
    def datasets(self) -> dict[str, list[ManifestFile]]:
        """The tables' files by dataset, without the JSON documents."""
        tables: dict[str, list[ManifestFile]] = {}
        for file in self.files:
            if file.dataset != METADATA:
                tables.setdefault(file.dataset, []).append(file)
        return tables


def write_manifest(
    staged: Staged,
    files: Iterable[DatasetFile | ManifestFile],
    *,
    as_of: str,
    partial: bool,
    run: Mapping[str, Any],
) -> Manifest:
    """Write the manifest, the last file of a staged version; JSON documents are found by it.

    Args:
        staged: The version.
        files: All its tables: written ones, and copied ones.
        as_of: ISO day that the version is as of.
        partial: Whether a later step is missing on purpose.
        run: Anything about the run that JSON can hold.

    Raises:
        PublishError: The disk refused.
        ValueError: A table in the folder is not among ``files``, or the other way round.
    """
    tables = [_listed(file, staged) for file in files]
    with disk_errors(f"writing the manifest of {staged.version_id}"):
        entries = sorted([*tables, *_documents(staged)], key=lambda file: file.path)
        _refuse_unlisted(staged, entries)
        data = to_bytes(
            {
                "format": FORMAT,
                "version_id": staged.version_id,
                "as_of": checked_day(as_of),
                "partial": partial,
                "run": dict(run),
                "files": [asdict(entry) for entry in entries],
            }
        )
        write_new(staged.folder / MANIFEST, data)
    return parse_manifest(data, staged.version_id)


def _listed(file: DatasetFile | ManifestFile, staged: Staged) -> ManifestFile:
    if isinstance(file, ManifestFile):
        return file
    known = {field.name for field in fields(ManifestFile)} - {"path"}
    values = {name: value for name, value in asdict(file).items() if name in known}
    return ManifestFile(path=staged.key_of(file.path), **values)


def _documents(staged: Staged) -> list[ManifestFile]:
    return [
        ManifestFile(staged.key_of(path), METADATA, path.stat().st_size, sha256_of(path))
        for path in staged.folder.rglob("*.json")
    ]


def _refuse_unlisted(staged: Staged, entries: list[ManifestFile]) -> None:
    present = {staged.key_of(path) for path in staged.folder.rglob("*") if path.is_file()}
    if odd := sorted(present ^ {entry.path for entry in entries}):
        raise ValueError(f"files and list of {staged.version_id} differ in {first_few(list(odd))}")


def parse_manifest(data: bytes, version: str) -> Manifest:
    """A manifest from its bytes, with every key in it checked.

    Raises:
        PublishError: It is damaged, of another version or of a format not known here.
    """
    where = version_key(version, MANIFEST)
    document = from_bytes(data, where=where)
    try:
        files = tuple(_parsed(entry, version, where) for entry in document["files"])
        manifest = Manifest(
            version_id=document["version_id"],
            as_of=checked_day(document["as_of"]),
            partial=bool(document["partial"]),
            run=document["run"],
            files=files,
            sha256=hashlib.sha256(data).hexdigest(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PublishError(f"{where}: not a manifest ({error!r}). The file is damaged.") from None
    if len({file.path for file in files}) != len(files):
        raise PublishError(f"{where}: names a file twice. The file is damaged.")
    if manifest.version_id != version:
        raise PublishError(f"{where}: is of version {manifest.version_id!r}. Restore the folder.")
    return manifest


def _parsed(entry: Mapping[str, Any], version: str, where: str) -> ManifestFile:
    names = [field.name for field in fields(ManifestFile)]
    file = ManifestFile(**{name: entry[name] for name in names})
    checked_key(file.path, below=version_key(version), where=where)
    if not isinstance(file.bytes, int) or not isinstance(file.sha256, str):
        raise TypeError(f"size or hash of {file.path}")
    return file


def read_manifest(results: Path, version: str, *, sha256: str | None = None) -> Manifest:
    """The manifest of a version in ``versions/``.

    Args:
        results: The results folder.
        version: Id of the version.
        sha256: What its bytes must hash to, as the commit record says.

    Raises:
        PublishError: It is missing, damaged, or not the one that was committed.
    """
    where = version_key(version, MANIFEST)
    if not is_version_id(version):
        raise PublishError(
            f"{version!r} is not the id of a version, as 20261120T021503Z-1a2b3c4d is."
        )
    data = read_bytes(results / where, where=where, limit=MAX_BYTES)
    manifest = parse_manifest(data, version)
    if sha256 is not None and manifest.sha256 != sha256:
        raise PublishError(
            f"{where}: has sha256 {manifest.sha256[:12]}…, its commit says {sha256[:12]}…: it was "
            f"changed after it was committed. Restore the folder or run again."
        )
    return manifest


def folder_problems(folder: Path, manifest: Manifest) -> list[str]:
    """What a folder lacks of, has too much of, or has different from its manifest."""
    base = version_key(manifest.version_id)
    problems = []
    for file in manifest.files:
        path = folder / file.path.removeprefix(f"{base}/")
        if not path.is_file():
            problems.append(f"{file.path}: missing")
        elif (size := path.stat().st_size) != file.bytes:
            problems.append(f"{file.path}: {size} bytes, {file.bytes} expected")
        elif sha256_of(path) != file.sha256:
            problems.append(f"{file.path}: other content (sha256) than written")
    listed = {file.path for file in manifest.files} | {f"{base}/{MANIFEST}"}
    present = {
        f"{base}/{p.relative_to(folder).as_posix()}" for p in folder.rglob("*") if p.is_file()
    }
    return problems + [f"{key}: not in the manifest" for key in sorted(present - listed)]
