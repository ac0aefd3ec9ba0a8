"""Making an earlier version the newest one again: one more record, and no data moved.

The record is noted on this disk before it is created. Where the answer is lost for good, whoever
asks for the same again goes on with that record, which is there or not, and chooses no other one.
"""

from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ml.artifacts import log
from ml.artifacts.commit import refuse_problems, show_newest
from ml.artifacts.errors import (
    ConflictError,
    MissingError,
    OutcomeUnknownError,
    StoreError,
    UnreachableError,
    VerificationError,
    after_change,
)
from ml.artifacts.log import CommitRecord, parse_record, record_bytes, rollback_record
from ml.artifacts.reading import verify_stored_hashes
from ml.artifacts.store import Store
from ml.durable import disk_errors, read_sealed, remove, write_sealed
from pipelines.publish.collect_garbage import is_marked


@dataclass(frozen=True, slots=True)
class PendingRollback:
    """The note about a record whose fate is not known yet."""

    store: Store  # where it is created
    folder: Path | None  # of the note; without it nothing is noted

    @property
    def _path(self) -> Path:
        name = sha256(self.store.name.encode()).hexdigest()[:16]
        return (self.folder or Path()) / f"rollback-{name}.json"

    def read(self, to_seq: int | None) -> CommitRecord | None:
        """The record, if that is what is asked for; ``None`` without a note."""
        found = read_sealed(self._path) if self.folder else None
        if found is None or to_seq not in (found["to_seq"], found["target"]):
            return None
        return parse_record(found["record"].encode(), where=f"'{self._path}'")

    def write(self, record: CommitRecord, to_seq: int | None, target: int) -> None:
        """Note a record, the number that was asked for and the one that was meant by it."""
        if self.folder:
            text = record_bytes(record).decode()
            with disk_errors(
                "noting the rollback",
                "Nothing was changed; correct that, or name another folder with --results.",
            ):
                write_sealed(self._path, {"to_seq": to_seq, "target": target, "record": text})

    def forget(self) -> None:
        """Remove the note. Where that fails, the next rollback says what became of this one."""
        if self.folder:
            with suppress(OSError):
                remove(self._path)


def roll_back(
    store: Store, *, publisher: str, to_seq: int | None = None, note: PendingRollback | None = None
) -> tuple[CommitRecord, CommitRecord]:
    """Make the version of an earlier record the newest one.

    The caller forgets the note when it has told somebody how it went.

    Args:
        store: The store.
        publisher: Who does it.
        to_seq: Number of that record. Without it, the version that was the newest before the
            present one was first published.
        note: Lets a repetition do nothing twice.

    Returns:
        The record that was the newest and the one that is now, the same where nothing was to do.

    Raises:
        ConflictError: There is no such record, its version is marked for removal, or somebody
            else published meanwhile.
        VerificationError: Its version is not whole.
        OutcomeUnknownError: The store went away when it was done, or may have been.
    """
    note = note or PendingRollback(store, None)
    noted = note.read(to_seq)
    if noted is None:
        head, record = _begin(store, publisher, to_seq, note)
    else:
        head, record = log.read_record(store, noted.parent), noted
        if not _is_there(store, record):
            _refuse_unfit(store, record)
            _append(store, record, note)
    if record is not head:
        try:
            _recheck(store, record, head, note)
        except UnreachableError as error:
            raise after_change(
                error,
                f"Record {record.seq} made {record.version_id} the newest, but what follows was "
                f"not finished: run the same again.",
            ) from error
    show_newest(store)
    return head, record


def _begin(
    store: Store, publisher: str, to_seq: int | None, note: PendingRollback
) -> tuple[CommitRecord, CommitRecord]:
    """The newest record, and the new one that follows it; the same where nothing is to do."""
    head = log.newest(store)
    if head is None:
        raise ConflictError(f"{store.name}: nothing was ever published, so nothing to go back to.")
    target = _target(store, head, to_seq)
    if target.version_id == head.version_id:
        return head, head
    record = rollback_record(target, head, publisher)
    _refuse_unfit(store, record)
    note.write(record, to_seq, target.seq)
    try:
        _append(store, record, note)
    except OutcomeUnknownError as error:
        raise OutcomeUnknownError(
            f"{error.message} On another machine, say --rollback --to-seq {target.seq}."
        ) from error
    except StoreError:
        note.forget()
        raise
    return head, record


def _is_there(store: Store, record: CommitRecord) -> bool:
    with suppress(MissingError):
        return log.read_record(store, record.seq).nonce == record.nonce
    return False


def _append(store: Store, record: CommitRecord, note: PendingRollback) -> None:
    if not log.append(store, record):
        note.forget()
        raise ConflictError(
            f"{store.name}: somebody else published while this was rolled back; nothing was "
            f"changed. Look at --list and decide again."
        )


def _refuse_unfit(store: Store, target: CommitRecord) -> None:
    if is_marked(store, target.version_id):
        raise ConflictError(
            f"{store.name}: version {target.version_id} is marked for removal or was removed. "
            f"Choose a later one from --list."
        )
    _refuse_broken(store, target)


def _target(store: Store, head: CommitRecord, to_seq: int | None) -> CommitRecord:
    if to_seq is None:  # the record before the first one of the present version
        first = next(r for r in log.records(store, 1, head.seq) if r.version_id == head.version_id)
        to_seq = first.parent
        if not to_seq:
            raise ConflictError(
                f"{store.name}: {head.version_id} is the first version ever published there, so "
                f"there is none before it."
            )
    if not 1 <= to_seq <= head.seq:
        raise ConflictError(
            f"{store.name}: there is no record number {to_seq}, the log has 1 to {head.seq}. "
            f"Look at --list."
        )
    return log.read_record(store, to_seq)


def _refuse_broken(store: Store, target: CommitRecord) -> None:
    manifest = log.record_manifest(store, target)
    refuse_problems(
        store, manifest, verify_stored_hashes(store, manifest), "Choose another from --list."
    )


def _recheck(store: Store, record: CommitRecord, head: CommitRecord, note: PendingRollback) -> None:
    """See that the version was not removed between the look and the record; else go forward."""
    try:
        _refuse_broken(store, record)
    except VerificationError as error:
        newest = log.newest(store)
        while newest is not None and newest.version_id == record.version_id:
            log.append(store, rollback_record(head, newest, record.publisher))
            newest = log.newest(store)
        show_newest(store)
        note.forget()
        raise ConflictError(
            f"{store.name}: version {record.version_id} was removed while it was rolled back to; "
            f"{head.version_id} is the newest again ({error.message})"
        ) from None
