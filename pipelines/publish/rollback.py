"""Making an earlier version the newest one again: one more record, and no data moved."""

from ml.artifacts import log
from ml.artifacts.commit import refuse_problems, show_newest
from ml.artifacts.errors import ConflictError, VerificationError
from ml.artifacts.log import CommitRecord, rollback_record
from ml.artifacts.reading import verify_stored_hashes
from ml.artifacts.store import Store
from pipelines.publish.collect_garbage import is_marked


def roll_back(
    store: Store, *, publisher: str, to_seq: int | None = None
) -> tuple[CommitRecord, CommitRecord]:
    """Make the version of an earlier record the newest one.

    Args:
        store: The store.
        publisher: Who does it.
        to_seq: Number of that record. Without it, the version that was the newest before the
            present one was first published.

    Returns:
        The record that was the newest and the one that is now, the same where nothing was to do.

    Raises:
        ConflictError: There is no such record, its version is marked for removal, or somebody
            else published meanwhile.
        VerificationError: Its version is not whole.
    """
    head = log.newest(store)
    if head is None:
        raise ConflictError(f"{store.name}: nothing was ever published, so nothing to go back to.")
    target = _target(store, head, to_seq)
    if target.version_id == head.version_id:
        show_newest(store)
        return head, head
    if is_marked(store, target.version_id):
        raise ConflictError(
            f"{store.name}: version {target.version_id} is marked for removal or was removed. "
            f"Choose a later one from --list."
        )
    _refuse_broken(store, target)
    record = rollback_record(target, head, publisher)
    if not log.append(store, record):
        raise ConflictError(
            f"{store.name}: somebody else published while this was rolled back; nothing was "
            f"changed. Look at --list and decide again."
        )
    _recheck(store, target, head, publisher)
    show_newest(store)
    return head, record


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


def _recheck(store: Store, target: CommitRecord, head: CommitRecord, publisher: str) -> None:
    """See that the version was not removed between the look and the record; else go forward."""
    try:
        _refuse_broken(store, target)
    except VerificationError as error:
        newest = log.newest(store)
        while newest is not None and newest.version_id == target.version_id:
            log.append(store, rollback_record(head, newest, publisher))
            newest = log.newest(store)
        show_newest(store)
        raise ConflictError(
            f"{store.name}: version {target.version_id} was removed while it was rolled back to; "
            f"{head.version_id} is the newest again ({error.message})"
        ) from None
