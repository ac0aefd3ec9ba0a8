"""Stock of an item as counted, what it has on order, and both on the day of the decision.

An order that is placed at the end of the decision day arrives a lead time later. What was counted
before is brought to that day: less the demand recorded since the count, less the demand expected
where none is recorded, and with the orders that were due in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.frequency import Frequency, period_end, periods_before
from ml.inventory.items import WHOLE_COMPANY, ItemPolicy, Row, rows_by_item
from ml.panel import Floats

SHORTEST_AGEING_DAYS = 7.0  # a daily review does not make Monday's stock unusable on Wednesday
LATEST_COUNT_DAYS = 62  # after the data end: two months, as monthly data are complete that late
_STOCK = (
    "location_id", "snapshot_at", "on_hand", "on_order", "on_order_eta", "backorders", "reserved",
    "in_repair_qty", "repair_tat_days",
)  # fmt: skip
ROUNDING = 1e-9  # units: a sum of quantities in decimals differs from itself by less


@dataclass(frozen=True, slots=True)
class Stock:
    """Stock of one item [units]."""

    location_id: str = WHOLE_COMPANY  # where; `ALL` = summed over locations
    snapshot_at: datetime | None = None  # when it was counted
    on_hand: float | None = None  # in stock at the count; `None` = not known
    on_order: float | None = None  # ordered, not received at the count; `None` = not known
    backorders: float = 0.0  # owed to customers
    reserved: float = 0.0  # promised, still in stock
    in_repair_qty: float = 0.0  # away to be repaired at the count, and coming back
    # what is on order or in repair by due date: days from the end of the decision day, above 0,
    # and units
    due: tuple[tuple[float, float], ...] = ()
    received: float = (
        0.0  # of what was on order or in repair at the count, what was due by the decision day
    )
    repaired: float = 0.0  # of that, what was in repair
    overdue_qty: float = 0.0  # what was due by the day of the count, and is not there
    recorded: float = 0.0  # demand recorded between the count and the decision day
    expected: float = 0.0  # demand expected between the count and the decision day
    rolled_by: str = "none"  # how that demand was found: none, movements, forecast or both
    is_usable: bool = False  # whether quantities may be computed from it
    flags: tuple[str, ...] = ("inventory_absent",)  # quality flags

    @property
    def available(self) -> float:
        """What can be handed out on the decision day; below 0 = owing."""
        counted = (self.on_hand or 0.0) - self.backorders - self.reserved
        return counted + self.received - self.rolled_demand

    @property
    def rolled_demand(self) -> float:
        """Demand from the count to the decision day."""
        return self.recorded + self.expected

    @property
    def arriving(self) -> float:
        """On order or in repair on the decision day, 0 where not known."""
        return (self.on_order or 0.0) + self.in_repair_qty - self.received

    @property
    def ordered(self) -> float:
        """Of that, what is on order for all that is known, and might be cancelled."""
        return (self.on_order or 0.0) - (self.received - self.repaired)

    @property
    def undated(self) -> float:
        """What is on order without a date to trust: none was given, or it has passed."""
        return max(self.arriving - sum(units for _, units in self.due), 0.0)

    @property
    def position(self) -> float:
        """Inventory position on the decision day, whatever the dates of what is on order."""
        return self.available + self.arriving

    def position_within(self, days: float) -> float:
        """The same without what is due after so many days."""
        return self.position - sum(units for day, units in self.due if day > days)


def choose_decision_day(
    stock: pa.Table | None, cutoff: np.datetime64, wanted: np.datetime64 | None = None
) -> np.datetime64:
    """The day at whose end orders are placed: as wanted, else that of the newest count.

    A count before the last day of the data, ``cutoff``, or more than two months after it, has no
    say: the first is brought forward to it, the second belongs to another history.
    """
    if wanted is not None:
        return max(wanted, cutoff)
    if stock is None:
        return cutoff
    days = pc.drop_null(stock["snapshot_at"]).to_numpy().astype("datetime64[D]")
    days = days[days <= cutoff + LATEST_COUNT_DAYS]
    return max(cutoff, days.max()) if len(days) else cutoff


def read_stock(
    table: pa.Table | None,
    open_orders: pa.Table | None,
    policies: Sequence[ItemPolicy],
    decided_on: np.datetime64,
) -> dict[str, Stock]:
    """Stock of each item, judged by its age on the day of the decision, and what it has on order.

    The review periods of the policies set the limits of age. Where there are open orders, they
    are all that is known to be on order with a date; ``on_order`` beyond them has none.
    """
    rows = rows_by_item(table, _STOCK)
    orders = _orders_by_item(open_orders)
    return {one.item_id: _judge(rows.get(one.item_id), orders, one, decided_on) for one in policies}


Orders = Mapping[str, Sequence[tuple[np.datetime64 | None, float]]]


def _orders_by_item(open_orders: pa.Table | None) -> Orders | None:
    """Due day and units of the open orders of each item; ``None`` without a file of them."""
    if open_orders is None:
        return None
    found: dict[str, list[tuple[np.datetime64 | None, float]]] = {}
    names = ("item_id", "due_at", "quantity")
    for item, due, units in zip(*(open_orders[one].to_pylist() for one in names), strict=True):
        day = None if due is None else np.datetime64(due, "D")
        found.setdefault(item, []).append((day, units))
    return found


def _judge(
    row: Row | None, orders: Orders | None, policy: ItemPolicy, decided_on: np.datetime64
) -> Stock:
    if row is None:
        return Stock()
    on_hand, snapshot_at = row.get("on_hand"), row.get("snapshot_at")
    flags = []
    if on_hand is None:
        flags += ["inventory_absent", "on_hand_missing"]
    if snapshot_at is None:
        flags += ["inventory_absent", "snapshot_missing"]
    else:
        flags += _age_flags(snapshot_at, policy, decided_on)
    stock = Stock(
        location_id=row.get("location_id") or WHOLE_COMPANY,
        snapshot_at=snapshot_at,
        on_hand=on_hand,
        on_order=row.get("on_order"),
        backorders=row.get("backorders") or 0.0,
        reserved=row.get("reserved") or 0.0,
        is_usable=not {"inventory_absent", "stale_inventory_error"} & set(flags),
    )
    known = None if orders is None else orders.get(policy.item_id, ())
    if known is None and row.get("on_order_eta") and stock.on_order:
        known = [(np.datetime64(row["on_order_eta"], "D"), stock.on_order)]
    stock, said = _add_orders(stock, known, policy, decided_on)
    stock, told = _add_repairs(
        stock, row.get("in_repair_qty"), row.get("repair_tat_days"), decided_on
    )
    return replace(stock, flags=(*flags, *said, *told))


def _add_repairs(
    stock: Stock, units: float | None, days: float | None, decided_on: np.datetime64
) -> tuple[Stock, list[str]]:
    """The stock with what is in repair: back a whole time of repair after the count at the latest.

    Without that time it has no date, and is taken to come back as late as an order placed now.
    """
    if not units or stock.snapshot_at is None:
        return stock, []
    if days is None:
        return replace(stock, in_repair_qty=units), ["repair_time_assumed"]
    age = float((decided_on - np.datetime64(stock.snapshot_at, "D")).astype(np.int64))
    left = float(np.ceil(days)) - age
    if left <= 0.0:
        received = stock.received + units
        back = replace(stock, in_repair_qty=units, received=received, repaired=units)
        return back, ["receipt_assumed"]
    due = dict(stock.due)
    due[left] = due.get(left, 0.0) + units
    return replace(stock, in_repair_qty=units, due=tuple(sorted(due.items()))), []


def _age_flags(snapshot_at: datetime, policy: ItemPolicy, decided_on: np.datetime64) -> list[str]:
    age = int((decided_on - np.datetime64(snapshot_at, "D")).astype(np.int64))
    limit = max(policy.review_period_days, SHORTEST_AGEING_DAYS)
    if age > 2 * limit:
        return ["stale_inventory_error"]
    if age > limit:
        return ["stale_inventory"]
    return ["snapshot_after_cutoff"] if age < 0 else []


def _add_orders(
    stock: Stock,
    orders: Sequence[tuple[np.datetime64 | None, float]] | None,
    policy: ItemPolicy,
    decided_on: np.datetime64,
) -> tuple[Stock, list[str]]:
    """The stock with its open orders, which are ``None`` without a file of them; and flags."""
    total = float(sum(units for _, units in orders or ()))
    counted = decided_on if stock.snapshot_at is None else np.datetime64(stock.snapshot_at, "D")
    overdue, received, due = 0.0, 0.0, dict[float, float]()
    for day, units in orders or ():
        if day is None:
            continue
        days = float((day - decided_on).astype(np.int64))
        if day <= counted:
            overdue += units
        elif days <= 0.0:
            received += units
        else:
            due[days] = due.get(days, 0.0) + units
    found = replace(
        stock,
        on_order=stock.on_order if orders is None else max(total, stock.on_order or 0.0),
        received=received,
        overdue_qty=overdue,
        due=tuple(sorted(due.items())),
    )
    flags = {
        "on_order_assumed_zero": found.on_order is None,
        "on_order_disagrees": stock.on_order is not None and total > stock.on_order + ROUNDING,
        "open_order_overdue": overdue > 0.0,
        "receipt_assumed": received > 0.0,
        "on_order_eta_assumed": found.undated - overdue > ROUNDING,
        "open_order_far": any(days > policy.protection_days for days in due),
    }
    return found, [flag for flag, is_so in flags.items() if is_so]


def days_to_roll(stock: Stock, cutoff: np.datetime64, decided_on: np.datetime64) -> float:
    """Days of the forecast that lie between the count and the decision day, >= 0."""
    if stock.snapshot_at is None:
        return 0.0
    since = max(np.datetime64(stock.snapshot_at, "D"), cutoff)
    return max(float((decided_on - since).astype(np.int64)), 0.0)


def recorded_since(
    recent: Sequence[float], counted_on: np.datetime64, as_of: np.datetime64, frequency: Frequency
) -> float:
    """Demand recorded after a count until the end of the period ``as_of`` [units].

    ``recent`` are the last periods of the history, ``as_of`` the last of them. A period in which
    the count falls gives its linear share; one that was not observed, or lies before all of them,
    their mean.
    """
    last = period_end(as_of.astype("datetime64[D]"), frequency)
    days = int((last - counted_on).astype(np.int64))
    if days <= 0:
        return 0.0
    values = np.asarray(recent, np.float64)
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if len(known) else 0.0
    starts = periods_before(as_of, len(values), frequency)
    ends = period_end(starts, frequency)
    lengths = (ends - starts).astype(np.int64) + 1
    after = np.clip((ends - counted_on).astype(np.int64), 0, lengths)
    shares = after / lengths
    seen = float(np.where(np.isfinite(values), values, mean) @ shares)
    missed = days if not len(starts) else (starts[0] - counted_on).astype(np.int64) - 1
    return seen + mean * max(float(missed), 0.0) / frequency.days


def roll(
    stock: Stock,
    recorded: float,
    expected: Floats,
    *,
    cutoff: np.datetime64,
    decided_on: np.datetime64,
    whole_units: bool,
) -> Stock:
    """The stock on the decision day: less what was recorded, and the mean of (S,) expected demands.

    ``whole_units`` rounds both: no fraction of a part was handed out.
    """
    if stock.snapshot_at is None:
        return stock
    counted_on = np.datetime64(stock.snapshot_at, "D")
    ways = {
        (False, False): "none",
        (True, False): "movements",
        (False, True): "forecast",
        (True, True): "both",
    }
    mean = float(expected.mean())
    if whole_units:
        recorded, mean = float(np.round(recorded)), float(np.round(mean))
    is_old, is_early = bool(counted_on < cutoff), bool(max(counted_on, cutoff) < decided_on)
    return replace(stock, recorded=recorded, expected=mean, rolled_by=ways[is_old, is_early])
