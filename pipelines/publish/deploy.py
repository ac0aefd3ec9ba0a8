"""The verbs of publishing, one function each, as lines for people; commands only read options.

Each is given a :class:`Deployment` and opens the store there; what was done is also in
``LOG_DIR/deploy_ml_results.jsonl``.
"""

import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.filesize import decimal

from ml.artifacts import log
from ml.artifacts.commit import Judge, refuse_stale
from ml.artifacts.errors import VerificationError
from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import version_key
from ml.artifacts.log import publisher
from ml.artifacts.store import Store, holds
from ml.errors import ConfigError
from ml.gate.rules import check_names
from ml.gate.stored import facts_of, store_judge
from ml.logs import logger, logging_to
from ml.settings import refuse_open_secrets, settings
from pipelines.publish.collect_garbage import Retention, change_pins, collect_garbage
from pipelines.publish.doctor import examine
from pipelines.publish.future_record import refusing_the_future
from pipelines.publish.policies import policies
from pipelines.publish.probe import require_conditions, require_rights
from pipelines.publish.progress_bars import console_progress
from pipelines.publish.publishing import LocalVersion, PublishResult, newest_local, publish
from pipelines.publish.reader import open_store
from pipelines.publish.rollback import PendingRollback, roll_back

STREAMS = 4  # hides the way there and back of small files, and hashing behind sending
COMMAND = "deploy_ml_results"
PROBED = ".probed"  # in the results folder: which stores passed the probe today
PENDING = ".pending"  # likewise: rollbacks that may have been done or not
DETAILS: Mapping[str, tuple[str, ...]] = {
    "VERSION": ("--verify", "--repair"),
    "--all": ("--verify", "--repair"),
    "--subset": ("--verify", "--repair"),
    "--to-seq": ("--rollback",),
    "--dry-run": ("", "--gc", "--repair"),
    "--force": ("",),
    "--expect-parent": ("",),
    "--accept": ("",),
    "--allow-synthetic": ("",),
    "--pin": ("--gc",),
    "--unpin": ("--gc",),
    "--local": ("--gc",),
}
"""The actions of ``deploy_ml_results`` that each detail goes with; publishing has no name."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """From where, to where."""

    to: Path | None = None  # folder of the store; the settings' S3 store without it
    results: Path | None = None  # results folder; that of the settings without it
    single_writer: bool = False  # See `ml.artifacts.store.Store`

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.results or settings().ml_results_path

    def open(self) -> Store:
        """The store; nothing is sent yet.

        Raises:
            ConfigError: It is the results folder itself, or the settings are not complete or safe.
        """
        if self.to is not None and self.to.resolve() == self.folder.resolve():
            raise ConfigError(f"--to: '{self.to}' is the results folder itself; name another one.")
        return open_store(self.to, single_writer=self.single_writer)

    def open_there(self) -> Store:
        """The store, likewise; a wrong name does not pass for a store without versions.

        Raises:
            ConfigError: Its folder is not there; and as above.
        """
        if self.to is not None and not self.to.is_dir():
            raise ConfigError(
                f"--to: there is no folder '{self.to}'. Name the one that was published to, or "
                f"publish to it first."
            )
        return self.open()


def ask_store(place: Deployment) -> None:
    """Ask the store for what publishing will need, so that a wrong key shows before the work.

    Raises:
        ConfigError: The settings are not complete or safe.
        StoreError: The store is away, cannot be used, or the key may not do all that is needed.
    """
    refuse_open_secrets()
    require_rights(place.open())


@contextmanager
def command_log() -> Iterator[None]:
    """Keep what is done in the log of the command."""
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    with logging_to(settings().log_dir, COMMAND, run_id):
        yield


def publish_newest(
    place: Deployment,
    *,
    force: bool = False,
    expect_parent: int | None = None,
    dry_run: bool = False,
    accept: Collection[str] = (),
    allow_synthetic: bool = False,
) -> Iterator[str]:
    """Publish the newest whole version of the results folder, or only say what would be sent.

    The arguments are the options of the command.

    Raises:
        ConfigError: There is no such rule.
        GateError: The gate is closed; nothing was published.
        StoreError: It was not published, unless the message says that it is committed.
    """
    accepted = check_names((*accept, *(("as_of",) if force else ())))
    store, read = place.open(), settings()
    version = newest_local(place.folder)
    judge = store_judge(
        store,
        facts_of(results_store(place.folder), version.manifest),
        accepted,
        read.current_day,
        allow_synthetic=allow_synthetic or read.allow_synthetic,
    )
    known_days = refusing_the_future(store, version, read.current_day, force=force)
    if dry_run:
        with known_days:
            yield _rehearse(store, version, judge, force=force)
        return
    refuse_open_secrets()
    with command_log():
        require_conditions(store, place.folder / PROBED)
        with known_days, console_progress() as progress:
            done = publish(
                store, version, publisher=publisher(), force=force, expect_parent=expect_parent,
                judge=judge, progress=progress, streams=STREAMS,
            )  # fmt: skip
        logger().info("published", store=store.name, version_id=version.version_id,
                      seq=done.record.seq, is_new=done.is_new, bytes=done.bytes)  # fmt: skip
    yield _describe(store, version, done)


def _describe(store: Store, version: LocalVersion, done: PublishResult) -> str:
    skipped = len(version.manifest.files) - len(done.sent)
    files = f"{len(done.sent)} files sent ({decimal(done.bytes)}), {skipped} there already"
    if not done.is_new:
        mended = f"; {files}" if done.sent else ""
        flat = f"; {len(done.flat_keys)} flat files mended" if done.flat_keys else ""
        return (
            f"nothing new: version {version.version_id} is record {done.record.seq} in "
            f"{store.name} already{mended}{flat}"
        )
    return (
        f"published version {version.version_id} (as of {done.record.as_of}) as record "
        f"{done.record.seq} in {store.name}: {files}"
    )


def _rehearse(store: Store, version: LocalVersion, judge: Judge, *, force: bool) -> str:
    head = log.newest(store)
    refuse_stale(version.manifest, head, force=force)
    judge(head)
    there = {e.key for e in store.listing(f"{version_key(version.version_id)}/")}
    lacking = [
        file
        for file in version.manifest.files
        if file.path not in there
        or not holds(store, file.path, size=file.bytes, sha256=file.sha256)
    ]
    return (
        f"would publish version {version.version_id} (as of {version.manifest.as_of}) to "
        f"{store.name}: {len(lacking)} of {len(version.manifest.files)} files to send "
        f"({decimal(sum(file.bytes for file in lacking))})"
    )


def list_log(place: Deployment) -> Iterator[str]:
    """The log, newest first."""
    store = place.open_there()
    records = list(log.records(store))
    pointed = log.read_pointer(store)
    yield "   seq  kind      as of       published (UTC)       version                    by"
    for record in reversed(records):
        mark = "*" if pointed is not None and pointed.seq == record.seq else " "
        yield (
            f"{mark}{record.seq:>5}  {record.kind:<8}  {record.as_of}  {record.published_at}  "
            f"{record.version_id}  {record.publisher}{_tell_accepted(record)}"
        )
    if not records:
        yield f"nothing is published in {store.name} yet"


def _tell_accepted(record: log.CommitRecord) -> str:
    names = (record.gate or {}).get("accepted")
    return f", accepted: {', '.join(names)}" if names else ""


def roll_back_version(place: Deployment, to_seq: int | None = None) -> Iterator[str]:
    """Make an earlier version the newest.

    Raises:
        StoreError: Nothing was changed, unless the message says otherwise.
    """
    store = place.open()
    with command_log():
        note = PendingRollback(store, place.folder / PENDING)
        before, record = roll_back(store, publisher=publisher(), to_seq=to_seq, note=note)
        logger().info("rolled_back", store=store.name, seq=record.seq)
    if record == before:
        yield f"nothing to do: {record.version_id} is the newest version already"
    else:
        yield (
            f"rolled back from {before.version_id} to {record.version_id} (record {record.seq}) in "
            f"{store.name}; undo it with --rollback --to-seq {before.seq}"
        )
    note.forget()


def collect(place: Deployment, retention: Retention, *, dry_run: bool = False) -> Iterator[str]:
    """Mark versions that nobody needs, and remove those marked a grace ago.

    Raises:
        ConfigError: There is no version of such a name.
    """
    store = place.open_there()
    with command_log():
        change_pins(store, retention, dry_run=dry_run)
        done = collect_garbage(store, retention, dry_run=dry_run)
        logger().info("collected", store=store.name, dry_run=dry_run, removed=list(done.removed))
    yield from done.tell(store.name, dry_run=dry_run)


def examine_store(place: Deployment) -> Iterator[str]:
    """The doctor's findings.

    Raises:
        VerificationError: One of them is a problem.
    """
    store = place.open_there()
    problems = findings = 0
    anonymous = getattr(store, "anonymous_status", None)
    for finding in examine(store, anonymous, today=settings().current_day):
        findings += 1
        problems += finding.level == "problem"
        yield f"{finding.level:<8} {finding.text}"
    if problems:
        raise VerificationError(
            f"{store.name}: {problems} of {findings} findings are problems, see above."
        )


def print_policies() -> Iterator[str]:
    """The policies for the settings' bucket and prefix.

    Raises:
        ConfigError: No bucket is named.
    """
    read = settings()
    if not read.s3_bucket:
        raise ConfigError("settings: S3_BUCKET is not set; the policies are for one bucket.")
    yield json.dumps(policies(read.s3_bucket, read.s3_prefix.strip("/")), indent=2)


def choose_action(asked: Mapping[str, bool], details: Mapping[str, bool]) -> str:
    """The action that was asked for, empty = publish.

    Both say by name what was given. A detail of another action would be lost in silence.

    Raises:
        ConfigError: More than one action was, or a detail of another one.
    """
    names = [name for name, given in asked.items() if given]
    if len(names) > 1:
        raise ConfigError(f"{' and '.join(names)} exclude each other; ask for one at a time.")
    action = names[0] if names else ""
    for name, given in details.items():
        actions = DETAILS[name.partition(" ")[0]]
        if given and action not in actions:
            wanted = " or ".join(word or "publishing" for word in actions)
            raise ConfigError(f"{name} goes with {wanted} only.")
    return action
