"""Removing versions that nobody can need: marked first, removed after a grace.

What is kept is decided on the log and the pins, which are read again after the marks and before
each removal. Uploads that died before their commit are removed by the same rule. The log itself is
never touched.
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime

from ml.artifacts import log
from ml.artifacts.documents import FORMAT, VersionId, parse, to_bytes
from ml.artifacts.errors import StoreError, after_change
from ml.artifacts.keys import MANIFEST, is_version_id, valid_key, version_key
from ml.artifacts.log import CommitRecord
from ml.artifacts.store import Body, Store, read_small
from ml.errors import ConfigError, first_few

VERSIONS, MARKS, PINS = "versions/", "_gc/", "_gc/pins/"
_MARK_LIMIT = 10_000
LEAST_AGE, LEAST_GRACE = timedelta(days=1), timedelta(hours=1)


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
    return _named(store, MARKS)


def pinned_versions(store: Store) -> set[str]:
    """The versions that are kept until they are unpinned."""
    return _named(store, PINS)


def _named(store: Store, prefix: str) -> set[str]:
    names = (e.key.removeprefix(prefix).removesuffix(".json") for e in store.listing(prefix))
    return set(filter(is_version_id, names))


def pin(store: Store, versions: Collection[str], *, dry_run: bool = False) -> None:
    """Keep versions, whatever their age, until they are unpinned; dry, only look at the names.

    Raises:
        ConfigError: There is no such version.
        StoreError: The store could not be read or written.
    """
    published = {record.version_id for record in log.records(store)}
    unknown = [
        name
        for name in versions
        if name not in published or store.head(version_key(name, MANIFEST)) is None
    ]
    if unknown:
        raise ConfigError(
            f"--pin: {store.name} holds no {first_few(unknown)}, {len(unknown)} of "
            f"{len(versions)} named. Nothing was done; --list shows what was published."
        )
    for name in () if dry_run else versions:
        document = {"format": FORMAT, "version_id": name}
        store.create(f"{PINS}{name}.json", Body.of(to_bytes(document)))


def unpin(store: Store, versions: Collection[str]) -> None:
    """Let the usual rules apply to versions again, which may not have been pinned.

    Raises:
        ConfigError: There never was such a version.
        StoreError: The store could not be read or written.
    """
    known = {record.version_id for record in log.records(store)} | pinned_versions(store)
    if unknown := [name for name in versions if name not in known]:
        raise ConfigError(
            f"--unpin: {store.name} never held {first_few(unknown)}, {len(unknown)} of "
            f"{len(versions)} named. Nothing was done; --list shows what was published."
        )
    for name in versions:
        store.remove(f"{PINS}{name}.json")


def change_pins(store: Store, retention: "Retention", *, dry_run: bool) -> None:
    """Pin and unpin what is asked for; dry, only look at the names to be pinned.

    Raises:
        ConfigError: There is no such version, or something is to be unpinned in a dry run.
    """
    if retention.unpins and dry_run:
        raise ConfigError("--unpin: changes what is kept; leave it out of a --dry-run.")
    pin(store, retention.pins, dry_run=dry_run)
    unpin(store, retention.unpins)


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
    pins: Collection[str] = ()  # versions kept whatever their age, beside those pinned there
    unpins: Collection[str] = ()  # versions that are no longer pinned there
    # time between mark and removal, for readers that are at work
    grace: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if self.versions < 1 or min(self.age, self.grace) < timedelta(0):
            raise ValueError("at least one version is kept, and no time is negative")


def chosen_retention(
    keep: int, days: float, grace: float, pins: Collection[str], unpins: Collection[str]
) -> Retention:
    """What is kept by the options of a command, grace in hours.

    Raises:
        ConfigError: That is less than lets publishers and readers, who may be at work, finish what
            they began, or no time at all.
    """
    try:
        chosen = Retention(
            versions=keep, age=timedelta(days=days), pins=pins, unpins=unpins,
            grace=timedelta(hours=grace),
        )  # fmt: skip
    except (ValueError, OverflowError):
        raise ConfigError(f"--days {days:g}, --grace {grace:g}: no such time exists.") from None
    if chosen.age < LEAST_AGE or chosen.grace < LEAST_GRACE:
        raise ConfigError(
            f"--days {days:g}, --grace {grace:g}: at least one day and one hour, for somebody may "
            f"be publishing or reading just now."
        )
    return chosen


@dataclass(frozen=True, slots=True)
class CollectResult:
    """What was done, or would be, by version."""

    kept: tuple[str, ...]  # versions left alone
    pinned: tuple[str, ...]  # those of them that are pinned
    marked: tuple[str, ...]  # versions marked by this call
    waiting: tuple[str, ...]  # versions marked earlier, still in their grace
    removed: tuple[str, ...]  # versions removed
    bytes: int  # of what was removed, or would be

    def tell(self, place: str, pinned: str = "pinned", *, dry_run: bool) -> Iterator[str]:
        """Lines on what was done in a place, or would be; ``pinned`` says why versions stay."""
        from rich.filesize import decimal  # readers know nothing of rich

        would = "would be " if dry_run else ""
        yield (
            f"{place}: {len(self.kept)} versions kept ({len(self.pinned)} {pinned}), "
            f"{len(self.marked)} {would}marked, {len(self.waiting)} marked earlier and waiting, "
            f"{len(self.removed)} {would}removed ({decimal(self.bytes)})"
        )
        yield from (f"{would}marked {name}" for name in self.marked)
        yield from (f"{would}removed {name}" for name in self.removed)


def collect_garbage(
    store: Store, retention: Retention, *, now: datetime | None = None, dry_run: bool = False
) -> CollectResult:
    """Mark what is not kept, and remove what was marked a grace ago; dry, only tell what would be.

    Ages are counted to ``now``, the clock without it.

    Raises:
        StoreError: The store could not be read or written.
        OutcomeUnknownError: It went away when something was marked or removed.
    """
    moment = now or datetime.now(UTC)
    objects = _by_version(store)
    records: list[CommitRecord] = []
    pins: set[str] = set()

    def needed(names: Iterable[str]) -> set[str]:
        records.extend(log.records(store, since=len(records) + 1))  # what came meanwhile, too
        pins.update(retention.pins, pinned_versions(store))
        return pins | _keep(records, names, retention, moment)

    kept = needed(objects)
    marked_at = _marks(store, objects)
    marked = [name for name in objects if name not in kept and name not in marked_at]
    removed = [
        name
        for name, since in marked_at.items()
        if name not in kept and moment - since >= retention.grace
    ]
    waiting = [name for name in marked_at if name not in kept and name not in removed]
    if not dry_run:
        old = {name: objects[name] for name in removed}
        kept |= _apply(store, marked, kept & marked_at.keys(), old, moment, needed)
    return CollectResult(
        kept=tuple(sorted(kept & objects.keys())),
        pinned=tuple(sorted(pins & objects.keys())),
        marked=tuple(name for name in marked if name not in kept),
        waiting=tuple(waiting),
        removed=tuple(name for name in removed if name not in kept),
        bytes=sum(sum(objects[name].values()) for name in removed if name not in kept),
    )


def _apply(
    store: Store,
    marked: Collection[str],
    unmarked: Collection[str],
    removed: Mapping[str, Collection[str]],
    moment: datetime,
    needed: Callable[[Iterable[str]], set[str]],
) -> set[str]:
    """Mark, unmark and remove versions; those that turn out to be needed now are left and named."""
    begun, spared = False, set(unmarked)
    try:
        for name in marked:
            put_mark(store, name, moment)
            begun = True
        spared |= needed(marked).intersection(marked) if marked else set()
        for name, keys in removed.items():
            if name in needed([name]):
                spared.add(name)
                continue
            # The manifest last: without it nobody takes the rest for whole.
            for key in sorted(keys, key=lambda key: (key.endswith(f"/{MANIFEST}"), key)):
                store.remove(key)
                begun = True
        for name in sorted(spared):
            store.remove(mark_key(name))
            begun = True
    except StoreError as error:
        if not (begun or error.maybe_done):
            raise
        raise after_change(
            error,
            "Some versions may be marked or removed and others not: run the same again, which "
            "goes on there.",
        ) from error
    return spared


def _by_version(store: Store) -> dict[str, dict[str, int]]:
    """Objects by version; what lies under another name is none of ours and stays."""
    objects: dict[str, dict[str, int]] = {}
    for entry in store.listing(VERSIONS):
        name = entry.key.removeprefix(VERSIONS).partition("/")[0]
        if is_version_id(name) and valid_key(entry.key):
            objects.setdefault(name, {})[entry.key] = entry.size
    return objects


def _keep(
    records: Iterable[CommitRecord],
    names: Iterable[str],
    retention: Retention,
    moment: datetime,
) -> set[str]:
    """Versions to keep: the last ones of the log and the young ones."""
    last: dict[str, datetime] = {}
    for record in records:
        last.pop(record.version_id, None)  # to the end: the order is that of the last record
        last[record.version_id] = datetime.fromisoformat(record.published_at)
    kept = set(list(last)[-retention.versions :])
    begun = {
        name: datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for name in names
    }
    return kept | {n for n, t in (begun | last).items() if moment - t < retention.age}
