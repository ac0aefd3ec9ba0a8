"""Marks of versions that are to be removed, and tombstones of those that were."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime

from ml.artifacts.documents import FORMAT, from_bytes, to_bytes
from pipelines.publish.errors import VerificationError, damage_named
from pipelines.publish.store import Body, Store, read_small

MARKS = "_gc/"
_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A version that is to be removed once the mark is old enough.

    Attributes:
        version_id: Of the version.
        marked_at: When, UTC.
    """

    version_id: str
    marked_at: datetime


def mark_key(version: str) -> str:
    """Key of a version's mark."""
    return f"{MARKS}{version}.json"


def is_marked(store: Store, version: str) -> bool:
    """Whether a version is marked: by a listing, for who publishes may not read marks."""
    key = mark_key(version)
    return any(entry.key == key for entry in store.listing(key))


def put_mark(store: Store, version: str, now: datetime) -> None:
    """Mark a version, unless it is marked already."""
    document = {"format": FORMAT, "version_id": version, "marked_at": now.isoformat()}
    store.create(mark_key(version), Body.of(to_bytes(document)))


def marks(store: Store, among: Container[str]) -> list[Mark]:
    """The marks of some versions; the tombstones of others are not read.

    Raises:
        VerificationError: One is damaged.
    """
    names = [e.key.removeprefix(MARKS).removesuffix(".json") for e in store.listing(MARKS)]
    return [_read(store, name) for name in names if name in among]


def _read(store: Store, version: str) -> Mark:
    key = mark_key(version)
    with damage_named(store.name):
        document = from_bytes(read_small(store, key, limit=_LIMIT), where=key)
    try:
        moment = datetime.fromisoformat(document["marked_at"])
        return Mark(version, moment.astimezone(UTC))
    except (KeyError, TypeError, ValueError) as error:
        raise VerificationError(f"{store.name}: {key}: not a mark ({error!r}).") from None
