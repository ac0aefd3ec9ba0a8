"""Seeing whether a store keeps the one promise that all else rests on, before it is trusted.

A store may know conditional writes, ignore them without a word, or know them and let two writers
win at once; it may also depend on the bucket. So it is tried, on this bucket, with a small race.
"""

import secrets
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

from ml.artifacts import log
from ml.artifacts.documents import MAX_BYTES
from ml.artifacts.errors import DeniedError, MissingError, StoreRefusedError
from ml.artifacts.keys import POINTER, commit_key
from ml.artifacts.manifest import MAX_BYTES as LARGEST
from ml.artifacts.store import Body, Store, in_parallel, read_small
from ml.durable import read_sealed, write_sealed
from pipelines.publish.collect_garbage import mark_key

PROBES = "_probe/"
RACERS, ROUNDS = 6, 3
_SMALL = 1000


def require_conditions(store: Store, cache: Path | None = None) -> None:
    """Refuse a store that overwrites what it was told to create.

    That it passed today is noted in the folder ``cache``; it is tried each time without one.

    Raises:
        StoreRefusedError: It ignores conditional writes, and nobody vouched for a single writer.
    """
    passed = {"store": store.name, "day": datetime.now(UTC).date().isoformat()}
    note = None if cache is None else cache / f"{sha256(store.name.encode()).hexdigest()[:16]}.json"
    if store.single_writer or (note and read_sealed(note) == passed):
        return
    if problem := probe(store):
        raise StoreRefusedError(
            f"{store.name}: {problem}, so two publishers could destroy each other's versions. Take "
            f"a store with conditional writes (If-None-Match; on some servers versioning of the "
            f"bucket has to be off), or say --single-writer if nobody else ever publishes there."
        )
    if note is not None:
        with suppress(OSError):  # without the note it is tried again next time
            write_sealed(note, passed)


def require_rights(store: Store) -> None:
    """Ask a store, before an hour of work, for all that publishing there will need.

    That the bucket is there, keeps conditional writes and can be listed; that log, newest version
    and pointer can be read, and written: what is there is sent once more on the condition that
    nothing is there, to which a store says no, and to a key that may not write there another no.

    Raises:
        StoreError: One of them is not so.
    """
    require_conditions(store)
    newest = log.newest(store)
    if newest is None or store.single_writer:
        return
    any(store.listing(mark_key(newest.version_id)))
    past = log.record_manifest(store, newest).past[-1:]
    limits = {commit_key(newest.seq): MAX_BYTES, newest.manifest: LARGEST, POINTER: MAX_BYTES}
    limits |= {file.path: file.bytes for file in past}
    for key, limit in limits.items():
        with suppress(MissingError):  # a pointer may lag that far
            store.create(key, Body.of(read_small(store, key, limit=limit)))


def probe(store: Store) -> str | None:
    """What is wrong with a store's conditional writes; ``None`` if nothing is."""
    key = f"{PROBES}{secrets.token_hex(8)}"
    keys = [key, *(f"{key}-{number}" for number in range(ROUNDS))]
    problem = _try_conditions(store, keys)
    # Not after an error: a store that is away would be waited for twice. A publisher may not remove
    # anything: a lifecycle rule or the janitor does.
    with suppress(DeniedError):
        for name in keys:
            store.remove(name)
    return problem


def _try_conditions(store: Store, keys: list[str]) -> str | None:
    first, second = (Body.of(f"{keys[0]} {word}\n".encode()) for word in ("first", "second"))
    # What is there is looked at, too: an answer may have been lost and the write sent again.
    if not store.create(keys[0], first) and _content(store, keys[0]) != first.source:
        return "it says of a new key that something is there"
    if store.create(keys[0], second) or _content(store, keys[0]) != first.source:
        return "it ignores the condition of a write and overwrites what is there"
    for key in keys[1:]:
        bodies = [Body.of(f"{key} {number}\n".encode()) for number in range(RACERS)]
        won = in_parallel(RACERS, partial(store.create, key), bodies)
        there = _content(store, key)
        winners = [body.source for body, first in zip(bodies, won, strict=True) if first]
        if winners not in ([], [there]) or there not in [body.source for body in bodies]:
            return f"{len(winners)} of {RACERS} writers at once each believe to have been first"
    return None


def _content(store: Store, key: str) -> bytes:
    return read_small(store, key, limit=_SMALL)
