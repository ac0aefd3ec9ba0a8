"""A store in a folder of any file system that knows hard links, the results folder among them."""

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ml.artifacts.errors import DeniedError, StoreError, StoreRefusedError, UnreachableError
from ml.artifacts.store import Body, Entry, missing, require_key, too_large
from ml.durable import (
    BLOCK,
    NewFile,
    create_once,
    discard_leftovers,
    make_folder,
    remove,
    replace,
    sha256_of,
)
from ml.errors import ConfigError

WORK = ".work"  # rows of chunks that wait for a version
STAGING = ".staging"
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_GONE = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN)


@dataclass(frozen=True, slots=True)
class FolderStore:
    """Objects as files below a folder."""

    root: Path  # the folder
    single_writer: bool = False  # See `ml.artifacts.store.Store`
    # likewise; true for the results folder, where the run that commits clears up
    withdraws: bool = False

    @property
    def name(self) -> str:
        """The folder."""
        return f"'{self.root}'"

    def create(self, key: str, body: Body) -> bool:
        """See :class:`ml.artifacts.store.Store`."""
        doing = f"writing {key} to {self.name}"
        with _store_errors(doing):
            target = self.root / require_key(key)
            if target.exists():
                return False
            new = self._write_scratch(body)
            make_folder(target.parent)
            with _store_errors(doing, target.exists):
                if self.single_writer:
                    replace(new, target)
                    return True
                return self._link(new, target)

    def _link(self, new: Path, target: Path) -> bool:
        try:
            return create_once(new, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise StoreRefusedError(
                f"the file system of {self.name} has no hard links ({error.strerror}), so two "
                f"writers could overwrite each other. Take another folder, or say "
                f"--single-writer if nobody else ever publishes there."
            ) from None

    def put(self, key: str, body: Body) -> None:
        """See :class:`ml.artifacts.store.Store`."""
        doing = f"writing {key} to {self.name}"
        with _store_errors(doing):
            target = self.root / require_key(key)
            new = self._write_scratch(body)
            make_folder(target.parent)
            with _store_errors(doing, lambda: not new.exists()):
                replace(new, target)

    def _write_scratch(self, body: Body) -> Path:
        new = scratch_path(self.root)
        try:
            with body.view() as view, NewFile(new) as file:
                for start in range(0, len(view), BLOCK):
                    file.write(view[start : start + BLOCK])
        except (OSError, StoreError):
            remove(new)
            raise
        return new

    def get(self, key: str, *, limit: int) -> Iterator[bytes]:
        """See :class:`ml.artifacts.store.Store`."""
        with _store_errors(f"reading {key} in {self.name}"):
            try:
                file = (self.root / require_key(key)).open("rb")
            except FileNotFoundError:
                raise missing(self.name, key) from None
            with file:
                if os.fstat(file.fileno()).st_size > limit:
                    raise too_large(key, limit)
                while block := file.read(BLOCK):
                    yield block

    def head(self, key: str) -> Entry | None:
        """See :class:`ml.artifacts.store.Store`; the hash is that of the file as it is."""
        with _store_errors(f"looking at {key} in {self.name}"):
            path = self.root / require_key(key)
            try:
                return Entry(key, path.stat().st_size, sha256_of(path))
            except FileNotFoundError:
                return None

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        """See :class:`ml.artifacts.store.Store`."""
        with _store_errors(f"listing {prefix} in {self.name}"):
            folder = self.root / prefix.rpartition("/")[0]
            keys = [
                Path(inside, name).relative_to(self.root).as_posix()
                for inside, _, names in os.walk(folder, onerror=_raise)
                for name in names
            ]
            for key in sorted(key for key in keys if key.startswith(prefix) and key > after):
                try:
                    size = (self.root / key).stat().st_size
                except FileNotFoundError:
                    continue  # removed since, by a janitor
                yield Entry(key, size)

    def remove(self, key: str) -> None:
        """See :class:`ml.artifacts.store.Store`; folders left empty go with it."""
        path = self.root / require_key(key)
        with _store_errors(f"removing {key} from {self.name}", lambda: not path.exists()):
            remove(path)
            for folder in path.parents[: key.count("/") - 1]:
                try:
                    folder.rmdir()
                except OSError:
                    return  # not empty, or gone: both are fine


def results_store(results: Path) -> FolderStore:
    """The local results folder as a store."""
    return FolderStore(results, withdraws=True)


def scratch_path(root: Path) -> Path:
    """A new name in the staging folder, for what is then renamed to where it belongs."""
    make_folder(root / STAGING)
    return root / STAGING / f"{secrets.token_hex(16)}.tmp"


def folder_store(folder: Path, *, single_writer: bool = False) -> FolderStore:
    """The store in a folder, which is made unless its parent is missing too.

    Raises:
        ConfigError: There is neither folder nor parent.
        DeniedError: It cannot be made.
    """
    root = folder.absolute()
    if root.exists() and not root.is_dir():
        raise ConfigError(f"--to: '{folder}' is a file, a folder is needed.")
    if not root.parent.is_dir():
        raise ConfigError(
            f"--to: neither '{folder}' nor the folder above it exists. Make it, or mount it."
        )
    with _store_errors(f"clearing '{root}'"):
        discard_leftovers(root / STAGING, "*.tmp")
    return FolderStore(root, single_writer)


def _raise(error: OSError) -> None:
    if error.errno != errno.ENOENT:
        raise error


@contextmanager
def _store_errors(doing: str, done: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Turn the system's errors into a store's; ``done`` is asked whether it was done all the same.

    A disk may fail when a file has its name and the folder is flushed.
    """
    try:
        yield
    except OSError as error:
        text = f"{doing}: {error.strerror or error}. Correct that and run again."
        maybe_done = True
        with suppress(OSError):
            maybe_done = done()
        if error.errno in _NO_ACCESS:
            raise DeniedError(text, maybe_done=maybe_done) from error
        if error.errno in _GONE:
            raise UnreachableError(text, maybe_done=maybe_done) from error
        raise StoreRefusedError(text, maybe_done=maybe_done) from error
