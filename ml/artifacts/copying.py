"""Carrying a dataset over from an earlier version, byte for byte."""

from dataclasses import replace
from pathlib import Path

from ml.artifacts import keys
from ml.artifacts.manifest import Manifest, ManifestFile, read_manifest
from ml.artifacts.staging import Staged
from ml.durable import copy_new, disk_errors, make_folder
from ml.errors import DataError, PublishError

MODEL_VERSIONS = "model_versions"


def copy_dataset(
    results: Path, from_version: str, staged: Staged, dataset: str
) -> tuple[ManifestFile, ...]:
    """Copy a dataset's table and its description into a staged version, under its day.

    The bytes stay what they were, the version named in footer and description included: it is
    the one that made them.

    Args:
        results: The results folder.
        from_version: Id of the committed version to take them from.
        staged: The version being built.
        dataset: Name of a table, or ``model_versions``.

    Returns:
        The table's entries for the manifest; none for ``model_versions``, a document.

    Raises:
        DataError: The earlier version has no such dataset.
        PublishError: A file of it is damaged, or the disk refused.
    """
    earlier = read_manifest(results, from_version)
    chosen = [file for file in earlier.files if _belongs(file, dataset, earlier)]
    if not chosen:
        raise DataError(
            f"version {from_version} holds no '{dataset}', only {sorted(earlier.datasets)}. "
            f"Run without --only-recommendations first."
        )
    with disk_errors(f"copying '{dataset}' from version {from_version}"):
        copies = [_copied(results, file, staged, from_version) for file in chosen]
    return tuple(copy for copy in copies if copy.dataset == dataset)


def _belongs(file: ManifestFile, dataset: str, earlier: Manifest) -> bool:
    version = earlier.version_id
    if dataset == MODEL_VERSIONS:
        return file.path == keys.version_key(version, keys.MODEL_VERSIONS)
    description = keys.metadata_name(dataset, keys.date_of(version))
    return file.dataset == dataset or file.path == keys.version_key(version, description)


def _copied(results: Path, file: ManifestFile, staged: Staged, version: str) -> ManifestFile:
    inside = file.path.removeprefix(f"{keys.version_key(version)}/")
    folder, name = inside.rsplit("/", 1)
    target = staged.folder / folder / name.replace(f"_{keys.date_of(version)}", f"_{staged.date}")
    make_folder(target.parent)
    size, sha256 = copy_new(results / file.path, target)
    if (size, sha256) != (file.bytes, file.sha256):
        raise PublishError(
            f"{file.path}: verification failed, its content is not what the manifest says. "
            f"Run again without --only-recommendations."
        )
    return replace(file, path=staged.key_of(target))
