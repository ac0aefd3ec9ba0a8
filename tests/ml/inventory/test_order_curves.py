"""What each size of an order brings, out of the paths."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.inventory.order_curves import MOST_SIZES, order_curves
from ml.inventory.recommendations import recommend
from ml.inventory.stock import Stock, read_stock
from tests.ml.inventory.builders import make_context, make_history, make_policy, make_stock

RATE = 3.0
WEEKLY = np.random.default_rng(9).poisson(RATE, (6000, 30))
WEEK = make_context()
POLICIES = {
    "plain": {},
    "lot": {"moq": 10.0, "order_multiple": 4.0},
    "large lot": {"moq": 70.0},
    "limits": {"order_multiple": 5.0, "max_order_qty": 23.0, "max_stock": 31.0},
    "kept": {"shelf_life_days": 28.0},
    "fixed lot": {"economic_lot": 20.0, "review_period_days": 1.0},
    "last buy": {"status": "last_buy", "extra_days": 60.0},
    "ending": {"status": "phase_out", "moq": 6.0},
    "conflict": {"moq": 50.0, "max_order_qty": 40.0},
}


def curve_of(demand=WEEKLY, *, on_hand=0.0, on_order=0.0, **policy):
    """The curve of item A, at a cost of 7."""
    own = make_policy(**{"unit_cost": 7.0, "currency": "BRL"} | policy)
    table = make_stock(on_hand=on_hand, on_order=on_order)
    stocks = read_stock(table, None, [own], WEEK.decision_day)
    found = order_curves(np.asarray(demand)[None], [make_history()], {"A": own}, stocks, WEEK)
    return found[0] if found else None


def row_of(*, on_hand=0.0, **policy):
    table = recommend(WEEKLY[None], [make_history()],
                      {"A": make_policy(**{"unit_cost": 7.0} | policy)},
                      make_stock(on_hand=on_hand), WEEK)  # fmt: skip
    return table.to_pylist()[0]


@pytest.mark.parametrize("on_hand", [0.0, 5.0, 12.0, 16.0, 40.0])
@pytest.mark.parametrize("name", POLICIES)
def test_the_order_by_itself_is_the_one_of_the_row_and_every_size_can_be_ordered(name, on_hand):
    policy = POLICIES[name]
    curve, row = curve_of(on_hand=on_hand, **policy), row_of(on_hand=on_hand, **policy)
    assert curve.sizes[curve.alone] == row["order_qty"]
    assert (np.diff(curve.sizes) > 0.0).all()
    steps = curve.sizes[1:]
    assert not len(steps) or steps[0] >= row["order_lot"]
    assert (steps % (policy.get("order_multiple") or 1.0) == 0.0).all()
    most = min(policy.get("max_order_qty", np.inf), policy.get("max_stock", np.inf) - on_hand)
    if row["shelf_life_qty"] is not None:
        most = min(most, row["shelf_life_qty"] - on_hand)
    assert steps.max(initial=0.0) <= max(most, 0.0)


def test_a_unit_counts_by_its_chance_to_be_asked_for_in_lead_time_and_two_reviews():
    curve = curve_of(on_hand=2.0)
    demand = stats.poisson(RATE * 4)  # two weeks, and two reviews of one week each
    chance = demand.sf(2.0 + curve.sizes[:-1])
    assert np.diff(curve.used) == pytest.approx(chance, abs=4 * 0.5 / np.sqrt(6000))
    assert (np.diff(curve.used, 2) <= 1e-12).all()


def test_what_is_owed_is_asked_for():
    owing = curve_of(on_hand=0.0, on_order=0.0)
    policy = make_policy(unit_cost=7.0)
    stocks = {"A": replace(
        read_stock(make_stock(), None, [policy], WEEK.decision_day)["A"], backorders=5.0
    )}  # fmt: skip
    (more,) = order_curves(WEEKLY[None], [make_history()], {"A": policy}, stocks, WEEK)
    assert np.diff(more.used)[:5] == pytest.approx(1.0)
    assert np.diff(more.used)[5:10] == pytest.approx(np.diff(owing.used)[:5])


def test_more_than_its_need_is_no_size_of_what_ends_or_may_be_on_order_already():
    assert curve_of(status="phase_out").sizes[-1] == row_of(status="phase_out")["order_qty"]
    unknown = curve_of(on_order=None)
    assert unknown.alone == len(unknown.sizes) - 1 > 0
    assert curve_of(on_hand=50.0, status="phase_out").sizes.tolist() == [0.0]
    assert curve_of().sizes[-1] > row_of()["order_qty"]


def test_no_size_makes_stock_in_excess_of_half_a_years_high_demand():
    """Demand comes in the next four weeks alone, or not at all: half a year has no more."""
    burst = np.zeros((1000, 30))
    burst[:, 3] = np.where(np.arange(1000) < 960, 5.0, 200.0)  # P95 of all sums is 5
    curve = curve_of(burst, service_target=0.5)
    assert curve.sizes.max() == 5.0
    full = curve_of(burst, service_target=0.5, on_hand=4.0)
    assert full.sizes.max() == 1.0


def test_large_orders_are_looked_at_in_some_hundred_sizes():
    demand = np.random.default_rng(1).poisson(30_000.0, (200, 30))
    curve = curve_of(demand)
    assert MOST_SIZES / 2 < len(curve.sizes) <= 2 * MOST_SIZES + 3
    assert (curve.sizes == np.round(curve.sizes)).all()


@pytest.mark.parametrize("changes", [{"unit_cost": None}, {"status": "obsolete"}])
def test_what_has_no_cost_or_is_not_ordered_has_no_curve(changes):
    assert curve_of(**changes) is None


def test_an_item_without_usable_stock_has_no_curve():
    policy = make_policy(unit_cost=1.0)
    assert order_curves(WEEKLY[None], [make_history()], {"A": policy}, {"A": Stock()}, WEEK) == []


def test_an_early_order_costs_what_its_units_lie_longer():
    """4 units a week for certain: from 18 the reorder point of 12 is passed in the second week."""
    steady = np.full((50, 30), 4.0)
    curve = curve_of(steady, on_hand=18.0, moq=10.0, holding_rate=0.2)
    # s = 3 weeks of 4 = 12, S = 22. Of the need of 4 the lot makes 10, held two weeks longer.
    assert curve.sizes[curve.early.place] == 10.0
    assert curve.early.chance == 0.0
    assert curve.early.cost == pytest.approx(10.0 * 7.0 * 0.2 * 14.0 / 365.25)
    near = curve_of(steady, on_hand=15.0, moq=10.0, holding_rate=0.2)
    assert near.early.chance == 1.0
    assert near.early.cost == pytest.approx(10.0 * 7.0 * 0.2 * 7.0 / 365.25)


def test_the_chance_to_order_at_the_next_review_is_that_of_a_weeks_demand():
    point = row_of(moq=10.0)["reorder_point"]
    curve = curve_of(on_hand=point + 4.0, moq=10.0)
    assert curve.early.chance == pytest.approx(stats.poisson.sf(3, RATE), abs=0.025)


def test_what_orders_now_or_is_full_does_not_order_early():
    assert curve_of(moq=10.0).early is None
    assert curve_of(on_hand=60.0, moq=10.0).early is None
