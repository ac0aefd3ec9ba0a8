"""Where a version is built: ``.staging/<version_id>/``, which no reader looks at."""

from dataclasses import dataclass
from pathlib import Path

from ml.artifacts import keys
from ml.artifacts.folder_store import STAGING
from ml.durable import disk_errors, make_folder, remove_all
from ml.errors import PublishError


@dataclass(frozen=True, slots=True)
class Staged:
    """A version that is being built.

    Attributes:
        results: The results folder.
        version_id: Of the version.
    """

    results: Path
    version_id: str

    @property
    def folder(self) -> Path:
        """Where its files lie now."""
        return self.results / STAGING / self.version_id

    @property
    def date(self) -> str:
        """The day in its file names."""
        return keys.date_of(self.version_id)

    @property
    def model_versions(self) -> Path:
        """Where ``model_versions.json`` belongs."""
        return self.folder / keys.MODEL_VERSIONS

    def data_path(self, dataset: str) -> Path:
        """Where a dataset's Parquet file belongs."""
        return self.folder / keys.data_name(dataset, self.date)

    def metadata_path(self, dataset: str) -> Path:
        """Where a dataset's description belongs."""
        return self.folder / keys.metadata_name(dataset, self.date)

    def key_of(self, path: Path) -> str:
        """The key that a file will have once the version is committed."""
        return keys.version_key(self.version_id, path.relative_to(self.folder).as_posix())


def stage_version(results: Path, version: str) -> Staged:
    """Make the folder to build a version in.

    Raises:
        PublishError: A version of that id exists or is being built, or the disk refused.
    """
    staged = Staged(results, keys.checked_version_id(version))
    if staged.folder.exists() or (results / keys.version_key(version)).exists():
        raise PublishError(f"version {version} exists in '{results}'. Start the run again.")
    with disk_errors(f"staging {version}"):
        make_folder(staged.folder)
    return staged


def discard_stale_staging(results: Path) -> list[str]:
    """Remove what dead runs left behind; call it under the lock, before staging anything.

    Returns:
        The names removed.

    Raises:
        PublishError: The disk refused.
    """
    folder = results / STAGING
    with disk_errors(f"clearing '{folder}'", "Correct that and run again."):
        left = sorted(folder.iterdir()) if folder.is_dir() else []
        for path in left:
            remove_all(path)
    return [path.name for path in left]
