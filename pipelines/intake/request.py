"""What is asked of the intake, which files are read and how; and what it answers for a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa

from ml.contracts.demand import DemandParts
from ml.errors import ConfigError
from ml.frequency import Frequency
from pipelines.intake.names import WANTED

TABLES = (
    *("demand", "prices", "items", "inventory", "open_orders", "receipts", "exposure"),
    "suppliers",
)
GAPS = ("auto", "missing", "zero")
DUPLICATES = ("sum", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRequest:
    """Which files of the user are to be read, and how.

    Raises:
        ConfigError: An option has a value that it cannot have, or no table has a column.
    """

    today: date  # last day that a row may be of
    # A file or a folder of files for each table, by the table's name
    files: Mapping[str, Path] = field(default_factory=dict)
    # day that the run is as of: rows of later periods are left out before anything is decided
    # from them; `None` = all rows are seen
    as_of: date | None = None
    # wanted column name to its name in the file, for files with names of their own
    columns: Mapping[str, str] = field(default_factory=dict)
    gaps: str = "auto"  # what a period without a row means: `missing`, `zero` or `auto`
    duplicates: str = "sum"  # `sum` adds rows of one item, site and day; `error` refuses them
    frequency: str | None = None  # D, B, W or MS; `None` infers it. A finer demand is summed to it.
    source: str = "user_files"  # name of the origin, written to every row

    def __post_init__(self) -> None:
        """Refuse values outside the closed lists."""
        if unknown := sorted(set(self.columns) - WANTED):
            raise ConfigError(
                f"--column {unknown[0]}=...: no table has a column '{unknown[0]}'. "
                f"Choose from: {', '.join(sorted(WANTED))}."
            )
        for option, value, allowed in (
            ("gaps", self.gaps, GAPS),
            ("duplicates", self.duplicates, DUPLICATES),
            ("frequency", self.frequency or Frequency.DAILY, tuple(Frequency)),
        ):
            if value not in allowed:
                raise ConfigError(f"--{option} {value!r}: choose one of: {', '.join(allowed)}.")

    @property
    def forced(self) -> Frequency | None:
        """The frequency asked for, ``None`` = infer."""
        return None if self.frequency is None else Frequency(self.frequency)


@dataclass(frozen=True, slots=True)
class RowCount:
    """Where the rows of a table's files went: each is counted once, blank lines not at all."""

    read: int
    used: int
    aside: int  # listed in the quarantine, with the reason
    later: int  # of days after ``as_of``, left out


@dataclass(frozen=True, slots=True)
class Intake:
    """A table read from the user's files."""

    rows: pa.Table | DemandParts  # in their contract, sorted by its key
    frequency: Frequency | None  # of the series; `None` for tables that are no series
    count: RowCount  # of the rows of its files
    statements: tuple[str, ...]  # plain sentences on what was found and what was done
    # cells that could not be used: `file, line, item_id, column, value, reason`
    quarantine: pl.DataFrame
    # other tables of the same files, by name; `None` = there is no such table any more
    beside: Mapping[str, pa.Table | None] = field(default_factory=dict)

    @property
    def table(self) -> pa.Table:
        """All rows in memory."""
        return self.rows.whole() if isinstance(self.rows, DemandParts) else self.rows


def column_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """The mapping that ``--column NAME=FILE_NAME`` options say.

    Raises:
        ConfigError: An option without ``=``.
    """
    mapping = {}
    for pair in pairs:
        wanted, equals, name = pair.partition("=")
        if not (equals and wanted.strip() and name.strip()):
            raise ConfigError(f"--column {pair!r}: write --column item_id=NAME_IN_THE_FILE.")
        mapping[wanted.strip()] = name.strip()
    return mapping
