"""Publishing a version: all files, then its manifest, read back, then one record in the log.

Before the record nobody sees anything of it, from the record on everybody sees all of it. A run
that dies anywhere is put right by the next one: what is there already with the same content is not
sent again.
"""

from dataclasses import dataclass
from pathlib import Path

from ml.artifacts import commit, log
from ml.artifacts.commit import Judge
from ml.artifacts.errors import ConflictError, VerificationError
from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import MANIFEST, PAST, folder_of, version_key
from ml.artifacts.log import CommitRecord
from ml.artifacts.manifest import Manifest, ManifestFile
from ml.artifacts.reading import verify
from ml.artifacts.store import SILENT, Body, Progress, Store, holds, in_parallel
from ml.errors import first_few
from pipelines.publish.collect_garbage import is_marked


@dataclass(frozen=True, slots=True)
class LocalVersion:
    """A whole version in a results folder."""

    results: Path  # the results folder
    manifest: Manifest  # of the version

    @property
    def version_id(self) -> str:
        """Of the version."""
        return self.manifest.version_id

    def body(self, file: ManifestFile) -> Body:
        """The content of one of its files."""
        return Body(self.results / file.path, file.bytes, file.sha256)

    def manifest_body(self) -> Body:
        """The manifest's own bytes."""
        path = self.results / version_key(self.version_id, MANIFEST)
        return Body(path, path.stat().st_size, self.manifest.sha256)


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What a call of :func:`publish` did."""

    record: CommitRecord  # of the version in the log
    is_new: bool  # whether this call committed it
    sent: tuple[ManifestFile, ...]  # its files that were sent, but the manifest
    flat_keys: tuple[str, ...]  # keys of the flat view that were written

    @property
    def bytes(self) -> int:
        """What was sent of its files."""
        return sum(file.bytes for file in self.sent)


def newest_local(results: Path) -> LocalVersion:
    """The newest whole version of a results folder, every file of it read.

    Raises:
        VerificationError: There is none, or a file of it is not what was written.
    """
    store = results_store(results)
    record = log.find_record(store, lambda record: not record.partial)
    if record is None:
        raise VerificationError(
            f"'{results}': holds no whole version to publish. Run generate_ml_results first; "
            f"--only-forecasts makes a part, which is not published."
        )
    manifest = log.record_manifest(store, record)
    problems = verify(store, manifest)
    problems += [f"{file.path}: is empty" for file in manifest.files if not file.bytes]
    advice = "Restore them or run generate_ml_results again."
    commit.refuse_problems(store, manifest, problems, advice)
    return LocalVersion(results, manifest)


def publish(
    store: Store,
    version: LocalVersion,
    *,
    publisher: str,
    force: bool = False,
    expect_parent: int | None = None,
    judge: Judge | None = None,
    progress: Progress = SILENT,
    streams: int = 1,
) -> PublishResult:
    """Publish a version; may be called again after any crash, and does nothing twice.

    Args:
        store: Where to; it has passed :func:`pipelines.publish.probe.require_conditions`.
        version: What.
        publisher: Who, for instance ``host/user``.
        force: Publish although what is published is as of a later day.
        expect_parent: Publish only if this is the number of the newest record.
        judge: The gate, asked before anything is sent and again at the commit.
        progress: Is told what is done.
        streams: Files sent or read at a time.

    Raises:
        StoreError: Unless the message says that the version is committed, it is not, and readers
            see what they saw before.
    """
    record, is_new = None, False
    # Without its manifest a version cannot have a record.
    if store.head(version_key(version.version_id, MANIFEST)) is not None:
        record = log.find_record(store, lambda one: one.version_id == version.version_id)
    if record is not None:
        sent, _ = _upload(store, version, progress, streams)  # for a repair, usually nothing
    else:
        seen = log.newest(store)
        commit.refuse_stale(version.manifest, seen, force=force)
        if judge is not None:
            judge(seen)
        _refuse_marked(store, version)
        sent, manifest_is_new = _upload(store, version, progress, streams)
        progress.begin(f"reading back {version.version_id}", version.manifest.size)
        problems = verify(store, version.manifest, alone=False, progress=progress, streams=streams)
        commit.refuse_problems(store, version.manifest, problems, "Run again.")
        _refuse_marked(store, version)  # again: the grace of a mark is longer than what follows
        record, is_new = commit.commit(
            store,
            version.manifest,
            publisher=publisher,
            # A manifest made just now belongs to a version that cannot be in the log up to here.
            since=seen.seq + 1 if seen and manifest_is_new else 1,
            force=force,
            expect_parent=expect_parent,
            judge=judge,
        )
    return PublishResult(
        record, is_new, sent, tuple(commit.show_newest(store, version.results, streams))
    )


def _refuse_marked(store: Store, version: LocalVersion) -> None:
    if is_marked(store, version.version_id):
        raise ConflictError(
            f"{store.name}: version {version.version_id} is marked for removal or was removed "
            f"there. Run generate_ml_results and publish the version that it makes."
        )


def _upload(
    store: Store, version: LocalVersion, progress: Progress, streams: int
) -> tuple[tuple[ManifestFile, ...], bool]:
    """Send what the store lacks of a version, the manifest last.

    Returns:
        The files sent, and whether the manifest was among what was not there.
    """
    base = f"{version_key(version.version_id)}/"
    there = {entry.key for entry in store.listing(base)}
    progress.begin(f"sending {version.version_id}", version.manifest.size)

    def send(file: ManifestFile) -> bool:
        is_new = _send_once(store, file.path, version.body(file), there=file.path in there)
        progress.done(file.bytes)
        return is_new

    files = (*version.manifest.files, *_lacking_past(store, version))
    new = in_parallel(streams, send, files)
    key = f"{base}{MANIFEST}"
    manifest_is_new = _send_once(store, key, version.manifest_body(), there=key in there)
    sent = tuple(file for file, is_new in zip(files, new, strict=True) if is_new)
    return sent, manifest_is_new


def _lacking_past(store: Store, version: LocalVersion) -> tuple[ManifestFile, ...]:
    """What the store lacks of the past: of versions, too, that were never published there.

    Raises:
        VerificationError: It is not in the results folder either.
    """
    if not version.manifest.past:
        return ()
    there = {
        entry.key: entry.size
        for dataset in PAST
        for entry in store.listing(f"{folder_of(dataset)}/{dataset}/")
    }
    lacking = [file for file in version.manifest.past if there.get(file.path) != file.bytes]
    lost = [file.path for file in lacking if not (version.results / file.path).is_file()]
    if lost:
        raise VerificationError(
            f"'{version.results}': {len(lost)} of {len(version.manifest.past)} files of the past "
            f"are missing: {first_few(lost)}. Restore them, or run generate_ml_results, whose "
            f"version will not name them."
        )
    return tuple(lacking)


def _send_once(store: Store, key: str, body: Body, *, there: bool) -> bool:
    """Create an object unless it is there with the same content; whether it was created."""
    if not there and store.create(key, body):
        return True
    if holds(store, key, size=body.size, sha256=body.sha256):
        return False
    raise ConflictError(
        f"{store.name}: {key} is there with other content. If --list shows the version, --repair "
        f"it; else run generate_ml_results and publish the version that it makes."
    )
