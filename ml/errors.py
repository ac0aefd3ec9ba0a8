"""The exception tree: every error that a user can fix, and the exit code that it ends in.

Anything else that escapes a command is a bug and keeps its traceback (exit code 1).
A message is one line: where, what is wrong (count of total), first offenders, what to do.
"""

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


def first_few(values: Sequence[object], limit: int = 3) -> str:
    """Name the first offenders of a list for a one-line message, and how many more there are."""
    named = ", ".join(repr(value) for value in values[:limit])
    rest = len(values) - limit
    return f"{named} (+{rest} more)" if rest > 0 else named
