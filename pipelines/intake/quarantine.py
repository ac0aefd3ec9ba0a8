"""Cells that could not be used: why, and the file that lists them."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ml.durable import remove, staged

SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("item_id", pa.string()),
        pa.field("column", pa.string()),
        pa.field("value", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
EMPTY = SCHEMA.empty_table()
Faults = npt.NDArray[np.int8]


class Reason(StrEnum):
    """Why a cell was set aside; the list is closed."""

    EMPTY_ID = "empty_id"
    EMPTY_DATE = "empty_date"
    UNPARSABLE_DATE = "unparsable_date"
    IMPOSSIBLE_DATE = "impossible_date"
    AFTER_TODAY = "date_after_today"
    UNPARSABLE_NUMBER = "unparsable_number"
    AMBIGUOUS_NUMBER = "ambiguous_number"
    INFINITE_NUMBER = "infinite_number"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_WORD = "unknown_word"
    REPEATED_KEY = "repeated_key"
    FIELD_COUNT = "wrong_field_count"


_CODES = {reason: code for code, reason in enumerate(Reason, start=1)}
_WORDS = pa.array([None, *(str(reason) for reason in Reason)], pa.string())


def fault_code(reason: Reason) -> np.int8:
    """The code of a reason in arrays of faults, where 0 is a sound cell."""
    return np.int8(_CODES[reason])


class Located(Protocol):
    """A file whose rows know their lines."""

    @property
    def name(self) -> str:
        """File name."""
        ...

    def lines(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """1-based lines on which rows start, (R,)."""
        ...


def listed(
    source: Located,
    faults: Faults,
    *,
    column: str,
    values: pa.Array,
    items: pa.Array | None,
) -> pa.Table:
    """The faulty cells of one column of a file as quarantine rows.

    Args:
        source: The file.
        faults: Fault code of each row, (R,).
        column: Name of the column in the file.
        values: Distinct texts and codes as a dictionary array, (R,).
        items: Ids of the rows likewise; ``None`` where the table has none.
    """
    rows = np.flatnonzero(faults)
    if not len(rows):
        return EMPTY
    taken = pa.array(rows)
    ids = pa.nulls(len(rows), pa.string()) if items is None else _text(items.take(taken))
    return pa.table(
        [
            pa.array([source.name] * len(rows), pa.string()),
            pa.array(source.lines(rows), pa.int64()),
            ids,
            pa.array([column] * len(rows), pa.string()),
            _text(values.take(taken)),
            _WORDS.take(pa.array(faults[rows], pa.int8())),
        ],
        schema=SCHEMA,
    )


def _text(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


def combined(parts: list[pa.Table]) -> pa.Table:
    """All parts of a quarantine, sorted by file and line."""
    table = pa.concat_tables([EMPTY, *parts])
    return table.sort_by([("file", "ascending"), ("line", "ascending"), ("column", "ascending")])


def summary(quarantine: pa.Table) -> str:
    """Reasons with their counts, such as ``2 date_after_today, 1 empty_id``."""
    counts = Counter(quarantine["reason"].to_pylist())
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))


def first_cell(quarantine: pa.Table) -> str:
    """The first cell in words, for a one-line message."""
    cell = quarantine.slice(0, 1).to_pylist()[0]
    return (
        f"{cell['file']} line {cell['line']}, column {cell['column']!r}, "
        f"value {cell['value']!r}: {cell['reason']}"
    )


def write_quarantine(cells: pa.Table, folder: Path, stem: str) -> Path | None:
    """Write the cells that an intake set aside as ``<folder>/<stem>.csv``, whole or not at all.

    Returns:
        The file; ``None`` when nothing was set aside: a file of an earlier run is removed.
    """
    target = folder / f"{stem}.csv"
    if not cells.num_rows:
        remove(target)
        return None
    with staged(target) as beside:
        pa_csv.write_csv(cells, beside)
    return target


def rows_set_aside(quarantine: pa.Table) -> int:
    """How many different rows the cells are of."""
    return int(pc.count_distinct(_row_key(quarantine)).as_py()) if quarantine.num_rows else 0


def _row_key(quarantine: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(
        quarantine["file"], quarantine["line"].cast(pa.string()), "\n"
    )
