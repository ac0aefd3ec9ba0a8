"""Counting a table that comes in chunks sorted by its key, and checking that it is sorted."""

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import Contract
from ml.errors import ContractError

_Place = tuple[tuple[bool, Any], ...]


class Tally:
    """Rows, items and days of the chunks so far; needs only the last key of them.

    Attributes:
        rows: Rows so far.
        items: Different ``item_id`` so far (null is none), ``None`` if it is not in the key.
        first_ds: Earliest ``ds`` so far.
        last_ds: Latest ``ds`` so far.
    """

    def __init__(self, contract: Contract) -> None:
        self.rows = 0
        self.items = 0 if "item_id" in contract.key else None
        self.first_ds: datetime | None = None
        self.last_ds: datetime | None = None
        self._contract = contract
        self._last: _Place = ()

    def add(self, chunk: pa.Table, *, where: str) -> None:
        """Count a chunk that has rows and is sorted by the key, null last.

        Raises:
            ContractError: Its first key does not come after the last one of the chunk before.
        """
        keys = chunk.select(list(self._contract.key))
        first, last = (_place(keys, row) for row in (0, keys.num_rows - 1))
        if self._last and first <= self._last:
            raise ContractError(
                f"{where}: chunks of table '{self._contract.name}' must ascend by "
                f"{self._contract.key}: one starts with {_named(first)} after {_named(self._last)}."
                f" Append the chunks in the order of their keys."
            )
        if self.items is not None:
            self.items += self._new_items(keys, first)
        if "ds" in chunk.column_names:
            self._stretch(chunk["ds"])
        self.rows += chunk.num_rows
        self._last = last

    def _new_items(self, keys: pa.Table, first: _Place) -> int:
        """Items of a chunk, less the one that went on from the chunk before.

        An item is told by the key up to ``item_id``: those rows are next to each other.
        """
        prefix = self._contract.key[: self._contract.key.index("item_id") + 1]
        groups = keys.select(list(prefix)).group_by(list(prefix)).aggregate([])
        known = pc.sum(pc.is_valid(groups["item_id"])).as_py()
        width = len(prefix)
        goes_on = first[:width] == self._last[:width] and first[width - 1][1] is not None
        return known - int(goes_on)

    def _stretch(self, days: pa.ChunkedArray) -> None:
        bounds = pc.min_max(days).as_py()
        if bounds["min"] is None:
            return
        self.first_ds = min(self.first_ds or bounds["min"], bounds["min"])
        self.last_ds = max(self.last_ds or bounds["max"], bounds["max"])


def _place(keys: pa.Table, row: int) -> _Place:
    """A key as something that Python orders the way the file is sorted, null last."""
    values = (keys[name][row].as_py() for name in keys.column_names)
    return tuple((value is None, value) for value in values)


def _named(place: _Place) -> tuple[str, ...]:
    return tuple(str(value) for _, value in place)
