"""Durable writing: every change of a file that is trusted later is made here, whole or not at all.

What is written is flushed to the disk before it gets its name, and the folder after it, so that a
power cut leaves the old file or the new one. A crash between any two of the calls to ``os`` must
leave readers a whole version; a test replaces ``os`` in this module to try all of them. Files get
the permissions of the umask.
"""

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ml.errors import MachineError

BLOCK = 1 << 20
DAY_SECONDS = 86_400.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
# Some network and container file systems cannot flush a folder; they order renames themselves.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)
_NO_LINK = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP)
_CHANGE, _PUT, _REMOVE = ".change", "put", "remove"
UNPUBLISHED = "Nothing was published and the last version stays; correct that and run again."


@contextmanager
def disk_errors(doing: str, outcome: str = UNPUBLISHED) -> Iterator[None]:
    """Turn trouble with the disk into the one line that a user can act on.

    Raises:
        MachineError: Any ``OSError`` inside, a full disk among them.
    """
    try:
        yield
    except OSError as error:
        file = f" ('{error.filename}')" if error.filename else ""
        reason = error.strerror or str(error)
        raise MachineError(f"{doing}: {reason}{file}. {outcome}") from error


def require_temporary_room() -> None:
    """Refuse to go on where a megabyte of temporary files finds no place.

    Raises:
        MachineError: It names the folder.
    """
    with temporary_errors(), tempfile.TemporaryFile() as file:
        file.write(bytes(BLOCK))
        file.flush()


@contextmanager
def temporary_errors() -> Iterator[None]:
    """Turn trouble with temporary files into the one line that a user can act on.

    Raises:
        MachineError: Any ``OSError`` inside; it names the folder.
    """
    advice = "Make room there, or set TMPDIR to a folder with room, and run again."
    with disk_errors("temporary files", advice):
        folder = tempfile.gettempdir()
    with disk_errors(f"temporary files in '{folder}'", advice):
        yield


class NamelessFile(io.FileIO):
    """A temporary file that no folder lists: whatever happens, it is gone with its last reader."""

    def __init__(self) -> None:
        with temporary_errors(), tempfile.TemporaryFile() as file:
            super().__init__(os.dup(file.fileno()), "r+b")

    def __del__(self) -> None:
        """Nobody reads it any more."""
        self.close()

    def append(self, data: Any) -> int:
        """Write all of a buffer behind the rest; the place where it begins.

        Raises:
            MachineError: The disk is full, or refuses.
        """
        with temporary_errors():
            start = self.seek(0, os.SEEK_END)
            left = memoryview(data).cast("B")
            while left:
                left = left[self.write(left) :]
        return start


class NewFile(io.RawIOBase):
    """A file that did not exist, hashed while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0  # bytes written so far
        self._hash = hashlib.sha256()
        self._discarding = False
        self._descriptor = -1
        self._descriptor = os.open(path, _NEW, 0o666)

    @property
    def sha256(self) -> str:
        """Of all bytes written so far."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        """Always, as the base class asks."""
        return True

    def tell(self) -> int:
        """Bytes written so far; Parquet's footer is made of such offsets."""
        return self.size

    def write(self, data: Any, /) -> int:
        """Write all of a buffer, or raise ``OSError``."""
        view = memoryview(data).cast("B")
        if not self._discarding:
            left = view
            while left:
                left = left[os.write(self._descriptor, left) :]
            self._hash.update(view)
        self.size += len(view)
        return len(view)

    def close(self) -> None:
        """Flush to the disk and close."""
        if self.closed:
            return
        super().close()
        if self._descriptor < 0:
            return
        try:
            if not self._discarding:
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def discard(self) -> None:
        """Give the file up: what is still written to it goes nowhere."""
        self._discarding = True
        remove(self.path)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist."""
    with NewFile(path) as file:
        file.write(data)


@contextmanager
def staged(path: Path, *, flush_name: bool = True) -> Iterator[Path]:
    """A name beside ``path`` to write a file to; at the end it is flushed and takes its place.

    If the body raises, what it wrote is removed and ``path`` stays as it was. The name keeps the
    suffix, by which some libraries choose the format, and is hidden from globs by its dot. Without
    ``flush_name`` a power cut may still take the new name, until the next file of the folder is
    written with it: for files that nobody trusts before that one.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield beside
        _sync(beside, os.O_RDONLY)
        os.replace(beside, path)  # noqa: PTH105 - by way of os, which the crash test replaces
        if flush_name:
            sync_folder(path.parent)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename in {None, str(beside), beside}:
            error.filename = str(path)  # a full disk does not say where it is
        with suppress(OSError):  # what went wrong first is told
            remove(beside)
        raise


def discard_leftovers(folder: Path, pattern: str = ".[0-9]*-*") -> None:
    """Remove what processes that died a day ago were writing in a folder; others may be at work.

    What :func:`staged` leaves is found without a ``pattern``.
    """
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):  # its writer has just finished
            if time.time() - path.lstat().st_mtime > DAY_SECONDS:
                remove_all(path)


def write_file(path: Path, content: bytes | str) -> Path:
    """Write a file, text as UTF-8, whole or not at all; what stood there is replaced."""
    with staged(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class ChangeSet:
    """Files of a folder that are about to change as one, see :func:`change_together`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where to write the new content of a file; ``name`` is its path below the folder."""
        path = self._folder / _PUT / name
        make_folder(path.parent)
        return path

    def remove(self, name: str) -> None:
        """Let a file be gone, which may not exist."""
        mark = self._folder / _REMOVE / name
        make_folder(mark.parent)
        mark.touch()


@contextmanager
def change_together(folder: Path) -> Iterator[ChangeSet]:
    """Change several files of a folder as one: all of them or, if the body raises, none.

    The new files are written and flushed aside. One rename then decides; what it decided is
    carried out here, or after a crash by the next :func:`finish_change`, which writers and
    readers of the folder call first. Whoever changes it holds a lock.
    """
    finish_change(folder)
    make_folder(folder)
    new = folder / f"{_CHANGE}.new"
    remove_all(new)
    make_folder(new)
    try:
        yield ChangeSet(new)
        sync_tree(new)
        move_folder(new, folder / _CHANGE)
    except BaseException:
        remove_all(new)
        raise
    finish_change(folder)


def finish_change(folder: Path) -> bool:
    """Carry out a change that was decided and interrupted; whether there was one."""
    decided = folder / _CHANGE
    if not decided.is_dir():
        return False
    for new in _files(decided / _PUT):
        target = folder / new.relative_to(decided / _PUT)
        make_folder(target.parent)
        replace(new, target)
    for mark in _files(decided / _REMOVE):
        remove(folder / mark.relative_to(decided / _REMOVE))
    sync_folder(folder)
    remove_all(decided)
    return True


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write_sealed(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a JSON object together with the checksum that :func:`read_sealed` asks for."""
    body = json.dumps(content, sort_keys=True, ensure_ascii=False)
    sealed = {"sha256": hashlib.sha256(body.encode()).hexdigest(), "content": json.loads(body)}
    return write_file(path, json.dumps(sealed, indent=2, sort_keys=True, ensure_ascii=False))


def read_sealed(path: Path) -> dict[str, Any] | None:
    """A JSON object that :func:`write_sealed` wrote; ``None`` where it is missing or damaged.

    Damaged means that the work has to be done again, exactly as if the file were not there.
    """
    try:
        sealed = json.loads(path.read_bytes())
        content: dict[str, Any] = sealed["content"]
        body = json.dumps(content, sort_keys=True, ensure_ascii=False)
        whole = sealed["sha256"] == hashlib.sha256(body.encode()).hexdigest()
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    return content if whole else None


def copy_new(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file to one that must not exist; its size and sha256."""
    with source.open("rb") as reader, NewFile(target) as writer:
        while block := reader.read(BLOCK):
            writer.write(block)
    return writer.size, writer.sha256


def link_new(source: Path, target: Path) -> None:
    """Give a finished file that never changes a second name; a copy where the disk has no links."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        copy_new(source, target)


def replace(new: Path, target: Path) -> None:
    """Put a finished file in the place of another; readers see the old one or the new one."""
    os.replace(new, target)  # noqa: PTH105 - by way of os, which the crash test replaces
    sync_folder(target.parent)


def create_once(new: Path, target: Path) -> bool:
    """Give a finished file its final name unless that is taken; whether this call did.

    A hard link is the one step that both refuses an existing name and shows the whole content.
    """
    try:
        os.link(new, target)
    except FileExistsError:
        return False
    finally:
        remove(new)
    sync_folder(target.parent)
    return True


def move_folder(source: Path, target: Path) -> None:
    """Rename a finished folder."""
    make_folder(target.parent)
    os.rename(source, target)  # noqa: PTH104 - by way of os, which the crash test replaces
    sync_folder(target.parent)
    sync_folder(source.parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, each entered in its parent on the disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        os.mkdir(path)  # noqa: PTH102 - by way of os, which the crash test replaces
    except FileExistsError:
        return
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file that may be gone already."""
    try:
        os.unlink(path)  # noqa: PTH108 - by way of os, which the crash test replaces
    except FileNotFoundError:
        return


def remove_all(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; it may be gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        remove(path)


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below a folder, and the folder itself."""
    for inside, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(inside, name), os.O_RDONLY)
        sync_folder(Path(inside))


def sync_folder(path: Path) -> None:
    """Flush a folder: the names in it, not the content of its files."""
    try:
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
