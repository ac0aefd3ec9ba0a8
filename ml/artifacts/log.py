"""The log of versions: numbered records that are created once and never changed.

The order of versions is the order of the numbers, never that of clocks. Whoever creates the next
number has published; whoever finds it taken looks at what is new and takes the one after it. The
pointer is only a hint: who needs the newest record looks on from where it points. Each record holds
the hash of the one before, so that none can be changed without a trace but the newest; older
programs wrote records without it, and the chain begins at the first one that has it.
"""

import getpass
import hashlib
import re
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ml.artifacts.documents import FORMAT, MAX_BYTES, Day, VersionId, parse, to_bytes
from ml.artifacts.errors import (
    DeniedError,
    MissingError,
    OutcomeUnknownError,
    StoreError,
    StoreRefusedError,
    VerificationError,
)
from ml.artifacts.keys import MANIFEST, POINTER, began, check_key, commit_key, date_of, version_key
from ml.artifacts.manifest import Manifest, stored_manifest
from ml.artifacts.store import Body, Store, read_small

LOG = "_commits/"
_NUMBER = re.compile(r"[0-9]+")
_PUT_BACK = "Restore it from a copy; --repair can put the newest record back."


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """One record of the log; its fields are those of the JSON document."""

    seq: int  # number in the log, from 1 without gaps
    parent: int  # number of the record before, 0 = none
    kind: str  # `publish` or `rollback`
    version_id: VersionId  # of the version that is the newest from here on
    as_of: Day  # ISO day that the version is as of
    partial: bool  # whether the version holds only a part and is not to be deployed
    published_at: str  # when, UTC
    publisher: str  # by whom
    nonce: str  # tells one's own record from another's of the same number
    manifest: str  # key of the version's manifest
    manifest_sha256: str  # of the manifest's bytes
    # by name, the files as `path`, `bytes`, `rows` and `sha256`
    datasets: Mapping[str, list[dict[str, Any]]]
    # what the gate found against the version published before, and what a person accepted;
    # `None` where it was not asked, as in a results folder
    gate: Mapping[str, Any] | None = None
    parent_sha256: str = ""  # of the bytes of the record before; empty in older records
    run_at: str = ""  # when the run that made the version began, UTC; empty in older records
    # last period that the run's data hold, by panel, as ISO days; empty where it is not known
    data_until: Mapping[str, str] = field(default_factory=dict)
    # of its own bytes where it was read from somewhere; not in the document
    sha256: str = field(default="", compare=False)


def publisher() -> str:
    """Who commits from here, for the log: host and user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{socket.gethostname()}/{user}"


def next_record(
    manifest: Manifest,
    head: CommitRecord | None,
    by: str,
    gate: Mapping[str, Any] | None = None,
) -> CommitRecord:
    """The record that publishes a version after the newest one, with what the gate found."""
    fields = ("path", "bytes", "rows", "sha256")
    return CommitRecord(
        kind="publish",
        version_id=manifest.version_id,
        as_of=manifest.as_of,
        partial=manifest.partial,
        manifest=version_key(manifest.version_id, MANIFEST),
        manifest_sha256=manifest.sha256,
        datasets={
            name: [{field: getattr(file, field) for field in fields} for file in files]
            for name, files in manifest.datasets.items()
        },
        gate=gate,
        run_at=began(manifest.version_id),
        data_until=dict(manifest.run.get("data_until", {})),
        **_place_in_log(head, by),
    )


def rollback_record(target: CommitRecord, head: CommitRecord, by: str) -> CommitRecord:
    """The record that makes a version the newest again, after the newest one."""
    return replace(target, kind="rollback", **_place_in_log(head, by))


def _place_in_log(head: CommitRecord | None, by: str) -> dict[str, Any]:
    parent = head.seq if head else 0
    return {
        "seq": parent + 1,
        "parent": parent,
        "published_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "publisher": by,
        "nonce": secrets.token_hex(16),
        "parent_sha256": head.sha256 if head else "",
        "sha256": "",
    }


def record_bytes(record: CommitRecord) -> bytes:
    """The JSON document of a record, as log and pointer hold it."""
    document = {"format": FORMAT, "min_reader": FORMAT, **asdict(record)}
    del document["sha256"]
    return to_bytes(document)


def parse_record(data: bytes, *, where: str) -> CommitRecord:
    """A record from its bytes, with every key in it checked.

    Raises:
        StoreRefusedError: It is of a format not known here.
        VerificationError: It is damaged.
    """
    record = parse(CommitRecord, data, where=where)
    paths = [entry.get("path", "") for files in record.datasets.values() for entry in files]
    for path in [record.manifest, *paths]:
        check_key(str(path), below=version_key(record.version_id), where=where)
    return replace(record, sha256=hashlib.sha256(data).hexdigest())


def future_facts(record: CommitRecord, today: date, now: datetime) -> list[str]:
    """What of a record lies in the future, in words; empty where its clock was right.

    A day is granted to clocks that differ a little, and to other time zones.
    """
    days = {
        "as of": (record.as_of, today),
        "begun on": (date_of(record.version_id), now.date()),
        "published on": (record.published_at[:10], now.date()),
    }
    one = timedelta(days=1)
    return [f"{word} {day}" for word, (day, last) in days.items() if day > str(last + one)]


def read_record(store: Store, seq: int) -> CommitRecord:
    """One record of the log.

    Raises:
        MissingError: There is none of that number.
        VerificationError: It is damaged.
    """
    key = commit_key(seq)
    data = read_small(store, key, limit=MAX_BYTES)
    try:
        record = parse_record(data, where=f"{store.name}: {key}")
    except VerificationError as error:
        raise VerificationError(f"{error.message} {_PUT_BACK}") from None
    if record.seq != seq:
        raise VerificationError(f"{store.name}: {key}: says it is number {record.seq}. {_PUT_BACK}")
    return record


def read_parent(store: Store, record: CommitRecord) -> CommitRecord | None:
    """The record before another one, ``None`` before the first.

    Raises:
        VerificationError: It is missing, damaged, or not the one that the other was made after.
    """
    if not record.parent:
        return None
    parent = read_record(store, record.parent)
    _check_link(store, parent, record)
    return parent


def check_place(store: Store, record: CommitRecord) -> None:
    """Raise if a record cannot be the one of its number in the log, by those beside it.

    Raises:
        VerificationError: It cannot, or the one before it is missing or damaged.
    """
    read_parent(store, record)
    following = _record_or_none(store, record.seq + 1)
    if following is not None:
        _check_link(store, record, following)


def _check_link(store: Store, parent: CommitRecord, record: CommitRecord) -> None:
    if record.parent_sha256 not in ("", parent.sha256):
        raise VerificationError(
            f"{store.name}: the chain of the log is broken: record {record.seq} was made after a "
            f"record {parent.seq} with sha256 {record.parent_sha256[:12]}…, the one that is there "
            f"has {parent.sha256[:12]}…: one of the two was changed. Restore it from a copy."
        )


def read_pointer(store: Store) -> CommitRecord | None:
    """What the pointer says; ``None`` if it is missing or damaged, for the log is whole without it.

    Raises:
        StoreRefusedError: It is of a format that only a newer program can read.
    """
    try:
        data = read_small(store, POINTER, limit=MAX_BYTES)
        return parse_record(data, where=f"{store.name}: {POINTER}")
    except VerificationError:
        return None


def newest(store: Store, *, trusting: bool = False) -> CommitRecord | None:
    """The newest record of the log, ``None`` if it is empty.

    ``trusting``, for readers, takes the pointer's word for the record it copies, and a refusal to
    show a number for its absence (which it is to keys that may not list).
    """
    pointed = read_pointer(store)
    record = pointed
    if pointed is not None and not trusting:
        record = _record_or_none(store, pointed.seq)
    if record is None:
        last = max(numbers(store), default=0)
        record = read_record(store, last) if last else None
        if pointed is not None and pointed.seq > last:
            # Going on from an earlier number would give one that was taken to another version.
            raise VerificationError(
                f"{store.name}: the pointer names record {pointed.seq}, the log ends at {last}: "
                f"records were removed. Run --repair, or remove {POINTER} to go on from what is "
                f"there."
            )
    seq = record.seq if record else 0
    while (following := _record_or_none(store, seq + 1, trusting=trusting)) is not None:
        if record is not None and not trusting:
            _check_link(store, record, following)
        record, seq = following, seq + 1
    return record


def _record_or_none(store: Store, seq: int, *, trusting: bool = False) -> CommitRecord | None:
    try:
        return read_record(store, seq)
    except MissingError:
        return None
    except DeniedError:
        if trusting:
            return None
        raise


def record_manifest(store: Store, record: CommitRecord) -> Manifest:
    """The manifest that a record commits; see :func:`ml.artifacts.manifest.stored_manifest`."""
    return stored_manifest(store, record.version_id, sha256=record.manifest_sha256)


def find_record(
    store: Store, wanted: Callable[[CommitRecord], bool], *, trusting: bool = False
) -> CommitRecord | None:
    """The newest record that is wanted, ``None`` if none is; trusting as :func:`newest`."""
    record = newest(store, trusting=trusting)
    while record is not None and not wanted(record):
        record = read_parent(store, record)
    return record


def numbers(store: Store) -> Iterator[int]:
    """The numbers in the log, as a listing gives them.

    What has no number for a name is none of ours and is passed over; a record that was renamed
    leaves a gap.

    Raises:
        StoreRefusedError: A name is a number in another form than ours, so that somebody may have
            meant it for a record.
    """
    for entry in store.listing(LOG):
        name = entry.key.removeprefix(LOG).removesuffix(".json")
        if not _NUMBER.fullmatch(name):
            continue
        if commit_key(int(name)) != entry.key:
            raise StoreRefusedError(
                f"{store.name}: {entry.key} has a number, but not the name of a record. Remove it, "
                f"or update the program if a newer one wrote it."
            )
        yield int(name)


def records(store: Store, since: int = 1, until: int | None = None) -> Iterator[CommitRecord]:
    """The records from one number to another, or to the last one that is listed.

    Raises:
        VerificationError: A number is missing, or one is not what the next one was made after.
    """
    before = None
    for seq in _numbers_without_gap(store) if until is None else range(since, until + 1):
        if seq >= since:
            record = read_record(store, seq)
            if before is not None:
                _check_link(store, before, record)
            yield record
            before = record


def _numbers_without_gap(store: Store) -> Iterator[int]:
    for due, seq in enumerate(numbers(store), start=1):
        if seq != due:
            raise VerificationError(
                f"{store.name}: the log has number {seq} where {due} is due: a record is missing. "
                f"Restore it."
            )
        yield seq


def append(store: Store, record: CommitRecord) -> bool:
    """Create the record's number; ``False`` if somebody else has it.

    An answer may be lost and the request sent again: whose record it is, its nonce tells.

    Raises:
        OutcomeUnknownError: Whether it was created cannot be told.
    """
    taken = False
    try:
        if store.create(commit_key(record.seq), Body.of(record_bytes(record))):
            return True
        taken = True
        return read_record(store, record.seq).nonce == record.nonce
    except StoreError as error:
        if not (taken or error.maybe_done):
            raise
        raise OutcomeUnknownError(
            f"{error.message} Whether record {record.seq}, which makes {record.version_id} the "
            f"newest, was created is not known: run --verify. Repeating the command is safe, what "
            f"was done is not done again."
        ) from error


def advance_pointer(store: Store) -> CommitRecord | None:
    """Let the pointer name the newest record; the one in the end, ``None`` of an empty log."""
    head = newest(store)
    pointed = read_pointer(store)
    while head is not None:
        if pointed != head:
            store.put(POINTER, Body.of(read_small(store, commit_key(head.seq), limit=MAX_BYTES)))
        pointed = head
        following = _record_or_none(store, head.seq + 1)
        if following is None:
            break
        head = following
    return head
