"""Cells that could not be used: why, and the file that lists them."""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from ml.durable import discard_leftovers, remove, staged
from ml.errors import DataError

CELLS = pl.DataFrame(
    schema={"file": pl.String, "line": pl.Int64, "item_id": pl.String, "column": pl.String,
            "value": pl.String, "reason": pl.String}
)  # fmt: skip
"""No cells, in the columns that lists of cells have."""


_FORMULA = re.compile(
    r"(^|[;,|\t\r\n])(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])(?![+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?(?:$|[;,|\t\r\n]))"
)


class Reason(StrEnum):
    """Why a cell was set aside; the list is closed."""

    EMPTY_ID = "empty_id"
    ROUNDED_ID = "rounded_id"
    EMPTY_DATE = "empty_date"
    UNPARSABLE_DATE = "unparsable_date"
    IMPOSSIBLE_DATE = "impossible_date"
    ISOLATED_DATE = "isolated_date"
    AFTER_TODAY = "date_after_today"
    EMPTY_NUMBER = "empty_number"
    UNPARSABLE_NUMBER = "unparsable_number"
    AMBIGUOUS_NUMBER = "ambiguous_number"
    INFINITE_NUMBER = "infinite_number"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_WORD = "unknown_word"
    REPEATED_KEY = "repeated_key"
    FIELD_COUNT = "wrong_field_count"


class IntakeError(DataError):
    """Nothing usable is left of a file; ``quarantine`` says why, cell by cell."""

    def __init__(self, message: str, quarantine: pl.DataFrame = CELLS) -> None:
        super().__init__(message)
        self.quarantine = quarantine


def to_arrow(rows: pl.DataFrame) -> pa.Table:
    """A frame in types that contracts know."""
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())


def combined(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """All parts of a quarantine, sorted by file and line."""
    cells = pl.concat([CELLS, *parts])
    return cells.sort("file", "line", "column", nulls_last=True, maintain_order=True)


def summary(cells: pl.DataFrame) -> str:
    """Reasons with their counts, such as ``2 date_after_today, 1 empty_id``."""
    counts = cells["reason"].value_counts().sort("reason")
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.iter_rows())


def first_cell(cells: pl.DataFrame) -> str:
    """The first cell in words, for a one-line message."""
    cell = cells.row(0, named=True)
    column = "" if cell["column"] is None else f", column {cell['column']!r}"
    return f"{cell['file']} line {cell['line']}{column}, value {cell['value']!r}: {cell['reason']}"


def write_quarantine(cells: pl.DataFrame, folder: Path, stem: str) -> Path | None:
    """Write the cells that an intake set aside as ``<folder>/<stem>.csv``, whole or not at all.

    Returns:
        The file; ``None`` when nothing was set aside: a file of an earlier run is removed.
    """
    target = folder / f"{stem}.csv"
    discard_leftovers(folder)
    if not cells.height:
        remove(target)
        return None
    shown = cells.with_columns(
        pl.Series(
            name, [None if text is None else as_shown(text) for text in cells[name]], pl.String
        )
        for name in ("file", "item_id", "column", "value")
    )
    with staged(target) as beside:
        pa_csv.write_csv(to_arrow(shown), beside)
    return target


def as_shown(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before what begins one.

    What stands behind a separator begins a cell too where a spreadsheet expects that separator.
    Numbers stay as they are.

    >>> as_shown("=1+1"), as_shown("-5,00"), as_shown("A;@SUM(1)")
    ("'=1+1", '-5,00', "A;'@SUM(1)")
    """
    return _FORMULA.sub(r"\1'", text)
