"""Dense series: every period from the first row of an item to its last."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.contracts.base import Contract, check
from ml.frequency import Days, Frequency, period_range, period_start, weekday
from pipelines.intake.series import Rows
from pipelines.intake.source import Mask

CHUNK = 1 << 20  # rows a chunk: the texts of one chunk stay far below Arrow's 2 GiB
FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Dense:
    """Rows with the absent periods made explicit.

    Attributes:
        rows: Sorted by item and day.
        absent: (R,) where no row was given.
    """

    rows: Rows
    absent: Mask


def on_periods(days: Days, frequency: Frequency, anchor: int) -> Days:
    """The start of each day's period; business-daily weekends belong to the Friday before."""
    if frequency is Frequency.BUSINESS:
        return days - np.maximum(weekday(days) - FRIDAY, 0)
    return period_start(days, frequency, anchor)


def dense(rows: Rows, frequency: Frequency, *, apart: Mask) -> Dense:
    """Add the periods between the first and the last row of each item.

    Args:
        rows: Sorted by item and day, one row a key, days on periods.
        frequency: Of the periods.
        apart: (N,) items that keep their own rows and days, and do not touch the calendar.
    """
    alone = apart[rows.items]
    together = rows.days[~alone]
    calendar = period_range(together.min(), together.max(), frequency)
    starts = np.flatnonzero(np.diff(rows.items, prepend=-1))
    counts = np.diff(np.append(starts, len(rows.items)))
    place = np.searchsorted(calendar, rows.days)
    place = np.where(alone, np.arange(len(alone)) - np.repeat(starts, counts), place)
    first = place[starts]
    lengths = place[starts + counts - 1] - first + 1
    shifts = np.cumsum(lengths) - lengths - first  # from a place in the calendar to a row
    target = place + np.repeat(shifts, counts)
    total = int(lengths.sum())
    places = np.arange(total) - np.repeat(shifts, lengths)
    days = calendar[np.minimum(places, len(calendar) - 1)]
    days[target[alone]] = rows.days[alone]
    values, flags, absent = (
        np.full(total, np.nan),
        np.full(total, -1, np.int8),
        np.ones(total, bool),
    )
    values[target], flags[target], absent[target] = rows.values, rows.flags, False
    return Dense(Rows(np.repeat(rows.items[starts], lengths), days, values, flags), absent)


def id_column(ids: pa.Array, items: npt.NDArray[np.int64]) -> pa.ChunkedArray:
    """The id of each row as plain text, (R,), in chunks."""
    chunks = [
        ids.take(pa.array(items[start : start + CHUNK])) for start in range(0, len(items), CHUNK)
    ]
    return pa.chunked_array(chunks, pa.string())


def timestamps(days: Days) -> pa.Array:
    """Days as the timestamps of a contract."""
    return pa.array(days.astype("datetime64[us]"))


def checked_by_items(
    table: pa.Table, items: npt.NDArray[np.int64], contract: Contract, *, where: str
) -> pa.Table:
    """Check a table that is sorted by item, some whole items at a time.

    No key spans two items, so the parts are as good as the whole; the check of keys takes ten
    times as long on 35 million rows at once.

    Args:
        table: Rows sorted by item.
        items: (R,) number of each row's item, ascending.
        contract: What it has to be.
        where: File to name in errors.

    Raises:
        ContractError: The table breaks its contract.
    """
    starts = np.flatnonzero(np.diff(items, prepend=-1))
    cuts = np.unique(starts[np.searchsorted(starts, np.arange(0, len(items), CHUNK), "right") - 1])
    parts = [
        check(table.slice(start, stop - start), contract, where=where)
        for start, stop in pairwise([*cuts.tolist(), len(items)])
    ]
    return pa.concat_tables(parts)
