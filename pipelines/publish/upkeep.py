"""Looking after what is published, version by version: read it back, and repair it.

The verbs yield lines for people as those of :mod:`pipelines.publish.deploy` do.
"""

import re
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rich.filesize import decimal

from ml.artifacts import log
from ml.artifacts.commit import show_newest
from ml.artifacts.errors import ConflictError, VerificationError
from ml.artifacts.folder_store import FolderStore, results_store
from ml.artifacts.keys import is_version_id, version_key
from ml.artifacts.log import CommitRecord, record_manifest
from ml.artifacts.manifest import Manifest
from ml.artifacts.reading import find_strays, verify
from ml.artifacts.store import Store
from ml.artifacts.version import repair_flat_view
from ml.errors import ConfigError, first_few
from ml.locks import hold
from ml.logs import logger
from pipelines.publish.collect_garbage import is_marked, marked_versions
from pipelines.publish.deploy import STREAMS, Deployment, command_log
from pipelines.publish.progress_bars import console_progress
from pipelines.publish.reader import published_record
from pipelines.publish.repair import RepairResult, repair, restore_newest_record

_SUBSET = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Subset:
    """One of some shares of all versions; a version stays in its share for ever."""

    number: int  # of the share, from 1
    shares: int  # how many there are

    @staticmethod
    def parse(text: str) -> "Subset":
        """A share written as ``2/7``.

        Raises:
            ConfigError: It is not.
        """
        match = _SUBSET.fullmatch(text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ConfigError(
                f"--subset {text}: write N/M with N from 1 to M, for instance 2/7 for the second "
                f"of seven shares."
            )
        return Subset(int(match[1]), int(match[2]))

    def holds(self, version: str) -> bool:
        """Whether a version belongs to it: by a hash of its id, so that shares are even."""
        return int(sha256(version.encode()).hexdigest(), 16) % self.shares == self.number - 1

    def __str__(self) -> str:
        return f" in share {self.number} of {self.shares}" if self.shares > 1 else ""


ALL = Subset(1, 1)


@dataclass(frozen=True, slots=True)
class LiveVersions:
    """The versions of a store that can be read."""

    records: tuple[CommitRecord, ...]  # the newest record of each of a subset, in the log's order
    marked: int  # how many of the subset are marked for removal or were removed


def live_versions(store: Store, subset: Subset = ALL) -> LiveVersions:
    """What the log names and nobody has marked; the newest version always is.

    Raises:
        StoreError: The log is damaged, or cannot be read.
    """
    log.newest(store)  # knows of a record that the pointer names and the log lacks
    records = list(log.records(store))
    latest = {record.version_id: record for record in records}
    marked = marked_versions(store) - {record.version_id for record in records[-1:]}
    chosen = [record for version, record in latest.items() if subset.holds(version)]
    live = tuple(record for record in chosen if record.version_id not in marked)
    return LiveVersions(live, len(chosen) - len(live))


def verify_versions(
    place: Deployment,
    version: str | None = None,
    *,
    every: bool = False,
    subset: str | None = None,
) -> Iterator[str]:
    """Read published versions back and compare every byte; a line a problem, and one at the end.

    The arguments are the options of the command.

    Raises:
        VerificationError: Something is not what was published.
    """
    share, store = _share(version, every=every, subset=subset), place.open()
    if share is None:
        yield _verify_one(store, version)
        return
    found = _every(store, share)
    told = f"{len(found.records)} versions{share}"
    manifests, broken = _read_manifests(store, found.records)
    problems = [f"version {name}: {text}" for name, text in broken.items()]
    yield from (f"problem  {problem}" for problem in problems)
    size, left_out = sum(manifest.size for manifest in manifests), found.marked
    with console_progress() as progress:
        progress.begin(f"reading {len(manifests)} versions", size)
        for manifest in manifests:
            wrong = verify(store, manifest, progress=progress, streams=STREAMS)
            if wrong and is_marked(store, manifest.version_id):
                left_out += 1  # by a janitor, since this began
                continue
            new = [f"version {manifest.version_id}: {problem}" for problem in wrong]
            yield from (f"problem  {problem}" for problem in new)
            problems += new
    if strays := find_strays(store):
        yield f"warning  {len(strays)} files are none of ours: {first_few(strays)}"
    if problems:
        raise VerificationError(
            f"{store.name}: {len(problems)} problems in {told}: {first_few(problems, 1)}. Run "
            f"--repair --all on the machine whose results folder has them."
        )
    gone = f"; {left_out} marked for removal were left out" if left_out else ""
    files = sum(len(manifest.files) for manifest in manifests)
    yield f"{told} in {store.name} are whole: {files} files, {decimal(size)}{gone}"


def _share(version: str | None, *, every: bool, subset: str | None) -> Subset | None:
    """The share asked for, ``None`` for one version.

    Raises:
        ConfigError: What was asked for does not go together.
    """
    if every and version is not None:
        raise ConfigError(f"--all and {version} exclude each other; ask for one of them.")
    if subset is not None and not every:
        raise ConfigError("--subset goes with --all only.")
    if version is not None and not is_version_id(version):
        raise ConflictError(f"{version!r} is not the id of a version; --list shows them.")
    if not every:
        return None
    return ALL if subset is None else Subset.parse(subset)


def _every(store: Store, share: Subset) -> LiveVersions:
    if log.newest(store) is None:
        raise ConflictError(f"{store.name}: nothing was published. Look at --list.")
    return live_versions(store, share)


def _verify_one(store: Store, version: str | None) -> str:
    record = published_record(store, version)
    manifest = record_manifest(store, record)
    with console_progress() as progress:
        progress.begin(f"reading back {manifest.version_id}", manifest.size)
        problems = verify(store, manifest, progress=progress)
    if problems:
        raise VerificationError(
            f"{store.name}: version {record.version_id}: {len(problems)} problems: "
            f"{first_few(problems)}. Run --repair where the results are that it was made in."
        )
    return f"version {record.version_id} (record {record.seq}) in {store.name} is whole"


def _read_manifests(
    store: Store, records: tuple[CommitRecord, ...]
) -> tuple[list[Manifest], dict[str, str]]:
    """The manifests that can be read, and what is wrong with the others by version."""
    manifests, broken = [], {}
    for record in records:
        try:
            manifests.append(record_manifest(store, record))
        except VerificationError as error:
            broken[record.version_id] = error.message
    return manifests, broken


def repair_versions(
    place: Deployment,
    version: str | None = None,
    *,
    every: bool = False,
    subset: str | None = None,
    dry_run: bool = False,
) -> Iterator[str]:
    """Put damaged files of the store back from the results folder, and the other way round.

    The arguments are the options of the command.

    Raises:
        VerificationError: Something is damaged and cannot be put back from there.
    """
    share = _share(version, every=every, subset=subset)
    store, local = place.open(), results_store(place.folder)
    would = "would be " if dry_run else ""
    if records_back := [*_restore_records(store, local, dry_run=dry_run)]:
        yield from (f"{would}restored {key}" for key in records_back)
        if dry_run:
            return  # what else is damaged shows once the log can be read
    records = (_one_live(store, version),) if share is None else _every(store, share).records
    ours, lost = _our_versions(local)
    yield from (f"lost     {text}" for text in lost)
    restored = 0
    with command_log(), console_progress() as progress:
        progress.begin(f"reading {len(records)} versions", sum(map(_size_of_tables, records)))
        for record in records:
            done = repair(store, record, local, dry_run=dry_run, progress=progress, streams=STREAMS)
            back = _repair_local(place.folder, ours.get(record.version_id), store, dry_run=dry_run)
            for result, where in ((done, store), (back, local)):
                restored, lost = restored + len(result.restored), [*lost, *result.lost]
                yield from (f"{would}restored {key} in {where.name}" for key in result.restored)
                yield from (f"lost     {text}" for text in result.lost)
        logger().info("repaired", store=store.name, dry_run=dry_run, restored=restored, lost=lost)
    if lost:
        raise VerificationError(
            f"{store.name}: {len(lost)} damages could not be repaired: {first_few(lost, 1)}. "
            f"Restore them from a copy, or publish a new version."
        )
    flat = [] if dry_run else show_newest(store, place.folder, STREAMS)
    flat += repair_flat_view(place.folder) if ours and not dry_run else []
    mended = f"; {len(flat)} flat files mended" if flat else ""
    yield (
        f"{len(records)} versions in {store.name} read: {restored} files {would}restored{mended}"
    )


def _restore_records(store: Store, local: FolderStore, *, dry_run: bool) -> Iterator[str]:
    """Put back the newest record of both logs where it is damaged or lost."""
    yield from (f"{key} in {store.name}" for key in restore_newest_record(store, dry_run=dry_run))
    with suppress(VerificationError):  # it shows again where this log is read
        if restore_newest_record(local, dry_run=True):
            with nullcontext() if dry_run else hold(local.root):
                back = restore_newest_record(local, dry_run=dry_run)
            yield from (f"{key} in {local.name}" for key in back)


def _our_versions(local: FolderStore) -> tuple[dict[str, CommitRecord], list[str]]:
    """The results folder's records by version, and what is wrong with its log.

    Its files can stand in for those of the store without the log, for each is known by its hash.
    """
    try:
        return {record.version_id: record for record in live_versions(local).records}, []
    except VerificationError as error:
        return {}, [f"the log of the results folder is damaged: {error.message}"]


def _size_of_tables(record: CommitRecord) -> int:
    return sum(file["bytes"] for files in record.datasets.values() for file in files)


def _one_live(store: Store, version: str | None) -> CommitRecord:
    record = published_record(store, version)
    if record not in live_versions(store).records:
        raise ConflictError(
            f"{store.name}: version {record.version_id} is marked for removal or was removed. "
            f"Choose another from --list."
        )
    return record


def _repair_local(
    results: Path, record: CommitRecord | None, store: Store, *, dry_run: bool
) -> RepairResult:
    """Repair the version in the results folder, unless it was never there or was removed."""
    local = results_store(results)
    if record is None or not any(local.listing(f"{version_key(record.version_id)}/")):
        return RepairResult((), ())
    found = repair(local, record, store, dry_run=True)
    if dry_run or not found.restored:
        return found
    with hold(results):  # a run that begins clears away what is half written there
        return repair(local, record, store)
