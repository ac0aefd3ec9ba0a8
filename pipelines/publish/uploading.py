"""Bringing the files of a version into a store, and seeing that they arrived.

What is there already with the same content is not sent again: that is all that resuming takes.
"""

from dataclasses import dataclass

from ml.artifacts.keys import MANIFEST, version_key
from ml.artifacts.manifest import MAX_BYTES, Manifest, ManifestFile, parse_manifest
from ml.errors import first_few
from pipelines.publish.errors import (
    ConflictError,
    MissingError,
    VerificationError,
    damage_named,
)
from pipelines.publish.local_version import LocalVersion
from pipelines.publish.progress import Progress
from pipelines.publish.store import Body, Store, digest, holds, read_small
from pipelines.publish.streams import in_streams


@dataclass(frozen=True, slots=True)
class Sent:
    """What an upload did.

    Attributes:
        files: Objects sent.
        bytes: Of those.
        skipped: Objects that were there with the same content.
        manifest_is_new: Whether this upload made the manifest, so that no one can have committed
            the version before.
    """

    files: int
    bytes: int
    skipped: int
    manifest_is_new: bool


def upload(store: Store, version: LocalVersion, progress: Progress, streams: int = 1) -> Sent:
    """Send what the store lacks of a version, the manifest last.

    Args:
        store: Where to.
        version: What.
        progress: Is told what is done.
        streams: Files sent at a time.

    Raises:
        ConflictError: An object is there with other content.
    """
    base = f"{version_key(version.version_id)}/"
    there = {entry.key for entry in store.listing(base)}
    progress.begin(f"sending {version.version_id}", version.size)

    def send(file: ManifestFile) -> bool:
        is_new = send_once(store, file.path, version.body(file), there=file.path in there)
        progress.done(file.bytes)
        return is_new

    files = version.manifest.files
    new = in_streams(streams, send, files)
    sent = [file for file, is_new in zip(files, new, strict=True) if is_new]
    key = f"{base}{MANIFEST}"
    is_new = send_once(store, key, version.manifest_body(), there=key in there)
    return Sent(
        files=len(sent),
        bytes=sum(file.bytes for file in sent),
        skipped=len(version.manifest.files) - len(sent),
        manifest_is_new=is_new,
    )


def send_once(store: Store, key: str, body: Body, *, there: bool) -> bool:
    """Create an object unless it is there with the same content; whether it was created.

    Raises:
        ConflictError: It is there with other content.
    """
    if not there and store.create(key, body):
        return True
    if holds(store, key, size=body.size, sha256=body.sha256):
        return False
    raise ConflictError(
        f"{store.name}: {key} is there with other content. Run generate_ml_results, which makes "
        f"a version of its own, and publish that; this one can never be whole there."
    )


def read_back(store: Store, manifest: Manifest, progress: Progress, streams: int = 1) -> None:
    """Read every object of a version and compare it to the manifest.

    Args:
        store: Where.
        manifest: Of the version.
        progress: Is told what is done.
        streams: Files read at a time.

    Raises:
        VerificationError: One is missing or has other content.
    """
    progress.begin(
        f"reading back {manifest.version_id}", sum(file.bytes for file in manifest.files)
    )

    def check(file: ManifestFile) -> str | None:
        problem = read_problem(store, file)
        progress.done(file.bytes)
        return problem

    problems = in_streams(streams, check, manifest.files)
    refuse(store, manifest, [problem for problem in problems if problem])


def read_problem(store: Store, file: ManifestFile) -> str | None:
    """What is wrong with an object, by reading it."""
    try:
        size, sha256 = digest(store, file.path, limit=file.bytes)
    except MissingError:
        return f"{file.path}: missing"
    except VerificationError as error:
        return error.message
    if (size, sha256) != (file.bytes, file.sha256):
        return f"{file.path}: other content ({size} bytes) than written"
    return None


def look_problems(store: Store, manifest: Manifest) -> list[str]:
    """What is wrong with a version, by looking at its objects and not reading them."""
    return [
        f"{file.path}: missing or of other content"
        for file in manifest.files
        if not holds(store, file.path, size=file.bytes, sha256=file.sha256)
    ]


def refuse(store: Store, manifest: Manifest, problems: list[str]) -> None:
    """Raise if there are problems.

    Raises:
        VerificationError: It names the first of them.
    """
    if problems:
        raise VerificationError(
            f"{store.name}: {len(problems)} of {len(manifest.files)} files of version "
            f"{manifest.version_id}: {first_few(problems)}."
        )


def stored_manifest(store: Store, version: str, *, sha256: str | None) -> Manifest:
    """The manifest of a version in a store, every key in it checked.

    Args:
        store: The store.
        version: Id of the version.
        sha256: What its bytes must hash to, as the commit says.

    Raises:
        VerificationError: It is missing, damaged or not the one that was committed.
    """
    key = version_key(version, MANIFEST)
    data = read_small(store, key, limit=MAX_BYTES)
    with damage_named(store.name):
        manifest = parse_manifest(data, version)
    if sha256 is not None and manifest.sha256 != sha256:
        raise VerificationError(
            f"{store.name}: {key} is not the manifest that was committed: it was changed since."
        )
    return manifest
