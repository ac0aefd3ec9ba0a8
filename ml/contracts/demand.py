"""The user's own tables: demand, items and stock (DESIGN section 5, inventory.md 3.1)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import Column, Contract, count, day, flag, number, text

ALL_LOCATIONS = "ALL"  # the location of what is summed over all of them
ABSURD = 1e9  # units a period: above it a number is a fault of the file, not a demand

ITEM_ID = text("item_id", "key of an item; text, 'NA' is an id")
DS = Column("ds", pa.timestamp("us"), unit="day", description="start of the period, no time zone")
FREQUENCIES = {
    "D": "days",
    "B": "Monday to Friday",
    "W": "weeks, from the weekday found in the data on",
    "MS": "months, from the first on",
}
FREQUENCY = text("frequency", "D, B, W or MS (start of month)", FREQUENCIES)
CRITICALITIES = {
    "A": "a stock-out stops work that cannot wait",
    "B": "a stock-out hurts",
    "C": "a stock-out can wait",
    "insurance": "kept for the worst case, however rarely it is asked for",
}
STATUSES = {
    "active": "in use",
    "phase_out": "used up: ordered to its need, without cycle stock",
    "do_not_stock": "ordered when asked for, never for stock",
    "last_buy": "can be bought once more, for the time until needed_until",
    "obsolete": "no longer used",
}

SERVICE_METRICS = {
    "csl": "cycle service level: no unit short in the protection interval",
    "csl_pos": "the same of intervals with demand",
    "fill_rate": "units served at once, of those asked for between two reviews",
    "cost": "none: stockout_cost against what holding a unit costs decides",
}

DEMAND = Contract(
    "demand",
    key=("item_id", "ds"),
    columns=(
        ITEM_ID,
        DS,
        number("y", "units a period",
               "demand summed over sites; null = not observed, 0 = observed none", 0.0),
        flag("is_stockout", "stock ran out: y is what was served, not what was asked for",
             nullable=True),
        FREQUENCY,
        text("source", "synthetic_sample or user_files"),
        number("stockout_share", "1", "share of the period's days and sites on which stock ran "
               "out; null = all where is_stockout", 0.0, 1.0),
        number("stockout_y", "units a period", "units of y that were served on them", 0.0),
    ),
    version=2,
)  # fmt: skip

_POLICY_INPUTS = (
    number("lead_time_days_mean", "days", "mean time from order to receipt", 0.0),
    number("lead_time_days_std", "days", "standard deviation of the lead time", 0.0),
    number("review_period_days", "days", "time between two reviews", 0.0),
    number("moq", "units", "smallest order", 0.0),
    number("order_multiple", "units", "orders are multiples of this", 0.0),
    number("max_order_qty", "units", "largest order", 0.0),
    number("unit_cost", "currency", "cost of one unit", 0.0),
    text("currency", "ISO 4217 code", nullable=True),
    number("service_target", "1", "wanted service level", 0.0, 1.0),
    text("service_metric", "what service_target is a share of", SERVICE_METRICS, nullable=True),
    text("criticality", "A, B, C or insurance", CRITICALITIES, nullable=True),
    text("status", "life cycle", STATUSES, nullable=True),
    number("min_stock", "units", "the reorder point is at least this", 0.0),
    number("max_stock", "units", "no order goes above this", 0.0),
    number("stockout_cost", "currency", "cost of one unit short", 0.0),
    text("supplier", "who delivers", nullable=True),
    number("shelf_life_days", "days", "from the receipt until a unit expires", 0.0),
    number("order_cost", "currency", "cost of placing one order, whatever its size", 0.0),
    day("needed_until", "last day on which an item of status last_buy is needed", nullable=True),
    text("successor_item_id", "item that takes its place: this one is ordered no more",
         nullable=True),
)  # fmt: skip

ITEMS = Contract(
    "items",
    key=("item_id",),
    version=3,
    columns=(
        ITEM_ID,
        text("name", "plain name", nullable=True),
        text("family", "family of parts", nullable=True),
        *_POLICY_INPUTS,
    ),
)

INVENTORY = Contract(
    "inventory",
    key=("item_id",),
    version=3,
    columns=(
        ITEM_ID,
        text("location_id", "'ALL': stock is summed over locations"),
        day("snapshot_at", "when the stock was counted", nullable=True),
        number("on_hand", "units", "units in stock", 0.0),
        number("on_order", "units", "units ordered, not yet received", 0.0),
        day("on_order_eta", "day on which all of on_order is due, without a file of open orders",
            nullable=True),
        number("backorders", "units", "units owed to customers", 0.0),
        number("reserved", "units", "units promised, still in stock", 0.0),
        number("in_repair_qty", "units", "units away to be repaired, which come back", 0.0),
        number("repair_tat_days", "days", "time that a repair takes, way included", 0.0),
        *_POLICY_INPUTS,
    ),
)  # fmt: skip

RECEIPTS = Contract(
    "receipts",
    key=("item_id", "receipt_line"),
    columns=(
        ITEM_ID,
        count("receipt_line", "1", "the item's receipts, counted by the day they came", 1),
        day("ordered_at", "day of the order"),
        day("received_at", "day on which the last of it came"),
        number("quantity", "units", "units that came", 0.0),
        text("supplier", "who delivered", nullable=True),
        text("order_id", "number of the order", nullable=True),
    ),
)

OPEN_ORDERS = Contract(
    "open_orders",
    key=("item_id", "order_line"),
    columns=(
        ITEM_ID,
        count("order_line", "1", "the item's orders, counted by due date", 1),
        number("quantity", "units", "units still to come", 0.0, nullable=False),
        day("due_at", "day on which they are due; null = not known", nullable=True),
        text("supplier", "who delivers", nullable=True),
        text("order_id", "number of the order", nullable=True),
    ),
)

SUPPLIERS = Contract(
    "suppliers",
    key=("supplier",),
    columns=(
        text("supplier", "who delivers, as the files of items and stock write it"),
        number("min_order_value", "currency", "smallest value of one order of all its items", 0.0),
        number("order_cost", "currency", "fixed cost of one order, whatever is in it", 0.0),
        text("currency", "ISO 4217 code", nullable=True),
    ),
)

STOCK_BY_LOCATION = Contract(
    "stock_by_location",
    key=("item_id", "location_id"),
    columns=(
        ITEM_ID, text("location_id", "where the stock lies, as the file calls it"),
        *INVENTORY.columns[2:],
    ),
)  # fmt: skip

SITE_DEMAND = Contract(
    "site_demand",
    key=("item_id", "location_id"),
    columns=(
        ITEM_ID,
        text("location_id", "site that asked, as the file calls it"),
        day("since", "first day of what is counted: a year before until"),
        day("until", "last day that any item has a row of"),
        number("units", "units", "demand of these days, returns netted", 0.0, nullable=False),
        count("demands", "periods", "periods in which the site asked for any"),
        number("units_together", "units", "units of the item that went to one site together, as "
               "the spread of the division tells; null = it tells nothing", 1.0),
    ),
)  # fmt: skip


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
