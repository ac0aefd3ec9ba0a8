"""One synthetic sample, whole and in memory: the truth, and the files that a user would have."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.dirt import plant_dirt, plant_item_dirt
from pipelines.sample_data.items import FAMILIES, item_table
from pipelines.sample_data.ledger import plant_anomalies, record
from pipelines.sample_data.outside import exposure_table, price_table
from pipelines.sample_data.streams import Floats, stream
from pipelines.sample_data.truth import Truth, draw_truth
from pipelines.sample_data.weather import HUMIDITY_DAYS
from pipelines.sample_data.world import draw_world

MAIN_STORE, SECOND_STORE = "CD-SALVADOR", "CD-FEIRA"
SPLIT_SHARE, SECOND_SHARE = 0.2, 0.3  # items kept in two stores, and what lies in the second
RESERVED_SHARE, RESERVED_PART = 0.1, 0.25
OWED_DAYS = 7  # what could not be served this week is still waited for
RECEIPT_DAYS = 730
RETIRED_DAYS = 180  # a decline that began longer ago is known as obsolete
AMOUNTS = ("on_hand", "on_order", "backorders", "reserved")


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of N items over T days."""

    truth: Truth  # true demand, rates, drivers, stock, as arrays
    # the demand ledger before its dirt, with stock-outs and anomalies: `item_id, date,
    # site_id, quantity, is_stockout`
    clean: pd.DataFrame
    observed: pd.DataFrame  # the demand file as written; dates are text, some of them impossible
    items: pd.DataFrame  # the item file as written
    inventory: pd.DataFrame  # the stock file
    receipts: pd.DataFrame  # what orders of the last two years took
    open_orders: pd.DataFrame  # what is on order, with the days that suppliers promised
    prices: pd.DataFrame  # the price file
    exposure: pd.DataFrame  # volumes that will be paid at these prices
    outside: dict[str, pd.DataFrame]  # `climate`, `economic` and `anatel_5g` as published
    anomalies: pd.DataFrame  # labels of the anomalies in `clean`
    dirt: pd.DataFrame  # the planted faults of `observed`, see `plant_dirt`
    item_dirt: pd.DataFrame  # the planted faults of `items`


def generate(n_items: int, first: np.datetime64, days: int, seed: int) -> Sample:
    """Draw a sample of ``days`` days from ``first``; the same arguments give the same sample.

    Raises:
        ValueError: Too few items or days for what is planted in them.
    """
    if n_items < len(FAMILIES) or days < HUMIDITY_DAYS:
        raise ValueError(f"a sample needs 10 items and 60 days, got {n_items} and {days}")
    world = draw_world(first, days, seed)
    truth = draw_truth(world, n_items)
    ledger, anomalies = plant_anomalies(record(truth), truth.items, truth.days, seed)
    clean = ledger.frame(truth.items.ids, truth.days)
    observed, dirt = plant_dirt(clean, seed)
    items, item_dirt = plant_item_dirt(planning_table(truth), seed)
    prices = price_table(truth.days, world.levels)
    return Sample(
        truth=truth,
        clean=clean,
        observed=observed,
        items=items,
        inventory=inventory_table(truth, seed),
        open_orders=open_order_table(truth),
        receipts=receipt_table(truth),
        prices=prices,
        exposure=exposure_table(prices),
        outside=world.tables(),
        anomalies=anomalies,
        dirt=dirt,
        item_dirt=item_dirt,
    )


def planning_table(truth: Truth) -> pd.DataFrame:
    """The item file before its dirt: parameters of the order, lead time and status."""
    lead, smallest = truth.lead_time, math.sqrt(1 / 12)  # the spread of a day's rounding
    table = item_table(truth.items)
    table.insert(6, "lead_time_days_mean", lead.mean(axis=1).round(1))
    table.insert(7, "lead_time_days_std", np.maximum(lead.std(axis=1), smallest).round(1))
    events = truth.life.events.set_index("item_id")
    long_ago = events["day"] < len(truth.days) - RETIRED_DAYS
    declining = events["event"] == "obsolete"
    gone = (events["event"] == "superseded") | (declining & long_ago)
    status = pd.Series("active", index=list(truth.items.ids))
    status[events.index[declining]] = "phase_out"
    status[events.index[gone]] = "obsolete"
    return table.assign(status=status.to_numpy())


def inventory_table(truth: Truth, seed: int) -> pd.DataFrame:
    """The stock file: one line an item and store, counted on the last day."""
    rng = stream(seed, "stock file")
    n = len(truth.items.ids)
    on_hand = truth.stock.on_hand
    split = np.where(rng.random(n) < SPLIT_SHARE, np.floor(SECOND_SHARE * on_hand), 0.0)
    reserved = np.floor(RESERVED_PART * (on_hand - split)) * (rng.random(n) < RESERVED_SHARE)
    owed = truth.lost[:, -OWED_DAYS:].sum(axis=1) * truth.stock.empty[:, -1]
    none = np.zeros(n)

    def store(place: str, *amounts: Floats) -> pd.DataFrame:
        named = dict(zip(AMOUNTS, amounts, strict=True))
        about = {"item_id": truth.items.ids, "location_id": place, "snapshot_at": counted}
        return pd.DataFrame(about | named)

    counted = str(truth.days[-1])
    main = store(MAIN_STORE, on_hand - split, truth.stock.on_order, owed, reserved)
    second = store(SECOND_STORE, split, none, none, none)[split > 0]
    both = pd.concat([main, second])
    return both.sort_values(["item_id", "location_id"], ignore_index=True)


def open_order_table(truth: Truth) -> pd.DataFrame:
    """The file of open orders: one line an order, due after the item's mean lead time.

    Suppliers deliver when they do: some orders are overdue.
    """
    promised = np.round(truth.lead_time.mean(axis=1)).astype(np.int64)
    lines = []
    late = [one for one in truth.stock.orders if one[2] >= len(truth.days)]
    for number, (item, day, _, units) in enumerate(late, 1):
        due = truth.days[day] + promised[item]
        family = truth.items.ids[item].split("-", maxsplit=1)[0]
        lines.append(
            (truth.items.ids[item], int(units), str(due), f"Supplier {family}", f"PO-{number:05d}")
        )
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
