"""What a store has to be able to do, and no more: five primitives, and removal for the janitor.

Everything that makes publishing safe rests on one of them: :meth:`Store.create` gives a key its
content only if it has none, however many try at once. The local results folder is such a store.
"""

import hashlib
import mmap
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from ml.artifacts.errors import ConflictError, MissingError, VerificationError
from ml.artifacts.keys import valid_key

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Body:
    """What is to be stored: bytes at hand, or a file that is mapped while it is sent."""

    source: bytes | Path  # the bytes or the file
    size: int  # number of bytes, at least one: an empty object is none of ours
    sha256: str  # of the bytes

    @staticmethod
    def of(data: bytes) -> "Body":
        """A body of bytes at hand."""
        return Body(data, len(data), hashlib.sha256(data).hexdigest())

    @contextmanager
    def view(self) -> Iterator[memoryview]:
        """The bytes, without a copy of them.

        Raises:
            VerificationError: The file has another size than was said.
        """
        if isinstance(self.source, bytes):
            yield memoryview(self.source)
            return
        with self.source.open("rb") as file:
            size = file.seek(0, 2)
            if not size or size != self.size:
                raise VerificationError(
                    f"'{self.source}' has {size} bytes, {self.size} expected. Run "
                    f"generate_ml_results again."
                )
            # Let go, not closed: a failing write's traceback may still hold a part of it.
            yield memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a store knows of an object without sending it."""

    key: str  # of the object
    size: int  # its bytes
    # that was stored with it; `None` in a listing, and where another program stored it
    # without
    sha256: str | None = None


class Store(Protocol):
    """A place for objects. All keys are checked; every error is a :class:`StoreError`."""

    @property
    def name(self) -> str:
        """The place for people to read, without any secret."""

    @property
    def single_writer(self) -> bool:
        """Whether the user vouches for being the only writer, ever.

        ``create`` then looks before it writes, which is all that a store without conditional
        writes can do.
        """

    @property
    def withdraws(self) -> bool:
        """Whether who commits here may remove too.

        The flat view then loses the files of later days that a rollback takes back; elsewhere they
        get the content of the version that is the newest now.
        """

    def create(self, key: str, body: Body) -> bool:
        """Store a body under a key that has none.

        Returns:
            Whether this call did. ``False`` says that something is there, which after a lost
            answer may be this caller's own.
        """

    def put(self, key: str, body: Body) -> None:
        """Store a body under a key, whatever it has; only for what may lag or be repaired."""

    def get(self, key: str, *, limit: int) -> Iterator[bytes]:
        """The bytes of an object, block by block.

        Raises:
            MissingError: There is none.
            VerificationError: It is larger than ``limit`` bytes.
        """

    def head(self, key: str) -> Entry | None:
        """Size and hash of an object; ``None`` if there is none."""

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        """All objects whose keys begin with a text and come after another one, in order."""

    def remove(self, key: str) -> None:
        """Remove an object that may be gone already."""


def require_key(key: str) -> str:
    """A key that is safe in every store.

    Raises:
        ConflictError: It is not.
    """
    if not valid_key(key):
        raise ConflictError(f"{key!r} is no key of ours; nothing was done with it.")
    return key


def read_small(store: Store, key: str, *, limit: int) -> bytes:
    """The bytes of a document.

    Raises:
        MissingError: There is none.
        VerificationError: It is larger than such a document can be.
    """
    return b"".join(store.get(key, limit=limit))


def digest(store: Store, key: str, *, limit: int) -> tuple[int, str]:
    """Size and sha256 of what a store really sends; nothing of it is kept."""
    size, running = 0, hashlib.sha256()
    for block in store.get(key, limit=limit):
        size += len(block)
        running.update(block)
    return size, running.hexdigest()


def holds(store: Store, key: str, *, size: int, sha256: str) -> bool:
    """Whether an object is there with this content, by what was stored with it.

    Where nothing was stored with it, it is read.
    """
    found = store.head(key)
    if found is None or found.size != size:
        return False
    if found.sha256 is not None:
        return found.sha256 == sha256
    return digest(store, key, limit=size)[1] == sha256


def too_large(key: str, limit: int) -> VerificationError:
    """The error of an object that is larger than it can be."""
    return VerificationError(f"{key}: has more than the {limit} bytes it can have. It is damaged.")


def missing(store: str, key: str) -> MissingError:
    """The error of an object that is not there."""
    return MissingError(f"{key}: is missing in {store}.")


class Progress:
    """Is told how far a transfer is, in bytes; this one tells nobody, others override it."""

    def begin(self, doing: str, size: int) -> None:
        """A new stage of so many bytes."""

    def done(self, size: int) -> None:
        """So many bytes more."""


SILENT = Progress()


def in_parallel(streams: int, do: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Results in the order of the items, so many of which are done at a time.

    One at a time leaves the order of requests as it is written. The first error is raised, and what
    was not begun is left out.
    """
    if streams == 1:
        return [do(item) for item in items]
    with ThreadPoolExecutor(streams) as threads:
        return list(threads.map(do, items))
