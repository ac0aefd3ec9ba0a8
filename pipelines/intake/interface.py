"""What reading one table answers."""

from dataclasses import dataclass

import pyarrow as pa

from ml.errors import DataError
from ml.frequency import Frequency
from pipelines.intake.quarantine import EMPTY


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
