"""The rules of ``--gc`` for this machine, under the locks of those who write here.

Versions of the results folder are marked and, a grace later, removed, as in a store. What belongs
to versions goes after them: plain files of their days, and models of their datasets. Logs and notes
of empty answers have no version; they go by age alone. Answers with data stay for good: the tables,
with what was known when, are built again from nothing else.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.filesize import decimal

from ml.artifacts import log
from ml.artifacts.flat_view import dated_files, expected_files
from ml.artifacts.folder_store import STAGING, WORK, FolderStore, results_store
from ml.artifacts.keys import date_of
from ml.artifacts.log import CommitRecord
from ml.artifacts.version import read_manifest
from ml.durable import disk_errors, remove, remove_all, replace
from ml.errors import ConfigError, PublishError
from ml.locks import hold
from ml.logs import logger
from ml.run.model_sets import COMPANY
from ml.settings import Settings, settings
from pipelines.nightly.kept_inputs import unneeded_inputs
from pipelines.nightly.preflight import TEXTS
from pipelines.outside.domain_sources import DOMAINS
from pipelines.outside.ledger import FILE as LEDGER
from pipelines.outside.ledger import ledger
from pipelines.publish.collect_garbage import (
    VERSIONS,
    Retention,
    change_pins,
    collect_garbage,
)
from pipelines.publish.deploy import Deployment, command_log

A_DAY = timedelta(days=1)  # that a night may take from keeping its inputs to noting its version
LEAST_DAYS = timedelta(days=30)  # of logs and notes, whatever --days says: both are small
_OLD_NOTES = "SELECT id FROM answers WHERE outcome != 'data' AND day < ?"
_STAYS = "SELECT DISTINCT file FROM answers WHERE (outcome = 'data' OR day >= ?) AND file != ''"
_LAID_ASIDE = re.compile(r"[a-z0-9_]+\.([0-9]{4}-[0-9]{2}-[0-9]{2})\.jsonl")


def clear(place: Deployment, retention: Retention, *, dry_run: bool) -> Iterator[str]:
    """What ``--gc --local`` does, as :func:`pipelines.publish.deploy.collect` in a store.

    Raises:
        ConfigError: A store is named, or there is no version of such a name.
        PublishError: A run is at work, the log of the results is damaged, or the disk refused.
    """
    if place.to is not None:
        raise ConfigError(f"--local clears this machine, not '{place.to}': leave --to out.")
    with command_log():
        if retention.pins or retention.unpins:
            with hold(place.folder):
                change_pins(results_store(place.folder), retention, dry_run=dry_run)
        for line in clear_local(place.folder, retention, settings(), dry_run=dry_run):
            logger().info("cleared", line=line)
            yield line


def clear_local(
    results: Path,
    retention: Retention,
    config: Settings,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
) -> Iterator[str]:
    """Remove what no rule keeps; a line for each thing, with what was or would be done.

    Args:
        results: The results folder.
        retention: As for a store. The newest whole version, and partial ones since, always stay:
            later runs and the flat view need them, and a version that is not published yet is
            the newest.
        config: Names the folders of models, logs and data.
        now: Ages are counted to it; the clock without it.
        dry_run: Only say what would be done.

    Raises:
        PublishError: A run is at work, the log of the results is damaged, or the disk refused.
    """
    moment = now or datetime.now(UTC)
    with disk_errors("clearing old files", "Correct that and run again."):
        yield from _clear_by_age(results, config, moment, retention.age, dry_run=dry_run)
        if not results.is_dir():
            yield f"'{results}': there is no such folder, so no version to clear"
        else:
            with hold(results):
                models = config.models_dir / COMPANY
                yield from _clear_versions(results, models, retention, moment, dry_run=dry_run)


def _clear_by_age(
    results: Path, config: Settings, moment: datetime, age: timedelta, *, dry_run: bool
) -> Iterator[str]:
    """Clear what belongs to no version: answers, inputs of nights, logs."""
    would, oldest = "would be " if dry_run else "", moment - max(age, LEAST_DAYS)
    pruned = prune_answers(config.data_dir / "raw", oldest, dry_run=dry_run)
    if pruned.notes or pruned.paths:
        yield (
            f"{would}removed {pruned.notes} notes of answers without data and "
            f"{len(pruned.paths)} files of answers that no note names ({decimal(pruned.bytes)})"
        )
    texts = sorted((config.log_dir / TEXTS).glob("*.txt"))
    for paths in (
        unneeded_inputs(config.data_dir, results, moment - A_DAY),
        _logs_laid_aside(config.log_dir, oldest),
        (path for path in texts if _newest(path) < oldest),
    ):
        yield from _remove_each(paths, dry_run=dry_run)
    for path in _logs_to_lay_aside(config.log_dir, oldest):
        aside = path.with_suffix(f".{moment.date().isoformat()}.jsonl")
        if aside.exists():
            continue
        if not dry_run:
            replace(path, aside)  # who has it open goes on writing to it
        yield f"{would}laid aside '{path}' as '{aside.name}'"


def _clear_versions(
    results: Path, models: Path, retention: Retention, moment: datetime, *, dry_run: bool
) -> Iterator[str]:
    """Collect versions, less those that are needed; then what belonged to those that are gone."""
    store, old = results_store(results), moment - retention.age
    needed = {record.version_id for record in _needed(store)}
    retention = dataclasses.replace(retention, pins=(*retention.pins, *needed))
    done = collect_garbage(store, retention, now=moment, dry_run=dry_run)
    for folder in (results / VERSIONS).glob("*"):  # left by a crash after the last file
        if folder.is_dir() and not dry_run and not any(p.is_file() for p in folder.rglob("*")):
            remove_all(folder)
    yield from done.tell(f"'{results}'", "pinned or needed", dry_run=dry_run)
    present = {*done.kept, *done.marked, *done.waiting} - set(done.removed)
    left = [*(results / STAGING).glob("*"), *(results / WORK).glob("*")]
    for paths in (
        _plain_files(store, present, old),
        (path for path in left if _newest(path) < old),
        _models_of_no_version(results, models, present, old),
    ):
        yield from _remove_each(paths, dry_run=dry_run)


def _remove_each(paths: Iterable[Path], *, dry_run: bool) -> Iterator[str]:
    for path in paths:
        size = size_of(path)
        if not dry_run:
            remove_all(path)
        yield f"{'would be ' if dry_run else ''}removed '{path}' ({decimal(size)})"


def _needed(store: FolderStore) -> Iterator[CommitRecord]:
    """The newest version, and those before it back to a whole one."""
    record = log.newest(store)
    while record is not None:
        yield record
        record = log.read_parent(store, record) if record.partial else None


def _plain_files(store: FolderStore, present: set[str], old: datetime) -> Iterator[Path]:
    """Flat files of days of which no version is there any more."""
    head = log.newest(store)
    if head is None:
        return
    shown, days = expected_files(store, head), {date_of(version) for version in present}
    for _, key, day, _ in dated_files(store, ""):
        if key not in shown and day not in days and day < old.date().isoformat():
            yield store.root / key


def _models_of_no_version(
    results: Path, models: Path, present: set[str], old: datetime
) -> Iterator[Path]:
    """Models of datasets that no version here was made from; each is held while it is looked at."""
    used = {read_manifest(results, version).run.get("dataset_id") for version in present}
    for folder in sorted(models.glob("*")):
        if folder.name not in used and folder.is_dir() and _newest(folder) < old:
            with suppress(PublishError), hold(folder):  # one that is being trained stays
                yield folder


def _newest(path: Path) -> datetime:
    """When a file, or the last one in a folder, was written; a lock is none."""
    files = [file for file in (path, *path.rglob("*")) if not file.name.startswith(".lock")]
    return datetime.fromtimestamp(max(file.lstat().st_mtime for file in files), UTC)


def _logs_laid_aside(folder: Path, oldest: datetime) -> Iterator[Path]:
    for path in sorted(folder.glob("*.jsonl")):
        if (match := _LAID_ASIDE.fullmatch(path.name)) is not None:
            with suppress(ValueError):
                if date.fromisoformat(match[1]) < oldest.date():
                    yield path


def _logs_to_lay_aside(folder: Path, oldest: datetime) -> Iterator[Path]:
    """Logs whose first line is old; they begin anew with the next command."""
    for path in sorted(folder.glob("*.jsonl")):
        if _LAID_ASIDE.fullmatch(path.name) is None:
            with suppress(ValueError, KeyError, TypeError), path.open("rb") as file:
                written = datetime.fromisoformat(json.loads(file.readline())["timestamp"])
                if written < oldest:
                    yield path


@dataclass(frozen=True, slots=True)
class PrunedAnswers:
    """What was removed from the raw store, or would be."""

    notes: int  # lines of the ledger
    paths: tuple[Path, ...]  # files of bytes, and folders in which a dead run read
    bytes: int  # of them


def prune_answers(raw: Path, before: datetime, *, dry_run: bool) -> PrunedAnswers:
    """Remove what the raw store keeps of answers that brought nothing before a moment.

    That are notes of answers that were refused, empty or unchanged, with the bytes of refused ones,
    and bytes that no note names, which a run left that died between the two.

    Raises:
        PublishError: An ETL command is at work, or the disk refused.
    """
    if not (raw / LEDGER).is_file():
        return PrunedAnswers(0, (), 0)
    with ExitStack() as locks:
        for name in DOMAINS:  # between bytes and note, bytes that nobody names are in use
            locks.enter_context(hold(raw / "_runs" / f".{name}"))
        day = before.date().isoformat()
        with ledger(raw) as db:
            named = {raw / file for (file,) in db.execute(_STAYS, [day])}
            old = db.execute(_OLD_NOTES, [day]).fetchall()
            if not dry_run:
                db.executemany("DELETE FROM in_tables WHERE answer = ?", old)
                db.executemany("DELETE FROM answers WHERE id = ?", old)
        # After the notes: bytes without a note are found by the next call, the other way round
        # is a damaged store.
        files = (path for path in raw.glob("*/bodies/[!.]*") if path not in named)
        found, since = (*files, *raw.glob(".importing-*")), before.timestamp()
        paths = [path for path in found if path.stat().st_mtime < since]
        size = sum(map(size_of, paths))
        if not dry_run:
            for path in paths:
                (remove if path.is_file() else remove_all)(path)
    return PrunedAnswers(len(old), tuple(sorted(paths)), size)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
