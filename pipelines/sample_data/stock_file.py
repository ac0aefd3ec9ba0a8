"""The item and stock files: planning parameters, life cycle, and one count on the last day."""

import numpy as np
import pandas as pd

from pipelines.sample_data.items import item_table
from pipelines.sample_data.streams import Floats, stream
from pipelines.sample_data.supply import lead_time_moments
from pipelines.sample_data.truth import Truth

MAIN_STORE, SECOND_STORE = "CD-SALVADOR", "CD-FEIRA"
SPLIT_SHARE, SECOND_SHARE = 0.2, 0.3  # items kept in two stores, and what lies in the second
RESERVED_SHARE, RESERVED_PART = 0.1, 0.25
OWED_DAYS = 7  # what could not be served this week is still waited for
RETIRED_DAYS = 180  # a decline that began longer ago is known as obsolete


def planning_table(truth: Truth) -> pd.DataFrame:
    """The item file before its dirt: parameters of the order, lead time and status."""
    mean, spread = lead_time_moments(truth.lead_time)
    table = item_table(truth.items)
    table.insert(6, "lead_time_days_mean", mean)
    table.insert(7, "lead_time_days_std", spread)
    return table.assign(status=_status(truth))


def inventory_table(truth: Truth, seed: int) -> pd.DataFrame:
    """The stock file: one line an item and store, counted on the last day."""
    rng = stream(seed, "stock file")
    n = len(truth.items.ids)
    on_hand = truth.stock.on_hand
    split = np.where(rng.random(n) < SPLIT_SHARE, np.floor(SECOND_SHARE * on_hand), 0.0)
    reserved = np.floor(RESERVED_PART * (on_hand - split)) * (rng.random(n) < RESERVED_SHARE)
    owed = truth.lost[:, -OWED_DAYS:].sum(axis=1) * truth.stock.empty[:, -1]
    main = _store(truth, MAIN_STORE, on_hand - split, reserved)
    main = main.assign(on_order=truth.stock.on_order, backorders=owed)
    second = _store(truth, SECOND_STORE, split, np.zeros(n))[split > 0]
    both = pd.concat([main, second.assign(on_order=0.0, backorders=0.0)])
    columns = ["item_id", "location_id", "snapshot_at", "on_hand", "on_order", "backorders"]
    both = both.sort_values(["item_id", "location_id"], ignore_index=True)
    return both[[*columns, "reserved"]]


def _store(truth: Truth, location: str, on_hand: Floats, reserved: Floats) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item_id": truth.items.ids,
            "location_id": location,
            "snapshot_at": str(truth.days[-1]),
            "on_hand": on_hand,
            "reserved": reserved,
        }
    )


def _status(truth: Truth) -> list[str]:
    status = dict.fromkeys(truth.items.ids, "active")
    last = len(truth.days)
    for event in truth.life.events.itertuples():
        if event.event == "superseded":
            status[str(event.item_id)] = "obsolete"
        elif event.event == "obsolete":
            long_ago = last - int(str(event.day)) > RETIRED_DAYS
            status[str(event.item_id)] = "obsolete" if long_ago else "phase_out"
    return list(status.values())
