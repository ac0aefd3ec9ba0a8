"""The version on the local disk that is to be published, checked before anything is sent."""

from dataclasses import dataclass
from pathlib import Path

from ml.artifacts.commit_log import CommitRecord, newest_whole_version
from ml.artifacts.keys import MANIFEST, version_key
from ml.artifacts.manifest import Manifest, ManifestFile, folder_problems, read_manifest
from ml.durable import sha256_of
from ml.errors import first_few
from pipelines.publish.errors import VerificationError, damage_named
from pipelines.publish.store import Body


@dataclass(frozen=True, slots=True)
class LocalVersion:
    """A whole version in a results folder.

    Attributes:
        results: The results folder.
        manifest: Of the version.
    """

    results: Path
    manifest: Manifest

    @property
    def version_id(self) -> str:
        """Of the version."""
        return self.manifest.version_id

    @property
    def size(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(file.bytes for file in self.manifest.files)

    def body(self, file: ManifestFile) -> Body:
        """The content of one of its files."""
        return Body(self.results / file.path, file.bytes, file.sha256)

    def manifest_body(self) -> Body:
        """The manifest's own bytes."""
        path = self.results / version_key(self.version_id, MANIFEST)
        return Body(path, path.stat().st_size, self.manifest.sha256)


def newest_local(results: Path) -> LocalVersion:
    """The newest whole version of a results folder.

    Raises:
        VerificationError: There is none, or a file of it is not what was written.
    """
    with damage_named(f"'{results}'"):
        record = newest_whole_version(results)
        if record is None:
            raise VerificationError(
                f"'{results}' holds no whole version to publish. Run generate_ml_results first; "
                f"--only-forecasts makes a part, which is not published."
            )
        return _checked(results, record)


def _checked(results: Path, record: CommitRecord) -> LocalVersion:
    manifest = read_manifest(results, record.version_id, sha256=record.manifest_sha256)
    problems = folder_problems(results / version_key(record.version_id), manifest)
    problems += [f"{file.path}: is empty" for file in manifest.files if not file.bytes]
    if problems:
        raise VerificationError(
            f"'{results}': {len(problems)} of {len(manifest.files)} files of version "
            f"{record.version_id}: {first_few(problems)}. Restore them or run "
            f"generate_ml_results again."
        )
    return LocalVersion(results, manifest)


def still_holds(version: LocalVersion, file: ManifestFile) -> bool:
    """Whether a file is on the disk as its manifest says, now."""
    path = version.results / file.path
    return path.is_file() and sha256_of(path) == file.sha256
