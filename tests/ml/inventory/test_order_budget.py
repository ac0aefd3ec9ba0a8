"""What a budget is spent on."""

from dataclasses import replace

import numpy as np
import pytest

from ml.errors import ConfigError
from ml.inventory.order_budget import (
    Budget,
    count_outside,
    give_orders,
    name_currency,
    read_budget,
    spend_budget,
)
from tests.ml.inventory.builders import make_policy
from tests.ml.inventory.curves import draw_curves, every_choice, make_curve, value_of

SEEDS = range(20)


def spend(curves, amount):
    return spend_budget(curves, [one.alone for one in curves], Budget(amount, "BRL"))[0]


def worth(curves, places):
    return sum(one.weight * one.used[at] for one, at in zip(curves, places, strict=True))


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("", None),
        ("50000", Budget(50000.0)),
        (" 1200.50 brl ", Budget(1200.5, "BRL")),
        ("0USD", Budget(0.0, "USD")),
    ],
)
def test_a_budget_is_read_with_or_without_a_currency(text, budget):
    assert read_budget(text) == budget


@pytest.mark.parametrize("text", ["much", "-5", "50,000", "1.000.000", "BRL50", "5REAIS", "inf"])
def test_a_budget_that_is_none_is_refused_in_one_line(text):
    with pytest.raises(ConfigError, match=r"--budget, BUDGET: .*50000 or 50000BRL"):
        read_budget(text)


def test_a_budget_has_the_currency_of_all_costs_or_must_name_one():
    real, dollar = (make_policy(unit_cost=1.0, currency=one) for one in ("BRL", "USD"))
    free = make_policy(unit_cost=None, currency="EUR")
    assert name_currency(Budget(5.0), [real, free]).currency == "BRL"
    assert name_currency(Budget(5.0, "EUR"), [real, dollar]).currency == "EUR"
    with pytest.raises(ConfigError, match=r"costs are in 'BRL', 'USD'.*5USD"):
        name_currency(Budget(5.0), [real, dollar])
    assert count_outside([real, dollar, free], Budget(5.0, "BRL")) == 2


def test_the_units_worth_most_for_their_money_come_first():
    # Worth per money: A .9, .3; B .16, .15; the weight of 4 makes C .2.
    curves = [
        make_curve("A", [0.9, 0.3], alone=2),
        make_curve("B", [0.8, 0.75], cost=5.0, alone=2),
        make_curve("C", [0.5], cost=10.0, weight=4.0, alone=1),
    ]
    assert spend(curves, 2.0) == [2, 0, 0]
    assert spend(curves, 12.0) == [2, 0, 1]
    assert spend(curves, 17.0) == [2, 1, 1]
    # What is too dear for the rest ends its own order, and a cheaper one goes on.
    assert spend(curves, 9.0) == [2, 1, 0]


def test_costs_of_stock_outs_count_instead_of_criticality_where_every_order_has_one():
    def curves(second):
        return [
            make_curve("A", [0.5], cost=10.0, weight=4.0, stockout_cost=20.0, alone=1),
            make_curve("B", [0.5], cost=10.0, weight=1.0, stockout_cost=second, alone=1),
            make_curve("C", [0.5], cost=10.0, alone=0),  # orders nothing
        ]

    assert spend(curves(30.0), 10.0) == [0, 1, 0]
    assert spend(curves(None), 10.0) == [1, 0, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_at_equal_costs_no_choice_of_units_is_worth_more(seed):
    curves = draw_curves(seed, equal_costs=True)
    for amount in range(14):
        best = max(worth(curves, one) for one in every_choice(curves, [0] * 4)
                   if value_of(curves, one) <= amount)  # fmt: skip
        assert worth(curves, spend(curves, float(amount))) == pytest.approx(best)


@pytest.mark.parametrize("seed", SEEDS)
def test_at_any_costs_less_than_one_step_is_missing_to_the_best_choice(seed):
    curves = draw_curves(seed)
    step = max(one.weight * np.diff(one.used).max() for one in curves)
    for amount in range(0, 90, 7):
        places = spend(curves, float(amount))
        assert value_of(curves, places) <= amount
        best = max(worth(curves, one) for one in every_choice(curves, [0] * 4)
                   if value_of(curves, one) <= amount)  # fmt: skip
        assert best - step <= worth(curves, places) <= best + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_more_money_is_never_worth_less(seed):
    curves = draw_curves(seed, items=12, steps=5)
    values = [worth(curves, spend(curves, amount)) for amount in np.arange(0.0, 400.0, 1.5)]
    assert np.diff(values).min() >= -1e-9
    assert values[-1] == pytest.approx(worth(curves, [5] * 12))


def test_equal_items_share_by_name():
    curves = [make_curve(name, [0.5, 0.5], cost=3.0, alone=2) for name in "AB"]
    assert spend(curves, 9.0) == [2, 1]


def test_orders_of_other_currencies_are_not_touched():
    curves = [make_curve("A", [0.5], alone=1), make_curve("B", [0.5], currency="USD", alone=1)]
    assert spend(curves, 0.0) == [0, 1]


def test_a_smallest_order_that_is_too_dear_is_left_out_whole():
    curves = [make_curve("A", [9.0, 0.9], cost=2.0, lot=10.0, alone=2)]
    assert [spend(curves, amount) for amount in (19.0, 20.0, 40.0)] == [[0], [1], [2]]


def test_units_beyond_a_smallest_order_are_not_bought_without_it():
    ten = make_curve("A", [9.0, 0.9], alone=2)
    curves = [replace(ten, sizes=np.array([0.0, 10.0, 11.0]))]
    assert [spend(curves, amount) for amount in (5.0, 10.0, 11.0)] == [[0], [1], [2]]


def test_an_exact_budget_is_not_missed_by_rounding():
    curves = [make_curve(name, [0.5] * 3, cost=0.1, alone=3) for name in "ABC"]
    assert spend(curves, 0.9) == [3, 3, 3]


def of_suppliers():
    """Two suppliers: of one A and B, worth most for their money, of the other C."""
    return [
        make_curve("A", [0.9, 0.8], cost=2.0, alone=2, supplier="ONE"),
        make_curve("B", [0.7, 0.6], cost=2.0, alone=2, supplier="ONE"),
        make_curve("C", [0.5] * 4, cost=2.0, alone=4, supplier="TWO"),
    ]


def spend_with(amount, **minimums):
    curves = of_suppliers()
    return spend_budget(curves, [one.alone for one in curves], Budget(amount, "BRL"), minimums)


def test_an_order_that_the_budget_leaves_below_its_suppliers_minimum_is_dropped():
    # 12 buy all of ONE (8) and two of C's four (4)
    assert spend_with(12.0) == ([2, 2, 2], [])
    assert spend_with(12.0, TWO=4.0) == ([2, 2, 2], [])
    assert spend_with(12.0, TWO=5.0) == ([2, 2, 0], ["TWO"])
    # what nobody can place frees its money: 6 would buy three units of ONE, and buy three of C
    assert spend_with(6.0) == ([2, 1, 0], [])
    assert spend_with(6.0, ONE=8.0) == ([0, 0, 3], ["ONE"])
    # both below: ONE has 6 of 8, TWO 0; then TWO has 6 of 8, and nothing is left to order
    assert spend_with(6.0, ONE=8.0, TWO=8.0) == ([0, 0, 0], ["ONE", "TWO"])


def test_an_order_that_was_below_the_minimum_without_a_budget_is_left_to_a_person():
    assert spend_with(12.0, TWO=9.0) == ([2, 2, 2], [])


@pytest.mark.parametrize("seed", SEEDS)
def test_no_order_is_ever_between_nothing_and_its_suppliers_minimum(seed):
    curves = [replace(one, supplier="XY"[at % 2]) for at, one in
              enumerate(draw_curves(seed, items=8, steps=4))]  # fmt: skip
    full = [one.alone for one in curves]
    least = {name: 0.6 * value_of([one for one in curves if one.supplier == name],
                                  [one.alone for one in curves if one.supplier == name])
             for name in "XY"}  # fmt: skip
    for amount in np.linspace(0.0, value_of(curves, full), 9):
        places, dropped = spend_budget(curves, full, Budget(amount, "BRL"), least)
        assert value_of(curves, places) <= amount + 1e-9
        for name, minimum in least.items():
            own = sum(one.value_at(at) for one, at in zip(curves, places, strict=True)
                      if one.supplier == name)  # fmt: skip
            assert own == 0.0 or own >= minimum - 1e-9
            assert name not in dropped or own == 0.0


def test_only_what_differs_from_the_items_own_order_is_given():
    curves = [make_curve(name, [0.5, 0.4], alone=1, supplier=None) for name in "ABC"]
    policies = {name: make_policy(name) for name in "ABCD"}
    given = give_orders(policies, curves, [0, 1, 2], ())
    assert [(one.given_order, one.given_by) for one in given.values()] == [
        (0.0, "budget"), (None, "none"), (2.0, "joint_order"), (None, "none"),
    ]  # fmt: skip


def test_orders_below_what_their_supplier_takes_are_flagged():
    curves = [make_curve(name, [0.5], alone=at) for at, name in enumerate("AB")]
    given = give_orders({name: make_policy(name) for name in "AB"}, curves, [0, 1], ["S"])
    assert [one.flags for one in given.values()] == [(), ("below_supplier_minimum",)]
    dropped = give_orders({name: make_policy(name) for name in "AB"}, curves, [0, 0], ["S"])
    assert [one.flags for one in dropped.values()] == [(), ("below_supplier_minimum",)]
