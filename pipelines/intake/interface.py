"""What the intake is asked and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa

from ml.errors import ConfigError, DataError
from ml.frequency import Frequency
from pipelines.intake.quarantine import EMPTY

GAPS = ("auto", "missing", "zero")
DUPLICATES = ("sum", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """How the user's files are to be read.

    Attributes:
        today: Last day that a row may be of.
        columns: Wanted column name to its name in the file, for files with names of their own.
        gaps: What a period without a row means: ``missing``, ``zero`` or ``auto``.
        duplicates: ``sum`` adds rows of one item, site and day; ``error`` refuses them.
        frequency: D, B, W or MS; ``None`` infers it. A finer demand is summed to it.
        source: Name of the origin, written to every row.
        until: Day that the run is as of: rows of later periods are left out before anything is
            decided from them; ``None`` = all rows are seen.

    Raises:
        ConfigError: An option has a value that it cannot have.
    """

    today: date | np.datetime64
    columns: Mapping[str, str] = field(default_factory=dict)
    gaps: str = "auto"
    duplicates: str = "sum"
    frequency: str | None = None
    source: str = "user_files"
    until: date | None = None

    def __post_init__(self) -> None:
        """Refuse values outside the closed lists."""
        _one_of("gaps", self.gaps, GAPS)
        _one_of("duplicates", self.duplicates, DUPLICATES)
        if self.frequency is not None:
            _one_of("frequency", self.frequency, tuple(Frequency))

    @property
    def last_day(self) -> np.datetime64:
        """``today`` as ``datetime64[D]``."""
        return np.datetime64(self.today).astype("datetime64[D]")

    @property
    def forced(self) -> Frequency | None:
        """The frequency asked for, ``None`` = infer."""
        return None if self.frequency is None else Frequency(self.frequency)


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"--{option} {value!r}: choose one of: {', '.join(allowed)}.")


@dataclass(frozen=True, slots=True)
class Intake:
    """A table read from the user's files.

    Attributes:
        table: Rows in their contract, sorted by its key.
        frequency: Of the series; ``None`` for tables that are no series.
        statements: Plain sentences on what was found and what was done.
        quarantine: Cells that could not be used: ``file, line, item_id, column, value, reason``.
    """

    table: pa.Table
    frequency: Frequency | None
    statements: tuple[str, ...]
    quarantine: pa.Table


class IntakeError(DataError):
    """Nothing usable is left of a file; ``quarantine`` says why, cell by cell."""

    def __init__(self, message: str, quarantine: pa.Table = EMPTY) -> None:
        super().__init__(message)
        self.quarantine = quarantine
