"""What ``deploy_ml_results`` does, as lines for people; the command itself only reads options."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ml.artifacts.keys import version_key
from ml.artifacts.publisher import publisher
from ml.errors import ConfigError, first_few
from ml.logs import logger, logging_to
from ml.settings import settings
from pipelines.publish import log, probe
from pipelines.publish.collect_garbage import Retention, collect_garbage
from pipelines.publish.console import bytes_text, console_progress
from pipelines.publish.doctor import examine
from pipelines.publish.errors import VerificationError
from pipelines.publish.local_version import LocalVersion, newest_local
from pipelines.publish.opening import open_store
from pipelines.publish.policies import printed
from pipelines.publish.publishing import Published, publish, refuse_stale
from pipelines.publish.rollback import roll_back
from pipelines.publish.store import Store, holds
from pipelines.publish.verify import checked_version_id, find_record, verify

STREAMS = 4  # hides the way there and back of small files, and hashing behind sending
COMMAND = "deploy_ml_results"
PROBED = ".probed"  # in the results folder: which stores passed the probe today


@contextmanager
def logged() -> Iterator[None]:
    """Write what happens to ``LOG_DIR/deploy_ml_results.jsonl``."""
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    with logging_to(settings().log_dir, COMMAND, run_id):
        yield


def chosen_store(to: Path | None, results: Path, *, single_writer: bool) -> Store:
    """The store that the command works on.

    Raises:
        ConfigError: It is the results folder itself, or the settings are not complete or safe.
    """
    if to is not None and to.resolve() == results.resolve():
        raise ConfigError(f"--to: '{to}' is the results folder itself; name another one.")
    return open_store(to, single_writer=single_writer)


def deploy(
    store: Store, results: Path, *, force: bool = False, expect_parent: int | None = None
) -> Iterator[str]:
    """Publish the newest whole version of the results folder.

    Raises:
        StoreError: It was not published, unless the message says that it is committed.
    """
    with logged():
        version = newest_local(results)
        probe.require_conditions(store, results / PROBED)
        with console_progress() as progress:
            done = publish(
                store,
                version,
                publisher=publisher(),
                force=force,
                expect_parent=expect_parent,
                progress=progress,
                streams=STREAMS,
            )
        logger().info(
            "published",
            store=store.name,
            version_id=version.version_id,
            seq=done.record.seq,
            is_new=done.is_new,
            bytes=done.sent.bytes,
        )
    yield _told(store, version, done)


def _told(store: Store, version: LocalVersion, done: Published) -> str:
    sent = done.sent
    files = f"{sent.files} files sent ({bytes_text(sent.bytes)}), {sent.skipped} there already"
    if not done.is_new:
        mended = f"; {files}" if sent.files else ""
        flat = f"; {len(done.flat_keys)} flat files mended" if done.flat_keys else ""
        return (
            f"nothing new: version {version.version_id} is record {done.record.seq} in "
            f"{store.name} already{mended}{flat}"
        )
    return (
        f"published version {version.version_id} (as of {done.record.as_of}) as record "
        f"{done.record.seq} in {store.name}: {files}"
    )


def rehearse(store: Store, results: Path, *, force: bool = False) -> Iterator[str]:
    """What :func:`deploy` would do; nothing is written.

    Raises:
        StoreError: What it would raise.
    """
    version = newest_local(results)
    refuse_stale(version, log.newest(store), force=force)
    there = {e.key for e in store.listing(f"{version_key(version.version_id)}/")}
    lacking = [
        file
        for file in version.manifest.files
        if file.path not in there
        or not holds(store, file.path, size=file.bytes, sha256=file.sha256)
    ]
    yield (
        f"would publish version {version.version_id} (as of {version.manifest.as_of}) to "
        f"{store.name}: {len(lacking)} of {len(version.manifest.files)} files to send "
        f"({bytes_text(sum(file.bytes for file in lacking))})"
    )


def listed(store: Store) -> Iterator[str]:
    """The log, newest first."""
    records = list(log.records(store))
    pointed = log.read_pointer(store)
    yield "   seq  kind      as of       published (UTC)       version                    by"
    for record in reversed(records):
        mark = "*" if pointed is not None and pointed.seq == record.seq else " "
        yield (
            f"{mark}{record.seq:>5}  {record.kind:<8}  {record.as_of}  {record.published_at}  "
            f"{record.version_id}  {record.publisher}"
        )


def verified(store: Store, version: str | None) -> Iterator[str]:
    """Read a published version back and compare it.

    Raises:
        VerificationError: Something of it is not what was published.
    """
    record = find_record(store, checked_version_id(version) if version else None)
    with console_progress() as progress:
        problems = verify(store, record, progress)
    if problems:
        raise VerificationError(
            f"{store.name}: version {record.version_id}: {len(problems)} problems: "
            f"{first_few(problems)}."
        )
    yield f"version {record.version_id} (record {record.seq}) in {store.name} is whole"


def rolled_back(store: Store, to_seq: int | None) -> Iterator[str]:
    """Make an earlier version the newest.

    Raises:
        StoreError: Nothing was changed, unless the message says otherwise.
    """
    with logged():
        done = roll_back(store, publisher=publisher(), to_seq=to_seq)
        logger().info("rolled_back", store=store.name, seq=done.record.seq)
    if not done.is_new:
        yield f"nothing to do: {done.record.version_id} is the newest version already"
    else:
        yield (
            f"rolled back from {done.before.version_id} to {done.record.version_id} (record "
            f"{done.record.seq}) in {store.name}; undo it with --rollback --to-seq "
            f"{done.before.seq}"
        )


def collected(store: Store, retention: Retention, *, dry_run: bool) -> Iterator[str]:
    """Mark and remove versions that nobody needs."""
    with logged():
        done = collect_garbage(store, retention, dry_run=dry_run)
        logger().info("collected", store=store.name, dry_run=dry_run, removed=list(done.removed))
    would = "would be " if dry_run else ""
    yield (
        f"{store.name}: {len(done.kept)} versions kept, {len(done.marked)} {would}marked, "
        f"{len(done.waiting)} marked earlier and waiting, {len(done.removed)} {would}removed "
        f"({bytes_text(done.bytes)})"
    )
    yield from (f"{would}marked {name}" for name in done.marked)
    yield from (f"{would}removed {name}" for name in done.removed)


def examined(store: Store) -> Iterator[str]:
    """The doctor's findings.

    Raises:
        VerificationError: One of them is a problem.
    """
    anonymous = getattr(store, "anonymous_status", None)
    problems: list[str] = []
    findings = 0
    for finding in examine(store, anonymous):
        findings += 1
        if finding.level == "problem":
            problems.append(finding.text)
        yield f"{finding.level:<8} {finding.text}"
    if problems:
        raise VerificationError(
            f"{store.name}: {len(problems)} of {findings} findings are problems, see above."
        )


def policy_lines() -> Iterator[str]:
    """The policies for the settings' bucket and prefix.

    Raises:
        ConfigError: No bucket is named.
    """
    read = settings()
    if not read.s3_bucket:
        raise ConfigError("settings: S3_BUCKET is not set; the policies are for one bucket.")
    yield printed(read.s3_bucket, read.s3_prefix.strip("/"))


def one_of(actions: Sequence[tuple[str, bool]]) -> str | None:
    """The action that was asked for, ``None`` = publish.

    Raises:
        ConfigError: More than one was.
    """
    asked = [name for name, given in actions if given]
    if len(asked) > 1:
        raise ConfigError(f"{' and '.join(asked)} exclude each other; ask for one at a time.")
    return asked[0] if asked else None


def check_details(
    action: str | None,
    *,
    version: str | None,
    to_seq: int | None,
    dry_run: bool,
    force: bool = False,
    expect_parent: int | None = None,
    pin: Sequence[str] = (),
) -> None:
    """Refuse a detail of another action than the one asked for: in silence it would be lost.

    Raises:
        ConfigError: There is one.
    """
    belongs = [
        (f"VERSION ({version})", version is not None, ("--verify",)),
        ("--to-seq", to_seq is not None, ("--rollback",)),
        ("--dry-run", dry_run, (None, "--gc")),
        ("--force", force, (None,)),
        ("--expect-parent", expect_parent is not None, (None,)),
        ("--pin", bool(pin), ("--gc",)),
    ]
    for name, given, actions in belongs:
        if given and action not in actions:
            wanted = " or ".join(word or "publishing" for word in actions)
            raise ConfigError(f"{name} goes with {wanted} only.")
