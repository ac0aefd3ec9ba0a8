"""The log of versions: numbered records that are created once and never changed.

The order of versions is the order of the numbers, never that of clocks. Whoever creates the next
number has published; whoever finds it taken looks at what is new and takes the one after it.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml.artifacts.documents import FORMAT, from_bytes, read_bytes, to_bytes
from ml.artifacts.keys import (
    MANIFEST,
    POINTER,
    checked_key,
    commit_key,
    is_version_id,
    version_key,
)
from ml.artifacts.manifest import Manifest
from ml.artifacts.staging import scratch_path
from ml.durable import create_once, make_folder, write_new
from ml.errors import PublishError


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """One record of the log; its fields are those of the JSON document.

    Attributes:
        seq: Number in the log, from 1 without gaps.
        parent: Number of the record before, 0 = none.
        kind: ``publish`` or ``rollback``.
        version_id: Of the version that is the newest from here on.
        as_of: ISO day that the version is as of.
        partial: Whether the version holds only a part and is not to be deployed.
        published_at: When, UTC.
        publisher: By whom.
        nonce: Tells one's own record from another's of the same number.
        manifest: Key of the version's manifest.
        manifest_sha256: Of the manifest's bytes.
        datasets: By name, the files as ``path``, ``bytes``, ``rows`` and ``sha256``.
    """

    seq: int
    parent: int
    kind: str
    version_id: str
    as_of: str
    partial: bool
    published_at: str
    publisher: str
    nonce: str
    manifest: str
    manifest_sha256: str
    datasets: Mapping[str, list[dict[str, Any]]]


def next_record(manifest: Manifest, head: CommitRecord | None, publisher: str) -> CommitRecord:
    """The record that publishes a version after the newest one."""
    parent = head.seq if head else 0
    return CommitRecord(
        seq=parent + 1,
        parent=parent,
        kind="publish",
        version_id=manifest.version_id,
        as_of=manifest.as_of,
        partial=manifest.partial,
        published_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        publisher=publisher,
        nonce=secrets.token_hex(16),
        manifest=version_key(manifest.version_id, MANIFEST),
        manifest_sha256=manifest.sha256,
        datasets={
            name: [
                {"path": f.path, "bytes": f.bytes, "rows": f.rows, "sha256": f.sha256}
                for f in files
            ]
            for name, files in manifest.datasets.items()
        },
    )


def record_bytes(record: CommitRecord) -> bytes:
    """The JSON document of a record, as log and pointer hold it."""
    return to_bytes({"format": FORMAT, "min_reader": FORMAT, **asdict(record)})


def append(results: Path, record: CommitRecord) -> bool:
    """Create the record's number in the log; ``False`` if somebody else has it."""
    target = results / commit_key(record.seq)
    make_folder(target.parent)
    new = scratch_path(results)
    write_new(new, record_bytes(record))
    # A network file system may say "exists" of a link that it has just made: look whose it is.
    return create_once(new, target) or read_record(results, record.seq).nonce == record.nonce


def read_record(results: Path, seq: int) -> CommitRecord:
    """One record of the log.

    Raises:
        PublishError: It is missing, damaged or of a format not known here.
    """
    where = commit_key(seq)
    record = parse_record(read_bytes(results / where, where=where), where=where)
    if record.seq != seq:
        raise PublishError(f"{where}: says it is number {record.seq}. Restore the log.")
    return record


def parse_record(data: bytes, *, where: str) -> CommitRecord:
    """A record from its bytes, with every key in it checked.

    Raises:
        PublishError: It is damaged or of a format not known here.
    """
    document = from_bytes(data, where=where)
    try:
        record = CommitRecord(**{name: document[name] for name in CommitRecord.__slots__})
        below = version_key(record.version_id)
        paths = [entry["path"] for files in record.datasets.values() for entry in files]
        sound = is_version_id(record.version_id) and isinstance(record.seq, int)
    except (KeyError, TypeError, AttributeError) as error:
        raise PublishError(f"{where}: no commit record ({error!r}). The file is damaged.") from None
    if not sound:
        raise PublishError(f"{where}: no commit record ({record.version_id!r}). It is damaged.")
    for path in [record.manifest, *paths]:
        checked_key(path, below=below, where=where)
    return record


def commits(results: Path) -> list[CommitRecord]:
    """The whole log in order.

    Raises:
        PublishError: A number is missing or a record is damaged.
    """
    folder = results / "_commits"
    names = sorted(path.name for path in folder.glob("*.json")) if folder.is_dir() else []
    for position, name in enumerate(names, start=1):
        if f"_commits/{name}" != commit_key(position):
            raise PublishError(
                f"the log in '{folder}' has {name} where number {position} is due: a record is "
                f"missing or does not belong there. Restore it."
            )
    return [read_record(results, seq) for seq in range(1, len(names) + 1)]


def newest_commit(results: Path) -> CommitRecord | None:
    """The newest record: the pointer's, or what is found by looking on from there.

    Raises:
        PublishError: The record is damaged.
    """
    seq = _hint(results)
    while (results / commit_key(seq + 1)).exists():
        seq += 1
    return read_record(results, seq) if seq else None


def _hint(results: Path) -> int:
    """Number that the pointer names; 0 if there is none that the log knows."""
    try:
        data = read_bytes(results / POINTER, where=POINTER)
        seq = parse_record(data, where=POINTER).seq
    except PublishError:
        return 0  # the pointer is only a hint: the log is found without it
    return seq if (results / commit_key(seq)).exists() else 0


def newest_whole_version(results: Path) -> CommitRecord | None:
    """The newest record of a version that holds everything."""
    record = newest_commit(results)
    while record is not None and record.partial:
        record = read_record(results, record.parent) if record.parent else None
    return record
