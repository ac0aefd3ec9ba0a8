"""Who may write: one process at a time holds a folder, and messages name which one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ml.durable import disk_errors, make_folder
from ml.errors import PublishError

LOCK = ".lock"


@contextmanager
def hold(folder: Path, *, name: str = LOCK, wait: bool = False) -> Iterator[Path]:
    """Hold a folder, so that two processes never change it at once.

    The system releases it when the process ends, however it ends.

    Args:
        folder: Is made if it is missing.
        name: Of the lock's file in the folder, where it has more than one.
        wait: Wait for one's turn, for what takes a moment; without it a folder that is held is
            an error.

    Yields:
        The lock's file, which says who holds it.

    Raises:
        PublishError: Another run holds it, the message names its process; or the disk refused.
    """
    with disk_errors(f"locking '{folder}'", "Correct that and run again."):
        make_folder(folder)
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise PublishError(
                f"'{folder}' is held by another run ({holder or 'process not known'}): wait "
                f"until it has ended and run again, or give this run a folder of its own."
            ) from None
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} since {now}\n".encode(), 0)
        yield folder / name
    finally:
        os.close(descriptor)
