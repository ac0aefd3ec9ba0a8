"""Levels by marginal value, against brute force and against stock run period by period."""

import functools
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ml.inventory.portfolio import ItemDemand, divide_fill, expected_service, marginal_curve

RATES = {"a": 0.3, "b": 1.5, "c": 0.8, "d": 3.0}
COSTS = {"a": 90.0, "b": 4.0, "c": 20.0, "d": 1.0}
LEAD, REVIEW_DAYS = 2, 30.0
MOST_UNITS = (7, 17, 13, 30)  # of each item, tried by brute force


def demand_of(rate, cost, *, seed=0, paths=4000, lot=0.0) -> ItemDemand:
    """Poisson demand, two periods of lead time and a review each period."""
    drawn = np.random.default_rng(seed).poisson(rate, (paths, LEAD + 1)).astype(float)
    until = drawn[:, :LEAD].sum(axis=1)
    return ItemDemand(until, drawn.sum(axis=1), REVIEW_DAYS, cost, lot=lot)


def lumpy(cost, *, seed=0) -> ItemDemand:
    """Rare demands of 7 units, whose curve is far from concave."""
    own = demand_of(0.1, cost, seed=seed)
    return replace(own, until_receipt=7 * own.until_receipt, protected=7 * own.protected)


@pytest.fixture(scope="module")
def items() -> dict[str, ItemDemand]:
    drawn = {name: demand_of(rate, COSTS[name], seed=k) for k, (name, rate) in
             enumerate(RATES.items())}  # fmt: skip
    return drawn | {"d": lumpy(2.0)}


def divide(items, target, floors=()):
    floors = dict(floors)
    curves = [marginal_curve(name, one, floors.get(name, 0.0)) for name, one in items.items()]
    return divide_fill(curves, target)


def count_units(one: ItemDemand, level):
    """Units served at once, and value in stock before and after a receipt, path by path."""
    served = np.minimum(one.protected, level) - np.minimum(one.until_receipt, level)
    stocks = [np.maximum(level - part, 0.0) for part in (one.until_receipt, one.protected)]
    return served.mean() / REVIEW_DAYS, one.unit_cost * np.mean(stocks)


@pytest.mark.parametrize("target", [0.3, 0.6, 0.8, 0.9, 0.95, 0.99])
def test_no_combination_of_levels_serves_as_much_with_less(items, target):
    division = divide(items, target)
    tried = [
        np.array([count_units(one, level) for level in range(most)])
        for one, most in zip(items.values(), MOST_UNITS, strict=True)
    ]
    served, value = (
        functools.reduce(np.add.outer, [of[:, column] for of in tried]) for column in (0, 1)
    )
    demand = sum((one.protected - one.until_receipt).mean() / REVIEW_DAYS for one in items.values())
    reached = division.fill * demand
    assert division.fill >= target
    assert division.value == pytest.approx(value[served >= reached * (1 - 1e-9)].min())
    own = [count_units(items[name], level) for name, level in division.points.items()]
    assert np.sum(own, axis=0) == pytest.approx([reached, division.value])


def test_a_higher_target_never_lowers_a_level(items):
    divisions = [divide(items, target) for target in np.linspace(0.05, 0.999, 60)]
    for lower, higher in pairwise(divisions):
        assert higher.value >= lower.value
        assert all(higher.points[name] >= point for name, point in lower.points.items())


def simulate(rate, point, lot, *, periods=60_000, seed=9):
    """Stock run period by period: share of units served at once, and mean units on hand."""
    rng = np.random.default_rng(seed)
    start = point + max(lot, 0.0)
    net, position, orders = start, start, [0.0] * (LEAD + 1)
    served = asked = on_hand = 0.0
    for units in rng.poisson(rate, periods).tolist():
        net += orders.pop(0)
        before = max(net, 0.0)
        served += min(units, before)
        asked += units
        net, position = net - units, position - units
        on_hand += (before + max(net, 0.0)) / 2
        order = 0.0
        if position <= point:
            order = np.ceil((point + 1 - position) / lot) * lot if lot else point - position
        orders.append(order)
        position += order
    return served / asked, on_hand / periods


def test_a_fresh_simulation_reaches_the_expected_fill_with_the_expected_stock():
    items = {name: demand_of(rate, COSTS[name], paths=40_000) for name, rate in RATES.items()}
    division = divide(items, 0.9)
    runs = {name: simulate(rate, division.points[name], 0) for name, rate in RATES.items()}
    fill = sum(RATES[name] * share for name, (share, _) in runs.items()) / sum(RATES.values())
    value = sum(COSTS[name] * units for name, (_, units) in runs.items())
    assert fill == pytest.approx(division.fill, abs=0.01)
    assert value == pytest.approx(division.value, rel=0.02)
    assert 0.9 <= division.fill < 0.92


@pytest.mark.parametrize(("point", "lot"), [(0, 4), (2, 5), (5, 12)])
def test_lots_serve_and_lie_in_stock_as_in_a_simulation(point, lot):
    own = demand_of(1.5, 1.0, paths=40_000, lot=float(lot))
    (served,), (units,) = expected_service(own, np.array([float(point)]))
    fill, on_hand = simulate(1.5, point, lot)
    assert served * REVIEW_DAYS / 1.5 == pytest.approx(fill, abs=0.01)
    assert units == pytest.approx(on_hand, rel=0.03)


def test_unit_costs_in_another_currency_change_no_level(items):
    scaled = {name: replace(one, unit_cost=5.3 * one.unit_cost) for name, one in items.items()}
    for target in (0.5, 0.9, 0.97):
        plain, other = divide(items, target), divide(scaled, target)
        assert other.points == plain.points
        assert other.value == pytest.approx(5.3 * plain.value)


def test_the_order_of_items_changes_nothing(items):
    twins = items | {f"{name}2": one for name, one in items.items()}  # ties at every step
    backwards = dict(reversed(twins.items()))
    assert divide(backwards, 0.9) == divide(twins, 0.9)


def test_items_without_demand_get_nothing_but_their_floor(items):
    idle = {"idle": demand_of(0.0, 1.0), "kept": demand_of(0.0, 1.0)}
    points = divide(items | idle, 0.99, {"kept": 3.0}).points
    assert (points["idle"], points["kept"]) == (0.0, 3.0)
    assert divide(idle, 0.9).points == {"idle": 0.0, "kept": 0.0}


def test_no_level_is_below_its_floor_and_others_give_way(items):
    plain = divide(items, 0.9)
    floor = plain.points["a"] + 2.0
    floored = divide(items, 0.9, {"a": floor})
    assert floored.points["a"] == floor
    assert floored.value > plain.value
    assert sum(floored.points.values()) - floor < sum(plain.points.values()) - plain.points["a"]


def test_large_quantities_are_divided_on_a_thinned_curve_almost_as_well():
    rng = np.random.default_rng(3)
    until = rng.gamma(4.0, 300.0, 2000)
    own = ItemDemand(until, until + rng.gamma(2.0, 300.0, 2000), 30.0, 1.0, whole_units=False)
    curve = marginal_curve("a", own, 0.0)
    assert len(curve.points) < 300
    levels = np.linspace(0.0, curve.points[-1], 200)
    served, value = expected_service(own, levels)
    thinned = np.interp(value, curve.value, curve.served)
    assert thinned == pytest.approx(served, abs=0.005 * curve.demand)
