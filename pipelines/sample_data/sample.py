"""One synthetic sample, whole and in memory: the truth, and the files that a user would have."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.dirt import plant_dirt, plant_item_dirt
from pipelines.sample_data.items import FAMILIES, item_table
from pipelines.sample_data.ledger import plant_anomalies, record
from pipelines.sample_data.outside import exposure_table, price_table
from pipelines.sample_data.stock_files import (
    inventory_table,
    name_supplier,
    open_order_table,
    plant_stock,
    receipt_table,
    supplier_table,
)
from pipelines.sample_data.truth import Truth, draw_truth
from pipelines.sample_data.weather import HUMIDITY_DAYS
from pipelines.sample_data.world import draw_world

RETIRED_DAYS = 180  # a decline that began longer ago is known as obsolete


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
    suppliers: pd.DataFrame  # what those who deliver ask of an order
    open_orders: pd.DataFrame  # what is on order, with the days that suppliers promised
    prices: pd.DataFrame  # the price file
    exposure: pd.DataFrame  # volumes that will be paid at these prices
    outside: dict[str, pd.DataFrame]  # `climate`, `economic` and `anatel_5g` as published
    anomalies: pd.DataFrame  # labels of the anomalies in `clean`
    dirt: pd.DataFrame  # the planted faults of `observed`, see `plant_dirt`
    item_dirt: pd.DataFrame  # the planted faults of `items`
    stock_dirt: pd.DataFrame  # what was planted in `inventory` and `open_orders`


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
    planned = planning_table(truth)
    items, item_dirt = plant_item_dirt(planned, seed)
    active = planned["item_id"][planned["status"] == "active"].tolist()
    stock = plant_stock(inventory_table(truth, seed), open_order_table(truth), truth, active, seed)
    prices = price_table(truth.days, world.levels)
    return Sample(
        truth=truth,
        clean=clean,
        observed=observed,
        items=items,
        inventory=stock.inventory,
        open_orders=stock.open_orders,
        receipts=receipt_table(truth),
        suppliers=supplier_table(),
        prices=prices,
        exposure=exposure_table(prices),
        outside=world.tables(),
        anomalies=anomalies,
        dirt=dirt,
        item_dirt=item_dirt,
        stock_dirt=stock.planted,
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
    suppliers = [name_supplier(item) for item in table["item_id"]]
    return table.assign(status=status.to_numpy(), supplier=suppliers)
