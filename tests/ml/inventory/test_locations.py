"""The demand of an item divided over its locations, and what each of them would order."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from ml.contracts.demand import INVENTORY, ITEMS, SITE_DEMAND, STOCK_BY_LOCATION
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.frequency import Frequency
from ml.gate.facts import describe_orders
from ml.inventory.locations import (
    ItemSites,
    add_terms_at_locations,
    divide_paths,
    learn_at_locations,
    location_cases,
    match_sites,
    resolve_locations,
)
from ml.inventory.recommendations import rank, recommend, recommend_cases
from ml.setting_groups import PolicySettings
from tests.ml.inventory.builders import make_context, make_history, make_policy

COUNTED = datetime(2024, 3, 31)


def stock_rows(*rows):
    """Rows ``item, location, on_hand`` and more columns, all counted on the last day."""
    cells = [
        {"item_id": item, "location_id": place, "on_hand": units, "on_order": 0.0,
         "snapshot_at": COUNTED} | more
        for item, place, units, more in ((*row[:3], dict(*row[3:])) for row in rows)
    ]  # fmt: skip
    return pa.Table.from_pylist(cells, STOCK_BY_LOCATION.schema)


def asked(*rows, together=None):
    """Rows ``item, site, units, demands``."""
    days = {"since": datetime(2023, 4, 1), "until": COUNTED, "units_together": together}
    names = ("item_id", "location_id", "units", "demands")
    cells = [dict(zip(names, row, strict=True)) | days for row in rows]
    return pa.Table.from_pylist(cells, SITE_DEMAND.schema)


def total(stock, **columns):
    """The INVENTORY rows of ALL that belong to a stock by location."""
    sums = stock.group_by("item_id").aggregate([("on_hand", "sum"), ("min_stock", "sum")])
    cells = [
        {"item_id": row["item_id"], "location_id": "ALL", "on_hand": row["on_hand_sum"],
         "on_order": 0.0, "snapshot_at": COUNTED, "min_stock": row["min_stock_sum"]} | columns
        for row in sums.to_pylist()
    ]  # fmt: skip
    return pa.Table.from_pylist(cells, INVENTORY.schema)


def items_table(**columns):
    base = {"lead_time_days_mean": 14.0, "lead_time_days_std": 0.0, "review_period_days": 7.0}
    return pa.Table.from_pylist([{"item_id": "A"} | base | columns], ITEMS.schema)


def locate(stock, demand, items=None, whole=None, **more):
    return resolve_locations(
        match_sites(stock, demand), stock, total(stock, **whole or {}), items or items_table(),
        Frequency.WEEKLY, PolicySettings(), **more,
    )  # fmt: skip


def rows_at(paths, locations, items=("A",), **context):
    """The rows of item A by location."""
    histories = [make_history(item) for item in items]
    cases = location_cases(paths, histories, locations, make_context(**context))
    table = recommend_cases(cases)
    assert table.schema.equals(RECOMMENDATIONS.schema, check_metadata=True)
    return {row["location_id"]: row for row in table.to_pylist() if row["item_id"] == "A"}


@pytest.fixture
def paths():
    return np.random.default_rng(2).poisson(4.0, (1, 4000, 30)).astype(np.float32)


# Which stock serves whom


@pytest.mark.parametrize(
    ("stock", "demand", "found"),
    [
        ([("A", "S1", 1), ("A", "S2", 1)], [("A", "S1", 5.0, 2)], {"A"}),
        ([("A", "S1", 1), ("A", "S2", 1)], [("A", "X", 5.0, 2)], set()),
        ([("A", "S1", 1), ("A", "S2", 1)], [("A", "S1", 5.0, 2), ("A", "X", 1.0, 1)], set()),
        ([("A", "S1", 1), ("A", "S2", 1)], [("A", "S1", 5.0, 2), ("A", "X", 0.0, 0)], {"A"}),
        ([("A", "S1", 1), ("A", "S2", 1)], [("A", "S1", 5.0, 2), ("A", "", 1.0, 1)], set()),
        ([("A", "S1", 1), ("A", "", 1)], [("A", "S1", 5.0, 2)], set()),
        ([("A", "S1", 1), ("A", "ALL", 1)], [("A", "S1", 5.0, 2)], set()),
        ([("A", "S1", 1), ("A", "S2", 1)], [("A", "S1", 0.0, 0)], set()),
        ([("A", "S1", 1), ("A", "S2", 1)], [("B", "S1", 5.0, 2)], set()),
        ([("A", "S1", 1), ("B", "S2", 1)], [("A", "S1", 5.0, 2)], set()),
        ([("A", "S1", 1), ("A", "S2", 1), ("B", "S3", 1)], [("A", "S3", 5.0, 2)], {"A"}),
    ],
    ids=[
        "named alike", "a site without stock", "one such site", "which asked for nothing",
        "demand of no site", "stock of no place", "a place called ALL", "no demand in the window",
        "demand of another item", "one location", "a site with stock of another item",
    ],
)  # fmt: skip
def test_an_item_is_told_apart_only_where_all_of_its_demand_is_of_places_with_stock(
    stock, demand, found
):
    assert set(match_sites(stock_rows(*stock), asked(*demand)).sites) == found


def test_names_that_do_not_match_are_told():
    stock = stock_rows(("A", "S1", 1), ("A", "S2", 1), ("B", "DEPOT", 1))
    match = match_sites(stock, asked(("A", "S1", 5.0, 2), ("B", "TOWER", 1.0, 1)))
    assert (match.strange, match.idle, match.scattered) == (("TOWER",), ("DEPOT", "S2"), 1)


def test_shares_are_those_of_the_units_after_one_demand_more_of_all_alike():
    stock = stock_rows(("A", "S1", 1), ("A", "S2", 1))
    demand = asked(("A", "S1", 30.0, 3), ("A", "S2", 10.0, 1))
    # 4 demands say .75 and .25, one more says .5 and .5: (4 * .75 + .5) / 5 = .7.
    assert match_sites(stock, demand).sites["A"].shares == pytest.approx((0.7, 0.3))
    never = match_sites(stock, asked(("A", "S1", 9.0, 9))).sites["A"]
    assert never.shares == pytest.approx((0.95, 0.05))  # (9 + .5) / 10
    assert never.names == ("S1", "S2")


def test_the_order_of_rows_changes_no_share():
    rng = np.random.default_rng(3)
    stock = stock_rows(*(("A", f"S{i}", 1) for i in range(7)))
    demand = asked(*(("A", f"S{i}", float(rng.random()), i) for i in range(7)))
    mixed = [table.take(rng.permutation(7)) for table in (stock, demand)]
    assert match_sites(*mixed) == match_sites(stock, demand)


# Paths


def sites(*shares, together=1.0):
    return ItemSites(tuple(f"S{k}" for k in range(len(shares))), shares, 40, together)


def divide(demand, item_sites):
    return list(divide_paths(demand, item_sites, np.random.default_rng(1)))


@pytest.mark.parametrize("together", [1.0, 5.0, 1000.0])
def test_parts_add_up_to_the_paths_and_have_their_shares(together):
    demand = np.random.default_rng(4).poisson(30.0, (3000, 4)).astype(np.float32)
    parts = divide(demand, sites(0.5, 0.3, 0.2, together=together))
    assert np.sum(parts, axis=0).tolist() == demand.tolist()
    for part, share in zip(parts, (0.5, 0.3, 0.2), strict=True):
        # The standard error of the share is at most sqrt(.25 / 12,000) where all go together.
        assert part.sum() / demand.sum() == pytest.approx(share, abs=0.02)


def test_each_part_of_counts_is_binomial():
    shares = (0.6, 0.3, 0.1)
    parts = divide(np.full((5000, 4), 10.0), sites(*shares))
    for part, share in zip(parts, shares, strict=True):
        seen = np.bincount(np.ravel(part).astype(int), minlength=11)
        expected = stats.binom.pmf(np.arange(11), 10, share) * 20_000
        several = expected > 5
        chi2 = ((seen - expected) ** 2 / expected)[several].sum()
        assert chi2 < stats.chi2.ppf(0.999, several.sum() - 1)


def test_units_that_go_together_spread_the_parts_as_lots_do():
    # Demand is 12 lots of 5: a part is 5 times binomial(12, .3), of variance 25 * 12 * .3 * .7.
    parts = divide(np.full((20_000, 1), 60.0), sites(0.7, 0.3, together=5.2))
    assert set(np.unique(parts[1] % 5)) == {0}
    assert parts[1].var() == pytest.approx(63.0, rel=0.05)


def test_demand_that_is_no_count_is_divided_linearly():
    demand = np.array([[0.5, 2.25]])
    parts = divide(demand, sites(0.8, 0.2))
    assert [part.tolist() for part in parts] == [[[0.4, 1.8]], [[0.1, 0.45]]]


# Rows


def test_the_level_of_a_location_is_that_of_its_part_of_the_demand(paths):
    stock = stock_rows(("A", "S1", 0.0), ("A", "S2", 0.0))
    locations = locate(stock, asked(("A", "S1", 750.0, 300), ("A", "S2", 250.0, 100)))
    rows = rows_at(paths, locations)
    # Of a Poisson demand of 4 a week, thinned, S2 has one of about 1 a week, over three weeks.
    for name, mean in (("S1", 9.0), ("S2", 3.0)):
        row = rows[name]
        assert row["location_share"] == pytest.approx(mean / 12.0, abs=0.001)
        assert row["ltd_mean"] == pytest.approx(mean, rel=0.02)
        assert row["reorder_point"] == stats.poisson.ppf(0.95, mean)
        assert row["order_qty"] == row["reorder_point"]  # nothing is there
        assert (row["backtest_csl"], row["confidence"]) == (None, "medium")


def test_a_location_has_its_own_stock_and_parameters(paths):
    stock = stock_rows(
        ("A", "S1", 5.0, {"lead_time_days_mean": 28.0, "lead_time_days_std": 0.0}),
        ("A", "S2", 7.0, {"service_target": 0.8, "min_stock": 9.0, "unit_cost": 3.0}),
        ("A", "S3", 1.0),
    )
    demand = asked(*(("A", f"S{k}", 10.0, 5) for k in (1, 2, 3)))
    items = items_table(unit_cost=2.0, currency="BRL", max_stock=8.0, moq=4.0)
    rows = rows_at(paths, locate(stock, demand, items, {"unit_cost": 5.0, "currency": "EUR"}))
    assert [rows[name]["on_hand"] for name in ("S1", "S2", "S3")] == [5.0, 7.0, 1.0]
    assert [rows[name]["lead_time_days_mean"] for name in ("S1", "S2", "S3")] == [28.0, 14.0, 14.0]
    assert [rows[name]["service_target"] for name in ("S1", "S2", "S3")] == [0.95, 0.8, 0.95]
    # min_stock of one location is not that of another; max_stock of the item is of all together.
    assert [rows[name]["min_stock"] for name in ("S1", "S2", "S3")] == [0.0, 9.0, 0.0]
    assert {row["max_stock"] for row in rows.values()} == {None}
    assert {row["order_lot"] for row in rows.values()} == {4.0}
    # A cost comes with its currency, which nobody gave for S2.
    assert (rows["S2"]["order_value"], rows["S2"]["currency"]) == (3.0 * rows["S2"]["order_qty"],
                                                                   None)  # fmt: skip
    assert rows["S3"]["order_value"] == 5.0 * rows["S3"]["order_qty"] > 0.0
    assert rows["S3"]["currency"] == "EUR"


def test_a_location_that_names_a_currency_and_no_cost_does_not_rename_that_of_the_item(paths):
    stock = stock_rows(("A", "S1", 0.0, {"currency": "USD"}), ("A", "S2", 0.0))
    demand = asked(("A", "S1", 10.0, 5), ("A", "S2", 10.0, 5))
    rows = rows_at(paths, locate(stock, demand, None, {"unit_cost": 5.0, "currency": "EUR"}))
    assert {row["currency"] for row in rows.values()} == {"EUR"}
    own = rows_at(paths, locate(stock, demand))  # nor does it say more than that it is known
    assert {(row["currency"], row["order_value"]) for row in own.values()} == {(None, None)}


def test_a_site_without_a_count_has_levels_and_no_quantity(paths):
    stock = stock_rows(("A", "S1", 5.0), ("A", "S2", 7.0), ("B", "S3", 1.0))
    demand = asked(("A", "S1", 10.0, 5), ("A", "S3", 10.0, 5))
    rows = rows_at(paths, locate(stock, demand))
    assert (rows["S3"]["mode"], rows["S3"]["order_qty"]) == ("policy_only", None)
    assert rows["S3"]["reorder_point"] > 0.0
    assert {rows[name]["mode"] for name in ("S1", "S2")} == {"full"}


def test_open_orders_belong_to_all_locations_together(paths):
    stock = stock_rows(("A", "S1", 0.0), ("A", "S2", 0.0, {"on_order": 50.0}))
    demand = asked(("A", "S1", 10.0, 4), ("A", "S2", 10.0, 4))
    rows = rows_at(paths, locate(stock, demand, ordered=("A",)))
    assert (rows["S1"]["order_qty"] > 0.0, rows["S2"]["on_order"]) == (True, 50.0)
    assert all("open_orders_of_all" in row["quality_flags"] for row in rows.values())
    assert not any("few_site_demands" in row["quality_flags"] for row in rows.values())
    few = rows_at(paths, locate(stock, asked(("A", "S1", 10.0, 2), ("A", "S2", 10.0, 2))))
    assert {row["quality_flags"] for row in few.values()} >= {"few_site_demands"}
    assert {row["confidence"] for row in few.values()} == {"low"}


def test_receipts_tell_lead_times_where_a_location_states_none(paths):
    stock = stock_rows(("A", "S1", 0.0, {"lead_time_days_mean": 28.0}), ("A", "S2", 0.0))
    locations = locate(stock, asked(("A", "S1", 10.0, 4)))
    took = pa.table(
        {
            "item_id": ["A"] * 40,
            "ordered_at": pa.array([datetime(2024, 1, 1)] * 40, pa.timestamp("us")),
            "received_at": pa.array([datetime(2024, 1, 8)] * 40, pa.timestamp("us")),
        }
    )
    rows = rows_at(paths, learn_at_locations(locations, took, np.datetime64("2024-03-31")))
    assert [rows[name]["lead_time_days_mean"] for name in ("S1", "S2")] == [28.0, 7.0]
    assert [rows[name]["lead_time_source"] for name in ("S1", "S2")] == ["given", "receipts"]


def test_lots_and_last_buys_are_those_of_the_location(paths):
    stock = stock_rows(("A", "S1", 0.0), ("A", "S2", 0.0))
    demand = asked(("A", "S1", 900.0, 999), ("A", "S2", 100.0, 0))
    day = np.datetime64("2024-03-31")

    def at(**columns):
        items = items_table(unit_cost=10.0, order_cost=50.0, **columns)
        locations = locate(stock, demand, items)
        taken = {"A": make_policy(is_successor=True)}
        return rows_at(paths, add_terms_at_locations(locations, taken, {"A": 200.0}, day))

    # sqrt(2 * 50 * 180 / 2) = 94.9 a year's share of .9, and sqrt(2 * 50 * 20 / 2) = 31.6, but a
    # lot lasts a year at most: 20. Beyond the reorder point, in whole units.
    rows = at()
    assert rows["S1"]["location_share"] == pytest.approx(0.8996)  # (999 * .9 + .5) / 1000
    levels = {name: (row["reorder_point"], row["order_up_to"]) for name, row in rows.items()}
    assert [up_to - point for point, up_to in levels.values()] == [95.0, 20.0]
    assert all("takes_over" in row["quality_flags"] for row in rows.values())
    last = at(status="last_buy", needed_until=datetime(2024, 7, 7))  # 14 weeks
    assert last["S1"]["policy"] == "newsvendor"
    assert last["S1"]["reorder_point"] == pytest.approx(stats.poisson.ppf(0.95, 14 * 3.6), abs=1.0)


def test_rows_of_an_item_do_not_depend_on_the_others_or_their_order():
    both = np.random.default_rng(2).poisson(4.0, (2, 500, 30))
    stock = stock_rows(*((item, place, 3.0) for item in "AB" for place in ("S1", "S2")))
    demand = asked(*((item, place, 5.0, 5) for item in "AB" for place in ("S1", "S2")))
    locations = locate(stock, demand)
    alone = rows_at(both[:1], locations.select(["A"]))
    assert rows_at(both, locations, ("A", "B")) == alone
    assert rows_at(both[::-1], locations, ("B", "A")) == alone
    mixed = locate(stock.take([3, 1, 0, 2]), demand.take([2, 0, 3, 1]))
    assert rows_at(both, mixed, ("A", "B")) == alone
    longer = np.concatenate([both, np.ones((2, 500, 9))], axis=2)
    cut = rows_at(longer, locations, ("A", "B"), horizon=30)
    assert cut == rows_at(both, locations, ("A", "B"), horizon=30)


def test_a_sum_over_items_counts_no_order_twice(paths):
    stock = stock_rows(("A", "S1", 0.0), ("A", "S2", 1.0))
    locations = locate(stock, asked(("A", "S1", 10.0, 4)), items_table(unit_cost=2.0))
    context, history = make_context(), [make_history()]
    policies = {"A": locations.policies["S1"]["A"]}
    whole = recommend(paths, history, policies, total(stock), context)
    both = pa.concat_tables(
        [recommend_cases(location_cases(paths, history, locations, context)), whole]
    )
    assert describe_orders(both) == describe_orders(whole)
    assert describe_orders(whole).count == 1
    assert rank(both)["priority_rank"].to_pylist() == [None, None, 1]


def test_stock_counted_earlier_is_rolled_by_the_share_of_what_was_recorded(paths):
    recent = (*[0.0] * 11, 8.0)  # of the last week, which ends on the day of the decision
    stock = stock_rows(("A", "S1", 9.0), ("A", "S2", 9.0))
    stock = stock.set_column(2, "snapshot_at", pa.array([datetime(2024, 3, 24)] * 2))
    locations = locate(stock.cast(STOCK_BY_LOCATION.schema), asked(("A", "S1", 10.0, 99)))
    history = [make_history(recent=recent, whole_units=True)]
    rows = recommend_cases(location_cases(paths, history, locations, make_context())).to_pylist()
    assert [(row["rolled_demand"], row["rolled_by"]) for row in rows] == [
        (8.0, "movements"), (0.0, "movements"),
    ]  # fmt: skip
