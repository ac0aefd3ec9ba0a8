"""What the page draws of every item: forecasts, history, curves of service, models."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.beside_orders import LEAD_TIME_FACTORS, TARGETS
from ml.contracts.demand import ALL_LOCATIONS
from ml.mapped import let_go, map_array
from ml.page.blocks import (
    Floats,
    PackedColumn,
    ScaledMatrix,
    pack_places,
    scale,
    scale_as_shown,
)
from ml.page.items import ItemList, Places, pack_column, plain_array, to_floats
from ml.page.version_tables import VersionTables

Bools = npt.NDArray[np.bool_]
BRIEF_CURVES = ("forecast", "q10", "q50", "q90", "cum_q50", "cum_q80", "cum_q95", "cum_q99")
CURVES = ("q05", "q95", "cum_mean")  # on top of these
OF_SERVICE = {"stock_value": 3, "fill_rate": 4}  # most decimal places; at the lead time as it is
OF_FACTORS = "reorder_point"  # at the others as well
PLACES = {"demand": 3, "price": 4}  # most decimal places
BRIEF_POINTS = 52  # of history, where items are many
MOST_POINTS = {"D": 400, "B": 400, "W": 104, "MS": 36}


@dataclass(frozen=True, slots=True)
class PackedPanel:
    """Numbers of the items of one kind, frequency and calendar, to be packed in parts."""

    about: Mapping[str, Any]  # what there is to say of it
    days: Sequence[int]  # of its columns, since 1970; none of curves of service
    items: Places  # its items, as places in the list of all, ascending
    numbers: Mapping[str, ScaledMatrix]  # by name, shape (items, days)

    def cut(self, part: slice, names: Sequence[str], last: int | None = None) -> "PackedCut":
        """Some items, some of the numbers, of these their last values."""
        first, end = np.searchsorted(self.items, (part.start, part.stop))
        rows = slice(int(first), int(end))
        columns = {
            name: self.numbers[name].columns(-(last or 0)).pack(rows)
            for name in names
            if name in self.numbers
        }
        kept = self.days if last is None else self.days[-last:]
        return PackedCut({**self.about, "days": kept}, self.items[rows] - part.start, columns)

    def shorten(self) -> "PackedPanel":
        """Numbers of demand with two digits or a little more."""
        if self.about["kind"] == "price":
            return self
        return replace(self, numbers={name: one.shorten() for name, one in self.numbers.items()})

    def at_own_time(self) -> "PackedPanel":
        """Of curves of service, those of the lead time as it is."""
        targets = len(self.about["targets"])
        start = self.about["factors"].index(1.0) * targets
        numbers = dict(self.numbers)
        if OF_FACTORS in numbers:
            numbers[OF_FACTORS] = numbers[OF_FACTORS].columns(start, start + targets)
        return PackedPanel({**self.about, "factors": [1.0]}, [], self.items, numbers)


@dataclass(frozen=True, slots=True)
class PackedCut:
    """A part of a panel."""

    about: Mapping[str, Any]  # as of the panel, with the days
    items: Places  # places in the part
    columns: Mapping[str, PackedColumn]  # its numbers


def read_forecasts(
    tables: VersionTables, items: ItemList, names: Sequence[str]
) -> list[PackedPanel]:
    """Forecasts of all items, panel by panel; a panel's items share their days.

    Of demand they are rounded as they are shown.
    """
    have = np.flatnonzero(items.first_rows >= 0)
    starts = items.first_rows[have]
    days = _days(tables.read("forecasts", ["ds"])["ds"])
    lengths = np.diff(np.append(np.sort(starts), len(days)))[np.argsort(np.argsort(starts))]
    kinds = [items.columns[name].to_pylist() for name in ("kind", "frequency")]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, item in enumerate(have):
        key = (kinds[0][item], kinds[1][item], days[starts[number]], lengths[number])
        groups.setdefault(key, []).append(number)
    found = {key: starts[own][:, None] + np.arange(int(key[3])) for key, own in groups.items()}
    numbers: dict[tuple[Any, ...], dict[str, ScaledMatrix]] = {key: {} for key in groups}
    for name in names:
        values = to_floats(tables.read("forecasts", [name])[name])
        for key, rows in found.items():
            price, cumulative = key[0] == "price", name.startswith("cum_")
            if price and cumulative:
                continue
            numbers[key][name] = (
                scale(values[rows], PLACES["price"]) if price
                else scale_as_shown(values[rows], along=cumulative)
            )  # fmt: skip
    return [
        PackedPanel(
            {"kind": key[0], "frequency": key[1]},
            days[found[key][0]].astype(int).tolist(), have[own], numbers[key],
        )
        for key, own in sorted(groups.items(), key=lambda one: str(one[0]))
    ]  # fmt: skip


def read_history(tables: VersionTables, items: ItemList) -> list[PackedPanel]:
    """What was observed, panel by panel, and which periods had a stock-out.

    Histories are most of a version, so a part of them is in memory at a time.
    """
    found: dict[str, tuple[set[int], Bools]] = {}  # days, and which items there are
    for key, owner, days, _ in _history_parts(tables, items, ()):
        every, there = found.setdefault(key, (set(), np.zeros(len(items.ids), bool)))
        every.update(np.unique(days).tolist())
        there[owner] = True
    grids = {key: _Grid.of(key, *one) for key, one in sorted(found.items())}
    for key, owner, days, part in _history_parts(tables, items, ("y", "is_stockout")):
        grids[key].fill(owner, days, part)
    return [grid.pack(key) for key, grid in grids.items()]


def _history_parts(
    tables: VersionTables, items: ItemList, names: Sequence[str]
) -> Iterator[tuple[str, Places, Places, pa.Table]]:
    """Kind and frequency, items, days since 1970 and these columns of some rows at a time."""
    for table in tables.scan("history", ["item_id", "ds", "kind", "frequency", *names]):
        if not table.num_rows:
            continue
        owner, first = _owners(table["item_id"], items)
        kinds, often = (
            plain_array(table[name].take(pa.array(first))) for name in ("kind", "frequency")
        )
        keys = pc.binary_join_element_wise(kinds, often, " ").dictionary_encode()
        lengths = np.diff(np.append(first, table.num_rows))
        of_row = np.repeat(keys.indices.to_numpy(), lengths)
        days = _days(table["ds"]).astype(int)
        for code, key in enumerate(keys.dictionary.to_pylist()):
            rows = np.flatnonzero((of_row == code) & (owner >= 0))
            if len(rows):
                own = table if len(rows) == table.num_rows else table.take(pa.array(rows))
                yield key, owner[rows], days[rows], own


@dataclass(frozen=True, slots=True)
class _Grid:
    """What was observed of a panel, a row an item and a column a day."""

    calendar: Places  # the last days that are shown, since 1970, ascending
    items: Places  # places of its items in the list of all, ascending
    rank: Places  # of each item of all, its place among them
    numbers: Mapping[str, Floats]  # by name; NaN is null

    @classmethod
    def of(cls, key: str, days: Iterable[int], there: Bools) -> "_Grid":
        """Empty."""
        calendar, own = np.array(sorted(days)), np.flatnonzero(there)
        calendar = calendar[-MOST_POINTS[key.split()[1]] :]
        numbers = {}
        for name in ("y", "is_stockout"):
            numbers[name] = map_array((len(own), len(calendar)), np.float64, np.nan)
        return cls(calendar, own, np.cumsum(there) - 1, numbers)

    def fill(self, owner: Places, days: Places, part: pa.Table) -> None:
        """Put in some rows."""
        inside = days >= self.calendar[0]
        at = self.rank[owner[inside]], np.searchsorted(self.calendar, days[inside])
        for name, values in self.numbers.items():
            values[at] = to_floats(part[name])[inside]
            let_go(values)

    def pack(self, key: str) -> PackedPanel:
        """The panel of this kind and frequency."""
        kind, frequency = key.split()
        numbers = {
            name: scale(values, PLACES[kind], along=kind == "price")
            for name, values in self.numbers.items()
        }
        about = {"kind": kind, "frequency": frequency}
        return PackedPanel(about, self.calendar.tolist(), self.items, numbers)


def _days(instants: pa.Array | pa.ChunkedArray) -> Floats:
    """Days since 1970."""
    return to_floats(instants.cast(pa.int64())) // 86_400_000_000


def _ranks(owner: Places) -> tuple[Places, Places]:
    """The items that own rows, ascending, and of each row the place of its item among them."""
    seen = np.zeros(int(owner.max(initial=-1)) + 1, bool)
    seen[owner] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[owner]


def _owners(ids: pa.ChunkedArray, items: ItemList) -> tuple[Places, Places]:
    """Which item each row is of, as its place or -1, and the first row of each run of one item."""
    coded = ids.combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = pa.chunked_array(coded.chunks).combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False)
    of_code = np.array([items.place.get(item, -1) for item in coded.dictionary.to_pylist()], int)
    first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])) if len(codes) else codes
    return of_code[codes] if len(codes) else codes.astype(int), first.astype(int)


def read_service(tables: VersionTables, items: ItemList) -> PackedPanel:
    """Levels by factor of the lead time and target of every item; value and service at its own."""
    names = ["item_id", "location_id", "lead_time_factor", "service_target", OF_FACTORS]
    table = tables.read("service_curves", [*names, *OF_SERVICE])
    if table.num_rows:
        table = table.filter(pc.equal(table["location_id"], ALL_LOCATIONS))
    about = {"factors": [*LEAD_TIME_FACTORS], "targets": [*TARGETS]}
    if not table.num_rows:
        return PackedPanel(about, [], np.array([], int), {})
    owner, _ = _owners(table["item_id"], items)
    factor, known = _places_of(table["lead_time_factor"], LEAD_TIME_FACTORS)
    target, asked = _places_of(table["service_target"], TARGETS)
    inside = known & asked & (owner >= 0)
    own, rank = _ranks(owner[inside])
    shape = (len(own), len(LEAD_TIME_FACTORS), len(TARGETS))
    place = (rank, factor[inside], target[inside])
    numbers = {}
    for name in (OF_FACTORS, *OF_SERVICE):
        values = np.full(shape, np.nan)
        values[place] = to_floats(table[name])[inside]
        if name == OF_FACTORS:
            numbers[name] = scale_as_shown(values.reshape(len(own), -1))
        else:
            numbers[name] = scale(values[:, LEAD_TIME_FACTORS.index(1.0)], OF_SERVICE[name])
    return PackedPanel(about, [], own, numbers)


def _places_of(column: pa.ChunkedArray, known: Sequence[float]) -> tuple[Places, Places]:
    """The place of each number among known ones, ascending, and whether it is one of them."""
    values, steps = np.round(to_floats(column), 3), np.array(known)
    place = np.minimum(np.searchsorted(steps, values), len(steps) - 1)
    return place, steps[place] == values


def read_rows(
    tables: VersionTables, items: ItemList, dataset: str, names: Mapping[str, int | None]
) -> "ItemRows":
    """Rows of a table that belong to an item each, in the order of the items."""
    parts = []
    for part in tables.scan(dataset, ["item_id", *names]):
        if dataset == "forecast_models" and part.num_rows:  # of the first period, for their weights
            first = pc.equal(part["horizon_step"], 1)
            parts.append(part.filter(pc.and_(first, pc.greater(part["weight"], 0))))
        else:
            parts.append(part)
    table = pa.concat_tables(parts)
    owner, _ = _owners(table["item_id"], items)
    places = {name: places for name, places in names.items() if places is not None}
    return ItemRows(owner, table.select(list(names)), places)


@dataclass(frozen=True, slots=True)
class ItemRows:
    """Any number of rows an item."""

    owner: Places  # place of each row's item, ascending
    table: pa.Table  # the rows
    places: Mapping[str, int]  # decimals of numbers; those of others are all kept

    def pack(self, part: slice) -> dict[str, PackedColumn]:
        """Rows of some items, packed, with the item's place in the part."""
        first, end = np.searchsorted(self.owner, (part.start, part.stop))
        rows = self.table.slice(int(first), int(end - first))
        packed = {
            name: pack_column(plain_array(rows[name]), self.places.get(name))
            for name in rows.column_names
        }
        return {"item": pack_places(self.owner[first:end] - part.start), **packed}
