"""Removing versions that nobody can need: marked first, removed after a grace.

What is kept is decided on the log, which is read again before each removal. Uploads that died
before their commit are removed by the same rule. The log itself is never touched.
"""

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime

from ml.artifacts import log
from ml.artifacts.documents import FORMAT, VersionId, parse, to_bytes
from ml.artifacts.keys import MANIFEST, is_version_id, version_key
from ml.artifacts.log import CommitRecord
from ml.artifacts.store import Body, Store, read_small

VERSIONS, MARKS = "versions/", "_gc/"
_MARK_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A version that is to be removed once the mark is old enough; a tombstone when it was."""

    version_id: VersionId  # of the version
    marked_at: AwareDatetime  # when, UTC


def mark_key(version: str) -> str:
    """Key of a version's mark."""
    return f"{MARKS}{version}.json"


def is_marked(store: Store, version: str) -> bool:
    """Whether a version is marked: by a listing, for who publishes may not read marks."""
    key = mark_key(version)
    return any(entry.key == key for entry in store.listing(key))


def marked_versions(store: Store) -> set[str]:
    """The versions that are marked or were removed."""
    return {e.key.removeprefix(MARKS).removesuffix(".json") for e in store.listing(MARKS)}


def put_mark(store: Store, version: str, now: datetime) -> None:
    """Mark a version, unless it is marked already."""
    document = {"format": FORMAT, "version_id": version, "marked_at": now.isoformat()}
    store.create(mark_key(version), Body.of(to_bytes(document)))


def _marks(store: Store, among: Container[str]) -> dict[str, datetime]:
    """When versions were marked; the tombstones of others are not read."""
    found = {}
    for version in sorted(marked_versions(store)):
        if version in among:
            key = mark_key(version)
            data = read_small(store, key, limit=_MARK_LIMIT)
            found[version] = parse(Mark, data, where=f"{store.name}: {key}").marked_at
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept."""

    versions: int = 30  # last versions of the log, at least one
    age: timedelta = timedelta(days=7)  # everything younger than this
    pins: Collection[str] = ()  # versions kept whatever their age
    # time between mark and removal, for readers that are at work
    grace: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if self.versions < 1 or min(self.age, self.grace) < timedelta(0):
            raise ValueError("at least one version is kept, and no time is negative")


@dataclass(frozen=True, slots=True)
class CollectResult:
    """What was done, or would be, by version."""

    kept: tuple[str, ...]  # versions left alone
    marked: tuple[str, ...]  # versions marked by this call
    waiting: tuple[str, ...]  # versions marked earlier, still in their grace
    removed: tuple[str, ...]  # versions removed
    bytes: int  # of what was removed, or would be


def collect_garbage(
    store: Store, retention: Retention, *, now: datetime | None = None, dry_run: bool = False
) -> CollectResult:
    """Mark what is not kept, and remove what was marked a grace ago; dry, only tell what would be.

    Ages are counted to ``now``, the clock without it.

    Raises:
        StoreError: The store could not be read or written.
    """
    moment = now or datetime.now(UTC)
    objects = _by_version(store)
    records = list(log.records(store))
    kept = _keep(records, objects, retention, moment)
    marked_at = _marks(store, objects)
    fresh = [name for name in objects if name not in kept and name not in marked_at]
    due = [name for name, marked in marked_at.items() if moment - marked >= retention.grace]
    removed = [name for name in due if name not in kept] if dry_run else []
    if not dry_run:
        for name in fresh:
            put_mark(store, name, moment)
        for name in due:
            records += log.records(store, since=len(records) + 1)  # what came meanwhile
            if name in _keep(records, [name], retention, moment):
                store.remove(mark_key(name))
            else:
                manifest = version_key(name, MANIFEST)
                # The manifest last: without it nobody takes the rest for whole.
                for key in sorted(objects[name], key=lambda key: (key == manifest, key)):
                    store.remove(key)
                removed.append(name)
    waiting = [name for name in marked_at if name not in due and name not in kept]
    return CollectResult(
        kept=tuple(sorted(kept & objects.keys())),
        marked=tuple(fresh),
        waiting=tuple(waiting),
        removed=tuple(removed),
        bytes=sum(size for name in removed for size in objects[name].values()),
    )


def _by_version(store: Store) -> dict[str, dict[str, int]]:
    """Objects by version; what lies under another name is none of ours and stays."""
    objects: dict[str, dict[str, int]] = {}
    for entry in store.listing(VERSIONS):
        name = entry.key.removeprefix(VERSIONS).partition("/")[0]
        if is_version_id(name):
            objects.setdefault(name, {})[entry.key] = entry.size
    return objects


def _keep(
    records: Iterable[CommitRecord],
    names: Iterable[str],
    retention: Retention,
    moment: datetime,
) -> set[str]:
    """Versions to keep: the last ones of the log, the young ones and the pinned ones."""
    last: dict[str, datetime] = {}
    for record in records:
        last.pop(record.version_id, None)  # to the end: the order is that of the last record
        last[record.version_id] = datetime.fromisoformat(record.published_at)
    kept = set(list(last)[-retention.versions :]) | set(retention.pins)
    begun = {
        name: datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for name in names
    }
    return kept | {n for n, t in (begun | last).items() if moment - t < retention.age}
