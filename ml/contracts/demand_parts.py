"""A DEMAND table that is not held: whole series at a time, in the order of the key."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import DEMAND

PART = 1 << 17  # rows of a part, about


@dataclass(frozen=True, slots=True)
class DemandParts:
    """Stands for a DEMAND table, what is asked of all of it told beforehand."""

    num_rows: int
    ids: pa.Array  # distinct ids, in the order of their rows
    sources: tuple[str, ...]  # distinct sources, sorted
    days: tuple[date, date] | None  # first and last; `None` of no rows
    parts: Callable[[], Iterator[pa.Table]]  # reads it, from the first row on at each call
    name: str = ""  # of all that it is made of; "" = not known

    def whole(self) -> pa.Table:
        """All of it in memory."""
        return pa.concat_tables([DEMAND.schema.empty_table(), *self.parts()])


def in_parts(table: pa.Table | DemandParts) -> DemandParts:
    """A DEMAND table that is in memory, to be read as one that is not."""
    if isinstance(table, DemandParts):
        return table
    ids, sources = (pc.unique(table[name]) for name in ("item_id", "source"))
    ends = pc.min_max(table["ds"]).as_py()
    days = (ends["min"].date(), ends["max"].date()) if table.num_rows else None
    names = tuple(sorted(sources.to_pylist()))
    return DemandParts(table.num_rows, ids, names, days, partial(_slices, table))


def _slices(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, table.num_rows, PART):
        yield table.slice(start, PART)
