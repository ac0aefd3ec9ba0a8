"""The log of a store: the same records as those of the results folder, read and created there.

The pointer is only a hint. Who needs the newest record looks on from where it points.
"""

from collections.abc import Iterator

from ml.artifacts.commit_log import CommitRecord, parse_record, record_bytes
from ml.artifacts.documents import MAX_BYTES
from ml.artifacts.keys import POINTER, commit_key
from pipelines.publish.errors import (
    DeniedError,
    MissingError,
    StoreRefusedError,
    VerificationError,
    damage_named,
)
from pipelines.publish.store import Body, Store, read_small

LOG = "_commits/"


def read_record(store: Store, seq: int) -> CommitRecord:
    """One record of the log.

    Raises:
        MissingError: There is none of that number.
        VerificationError: It is damaged.
    """
    key = commit_key(seq)
    data = read_small(store, key, limit=MAX_BYTES)
    with damage_named(store.name):
        record = parse_record(data, where=key)
    if record.seq != seq:
        raise VerificationError(f"{store.name}: {key}: says it is number {record.seq}.")
    return record


def read_pointer(store: Store) -> CommitRecord | None:
    """What the pointer says; ``None`` if it is missing or damaged, for the log is whole without it.

    Raises:
        StoreRefusedError: It is of a format that only a newer program can read.
    """
    try:
        data = read_small(store, POINTER, limit=MAX_BYTES)
        with damage_named(store.name):
            return parse_record(data, where=POINTER)
    except VerificationError:
        return None


def newest(store: Store, *, trusting: bool = False) -> CommitRecord | None:
    """The newest record of the log, ``None`` if it is empty.

    Args:
        store: The store.
        trusting: Take the pointer's word for the record it copies, and a refusal to show a number
            for its absence (which it is to keys that may not list): for readers.
    """
    pointed = read_pointer(store)
    record = pointed
    if pointed is not None and not trusting:
        record = _record_or_none(store, pointed.seq, trusting=False)
    if record is None:
        record = _listed_newest(store)
        _refuse_lost(store, pointed, record)
    seq = record.seq if record else 0
    while (following := _record_or_none(store, seq + 1, trusting=trusting)) is not None:
        record, seq = following, seq + 1
    return record


def _refuse_lost(store: Store, pointed: CommitRecord | None, last: CommitRecord | None) -> None:
    """Going on from an earlier number would give one that was taken to another version."""
    end = last.seq if last else 0
    if pointed is not None and pointed.seq > end:
        raise VerificationError(
            f"{store.name}: the pointer names record {pointed.seq}, the log ends at {end}: records "
            f"were removed. Restore them, or remove {POINTER} to go on from what is there."
        )


def _record_or_none(store: Store, seq: int, *, trusting: bool) -> CommitRecord | None:
    try:
        return read_record(store, seq)
    except MissingError:
        return None
    except DeniedError:
        if trusting:
            return None
        raise


def _listed_newest(store: Store) -> CommitRecord | None:
    last = max(numbers(store), default=0)
    return read_record(store, last) if last else None


def numbers(store: Store) -> Iterator[int]:
    """The numbers in the log, as a listing gives them.

    Raises:
        StoreRefusedError: Something in it is no record.
    """
    for entry in store.listing(LOG):
        name = entry.key.removeprefix(LOG).removesuffix(".json")
        if not name.isdecimal() or commit_key(int(name)) != entry.key:
            raise StoreRefusedError(
                f"{store.name}: {entry.key} does not belong into the log. Remove it."
            )
        yield int(name)


def records(store: Store, since: int = 1, until: int | None = None) -> Iterator[CommitRecord]:
    """The records from one number to another, or to the last one that is listed.

    Raises:
        VerificationError: A number is missing.
    """
    if until is not None:
        yield from (read_record(store, seq) for seq in range(since, until + 1))
        return
    for due, seq in enumerate(numbers(store), start=1):
        if seq != due:
            raise VerificationError(
                f"{store.name}: the log has number {seq} where {due} is due: a record is missing. "
                f"Restore it."
            )
        if seq >= since:
            yield read_record(store, seq)


def append(store: Store, record: CommitRecord) -> bool:
    """Create the record's number; ``False`` if somebody else has it.

    An answer may be lost and the request sent again: whose record it is, its nonce tells.
    """
    if store.create(commit_key(record.seq), Body.of(record_bytes(record))):
        return True
    return read_record(store, record.seq).nonce == record.nonce


def advance_pointer(store: Store) -> CommitRecord | None:
    """Let the pointer name the newest record, and those that others add meanwhile.

    Returns:
        The record pointed to in the end, ``None`` if the log is empty.
    """
    head = newest(store)
    pointed = read_pointer(store)
    while head is not None:
        if pointed != head:
            store.put(POINTER, Body.of(record_bytes(head)))
        pointed = head
        following = _record_or_none(store, head.seq + 1, trusting=False)
        if following is None:
            break
        head = following
    return head
