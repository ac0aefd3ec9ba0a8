"""Builders that the tests of this folder share."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from ml.frequency import Frequency
from ml.inventory.item_case import OrderContext
from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand
from ml.inventory.recommendations import recommend

AS_OF = {
    Frequency.DAILY: np.datetime64("2024-03-31"),
    Frequency.WEEKLY: np.datetime64("2024-03-25"),
    Frequency.MONTHLY: np.datetime64("2024-03-01"),
}  # all of them end on 2024-03-31


def make_policy(item_id="A", **changes):
    """A week of review and two weeks of constant lead time, unless changed."""
    base = {
        "lead_time_days_mean": 14.0,
        "lead_time_days_std": 0.0,
        "review_period_days": 7.0,
        "service_target": 0.95,
    }
    return ItemPolicy(item_id, **(base | changes))


def make_history(item_id="A", **changes):
    base = {
        "demand_class": "intermittent",
        "adi": 2.0,
        "cv2": 0.3,
        "n_obs": 100,
        "n_nonzero": 50,
        "last_demand": np.datetime64("2024-03-01"),
        "model_id": "tsb",
        "backtest_csl": 0.95,
        "backtest_n": 40,
    }
    return DemandSummary(item_id, **(base | changes))


def make_stock(items=("A",), *, age_days=0, **columns):
    """A stock table counted ``age_days`` before the forecasts start; columns are scalars."""
    base = {"on_hand": 0.0, "on_order": 0.0, "backorders": 0.0, "reserved": 0.0} | columns
    snapshot = datetime(2024, 3, 31, 18) - timedelta(days=age_days)
    arrays = {name: pa.array([value] * len(items), pa.float64()) for name, value in base.items()}
    return pa.table(
        {
            "item_id": pa.array(items, pa.string()),
            "location_id": pa.array(["ALL"] * len(items), pa.string()),
            "snapshot_at": pa.array([snapshot] * len(items), pa.timestamp("us")),
            **arrays,
        }
    )


def make_needs(protected, until_receipt=None):
    """Demand over the protection interval, shape (S,), and until the receipt, none unless given."""
    whole = np.asarray(protected, dtype=float)
    first = np.zeros(len(whole)) if until_receipt is None else np.asarray(until_receipt, float)
    return LeadTimeDemand(
        lead_periods=np.ones(len(whole)), end_periods=np.full(len(whole), 2.0),
        until_receipt=first, protected=whole, ordered=np.sort(whole),
        since_count=np.zeros(len(whole)),
    )  # fmt: skip


def make_context(frequency=Frequency.WEEKLY, **changes):
    base = {"as_of": AS_OF[frequency], "run_id": "test", "seed": 3}
    return OrderContext(frequency=frequency, **(base | changes))


def make_row(demand, *, frequency=Frequency.WEEKLY, stock=None, history=None, seed=0, **policy):
    """The recommendation of item A from its (S, H) paths; without ``stock``, a count of zero."""
    table = recommend(
        np.asarray(demand)[None],
        [history or make_history()],
        {"A": make_policy(**policy)},
        make_stock() if stock is None else stock,
        make_context(frequency, seed=seed),
    )
    return table.to_pylist()[0]
