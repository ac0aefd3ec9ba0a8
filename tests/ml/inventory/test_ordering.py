import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.inventory.ordering import (
    Levels,
    excess_over_need,
    limits_conflict,
    policy_levels,
    size_order,
    smallest_order,
)
from tests.ml.inventory.builders import make_needs, make_policy

SAMPLE = np.arange(1.0, 101.0)  # its 95 % quantile is 95, its mean 50.5


def levels_of(policy, **options):
    defaults = {"demand_class": "smooth", "whole_units": True}
    return policy_levels(make_needs(SAMPLE), policy, **(defaults | options))


@pytest.mark.parametrize(
    ("moq", "multiple", "lot"),
    [
        pytest.param(0.0, 0.0, 1.0, id="one unit"),
        pytest.param(0.0, 6.0, 6.0, id="one pack"),
        pytest.param(10.0, 6.0, 12.0, id="the packs that reach the smallest order"),
        pytest.param(12.0, 6.0, 12.0, id="exact packs"),
        pytest.param(2.5, 0.0, 3.0, id="whole units"),
    ],
)
def test_lot_is_the_smallest_order(moq, multiple, lot):
    assert smallest_order(make_policy(moq=moq, order_multiple=multiple), whole_units=True) == lot


def test_divisible_units_can_be_ordered_in_any_amount():
    assert smallest_order(make_policy(), whole_units=False) == 0.0
    assert smallest_order(make_policy(moq=2.5), whole_units=False) == 2.5


def test_without_lots_the_order_fills_up_to_the_quantile():
    levels = levels_of(make_policy())
    assert levels == Levels("RS", 95.0, 95.0, 95.0 - 50.5, 1.0, 0.95)


def test_slow_movers_have_a_base_stock():
    assert levels_of(make_policy(), demand_class="lumpy").policy == "base_stock"


def test_lots_come_on_top_of_the_reorder_point():
    levels = levels_of(make_policy(moq=10.0, order_multiple=6.0))
    assert (levels.policy, levels.reorder_point, levels.order_up_to) == ("RsS", 95.0, 107.0)


def test_a_phased_out_item_gets_no_cycle_stock():
    levels = levels_of(make_policy(moq=10.0, status="phase_out"))
    assert (levels.policy, levels.order_up_to) == ("RS", 95.0)


@pytest.mark.parametrize("status", ["do_not_stock", "obsolete"])
def test_what_is_not_stocked_is_not_ordered(status):
    policy = make_policy(status=status)
    levels = levels_of(policy)
    assert (levels.policy, levels.order_up_to, levels.safety_stock) == ("do_not_stock", 0.0, None)
    assert size_order(levels, policy, -5.0, whole_units=True).order_qty == 0.0


def test_levels_of_whole_units_are_rounded_up():
    sample = SAMPLE / 10.0 + 0.01  # the quantile is 9.51
    policy = make_policy()
    assert (
        policy_levels(make_needs(sample), policy, demand_class=None, whole_units=True).order_up_to
        == 10.0
    )
    divisible = policy_levels(make_needs(sample), policy, demand_class=None, whole_units=False)
    assert divisible.order_up_to == pytest.approx(9.51)


def test_safety_stock_may_be_below_zero():
    assert levels_of(make_policy(service_target=0.3)).safety_stock == pytest.approx(30.0 - 50.5)


@pytest.mark.parametrize(
    ("limits", "position", "net", "quantity", "constraint"),
    [
        # order_up_to is 95 without a lot, 95 + lot with one
        pytest.param({}, 90.0, 5.0, 5.0, "none", id="the need"),
        pytest.param({}, 95.0, 0.0, 0.0, "none", id="at the level"),
        pytest.param({}, -5.0, 100.0, 100.0, "none", id="owing"),
        pytest.param({"moq": 20.0}, 95.0, 20.0, 20.0, "none", id="at s, the lot is the need"),
        pytest.param({"moq": 20.0}, 96.0, 0.0, 0.0, "none", id="above s, below S"),
        pytest.param(
            {"order_multiple": 12.0}, 90.0, 17.0, 12.0, "multiple", id="a pack is enough"
        ),
        pytest.param(
            {"order_multiple": 100.0}, 87.0, 108.0, 100.0, "multiple", id="8 short, packs of 100"
        ),
        pytest.param(
            {"order_multiple": 12.0, "status": "phase_out"}, 80.0, 15.0, 24.0, "multiple",
            id="two packs, not 1.25, to reach the need",
        ),
        pytest.param({"order_multiple": 12.0}, 83.0, 24.0, 24.0, "none", id="exactly two packs"),
        pytest.param(
            {"moq": 30.0, "status": "phase_out"}, 90.0, 5.0, 30.0, "moq", id="smallest order"
        ),
        pytest.param({"max_order_qty": 3.0}, 90.0, 5.0, 3.0, "max_order", id="largest order"),
        pytest.param(
            {"max_order_qty": 30.0, "order_multiple": 12.0}, 50.0, 57.0, 24.0, "max_order",
            id="largest order, in packs",
        ),
        pytest.param(
            {"max_order_qty": 30.0, "moq": 40.0}, 50.0, 85.0, 0.0, "max_order",
            id="no quantity fits",
        ),
    ],
)  # fmt: skip
def test_order_by_hand(limits, position, net, quantity, constraint):
    policy = make_policy(**limits)
    order = size_order(levels_of(policy), policy, position, whole_units=True)
    assert (order.net_requirement_qty, order.order_qty) == (net, quantity)
    assert order.binding_constraint == constraint


def test_limits_conflict_where_the_smallest_order_is_above_the_largest():
    tight = make_policy(max_order_qty=30.0, moq=30.0, order_multiple=7.0)  # 35 is the smallest
    loose = make_policy(max_order_qty=35.0, moq=30.0, order_multiple=7.0)
    assert limits_conflict(levels_of(tight), tight)
    assert not limits_conflict(levels_of(loose), loose)


def test_packs_that_are_no_binary_fractions_are_not_rounded_twice():
    policy = make_policy(order_multiple=0.1, service_target=0.3)
    levels = Levels("RS", 0.3, 0.3, 0.0, 0.1)
    order = size_order(levels, policy, 0.0, whole_units=False)
    assert order.order_qty == pytest.approx(0.3)


constraints = st.fixed_dictionaries(
    {
        "moq": st.integers(0, 40).map(float),
        "order_multiple": st.integers(0, 15).map(float),
        "max_order_qty": st.one_of(st.just(math.inf), st.integers(1, 200).map(float)),
    }
)


@given(constraints, st.integers(-50, 150).map(float))
def test_every_order_keeps_its_limits_and_meets_the_need(limits, position):
    policy = make_policy(**limits)
    levels = levels_of(policy)
    order = size_order(levels, policy, position, whole_units=True)
    if position >= levels.order_up_to:
        assert order.order_qty == 0.0
    if order.order_qty > 0.0:
        assert order.order_qty >= limits["moq"]
        assert order.order_qty <= limits["max_order_qty"]
        assert limits["order_multiple"] == 0.0 or order.order_qty % limits["order_multiple"] == 0.0
        assert order.order_qty <= order.net_requirement_qty
        if order.binding_constraint != "max_order":
            assert position + order.order_qty >= levels.reorder_point
    elif order.net_requirement_qty > 0.0:
        assert limits_conflict(levels, policy)


@given(constraints, st.integers(-50, 150).map(float), st.integers(0, 50).map(float))
def test_more_stock_never_asks_for_a_larger_order(limits, position, more):
    policy = make_policy(**limits)
    orders = [
        size_order(levels_of(policy), policy, at, whole_units=True)
        for at in (position, position + more)
    ]
    assert orders[1].order_qty <= orders[0].order_qty
    assert orders[1].net_requirement_qty <= orders[0].net_requirement_qty


def test_excess_is_above_both_the_level_and_a_high_demand():
    levels = Levels("RS", 20.0, 20.0, 5.0, 1.0)
    assert excess_over_need(50.0, levels, 30.0) == 20.0
    assert excess_over_need(50.0, levels, 10.0) == 30.0
    assert excess_over_need(15.0, levels, 10.0) == 0.0
