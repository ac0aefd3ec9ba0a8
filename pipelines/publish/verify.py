"""Reading a published version back and comparing all of it to what was committed."""

from collections.abc import Sequence

from ml.artifacts.commit_log import CommitRecord
from ml.artifacts.keys import MANIFEST, is_version_id, version_key
from pipelines.publish import log
from pipelines.publish.errors import ConflictError
from pipelines.publish.progress import SILENT, Progress
from pipelines.publish.store import Store
from pipelines.publish.uploading import read_problem, stored_manifest


def find_record(store: Store, version: str | None, *, trusting: bool = False) -> CommitRecord:
    """The newest record, or the newest one of a version.

    Raises:
        ConflictError: There is none.
    """
    head = log.newest(store, trusting=trusting)
    while head is not None and version is not None and head.version_id != version:
        head = log.read_record(store, head.parent) if head.parent else None
    if head is None:
        what = f"version {version} was never published" if version else "nothing was published"
        raise ConflictError(f"{store.name}: {what}. Look at --list.")
    return head


def verify(store: Store, record: CommitRecord, progress: Progress = SILENT) -> Sequence[str]:
    """Read everything that a record names.

    Returns:
        What is wrong, one text a problem; nothing if the version is whole.

    Raises:
        VerificationError: Its manifest is missing, damaged or not the one committed.
    """
    manifest = stored_manifest(store, record.version_id, sha256=record.manifest_sha256)
    progress.begin(f"reading {record.version_id}", sum(file.bytes for file in manifest.files))
    problems = []
    for file in manifest.files:
        if problem := read_problem(store, file):
            problems.append(problem)
        progress.done(file.bytes)
    base = version_key(record.version_id)
    listed = {file.path for file in manifest.files} | {f"{base}/{MANIFEST}"}
    there = [entry.key for entry in store.listing(f"{base}/")]
    return problems + [f"{key}: not in the manifest" for key in there if key not in listed]


def checked_version_id(text: str) -> str:
    """A version's id from the command line.

    Raises:
        ConflictError: It has not the form of one.
    """
    if not is_version_id(text):
        raise ConflictError(f"{text!r} is not the id of a version; --list shows them.")
    return text
