"""What the page knows of every item: the row by which it is found and sorted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import ALL_LOCATIONS
from ml.page.blocks import Floats, PackedColumn, pack_days, pack_numbers, pack_words
from ml.page.version_tables import VersionTables

Places = npt.NDArray[np.int64]

# Columns of recommendations, and one decimal place more than is shown; None is a word or day.
BRIEF: Mapping[str, int | None] = {
    "action": None, "reason_code": None, "order_qty": 3, "order_value": 3, "currency": None,
    "priority_rank": 0, "alert_level": None, "stockout_date_p50": None, "p_stockout_no_order": 4,
    "excess_qty": 3, "excess_value": 3, "inventory_position": 3, "on_hand": 3, "reorder_point": 3,
    "ltd_mean": 3, "demand_class": None, "criticality": None, "confidence": None,
    "decision_day": None,
}  # fmt: skip
FULL: Mapping[str, int | None] = {
    **BRIEF,
    "mode": None, "net_requirement_qty": 3, "binding_constraint": None, "order_qty_alone": 3,
    "order_by_date": None, "expected_receipt_date": None, "policy": None, "order_lot": 3,
    "review_period_days": 1, "lead_time_days_mean": 1, "lead_time_days_std": 1,
    "lead_time_source": None, "protection_days": 1, "service_metric": None, "service_target": 4,
    "order_up_to": 3, "safety_stock": 3, "supplier": None, "on_order": 3, "backorders": 3,
    "reserved": 3, "in_repair_qty": 3, "rolled_demand": 3, "inventory_snapshot_at": None,
    "data_cutoff": None, "next_receipt_date": None, "overdue_qty": 3,
    "ltd_std": 3, "ltd_p50": 3, "ltd_p80": 3, "ltd_p90": 3, "ltd_p95": 3, "ltd_p99": 3,
    "demand_next_30d_mean": 3, "demand_next_90d_mean": 3, "p_stockout_before_receipt": 4,
    "p_stockout_with_order": 4, "expected_backorder_units": 3, "days_of_cover_p50": 1,
    "cover_censored": None, "stockout_date_p10": None, "months_since_demand": 1,
    "slob_class": None, "item_status": None, "needed_until": None, "successor_item_id": None,
    "abc_class": None, "xyz_class": None, "yearly_value": 3, "n_obs": 0, "n_nonzero": 0,
    "backtest_csl": 4, "backtest_n": 0, "quality_flags": None,
}  # fmt: skip
OF_FORECAST = ("kind", "frequency", "unit", "model_used", "is_fallback", "fallback_reason",
               "n_train", "train_end", "as_of")  # fmt: skip
CHANGED: Mapping[str, int | None] = {
    "driver": None, "forecast_changed": None, "before_version": None, "order_qty_before": 3,
    "reorder_point_before": 3, "order_from_forecast": 3, "order_from_stock": 3,
    "order_from_lead_time": 3, "order_from_parameters": 3, "order_by_before": None,
    "order_changed": None, "forecast_before": 3, "forecast": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ItemList:
    """The items of a version, sorted by id."""

    ids: Sequence[str]  # of all that have a forecast, a refusal or a recommendation
    place: Mapping[str, int]  # of an id among them
    first_rows: Places  # of each item in forecasts, -1 without one
    columns: Mapping[str, pa.Array]  # columns of all items, by name
    numbers: Mapping[str, Floats]  # those of numbers again, null as NaN

    def count(self, name: str, value: object) -> int:
        """Items whose column holds a value."""
        return int(pc.sum(pc.equal(self.columns[name], value)).as_py() or 0)


def read_items(tables: VersionTables) -> ItemList:
    """All items with the columns of their recommendations, forecasts, changes and refusals."""
    steps = tables.read("forecasts", ["item_id", "horizon_step"])
    starts = np.flatnonzero(to_floats(steps["horizon_step"]) == 1)
    forecast_ids = _take(steps["item_id"], starts).to_pylist()
    others = {
        "refused_": tables.read("refusals", ["item_id", "reason", "kind"]),
        "": _whole_company(tables, "recommendations", FULL),
        "changed_": _whole_company(tables, "changes", CHANGED),
    }
    owners = {prefix: table["item_id"].to_pylist() for prefix, table in others.items()}
    ids = sorted({*forecast_ids, *(item for own in owners.values() for item in own)})
    place = {item: number for number, item in enumerate(ids)}
    columns = {}
    for prefix, table in others.items():
        source = _sources([place[item] for item in owners[prefix]], len(ids))
        for name in table.column_names:
            columns[f"{prefix}{name}"] = plain_array(table[name]).take(source)
    rows = np.full(len(ids), -1)
    rows[[place[item] for item in forecast_ids]] = starts
    have = np.flatnonzero(rows >= 0)
    source = _sources(have, len(ids))
    for name in OF_FORECAST:
        columns[name] = _take(tables.read("forecasts", [name])[name], rows[have]).take(source)
    kinds = (columns["kind"], columns["refused_kind"], pa.scalar("demand"))
    columns |= {"kind": pc.coalesce(*kinds), "refusal": columns["refused_reason"]}
    numbers = {name: to_floats(one) for name, one in columns.items() if _is_number(one.type)}
    return ItemList(ids, place, rows, columns, numbers)


def _whole_company(tables: VersionTables, dataset: str, wanted: Mapping[str, object]) -> pa.Table:
    """Rows of stock of all locations together."""
    rows = tables.read(dataset, ["item_id", "location_id", *wanted])
    return rows.filter(pc.equal(rows["location_id"], ALL_LOCATIONS)) if rows.num_rows else rows


def _take(column: pa.ChunkedArray, rows: Places) -> pa.Array:
    """Values of some rows."""
    return plain_array(column.take(pa.array(rows)))


def plain_array(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array of plain values."""
    one = column.combine_chunks()
    if isinstance(one, pa.ChunkedArray):  # of no chunk at all, or of several dictionaries
        one = pa.concat_arrays(one.chunks) if one.num_chunks else pa.array([], one.type)
    return one.dictionary_decode() if pa.types.is_dictionary(one.type) else one


def _sources(items: Places | Sequence[int], total: int) -> pa.Array:
    """For each of all items the row that is of it, null where none is."""
    source = np.full(total, -1)
    source[np.asarray(items, int)] = np.arange(len(items))
    return pa.array(source, mask=source < 0)


def to_floats(column: pa.Array | pa.ChunkedArray) -> Floats:
    """Numbers with null as NaN; days since 1970 of days."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def pack_column(column: pa.Array, places: int | None = None) -> PackedColumn:
    """A column of one value an item; numbers of unknown places keep all their digits."""
    if pa.types.is_timestamp(column.type):
        return pack_days(column.to_numpy(zero_copy_only=False))
    if _is_number(column.type):
        return pack_numbers(to_floats(column), places)
    return pack_words(column)


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)


def pack_items(items: ItemList, names: Sequence[str], part: slice) -> dict[str, PackedColumn]:
    """Columns of some items, packed."""
    known = {**FULL, **{f"changed_{name}": places for name, places in CHANGED.items()}}
    packed = {}
    for name in names:
        if name in items.numbers:
            packed[name] = pack_numbers(items.numbers[name][part], known.get(name))
        elif name in items.columns:
            packed[name] = pack_column(items.columns[name][part.start : part.stop])
    return packed
