"""One synthetic sample, whole and in memory: the truth, and the files that a user would have."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.anomalies import plant_anomalies
from pipelines.sample_data.dirt import plant_dirt
from pipelines.sample_data.economy import price_table
from pipelines.sample_data.families import FAMILIES, Family
from pipelines.sample_data.item_dirt import plant_item_dirt
from pipelines.sample_data.ledger import record
from pipelines.sample_data.stock_file import inventory_table, planning_table
from pipelines.sample_data.truth import Truth, draw_truth
from pipelines.sample_data.weather import HUMIDITY_DAYS
from pipelines.sample_data.world import draw_world


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of N items over T days.

    Attributes:
        truth: True demand, rates, drivers, stock, as arrays.
        families: The ten families with their true effects.
        clean: The demand ledger before its dirt, with stock-outs and anomalies:
            ``item_id, date, site_id, quantity, is_stockout``.
        observed: The demand file as written; dates are text, some of them impossible.
        items: The item file as written.
        inventory: The stock file.
        prices: The price file.
        outside: ``climate``, ``economic`` and ``anatel_5g`` as published.
        anomalies: Labels of the anomalies in ``clean``.
        dirt: The planted faults of ``observed``, see :func:`plant_dirt`.
        item_dirt: The planted faults of ``items``.
    """

    truth: Truth
    families: tuple[Family, ...]
    clean: pd.DataFrame
    observed: pd.DataFrame
    items: pd.DataFrame
    inventory: pd.DataFrame
    prices: pd.DataFrame
    outside: dict[str, pd.DataFrame]
    anomalies: pd.DataFrame
    dirt: pd.DataFrame
    item_dirt: pd.DataFrame


def generate(n_items: int, first: np.datetime64, days: int, seed: int) -> Sample:
    """Draw a sample; the same arguments give the same sample.

    Args:
        n_items: N, at least 10.
        first: First day of demand.
        days: T, at least 60.
        seed: Of all draws.

    Raises:
        ValueError: Too few items or days for what is planted in them.
    """
    if n_items < len(FAMILIES) or days < HUMIDITY_DAYS:
        raise ValueError(f"a sample needs 10 items and 60 days, got {n_items} and {days}")
    world = draw_world(first, days, seed)
    truth = draw_truth(world, n_items)
    stock = truth.stock
    ledger = record(truth.items, truth.arrivals, stock.served, stock.empty, truth.life.launch)
    ledger, anomalies = plant_anomalies(ledger, truth.items, truth.days, seed)
    clean = ledger.frame(truth.items.ids, truth.days)
    observed, dirt = plant_dirt(clean, seed)
    items, item_dirt = plant_item_dirt(planning_table(truth), seed)
    return Sample(
        truth=truth,
        families=FAMILIES,
        clean=clean,
        observed=observed,
        items=items,
        inventory=inventory_table(truth, seed),
        prices=price_table(truth.days, world.levels),
        outside=world.tables(),
        anomalies=anomalies,
        dirt=dirt,
        item_dirt=item_dirt,
    )
