"""The user's stock: the newest count of each location, summed to one row an item."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import check
from ml.contracts.demand import INVENTORY
from ml.errors import DataError
from pipelines.intake.attributes import Records, as_array, is_given, nothing, read_records
from pipelines.intake.interface import Intake
from pipelines.intake.names import INVENTORY_NAMES
from pipelines.intake.reading import by_usual_names, on_rows, open_files
from pipelines.intake.request import ReadingRequest
from pipelines.intake.source import Mask
from pipelines.intake.wording import counted, named

ALL_LOCATIONS = "ALL"
KNOWN_IN_ALL = ("on_hand", "on_order")  # unknown in one location is unknown in total, never 0
KNOWN_IN_SOME = ("backorders", "reserved")  # not given means none
Ints = npt.NDArray[np.int64]


def read_inventory(path: Path, options: ReadingRequest) -> Intake:
    """Read stock from a file or a folder of files.

    Of each item and location the rows of the newest count are kept. Quantities are summed over
    locations; the oldest of their counts is the ``snapshot_at`` of the sum. Of attributes the
    first location that gives one counts.

    Raises:
        DataError: Files that cannot be read or have no column of ids; repeated rows of one item,
            location and day where they are to be refused.
        IntakeError: No row has an id.
    """
    files = open_files(path, by_usual_names(INVENTORY_NAMES, ("item_id",), options.columns))
    records = read_records(files, INVENTORY, options)
    locations = _locations(records)
    newest = _newest(records, locations)
    again = _again(records, locations, newest)
    if len(again) and options.duplicates == "error":
        _refuse_repeats(files.where, records, again)
    order = np.flatnonzero(newest)
    order = order[np.lexsort((order, locations[order], records.items[order]))]
    starts = np.flatnonzero(np.diff(records.items[order], prepend=-1))
    arrays = {"item_id": records.ids, "location_id": pa.repeat(ALL_LOCATIONS, len(starts))}
    for column in INVENTORY.columns[2:]:
        values = records.columns.get(column.name, nothing(column, len(records.items)))[order]
        arrays[column.name] = as_array(_of_items(column.name, values, starts), column)
    table = check(pa.table(arrays), INVENTORY, where=files.where)
    statements = (
        *on_rows(files, len(records.items), records.quarantine),
        *records.remarks,
        *_on_stock(files.where, records, newest=newest, again=again, locations=locations),
    )
    return Intake(table, None, statements, records.quarantine)


def _locations(records: Records) -> Ints:
    """Number of each row's location in the order of their names, (R,)."""
    if "location_id" not in records.columns:
        return np.zeros(len(records.items), np.int64)
    names = pc.fill_null(pa.array(records.columns["location_id"], pa.string()), "")
    return pc.rank(names, tiebreaker="dense").to_numpy().astype(np.int64)


def _newest(records: Records, locations: Ints) -> Mask:
    """The rows of the newest count of each item and location, (R,)."""
    counted_at = records.columns.get("snapshot_at")
    if counted_at is None:
        return np.ones(len(records.items), bool)
    when = np.where(np.isnat(counted_at), np.iinfo(np.int64).min, counted_at.astype(np.int64))
    order = np.lexsort((when, locations, records.items))
    item, location = records.items[order], locations[order]
    last = np.append((item[1:] != item[:-1]) | (location[1:] != location[:-1]), True)
    counts = np.diff(np.flatnonzero(last), prepend=-1)
    newest = np.empty(len(order), bool)
    newest[order] = when[order] == np.repeat(when[order][last], counts)
    return newest


def _again(records: Records, locations: Ints, newest: Mask) -> Ints:
    """Positions of rows of the newest count whose item and location occurred before."""
    rows = np.flatnonzero(newest)
    rows = rows[np.lexsort((rows, locations[rows], records.items[rows]))]
    item, location = records.items[rows], locations[rows]
    return rows[1:][(item[1:] == item[:-1]) & (location[1:] == location[:-1])]


def _refuse_repeats(where: str, records: Records, again: Ints) -> None:
    names = records.ids.take(pa.array(np.unique(records.items[again]))).to_pylist()
    raise DataError(
        f"{where}: {counted(len(again), 'row')} of {len(records.items):,} repeat the item, "
        f"location and day of another. First: {named(names)}. Remove them, or add them up with "
        "--duplicates sum."
    )


def _of_items(name: str, values: npt.NDArray[Any], starts: Ints) -> npt.NDArray[Any]:
    """One value an item from the values of its rows, which begin at ``starts``."""
    if name in KNOWN_IN_ALL:
        return np.add.reduceat(values, starts)
    if name == "snapshot_at":
        return np.fmin.reduceat(values, starts)
    given = is_given(values)
    if name in KNOWN_IN_SOME:
        known = np.add.reduceat(given.astype(np.int64), starts) > 0
        return np.where(known, np.add.reduceat(np.where(given, values, 0.0), starts), np.nan)
    places = np.where(given, np.arange(len(values)), len(values))
    first = np.minimum.reduceat(places, starts)
    ends = np.append(starts[1:], len(values))
    return values[np.where(first < ends, first, starts)]  # the first row gives nothing either


def _on_stock(
    where: str, records: Records, *, newest: Mask, again: Ints, locations: Ints
) -> list[str]:
    sentences = []
    older = int((~newest).sum())
    if older:
        sentences.append(f"{where}: {counted(older, 'row')} of older counts were left out.")
    if len(again):
        sentences.append(
            f"{where}: {counted(len(again), 'row')} repeated the item, location and day of another "
            "and were added to it; --duplicates error refuses them."
        )
    places = len(np.unique(locations))
    if places > 1:
        sentences.append(f"{where}: stock was summed over {counted(places, 'location')}.")
    sentences += [
        f"{where}: no column '{name}': not known for any item."
        for name in ("snapshot_at", "on_hand")
        if name not in records.columns
    ]
    sentences += _on_unknown(where, records, newest)
    return sentences


def _on_unknown(where: str, records: Records, newest: Mask) -> list[str]:
    """Which items have no total because one of their locations has no number."""
    return [
        f"{where}: '{name}' of {counted(len(items), 'item')} is not known in at least one row and "
        f"therefore not in total: {named(items)}."
        for name in KNOWN_IN_ALL
        if (items := _unknown_items(name, records, newest))
    ]


def _unknown_items(name: str, records: Records, newest: Mask) -> list[str]:
    if name not in records.columns:
        return []
    unknown = newest & np.isnan(records.columns[name])
    return records.ids.take(pa.array(np.unique(records.items[unknown]))).to_pylist()
