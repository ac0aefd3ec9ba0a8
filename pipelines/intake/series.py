"""Rows of several files as one set of series: ids made one, rows of a key summed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import ABSURD
from ml.frequency import Days
from pipelines.intake.source import Mask, TextColumn

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.int8]
_DAYS = 1 << 18  # more than the days that a date can be of, so that item and day make one key
_LARGEST = np.finfo(np.float64).max


@dataclass(frozen=True, slots=True)
class Rows:
    """Values of series on days.

    Attributes:
        items: (R,) number of the series.
        days: (R,) datetime64[D].
        values: (R,) NaN = not observed.
        flags: (R,) 1 true, 0 false, -1 not said.
    """

    items: Ints
    days: Days
    values: Floats
    flags: Flags

    @property
    def key(self) -> Ints:
        """One number for series and day that sorts as both do."""
        return self.items * _DAYS + self.days.astype(np.int64) + _DAYS // 2

    def where(self, keep: npt.NDArray[np.generic]) -> "Rows":
        """Some of the rows, by mask or by positions."""
        return Rows(self.items[keep], self.days[keep], self.values[keep], self.flags[keep])


def unified(columns: Sequence[TextColumn], keep: Sequence[Mask]) -> tuple[pa.Array, Ints]:
    """The ids of several files as one sorted list, and the place in it of each kept row.

    Args:
        columns: One column of ids a file.
        keep: The rows that are used, one mask a file.

    Returns:
        Ids, sorted as Python sorts text, without those of no kept row; and (R,) numbers.
    """
    encoded = pa.concat_arrays([column.texts for column in columns]).dictionary_encode()
    merged = encoded.indices.to_numpy().astype(np.int64)
    offsets = np.cumsum([0, *(len(column.texts) for column in columns)])
    codes = np.concatenate(
        [
            merged[offset + column.codes[rows]]
            for column, rows, offset in zip(columns, keep, offsets[:-1], strict=True)
        ]
    )
    used = np.flatnonzero(np.bincount(codes, minlength=len(encoded.dictionary)))
    ids = encoded.dictionary.take(pa.array(used))
    order = pc.sort_indices(ids)
    rank = np.zeros(len(encoded.dictionary), np.int64)
    rank[used[order.to_numpy()]] = np.arange(len(used))
    return ids.take(order), rank[codes]


def summed(rows: Rows) -> Rows:
    """Rows of one series and day made one, sorted; the values of a key are added up.

    Null and a number make the number, nulls alone stay null; a flag is true where any is. What is
    added does not depend on the order of the rows, down to the last bit.
    """
    key = rows.key
    order = np.argsort(key, kind="stable")
    starts = _starts(key[order])
    if len(starts) < len(key):  # floating-point sums depend on order: sort by value too
        order = np.lexsort((rows.flags, rows.values, key))
    rows = rows.where(order)
    counts = np.diff(np.append(starts, len(key)))
    group = np.repeat(np.arange(len(starts)), counts)
    observed = ~np.isnan(rows.values)
    totals = np.bincount(group, np.where(observed, rows.values, 0.0), len(starts))
    totals = np.clip(totals, -_LARGEST, _LARGEST)
    some = np.bincount(group, observed, len(starts)) > 0
    return Rows(
        rows.items[starts],
        rows.days[starts],
        np.where(some, totals, np.nan),
        np.maximum.reduceat(rows.flags, starts),
    )


def usable_items(days: Rows, count: int) -> Mask:
    """Which of ``count`` series have an observed value and none beyond ``ABSURD``, (count,)."""
    observed = ~np.isnan(days.values)
    some = np.bincount(days.items, observed, count) > 0
    absurd = np.bincount(days.items, np.abs(days.values) > ABSURD, count) > 0
    return some & ~absurd


def _starts(ordered: Ints) -> Ints:
    return np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
