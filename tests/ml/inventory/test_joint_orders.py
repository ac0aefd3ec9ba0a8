"""Items of one supplier that are ordered together."""

from datetime import datetime

import pyarrow as pa
import pytest

from ml.contracts.demand import SUPPLIERS
from ml.inventory.joint_orders import SupplierTerms, join_orders, joint_order_rows, usable_terms
from ml.inventory.order_curves import EarlyOrder
from tests.ml.inventory.builders import make_policy
from tests.ml.inventory.curves import draw_curves, every_choice, make_curve, value_of


def terms(minimum=None, order_cost=None):
    return [SupplierTerms("S", "BRL", minimum, order_cost)]


def sizes_of(curves, asked):
    places, _ = join_orders(curves, asked)
    return [float(one.sizes[at]) for one, at in zip(curves, places, strict=True)]


def rows_of(curves, asked):
    places, added = join_orders(curves, asked)
    return joint_order_rows(curves, places, asked, added, datetime(2026, 1, 1)).to_pylist()


# A orders 2 at 10: 20 in all. Use per money of what can be added: A .05, .01; B .08, .06, .02.
BY_HAND = [
    make_curve("A", [0.9, 0.8, 0.5, 0.1], cost=10.0, alone=2),
    make_curve("B", [0.4, 0.3, 0.1], cost=5.0),
]


@pytest.mark.parametrize(
    ("minimum", "sizes"),
    [
        pytest.param(20.0, [2, 0], id="reached by itself"),
        pytest.param(21.0, [2, 1], id="B .08 to 25"),
        pytest.param(26.0, [2, 2], id="B .06 to 30"),
        pytest.param(31.0, [3, 2], id="A .05 to 40"),
        pytest.param(41.0, [3, 3], id="B .02 to 45"),
        pytest.param(46.0, [4, 3], id="A .01 to 55"),
        pytest.param(56.0, [2, 0], id="out of reach: nothing is added"),
    ],
)
def test_units_are_added_by_use_for_money_until_the_smallest_value_is_reached(minimum, sizes):
    assert sizes_of(BY_HAND, terms(minimum)) == sizes


def test_the_table_tells_what_was_added_and_how_much_of_it_is_likely_used():
    (row,) = rows_of(BY_HAND, terms(31.0))
    # Two of B and one of A are added: .4 + .3 + .5 of three units.
    assert (row["order_value_alone"], row["order_value"], row["lines"]) == (20.0, 40.0, 2)
    assert (row["items_added"], row["first_added"]) == (2, "B;A")
    assert row["expected_use"] == pytest.approx(1.2 / 3)
    assert not row["is_below_minimum"]
    (short,) = rows_of(BY_HAND, terms(56.0))
    assert (short["is_below_minimum"], short["items_added"], short["expected_use"]) == (
        True, 0, None,
    )  # fmt: skip


def test_an_order_that_is_not_due_is_not_forced():
    idle = [make_curve("A", [0.9, 0.8], early=EarlyOrder(2, 1.0, 0.0)), make_curve("B", [0.9])]
    assert sizes_of(idle, terms(100.0, 50.0)) == [0.0, 0.0]
    (row,) = rows_of(idle, terms(100.0))
    assert (row["lines"], row["order_value"], row["is_below_minimum"]) == (0, 0.0, False)


def test_units_that_nobody_is_expected_to_ask_for_are_not_added():
    curves = [make_curve("A", [0.9, 0.0, 0.0], alone=1)]
    assert sizes_of(curves, terms(2.0)) == [1.0]


def test_lots_are_added_whole():
    curves = [
        make_curve("A", [9.0], cost=1.0, lot=10.0, alone=1),
        make_curve("B", [5.0, 4.0], cost=1.0, lot=6.0),
    ]
    assert sizes_of(curves, terms(11.0)) == [10.0, 6.0]


@pytest.mark.parametrize("seed", range(20))
def test_no_other_units_of_at_most_that_cost_are_expected_to_be_used_more(seed):
    curves = draw_curves(seed, items=3, steps=4)
    begins = [2, 0, 1]
    curves = [
        make_curve(one.item_id, [*one.used[1:] - one.used[:-1]], cost=one.unit_cost, alone=begin)
        for one, begin in zip(curves, begins, strict=True)
    ]
    wanted = value_of(curves, begins) + 7.0
    places, _ = join_orders(curves, terms(wanted))
    value = value_of(curves, places)
    assert value >= wanted

    def used(choice):
        return sum(one.used[at] for one, at in zip(curves, choice, strict=True))

    best = max(used(one) for one in every_choice(curves, begins) if value_of(curves, one) <= value)
    assert used(places) == pytest.approx(best)


def waiting(item, chance, cost):
    return make_curve(item, [0.9, 0.8], early=EarlyOrder(2, chance, cost))


def test_those_join_that_save_more_of_an_order_than_holding_costs():
    # Of 100 a next order, A alone would pay 100 x .5 / (1 + .25) = 40, B 100 x .25 / 1.5 = 16.67.
    due = make_curve("D", [0.9], alone=1)
    assert sizes_of([waiting("A", 0.5, 39.9), waiting("B", 0.25, 16.6), due],
                    terms(None, 100.0)) == [2.0, 2.0, 1.0]  # fmt: skip
    assert sizes_of([waiting("A", 0.5, 40.1), waiting("B", 0.25, 16.7), due],
                    terms(None, 100.0)) == [0.0, 0.0, 1.0]  # fmt: skip
    assert sizes_of([waiting("A", 0.0, 0.0), due], terms(None, 100.0)) == [0.0, 1.0]


def test_what_joins_to_save_an_order_counts_for_the_smallest_value():
    curves = [waiting("A", 0.9, 0.1), make_curve("B", [0.5], cost=0.1),
              make_curve("D", [0.9], alone=1)]  # fmt: skip
    # A and D make 3: the cheap unit of B is not needed.
    assert sizes_of(curves, terms(3.0, 50.0)) == [2.0, 0.0, 1.0]


def test_items_of_other_suppliers_stay_as_they_are():
    other = make_curve("X", [0.9, 0.9], supplier="T", alone=1)
    assert sizes_of([BY_HAND[0], BY_HAND[1], other], terms(31.0)) == [3.0, 2.0, 1.0]


def supplier_table(**columns):
    rows = {"supplier": ["S"], "min_order_value": [100.0], "order_cost": [None],
            "currency": ["BRL"]} | columns  # fmt: skip
    return pa.table(rows, SUPPLIERS.schema)


def policies_of(*currencies, cost=1.0):
    return {
        str(n): make_policy(str(n), supplier="S", unit_cost=cost, currency=one)
        for n, one in enumerate(currencies)
    }


def test_a_supplier_of_several_currencies_is_left_aside_with_one_line():
    usable, said = usable_terms(supplier_table(), policies_of("BRL", "USD"))
    assert usable == []
    assert said == ["S is left aside: its amounts are in 'BRL', 'USD'"]
    usable, said = usable_terms(supplier_table(), policies_of(None))
    assert (usable, len(said)) == ([], 1)


def test_a_supplier_without_a_currency_has_that_of_its_items():
    usable, said = usable_terms(supplier_table(currency=[None]), policies_of("USD", "USD"))
    assert [one.currency for one in usable] == ["USD"]
    assert said == []


def test_items_without_a_cost_are_told():
    policies = policies_of("BRL") | {"x": make_policy("x", supplier="S")}
    usable, said = usable_terms(supplier_table(), policies)
    assert len(usable) == 1
    assert said == ["1 of 2 items of S have no unit cost and count nothing in its orders"]


def test_suppliers_that_ask_nothing_or_deliver_nothing_take_no_part():
    free = supplier_table(min_order_value=[0.0])
    assert usable_terms(free, policies_of("BRL")) == ([], [])
    assert usable_terms(supplier_table(supplier=["T"]), policies_of("BRL")) == ([], [])
    assert usable_terms(None, policies_of("BRL")) == ([], [])
