"""A long table of series as arrays: one row an item and period."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.frequency import Days, Frequency
from ml.panel import Floats

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LongTable:
    """Rows of several series.

    Attributes:
        items: Ids of all series, sorted.
        item: (rows,) position of each row's id in ``items``.
        ds: (rows,) start of the period.
        y: (rows,) value, NaN = not observed.
    """

    items: tuple[str, ...]
    item: Ints
    ds: Days
    y: Floats

    def where(self, keep: Mask) -> "LongTable":
        """Only these rows; ``items`` stays."""
        return LongTable(self.items, self.item[keep], self.ds[keep], self.y[keep])

    def per_item(self, weights: Floats | Mask) -> Ints:
        """Sum of a number a row over the rows of each item."""
        return np.bincount(self.item, weights=weights, minlength=len(self.items)).astype(np.int64)

    @property
    def seen(self) -> Mask:
        """Rows with an observation."""
        return ~np.isnan(self.y)


def coded(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Ints]:
    """Distinct texts, sorted, and the position of each row's text among them."""
    encoded = column.combine_chunks().dictionary_encode()
    texts = np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(texts, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return tuple(texts[order].tolist()), place[encoded.indices.to_numpy()]


def days(column: pa.ChunkedArray) -> Days:
    """A timestamp column as days."""
    return column.to_numpy(zero_copy_only=False).astype("datetime64[D]")


def floats(column: pa.ChunkedArray) -> Floats:
    """A number column, null = NaN."""
    return column.to_numpy(zero_copy_only=False).astype(np.float64)


def period_ends(starts: Days, frequency: Frequency) -> Days:
    """The last day of each period, for whole columns; see ``frequency.period_end``."""
    if frequency is Frequency.MONTHLY:
        following = (starts.astype("datetime64[M]") + np.timedelta64(1, "M")).astype(starts.dtype)
        return np.asarray(following - np.timedelta64(1, "D"), starts.dtype)
    return starts + np.timedelta64(6 if frequency is Frequency.WEEKLY else 0, "D")


def dense(table: LongTable, periods: Days) -> Floats:
    """Values by item and period, (N, T), NaN where there is no row; periods outside are ignored."""
    columns = np.searchsorted(periods, table.ds)
    inside = columns < len(periods)
    inside[inside] = periods[columns[inside]] == table.ds[inside]
    values = np.full((len(table.items), len(periods)), np.nan)
    values[table.item[inside], columns[inside]] = table.y[inside]
    return values
