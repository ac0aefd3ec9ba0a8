import numpy as np
import pytest

from pipelines.sample_data.items import FAMILIES
from pipelines.sample_data.supply import simulate_stock


def test_four_to_ten_percent_of_the_item_days_are_out_of_stock(truths, sample):
    for truth in [*truths, sample.truth]:
        assert 0.04 < truth.stock.empty[truth.launched].mean() < 0.10


def test_lead_times_stay_plannable(truths):
    for truth in truths:
        lead = truth.lead_time
        mean, std = lead.mean(axis=1), lead.std(axis=1)
        assert lead.min() >= 1
        assert lead.max() <= 110
        assert (std / mean).max() <= 0.46
        assert (mean + 2 * std).max() < 150


def test_lead_times_follow_their_family(truth):
    names = FAMILIES["name"].iloc[truth.items.family]
    means = truth.lead_time.mean(axis=1)
    typical = {n: np.median(means[np.array(names) == n]) for n in ("safety", "cables", "antennas")}
    assert 2 < typical["safety"] < 8
    assert 5 < typical["cables"] < 16
    assert 45 < typical["antennas"] < 90


def test_the_item_file_gives_mean_and_spread_of_the_true_lead_times(sample):
    lead = sample.truth.lead_time
    for name, true in (("mean", lead.mean(axis=1)), ("std", lead.std(axis=1))):
        given = sample.items[f"lead_time_days_{name}"].to_numpy()
        assert given == pytest.approx(true, abs=0.06), name


def test_receipts_and_open_orders_are_all_that_was_ordered(sample):
    truth, receipts = sample.truth, sample.receipts
    row = {item: number for number, item in enumerate(truth.items.ids)}
    day = {str(one): number for number, one in enumerate(truth.days)}
    for item, went, came in receipts[["item_id", "order_date", "receipt_date"]].itertuples(
        index=False
    ):
        assert day[came] - day[went] == truth.lead_time[row[item], day[went]]
    assert receipts["receipt_date"].min() >= str(truth.days[-730])
    assert (receipts["quantity"] > 0).all()
    still_to_come = sample.open_orders.groupby("item_id")["quantity"].sum()
    on_order = sample.inventory.groupby("item_id")["on_order"].sum()
    assert still_to_come.to_dict() == on_order[on_order > 0].to_dict()


def simulated(demand, *, lead, workday):
    """One item with s = 2 and S - s = 3, on days that are all workdays or none."""
    point, times, days = (np.full((1, len(demand)), x) for x in (2.0, lead, workday))
    order, multiple = np.array([3.0]), np.array([1])
    return simulate_stock(
        np.array([demand]), point, order, times, multiple=multiple, workday=days[0]
    )


def test_stock_is_served_ordered_and_received_as_by_hand():
    # s = 2, S - s = 3, lead time 2 days: starts with 5.
    # day 0: asked 4, left 1 <= 2, order 5 - 1 = 4, due on day 2
    # day 1: asked 3, given 1, empty; position 0 + 4 > 2, no order
    # day 2: 4 arrive, asked 1, left 3
    stock = simulated([4.0, 3.0, 1.0], lead=2, workday=True)
    assert stock.served.tolist() == [[4.0, 1.0, 1.0]]
    assert stock.empty.tolist() == [[False, True, False]]
    assert stock.on_hand.tolist() == [3.0]
    assert stock.on_order.tolist() == [0.0]


def test_nothing_is_ordered_at_the_weekend():
    stock = simulated([5.0, 0.0], lead=1, workday=False)
    assert stock.on_order.tolist() == [0.0]


def test_no_more_is_served_than_was_asked_for_and_the_rest_is_lost(truth):
    asked = np.nan_to_num(truth.demand)
    assert (truth.stock.served <= asked).all()
    assert truth.lost.sum() == asked.sum() - truth.stock.served.sum()
    assert (truth.lost[~truth.stock.empty] == 0).all()


def test_the_stock_file_counts_what_the_simulation_left(sample):
    sums = sample.inventory.groupby("item_id")[["on_hand", "on_order"]].sum()
    ids = list(sample.truth.items.ids)
    planted = sample.stock_dirt.pivot_table(index="item_id", columns="kind", values="units")
    planted = planted.reindex(ids).fillna(0.0)
    left, ordered = sample.truth.stock.on_hand, sample.truth.stock.on_order
    left = np.where(planted["undated"] > 0, 0.0, left)  # nothing is left of what has no date
    assert sums.loc[ids, "on_hand"].tolist() == (left + planted["surplus"]).tolist()
    ordered = ordered + planted["surplus_order"] + planted["undated"]
    assert sums.loc[ids, "on_order"].tolist() == ordered.tolist()
    uncounted = set(sample.stock_dirt["item_id"][sample.stock_dirt["kind"] == "uncounted"])
    counted = sample.inventory[~sample.inventory["item_id"].isin(uncounted)]
    assert set(counted["snapshot_at"]) == {"2026-10-31"}
    assert sample.inventory["snapshot_at"].isna().sum() >= len(uncounted) == 2
    assert (sample.inventory["reserved"] <= sample.inventory["on_hand"]).all()
    assert (sample.inventory["location_id"].value_counts() > 1).all()
