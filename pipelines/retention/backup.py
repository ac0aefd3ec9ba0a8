"""A backup: state, models, raw data, ledgers and versions, each file with its hash; and back.

A backup is a folder ``backup-<moment>`` with ``data/``, ``models/`` and ``results/``, the settings
without secrets, and ``backup.json``, which is written last and names every file. It is made beside
its name and renamed, so that a folder of that name is whole.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from ml.artifacts.folder_store import results_store
from ml.artifacts.version import commits, verify_version
from ml.durable import (
    copy_new,
    disk_errors,
    make_folder,
    move_folder,
    read_sealed,
    remove,
    remove_all,
    sha256_of,
    sync_folder,
    sync_tree,
    write_file,
    write_sealed,
)
from ml.errors import ConfigError, DataError, first_few
from ml.locks import hold
from ml.processed import reading
from ml.settings import Settings
from pipelines.nightly.preflight import KEEPING, LOCK, RESTORING

LIST = "backup.json"
SETTINGS = "settings.env"
_NAME = re.compile(r"backup-\d{8}T\d{6}Z")
_KEPT = ("raw", "processed", "nights")  # of DATA_DIR
# Locks, what dead runs left, what is asked anew each day, and what a command is just writing.
_PASSED_OVER = re.compile(r"\.(lock|view\.lock|processed\.lock|staging|work|probed|importing-.*)$")
_WRITING = re.compile(r"\.\d+-.*|.*-(journal|wal|shm)")
_AGAIN = "Correct that and run again."


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds, or what came back of it."""

    folder: Path  # the backup
    files: int
    bytes: int
    versions: int  # of the results folder

    @property
    def text(self) -> str:
        """All of it in a few words."""
        return f"{self.files} files, {self.versions} versions, {decimal(self.bytes)}"


def _places(config: Settings) -> dict[str, Path]:
    """The folders that are kept, by their names in a backup."""
    kept = {f"data/{name}": config.data_dir / name for name in _KEPT}
    return kept | {"models": config.models_dir, "results": config.ml_results_path}


def back_up(config: Settings, to: Path) -> BackedUp:
    """Write a backup into a folder, while nobody else writes here.

    Raises:
        ConfigError: The folder lies in one that is kept.
        PublishError: A run or a night is at work, or the disk refuses.
    """
    places = _places(config)
    inside = [place for place in places.values() if to.resolve().is_relative_to(place.resolve())]
    if inside:
        raise ConfigError(f"'{to}' lies in '{inside[0]}', which is backed up: name another folder.")
    name = f"backup-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    part = to / f".{name}"
    with ExitStack() as stack:
        stack.enter_context(disk_errors(f"writing '{to / name}'", _AGAIN))
        _hold_nights(config, stack)
        if config.ml_results_path.is_dir():
            stack.enter_context(hold(config.ml_results_path))
        stack.enter_context(reading(config.data_dir))
        remove_all(part)
        make_folder(part)
        files: dict[str, dict[str, Any]] = {}
        for place, folder in places.items():
            for path in _files(folder):
                key = f"{place}/{path.relative_to(folder).as_posix()}"
                files[key] = _copy(path, part / key)
        (part / SETTINGS).write_text(_settings_text(config), encoding="utf-8")
        write_sealed(part / LIST, {"format": 1, "files": files})
        sync_tree(part)
        move_folder(part, to / name)
    versions = sum(key.endswith("/manifest.json") for key in files)
    return BackedUp(to / name, len(files), sum(one["bytes"] for one in files.values()), versions)


def _hold_nights(config: Settings, stack: ExitStack) -> None:
    """Let no night begin meanwhile: one that is due waits for this, as for a run by hand."""
    stack.enter_context(hold(config.data_dir / LOCK, name=KEEPING))
    stack.enter_context(hold(config.data_dir / LOCK))


def _files(folder: Path) -> Iterator[Path]:
    """All files of a folder that are kept, without those of locks and of work that goes on."""
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if _PASSED_OVER.fullmatch(entry.name) or _WRITING.fullmatch(entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _files(entry)
        elif entry.is_file():
            yield entry


def _copy(source: Path, target: Path) -> dict[str, Any]:
    make_folder(target.parent)
    if source.suffix == ".sqlite":  # a file of it may be in the middle of a change
        with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
            here.backup(there)
        return {"bytes": target.stat().st_size, "sha256": sha256_of(target)}
    size, digest = copy_new(source, target)
    return {"bytes": size, "sha256": digest}


def _settings_text(config: Settings) -> str:
    """The settings that are not the default, less secrets, as a file of settings."""
    lines = ["# Settings of this backup. Keys and secret addresses are not in it."]
    usual = {name: field.default for name, field in type(config).model_fields.items()}
    lines += [
        f"{name.upper()}={text}"
        for name, text in config.plain.items()
        if getattr(config, name) != usual[name]
    ]
    return "\n".join([*lines, ""])


def find_backup(folder: Path) -> Path:
    """A backup by its own folder, or the newest one in a folder of them.

    Raises:
        DataError: There is none.
    """
    if (folder / LIST).is_file():
        return folder
    found = [path for path in folder.glob("backup-*") if _NAME.fullmatch(path.name)]
    if not found:
        raise DataError(f"'{folder}': there is no backup. previsor backup writes one.")
    return max(found)


def restore(config: Settings, source: Path) -> BackedUp:
    """Bring a backup back into the folders of the settings, which have to be empty.

    Every file is compared with its hash before the first is written, and every version after. No
    night begins before all is there: one that was killed goes on where it is run again.

    Raises:
        ConfigError: A folder is not empty.
        DataError: The backup is damaged, or lacks files.
        PublishError: A run or a night is at work, or the disk refuses.
    """
    folder = find_backup(source)
    listed = read_sealed(folder / LIST)
    if listed is None or listed.get("format") != 1:
        raise DataError(f"'{folder / LIST}' is damaged, or of newer code: take another backup.")
    with ExitStack() as stack:
        stack.enter_context(disk_errors("restoring", "Run again, it goes on."))
        _hold_nights(config, stack)
        stack.enter_context(hold(config.ml_results_path))
        return _bring_back(config, folder, listed["files"])


def _bring_back(config: Settings, folder: Path, files: Mapping[str, Any]) -> BackedUp:
    """Copy what a backup holds to its places, and verify it; goes on with what a kill cut off."""
    places, marker = _places(config), config.data_dir / LOCK / RESTORING
    goes_on = marker.is_file() and marker.read_text(encoding="utf-8") == folder.name
    full = [str(place) for place in places.values() if any(_files(place))]
    if full and not goes_on:
        raise ConfigError(
            f"restore: {len(full)} folders are not empty: {first_few(full)}. Move them away, or "
            "set DATA_DIR, MODELS_DIR and ML_RESULTS_PATH to new ones."
        )
    bad = [key for key, one in files.items() if not _is_whole(folder / key, one["sha256"])]
    if bad:
        raise DataError(
            f"'{folder}': {len(bad)} of {len(files)} files are missing or damaged: "
            f"{first_few(bad)}. Take another backup; nothing was written."
        )
    write_file(marker, folder.name)
    for key, one in files.items():
        name = next(name for name in places if key.startswith(f"{name}/"))
        target = places[name] / key.removeprefix(f"{name}/")
        if not _is_whole(target, one["sha256"]):
            make_folder(target.parent)
            remove(target)  # what was being written
            copy_new(folder / key, target)
    for place in places.values():
        if place.is_dir():
            sync_tree(place)
    versions = _verify(config.ml_results_path)
    remove(marker)
    sync_folder(marker.parent)
    return BackedUp(folder, len(files), sum(one["bytes"] for one in files.values()), versions)


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _verify(results: Path) -> int:
    """How many versions came back; raises if one of them is not whole."""
    store = results_store(results)
    there = [one.version_id for one in (commits(results) if results.is_dir() else ())
             if (store.root / one.manifest).exists()]  # fmt: skip
    for version in dict.fromkeys(there):
        if problems := verify_version(results, version):
            raise DataError(f"version {version} did not come back whole: {first_few(problems)}.")
    return len(set(there))
