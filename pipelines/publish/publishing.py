"""Publishing a version: all files, then its manifest, read back, then one record in the log.

Before the record nobody sees anything of it, from the record on everybody sees all of it. A run
that dies anywhere is put right by the next one.
"""

from dataclasses import dataclass

from ml.artifacts.commit_log import CommitRecord, next_record
from ml.artifacts.flat_view import LAGGING
from ml.artifacts.keys import MANIFEST, version_key
from pipelines.publish import flat_view, log
from pipelines.publish.errors import ConflictError, StaleError, StoreError
from pipelines.publish.local_version import LocalVersion
from pipelines.publish.marks import is_marked
from pipelines.publish.progress import SILENT, Progress
from pipelines.publish.store import Store
from pipelines.publish.uploading import Sent, read_back, upload

MOST_REBASES = 1000


@dataclass(frozen=True, slots=True)
class Published:
    """What a call of :func:`publish` did.

    Attributes:
        record: Of the version in the log.
        is_new: Whether this call committed it.
        sent: What was sent for it.
        flat_keys: Keys of the flat view that were written.
    """

    record: CommitRecord
    is_new: bool
    sent: Sent
    flat_keys: tuple[str, ...]


def publish(
    store: Store,
    version: LocalVersion,
    *,
    publisher: str,
    force: bool = False,
    expect_parent: int | None = None,
    progress: Progress = SILENT,
    streams: int = 1,
) -> Published:
    """Publish a version; may be called again after any crash, and does nothing twice.

    Args:
        store: Where to; it has passed :func:`pipelines.publish.probe.require_conditions`.
        version: What.
        publisher: Who, for instance ``host/user``.
        force: Publish although what is published is as of a later day.
        expect_parent: Publish only if this is the number of the newest record.
        progress: Is told what is done.
        streams: Files sent or read at a time.

    Raises:
        StoreError: Unless the message says that the version is committed, it is not, and readers
            see what they saw before.
    """
    seen = log.newest(store)
    if record := _already_logged(store, version, seen):
        sent = upload(store, version, progress, streams)  # what a repair needs, usually nothing
        return Published(record, False, sent, tuple(show_newest(store, version, streams)))
    refuse_stale(version, seen, force=force)
    _refuse_marked(store, version)
    sent = upload(store, version, progress, streams)
    read_back(store, version.manifest, progress, streams)
    _refuse_marked(store, version)  # again: the grace of a mark is longer than what follows
    # A manifest made just now belongs to a version that cannot be in the log up to here.
    since = seen.seq + 1 if seen and sent.manifest_is_new else 1
    record, is_new = _committed(
        store, version, since, publisher=publisher, force=force, expect_parent=expect_parent
    )
    return Published(record, is_new, sent, tuple(show_newest(store, version, streams)))


def _already_logged(
    store: Store, version: LocalVersion, head: CommitRecord | None
) -> CommitRecord | None:
    """The newest record of the version; without its manifest it cannot have one."""
    if head is None or store.head(version_key(version.version_id, MANIFEST)) is None:
        return None
    while head.version_id != version.version_id:
        if not head.parent:
            return None
        head = log.read_record(store, head.parent)
    return head


def _logged(store: Store, version: LocalVersion, since: int, until: int) -> CommitRecord | None:
    """The first record of a version, of those from one number to another."""
    for record in log.records(store, since, until):
        if record.version_id == version.version_id:
            return record
    return None


def _committed(
    store: Store,
    version: LocalVersion,
    since: int,
    *,
    publisher: str,
    force: bool,
    expect_parent: int | None,
) -> tuple[CommitRecord, bool]:
    """The one record of the version, and whether it was made here.

    Whoever loses the race for a number looks at what is new and tries the next one: both
    versions end up in the log.
    """
    for _ in range(MOST_REBASES):
        head = log.newest(store)
        last = head.seq if head else 0
        if done := _logged(store, version, since, last):
            return done, False
        _refuse_other_parent(last, expect_parent)
        refuse_stale(version, head, force=force)
        record = next_record(version.manifest, head, publisher)
        if log.append(store, record):
            return record, True
        since = last + 1
    raise ConflictError(
        f"{store.name}: {MOST_REBASES} times somebody else was first; nothing was published. "
        f"Run again when fewer publish at once."
    )


def _refuse_other_parent(last: int, expected: int | None) -> None:
    if expected is not None and last != expected:
        raise ConflictError(
            f"the newest record is number {last}, not {expected} as expected; nothing was "
            f"published. Look at --list and decide again."
        )


def refuse_stale(version: LocalVersion, head: CommitRecord | None, *, force: bool) -> None:
    """Raise if a version is older than the newest one.

    Raises:
        StaleError: It is.
    """
    manifest = version.manifest
    if head is not None and head.as_of > manifest.as_of and not force:
        raise StaleError(
            f"version {manifest.version_id} is as of {manifest.as_of}, the published one "
            f"({head.version_id}) as of {head.as_of}; nothing was published. Say --force if the "
            f"older one is to be the newest."
        )


def _refuse_marked(store: Store, version: LocalVersion) -> None:
    if is_marked(store, version.version_id):
        raise ConflictError(
            f"{store.name}: version {version.version_id} is marked for removal or was removed "
            f"there. Run generate_ml_results and publish the version that it makes."
        )


def show_newest(store: Store, version: LocalVersion | None = None, streams: int = 1) -> list[str]:
    """Bring pointer and flat view to the newest record; the flat keys written.

    Args:
        store: The store.
        version: On this disk, whose files need not be fetched.
        streams: Files written at a time.

    Raises:
        StoreError: They lag behind; the next run mends them.
    """
    try:
        head = log.advance_pointer(store)
        if head is None:
            return []
        shown, keys = flat_view.refresh(store, head, version, streams)
        if shown.seq != head.seq:
            log.advance_pointer(store)
    except StoreError as error:
        error.args = (f"{error} {LAGGING}",)
        raise
    return keys
