"""Economic lots and last buys."""

from datetime import datetime

import numpy as np
import pytest

from ml.frequency import Frequency
from ml.inventory.ordering import cycle_lot, policy_levels, size_order
from ml.inventory.terms import add_economic_lot, add_terms, plan_last_buy, yearly_demand
from ml.panel import Panel
from tests.ml.inventory.builders import make_needs, make_policy, make_row, make_stock

TODAY = np.datetime64("2024-03-31")
COSTED = make_policy(order_cost=50.0, unit_cost=4.0, holding_rate=0.25)


def make_panel(*values):
    shape = (len(values), len(values[0]))
    periods = (np.datetime64("2022-01") + np.arange(shape[1])).astype("datetime64[D]")
    return Panel(
        "demand", Frequency.MONTHLY, tuple("ABCDEF"[: shape[0]]), periods,
        np.array(values, float), (None,) * shape[0],
    )  # fmt: skip


def test_the_economic_lot_is_the_one_of_least_cost_among_all_lots():
    policy = add_economic_lot(COSTED, 1_000.0)
    lots = np.arange(1.0, 1_001.0)
    cost = 50.0 * 1_000.0 / lots + 4.0 * 0.25 * lots / 2  # orders, and half a lot in stock
    assert round(policy.economic_lot) == lots[cost.argmin()] == 316


def test_a_lot_never_lasts_longer_than_a_year():
    assert add_economic_lot(COSTED, 2.0).economic_lot == 2.0  # the formula says 14


@pytest.mark.parametrize("lacking", ["order_cost", "unit_cost"])
def test_without_a_cost_there_is_no_economic_lot(lacking):
    policy = make_policy(**{"order_cost": 50.0, "unit_cost": 4.0, lacking: None})
    assert add_economic_lot(policy, 1_000.0) == policy


def test_yearly_demand_is_that_of_the_last_two_years_as_far_as_observed():
    none, last = [0.0] * 24, [1.0] * 24
    panel = make_panel([9.0] * 12 + last, [np.nan] * 36, none + [np.nan] * 6 + [4.0] * 6)
    # 24 of 24 months observed; none; 18 observed, 12 of them zeros: 24 / 18 a month
    assert yearly_demand(panel) == pytest.approx([12.0, 0.0, 16.0], rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "lot"),
    [
        pytest.param({}, 31.0, id="the nearest unit"),
        pytest.param({"order_multiple": 12.0}, 36.0, id="the nearest pack"),
        pytest.param({"moq": 40.0}, 40.0, id="the smallest order, where it is larger"),
        pytest.param({"max_order_qty": 20.0}, 0.0, id="left aside above the largest order"),
        pytest.param({"status": "phase_out"}, 0.0, id="none of what is used up"),
    ],
)
def test_cycle_stock_is_the_economic_lot_as_orders_can_have_it(changes, lot):
    policy = make_policy(economic_lot=31.4, **changes)
    assert cycle_lot(policy, whole_units=True) == lot


SAMPLE = np.arange(1.0, 101.0)  # its 95 % quantile is 95


def order_at(position, **changes):
    policy = make_policy(economic_lot=30.0, **changes)
    levels = policy_levels(make_needs(SAMPLE), policy, demand_class="smooth", whole_units=True)
    return levels, size_order(levels, policy, position, whole_units=True)


def test_at_a_daily_review_orders_are_whole_lots_until_above_the_reorder_point():
    for position, quantity in ((96.0, 0.0), (95.0, 30.0), (66.0, 30.0), (65.0, 60.0)):
        levels, order = order_at(position, review_period_days=1.0)
        assert (levels.policy, levels.reorder_point, levels.order_up_to) == ("sQ", 95.0, 125.0)
        assert order.order_qty == quantity
    assert order.binding_constraint == "economic_lot"


def test_at_a_weekly_review_an_order_fills_up_to_a_lot_above_the_reorder_point():
    levels, order = order_at(65.0)
    assert (levels.policy, order.order_qty) == ("RsS", 60.0)  # 95 + 30 - 65


def last_buy(**changes):
    base = {"status": "last_buy", "needed_until": datetime(2025, 3, 31)}
    return plan_last_buy(make_policy(**(base | changes)), TODAY)


def test_the_interval_of_a_last_buy_ends_with_the_need():
    assert last_buy().protection_days == 365.0
    assert last_buy(review_period_days=400.0).protection_days == 365.0
    # 14 days of lead time, and the need ends 6 days later: the review of a month does not count
    soon = last_buy(needed_until=datetime(2024, 4, 20), review_period_days=30.0)
    assert (soon.protection_days, soon.cycle_days) == (20.0, 6.0)


def test_a_last_buy_costs_least_where_its_chance_says():
    policy = last_buy(unit_cost=20.0, stockout_cost=100.0)
    demand = np.random.default_rng(1).poisson(30.0, 20_000)
    bought = np.arange(80)
    cost = 20.0 * bought + 100.0 * np.maximum(demand[:, None] - bought, 0).mean(axis=0)
    best = int(cost.argmin())
    below, at = (np.mean(demand <= level) for level in (best - 1, best))
    assert below < policy.service_target <= at
    assert policy.target_source == "newsvendor"


def test_a_last_buy_is_ordered_once_for_the_whole_time():
    rates = np.random.default_rng(2).poisson(1.0, (500, 60)).astype(float)  # weeks
    policy = last_buy(unit_cost=20.0, stockout_cost=100.0)
    fields = {name: getattr(policy, name) for name in
              ("status", "needed_until", "extra_days", "service_target", "target_source",
               "unit_cost", "stockout_cost")}  # fmt: skip
    row = make_row(rates, stock=make_stock(on_hand=10.0), **fields)
    need = np.quantile(rates[:, :52].sum(axis=1), 0.8, method="inverted_cdf")
    assert row["policy"] == "newsvendor"
    assert row["order_up_to"] == pytest.approx(need, abs=1)
    assert row["order_qty"] == row["order_up_to"] - 10.0
    assert "Last buy, for the time until 2025-03-31, at 80.0%." in row["reason_text"]
    assert (row["protection_days"], row["needed_until"].year) == (365.0, 2025)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param(
            {"needed_until": datetime(2024, 4, 14)}, "A last buy would come after", id="late"
        ),
        pytest.param({"unit_cost": 9.0, "stockout_cost": 9.0}, "A unit costs no less", id="dear"),
    ],
)
def test_a_last_buy_that_helps_nobody_is_not_made(changes, why):
    policy = last_buy(**changes)
    assert not policy.is_stocked
    row = make_row(np.ones((50, 20)), stock=make_stock(), not_ordered=policy.not_ordered)
    assert (row["action"], row["reason_code"], row["order_qty"]) == ("none", "not_stocked", 0.0)
    assert row["reason_text"].startswith(why)


def test_a_last_buy_without_its_last_day_says_so_and_has_no_cycle_stock():
    policy = last_buy(needed_until=None, moq=5.0)
    assert policy.flags == ("last_day_missing",)
    assert cycle_lot(policy, whole_units=True) == 0.0


def test_terms_are_found_item_by_item():
    panel = make_panel([1.0] * 24, [10.0] * 24)
    policies = {"A": make_policy("A"), "B": make_policy("B", order_cost=20.0, unit_cost=4.0)}
    found = add_terms(policies, panel, TODAY)
    assert found["A"] == policies["A"]
    assert found["B"].economic_lot == pytest.approx((2 * 20 * 120 / 0.8) ** 0.5, rel=1e-3)


def test_whole_lots_are_ordered_soon_when_the_reorder_point_itself_is_reached():
    # one unit a week: from 22 to the reorder point of 21, three weeks of demand, takes a week
    demand = np.ones((20, 30))
    policy = {"economic_lot": 8.0, "review_period_days": 1.0, "lead_time_days_mean": 146.0}
    row = make_row(demand, stock=make_stock(on_hand=22.0), **policy)
    assert (row["policy"], row["reorder_point"]) == ("sQ", 21.0)
    assert row["order_by_date"] == datetime(2024, 4, 7)
