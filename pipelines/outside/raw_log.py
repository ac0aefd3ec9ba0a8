"""The log of a source's raw store: one JSON object a line, only ever added to.

A line is on the disk before its writer goes on. A crash in the middle of one leaves a torn line,
which is no look at anything: the next writer starts a line of its own, readers pass it over.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml.durable import make_folder, sync_folder
from ml.logs import logger

LOG = "log.jsonl"
_LOCK = ".lock"
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Hold the folder of a source while something is written to it; waits for its turn."""
    make_folder(folder)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # gives the lock back


def append(folder: Path, record: Mapping[str, Any]) -> None:
    """Add a line; the caller holds the folder."""
    line = _json(record) + b"\n"
    is_new = not (folder / LOG).exists()
    descriptor = os.open(folder / LOG, _APPEND, 0o666)
    try:
        left = memoryview(b"\n" + line if _is_torn(descriptor) else line)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(folder)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def records(folder: Path, *, naming: str = "") -> Iterator[dict[str, Any]]:
    """The lines in order; torn ones are passed over, and the run's log says so.

    Args:
        folder: Of the source.
        naming: Only lines with this text as a value; years of lines need not be parsed for one.
    """
    path = folder / LOG
    needed = _json(naming) if naming else b""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if needed not in line:
                continue
            record = _record(line)
            if record is not None:
                yield record
            elif line.strip():
                logger().warning("raw_log_line_is_torn", file=str(path), line=number)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:  # not UTF-8 either
        return None
    return record if isinstance(record, dict) else None
