"""Committing a version to a store that holds its files: one record, then pointer and flat view.

Before the record nobody sees anything of the version, from the record on everybody sees all of it.
What dies before pointer and flat view have followed is mended by whoever comes next.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml.artifacts import flat_view, log
from ml.artifacts.errors import (
    ConflictError,
    StaleError,
    StoreError,
    VerificationError,
    after_change,
)
from ml.artifacts.log import CommitRecord
from ml.artifacts.manifest import Manifest
from ml.artifacts.store import Store
from ml.durable import disk_errors
from ml.errors import first_few

MOST_REBASES = 1000
Judge = Callable[[CommitRecord | None], Mapping[str, Any]]
"""Finds, given the newest record, what the new one says of the gate; raises where it is closed."""
LAGGING = (
    "The version is committed and whole, but pointer or flat view lag behind it; correct that, "
    "the next run mends them."
)


def commit(
    store: Store,
    manifest: Manifest,
    *,
    publisher: str,
    since: int = 1,
    force: bool = False,
    expect_parent: int | None = None,
    judge: Judge | None = None,
) -> tuple[CommitRecord, bool]:
    """Create the one record of a version.

    Whoever loses the race for a number looks at what is new and tries the next one: both
    versions end up in the log. The store holds the version whole; ``since`` is the first record
    that can be the version's, where that is known. It is committed only if ``expect_parent`` is the
    number of the newest record, where it is given, and not after a version as of a later day,
    unless by ``force``. The ``judge`` is asked about each record that turns out to be the newest.

    Returns:
        The record, and whether this call made it.

    Raises:
        StoreError: The version is stale, or the store refused; it is not committed.
    """
    for _ in range(MOST_REBASES):
        head = log.newest(store)
        last = head.seq if head else 0
        for record in log.records(store, since, last):
            if record.version_id == manifest.version_id:
                return record, False
        if expect_parent is not None and last != expect_parent:
            raise ConflictError(
                f"the newest record is number {last}, not {expect_parent} as expected; nothing "
                f"was published. Look at --list and decide again."
            )
        refuse_stale(manifest, head, force=force)
        verdict = judge(head) if judge else None
        record = log.next_record(manifest, head, publisher, verdict)
        if log.append(store, record):
            return record, True
        since = last + 1
    raise ConflictError(
        f"{store.name}: {MOST_REBASES} times somebody else was first; nothing was published. "
        f"Run again when fewer publish at once."
    )


def refuse_stale(manifest: Manifest, head: CommitRecord | None, *, force: bool) -> None:
    """Raise if a version is older than the newest one.

    Raises:
        StaleError: It is.
    """
    if head is not None and head.as_of > manifest.as_of and not force:
        raise StaleError(
            f"version {manifest.version_id} is as of {manifest.as_of}, the newest one "
            f"({head.version_id}) as of {head.as_of}; nothing was published. Say --force if the "
            f"older one is to be the newest."
        )


def refuse_problems(store: Store, manifest: Manifest, problems: list[str], advice: str) -> None:
    """Raise if there are problems with a version.

    Raises:
        VerificationError: It names the first of them, and what to do.
    """
    if problems:
        raise VerificationError(
            f"{store.name}: {len(problems)} of {len(manifest.files)} files of version "
            f"{manifest.version_id}: {first_few(problems)}. {advice}".rstrip()
        )


def show_newest(store: Store, local: Path | None = None, streams: int = 1) -> list[str]:
    """Bring pointer and flat view to the newest record; the flat keys that changed.

    What ``local``, a results folder on this disk, holds need not be fetched from the store.

    Raises:
        StoreError: They lag behind; the next run mends them.
    """
    try:
        with disk_errors("refreshing pointer and flat view", LAGGING):
            head = log.advance_pointer(store)
            if head is None:
                return []
            shown, keys = flat_view.refresh(store, head, local, streams)
            if shown.seq != head.seq:
                log.advance_pointer(store)
    except StoreError as error:
        raise after_change(error, LAGGING) from error
    return keys
