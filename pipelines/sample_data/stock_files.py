"""The files on stock that a user would have: counts, orders, what these took, who delivers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.items import FAMILIES
from pipelines.sample_data.streams import Floats, stream
from pipelines.sample_data.truth import Truth
from pipelines.sample_data.world import SITES

MAIN_STORE, *DEPOTS = SITES
SPLIT_SHARE, DEPOT_SHARE = 0.2, 0.6  # items kept in depots too, and what lies there of them
DEPOT_SPREAD = 0.5  # Dirichlet: below 1 some depots have much of an item, and others little
MIN_ORDER_VALUE, ORDER_COST = 3000.0, 60.0  # of every second supplier [BRL]
RESERVED_SHARE, RESERVED_PART = 0.1, 0.25
OWED_DAYS = 7  # what could not be served this week is still waited for
RECEIPT_DAYS = 730
AMOUNTS = ("on_hand", "on_order", "backorders", "reserved")
REVIEW_DAYS, REVIEW_SHARES = (1, 7), (0.3, 0.7)  # how often an item's stock is looked at
PLANTED_SHARE = 0.03  # of the items, of each kind of what is planted in the stock
SURPLUS_DAYS = 730  # of demand in what was bought for a project that never came
SURPLUS_DUE = 3  # days until a surplus order is due
UNDATED_PART = 8  # of these days, a quarter of a year: what an order without a date is for


@dataclass(frozen=True, slots=True)
class StockFiles:
    """The files on stock, with what planners trip over."""

    inventory: pd.DataFrame  # the stock file
    open_orders: pd.DataFrame  # the file of open orders
    planted: pd.DataFrame  # `item_id, kind, units`


def inventory_table(truth: Truth, seed: int) -> pd.DataFrame:
    """The stock file: one line an item and store, counted on the last day."""
    rng = stream(seed, "stock file")
    n = len(truth.items.ids)
    on_hand = truth.stock.on_hand
    away = DEPOT_SHARE * on_hand * (rng.random(n) < SPLIT_SHARE)
    shares = stream(seed, "depots").dirichlet([DEPOT_SPREAD] * len(DEPOTS), n)
    parts = np.floor(away[:, None] * shares)
    left = on_hand - parts.sum(axis=1)
    reserved = np.floor(RESERVED_PART * left) * (rng.random(n) < RESERVED_SHARE)
    owed = truth.lost[:, -OWED_DAYS:].sum(axis=1) * truth.stock.empty[:, -1]
    review, none = rng.choice(REVIEW_DAYS, n, p=REVIEW_SHARES), np.zeros(n)

    def store(place: str, *amounts: Floats) -> pd.DataFrame:
        named = dict(zip(AMOUNTS, amounts, strict=True))
        about = {"item_id": truth.items.ids, "location_id": place, "snapshot_at": counted}
        return pd.DataFrame(about | named | {"review_period_days": review})

    counted = str(truth.days[-1])
    stores = [store(MAIN_STORE, left, truth.stock.on_order, owed, reserved)]
    for place, part in zip(DEPOTS, parts.T, strict=True):
        stores.append(store(place, part, none, none, none)[away > 0])  # counted, though empty
    both = pd.concat(stores)
    return both.sort_values(["item_id", "location_id"], ignore_index=True)


def name_supplier(item_id: str) -> str:
    """Who delivers an item: one supplier a family."""
    return f"Supplier {item_id.split('-', maxsplit=1)[0]}"


def supplier_table() -> pd.DataFrame:
    """The file of suppliers: every second one asks for a least value of an order, and its cost."""
    names = pd.Series([name_supplier(prefix) for prefix in FAMILIES["prefix"]])
    table = pd.DataFrame({"supplier": names, "min_order_value": MIN_ORDER_VALUE})
    table = table.assign(order_cost=ORDER_COST, currency="BRL")
    table.loc[::2, ["min_order_value", "order_cost"]] = None
    return table


def open_order_table(truth: Truth) -> pd.DataFrame:
    """The file of open orders: one line an order, due after the item's mean lead time.

    Suppliers deliver when they do: some orders are overdue.
    """
    promised = np.round(truth.lead_time.mean(axis=1)).astype(np.int64)
    lines = []
    late = [one for one in truth.stock.orders if one[2] >= len(truth.days)]
    for number, (item, day, _, units) in enumerate(late, 1):
        due = truth.days[day] + promised[item]
        name = truth.items.ids[item]
        lines.append((name, int(units), str(due), name_supplier(name), f"PO-{number:05d}"))
    return pd.DataFrame(lines, columns=["item_id", "quantity", "due_date", "supplier", "order_id"])


def receipt_table(truth: Truth) -> pd.DataFrame:
    """The file of receipts: what was ordered and came within the last two years."""
    known = range(max(0, len(truth.days) - RECEIPT_DAYS), len(truth.days))
    lines = [
        (truth.items.ids[item], str(truth.days[day]), str(truth.days[came]), int(units))
        for item, day, came, units in truth.stock.orders
        if came in known
    ]
    return pd.DataFrame(lines, columns=["item_id", "order_date", "receipt_date", "quantity"])


def plant_stock(
    inventory: pd.DataFrame, open_orders: pd.DataFrame, truth: Truth, active: list[str], seed: int
) -> StockFiles:
    """Plant too much stock, too much on order, and counts without a day, at a few active items.

    Of the busiest others nothing is left, and what is on order has no date. Without all that a
    simulated planner makes no mistakes, and nobody ever sees what is said of any.
    """
    rng = stream(seed, "planted stock")
    each = max(1, round(PLANTED_SHARE * len(truth.items.ids)))
    chosen = rng.permutation(np.array(active, dtype=object))[: 3 * each].reshape(3, each)
    needs = np.nansum(truth.demand[:, -SURPLUS_DAYS:], axis=1).astype(np.int64) + 1
    units = dict(zip(truth.items.ids, needs.tolist(), strict=True))
    stocked, ordered, uncounted = (
        {item: units[item] for item in sorted(row)} for row in chosen.tolist()
    )
    left = set(active) - {*stocked, *ordered, *uncounted}
    busiest = sorted(left, key=lambda item: (-units[item], item))[:each]
    undated = {item: units[item] // UNDATED_PART + 1 for item in sorted(busiest)}
    inventory, is_main = inventory.copy(), inventory["location_id"] == MAIN_STORE
    inventory.loc[inventory["item_id"].isin(undated), ["on_hand", "reserved"]] = 0.0
    for name, more in (("on_hand", stocked), ("on_order", ordered), ("on_order", undated)):
        rows = inventory["item_id"].isin(more) & is_main
        inventory.loc[rows, name] += inventory.loc[rows, "item_id"].map(more)
    inventory.loc[inventory["item_id"].isin(uncounted), "snapshot_at"] = None
    due = str(truth.days[-1] + np.timedelta64(SURPLUS_DUE, "D"))
    lines = [
        (item, count, day, name_supplier(item), f"PO-{letter}{number:04d}")
        for letter, day, orders in (("S", due, ordered), ("U", None, undated))
        for number, (item, count) in enumerate(orders.items(), 1)
    ]
    more_orders = pd.DataFrame(lines, columns=open_orders.columns)
    kinds = {
        "surplus": stocked, "surplus_order": ordered, "undated": undated,
        "uncounted": dict.fromkeys(uncounted, 0),
    }  # fmt: skip
    planted = [(item, kind, count) for kind, of in kinds.items() for item, count in of.items()]
    return StockFiles(
        inventory,
        pd.concat([open_orders, more_orders], ignore_index=True),
        pd.DataFrame(planted, columns=["item_id", "kind", "units"]),
    )
