"""The exception tree: every error that a user can fix, and the exit code that it ends in.

Anything else that escapes a command is a bug and keeps its traceback (exit code 1).
A message is one line: where, what is wrong (count of total), first offenders, what to do.
"""

import errno
import os
from collections.abc import Sequence
from typing import ClassVar


class PipelineError(Exception):
    """Root of all errors that a user can fix."""

    exit_code: ClassVar[int] = 1
    details: tuple[str, ...] = ()  # lines told before the message


class ConfigError(PipelineError):
    """Wrong usage or configuration."""

    exit_code = 2


class DataError(PipelineError):
    """Input data that cannot be used."""

    exit_code = 3


class ContractError(DataError):
    """A table that breaks its contract."""


class ModelError(PipelineError):
    """No usable model: nothing trained, or no series of a panel could be forecast."""

    exit_code = 4


class PublishError(PipelineError):
    """A version that could not be written, committed or published."""

    exit_code = 5


class MachineError(PublishError):
    """The machine refused: disk, locks, memory, open files. What was committed before stays."""


_ROOM = "Make room there"
_RIGHTS = "Give this user the rights to it"
_MEMORY = "Run with fewer --jobs, or on a machine with more memory"
_OF_THE_MACHINE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "Raise the limit of a file's size (ulimit -f)",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.ENOTDIR: "A file is where a folder has to be: move it away",
    errno.EISDIR: "A folder is where a file has to be: move it away",
    errno.EMFILE: "Raise the limit of open files (ulimit -n)",
    errno.ENOMEM: _MEMORY,
    errno.EIO: "Have the disk looked at",
    errno.ESTALE: "Mount the file system again",
}


def machine_error(error: BaseException) -> MachineError | None:
    """What the machine refused, in one line; ``None`` where an error is not of that kind.

    Some libraries tell the number of the system's error in their text only.
    """
    if isinstance(error, MemoryError):
        return MachineError(f"out of memory ({error}). {_MEMORY}, then run again.")
    if not isinstance(error, OSError):
        return None
    texts = (number for number in _OF_THE_MACHINE if os.strerror(number) in str(error))
    number = error.errno if error.errno in _OF_THE_MACHINE else next(texts, None)
    if number is None:
        return None
    file = f" ('{error.filename}')" if error.filename else ""
    return MachineError(
        f"{os.strerror(number)}{file}. {_OF_THE_MACHINE[number]}, then run again: what was "
        "committed or published before stays."
    )


def first_few(values: Sequence[object], limit: int = 3) -> str:
    """Name the first offenders of a list for a one-line message, and how many more there are."""
    named = ", ".join(repr(value) for value in values[:limit])
    rest = len(values) - limit
    return f"{named} (+{rest} more)" if rest > 0 else named
