"""Who may write: one process at a time holds a folder, and messages name which one."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ml.durable import disk_errors, make_folder
from ml.errors import MachineError

LOCK = ".lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


class HeldError(MachineError):
    """Another run holds a folder."""


@contextmanager
def hold(folder: Path, *, name: str = LOCK, wait: bool = False) -> Iterator[Path]:
    """Hold a folder, so that two processes never change it at once.

    The system releases it when the process ends, however it ends. The folder is made if it is
    missing; it has a lock for each name. One may ``wait`` for one's turn, for what takes a moment;
    else a folder that is held is an error.

    Yields:
        The lock's file, which says who holds it.

    Raises:
        HeldError: Another run holds it, the message names its process.
        MachineError: The file system has no locks, or the disk refused.
    """
    who = f"process {os.getpid()} of {socket.gethostname()}"
    with disk_errors(f"locking '{folder}'", "Correct that and run again."):
        make_folder(folder)
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _lock(descriptor, folder, wait=wait)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with suppress(OSError):  # a full disk: the lock holds all the same, it has no name on it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{who} since {now}\n".encode(), 0)
        yield folder / name
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path, *, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
        raise HeldError(
            f"'{folder}' is held by another run ({holder or 'process not known'}): wait "
            f"until it has ended and run again, or give this run a folder of its own."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise MachineError(
            f"'{folder}' cannot be locked ({error.strerror}): two runs could write there at once. "
            f"Take a folder on a file system that has locks (of NFS, one mounted with them)."
        ) from None
