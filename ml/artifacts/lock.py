"""Who may write: one run at a time, and for the short moment of publishing one thread."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ml.durable import disk_errors, make_folder
from ml.errors import PublishError

LOCK = ".lock"
VIEW_LOCK = ".view.lock"


@contextmanager
def results_lock(results: Path) -> Iterator[Path]:
    """Hold the results folder for a whole run, so that a cron job and a run by hand never mix.

    The system releases it when the process ends, however it ends.

    Raises:
        PublishError: Another run holds it; the message names that run's process.
    """
    with disk_errors(f"locking '{results}'", "Correct that and run again."):
        make_folder(results)
        descriptor = _open(results / LOCK)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise PublishError(
                f"'{results}' is held by another run ({holder or 'process not known'}): wait "
                f"until it has ended and run again, or give this run a folder of its own."
            ) from None
        _sign(descriptor)
        yield results / LOCK
    finally:
        os.close(descriptor)


@contextmanager
def view_lock(results: Path) -> Iterator[None]:
    """Hold pointer and flat view while they are refreshed; waits for its turn."""
    descriptor = _open(results / VIEW_LOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _sign(descriptor: int) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} since {now}\n".encode(), 0)
