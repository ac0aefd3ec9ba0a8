"""Stock moved from where there is more than enough to where an order is due."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contracts.beside_orders import TRANSFERS
from ml.inventory.locations import location_cases
from ml.inventory.recommendations import recommend_cases
from ml.inventory.transfers import Balance, plan_moves, propose_transfers, weigh
from tests.ml.inventory.builders import make_context, make_history
from tests.ml.inventory.test_locations import asked, items_table, locate, stock_rows


def row(**changes):
    """A place with 30 in stock, of which its order-up-to takes 10 and half a year's need 18."""
    base = {
        "location_id": "S1", "mode": "full", "on_hand": 30.0, "backorders": 0.0, "reserved": 0.0,
        "rolled_demand": 0.0, "order_up_to": 10.0, "excess_qty": 12.0, "net_requirement_qty": 0.0,
        "p_stockout_before_receipt": 0.0, "p_stockout_no_order": 0.0,
    }  # fmt: skip
    return base | changes


@pytest.mark.parametrize(
    ("changes", "spare", "need"),
    [
        ({}, 12.0, 0.0),
        ({"on_hand": 15.0}, 5.0, 0.0),  # the rest of the excess is on order
        ({"on_hand": 15.0, "reserved": 2.0, "backorders": 1.0, "rolled_demand": 1.0}, 1.0, 0.0),
        ({"on_hand": 5.0}, 0.0, 0.0),
        ({"excess_qty": 3.7}, 3.0, 0.0),
        ({"net_requirement_qty": 2.0}, 0.0, 2.0),
        ({"net_requirement_qty": 2.2}, 0.0, 3.0),
        ({"mode": "policy_only", "on_hand": None, "excess_qty": None}, 0.0, 0.0),
    ],
    ids=["all of it", "on order", "promised", "below its level", "a part of a unit", "in need",
         "in need of a part", "not counted"],
)  # fmt: skip
def test_a_place_gives_what_lies_there_above_all_of_its_needs(changes, spare, need):
    found = weigh(row(**changes), whole_units=True)
    assert (found.spare, found.need) == (spare, need)


def test_what_is_measured_is_moved_in_parts():
    assert weigh(row(excess_qty=3.7), whole_units=False).spare == 3.7
    assert weigh(row(net_requirement_qty=2.2), whole_units=False).need == 2.2


FREE = dict.fromkeys("ABCDEF")


def test_the_most_urgent_need_is_served_first_from_whoever_has_most():
    balances = [
        Balance("A", need=4.0, risk=(0.2, 0.9)),
        Balance("B", need=5.0, risk=(0.6, 0.7)),
        Balance("C", spare=3.0),
        Balance("D", spare=4.0),
    ]
    moves = [(one.giver, one.receiver, one.quantity) for one in plan_moves(balances, FREE, 0.0)]
    # B is the likelier to be short before an order comes; D has most, then C; A gets what is left.
    assert moves == [("D", "B", 4.0), ("C", "B", 1.0), ("C", "A", 2.0)]


@pytest.mark.parametrize(("cost", "moved"), [(0.0, 3), (9.9, 2), (10.0, 2), (10.1, 1), (41.0, 0)])
def test_a_transfer_that_saves_less_than_it_costs_is_not_proposed(cost, moved):
    balances = [
        Balance("A", need=4.0, risk=(0.9, 0.9)),
        Balance("B", need=1.0, risk=(0.5, 0.5)),
        Balance("C", need=1.0, risk=(0.1, 0.1)),
        Balance("D", spare=9.0),
    ]
    worth = {"A": 10.0, "B": 10.0, "C": 5.0, "D": 10.0}  # saves 40, 10 and 5
    assert len(plan_moves(balances, worth, cost)) == moved
    # Where nobody knows what a unit costs, nobody knows that it is not worth it.
    assert len(plan_moves(balances, dict.fromkeys(worth), cost)) == 3


places = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans(), st.floats(0, 1)),
    min_size=1, max_size=6,
)  # fmt: skip


def balanced(drawn):
    return [
        Balance(name, float(spare) * gives, float(need) * (not gives), (risk, risk))
        for name, (spare, need, gives, risk) in zip("ABCDEF", drawn, strict=False)
    ]


@settings(max_examples=200, deadline=None)
@given(places, st.floats(0, 30), st.randoms(use_true_random=False))
def test_nobody_gives_more_than_is_spare_or_gets_more_than_is_needed(drawn, cost, chance):
    balances = balanced(drawn)
    worth = dict.fromkeys(FREE, 3.0)
    moves = plan_moves(balances, worth, cost)
    for one in balances:
        given_away = sum(move.quantity for move in moves if move.giver == one.name)
        received = sum(move.quantity for move in moves if move.receiver == one.name)
        assert given_away <= one.spare
        assert received <= one.need
        assert given_away == 0.0 or received == 0.0
    assert all(move.quantity * 3.0 >= cost and move.quantity % 1 == 0.0 for move in moves)
    assert len({(move.giver, move.receiver) for move in moves}) == len(moves)
    chance.shuffle(balances)
    assert plan_moves(balances, worth, cost) == moves


@settings(max_examples=200, deadline=None)
@given(places, st.integers(0, 5), st.integers(1, 9))
def test_more_excess_never_moves_fewer_units(drawn, which, more):
    balances = balanced(drawn)
    richer = [
        Balance(one.name, one.spare + more, 0.0, one.risk)
        if place == which and one.need == 0.0 else one
        for place, one in enumerate(balances)
    ]  # fmt: skip

    def moved(some):
        return sum(move.quantity for move in plan_moves(some, FREE, 0.0))

    assert moved(richer) >= moved(balances)
    # Without a cost all that is spare is moved, or all that is needed.
    assert moved(balances) == min(
        sum(one.spare for one in balances), sum(one.need for one in balances)
    )


# Out of paths


@pytest.fixture
def paths():
    return np.random.default_rng(2).poisson(4.0, (1, 2000, 30)).astype(np.float32)


def propose(paths, stock, demand, *, items=None, cost=0.0, **history):
    locations = locate(stock, demand, items or items_table(unit_cost=2.0, currency="BRL"))
    about = (paths, [make_history(**history)], locations, make_context())
    rows = recommend_cases(location_cases(*about))
    table = propose_transfers(rows, *about, cost)
    assert table.schema.equals(TRANSFERS.schema, check_metadata=True)
    return table.to_pylist(), {one["location_id"]: one for one in rows.to_pylist()}


HALVES = asked(("A", "S1", 500.0, 200), ("A", "S2", 500.0, 200))


def test_excess_is_moved_to_a_need_and_told_with_its_numbers(paths):
    stock = stock_rows(("A", "S1", 200.0), ("A", "S2", 2.0))
    (move,), rows = propose(paths, stock, HALVES)
    giver, receiver = rows["S1"], rows["S2"]
    assert (move["from_location"], move["to_location"]) == ("S1", "S2")
    assert move["quantity"] == receiver["net_requirement_qty"] == move["need_qty"] > 0.0
    assert move["spare_qty"] == giver["excess_qty"]
    assert giver["on_hand"] - move["quantity"] >= giver["order_up_to"]
    assert move["purchase_avoided"] == move["quantity"] * 2.0 == receiver["order_value"]
    assert move["p_stockout_before"] == receiver["p_stockout_no_order"]
    # Moved units cover from today on: the chance is what the level promises, P(D > S) <= .05.
    assert move["p_stockout_after"] <= 0.05 < move["p_stockout_before"]
    assert (move["currency"], move["needs_review"]) == ("BRL", False)
    assert move["decision_day"] == datetime(2024, 3, 31)
    need, chance = f"{move['quantity']:.0f}", f"{move['p_stockout_before']:.0%}"
    assert move["reason_text"] == (
        f"S2 needs {need}, {chance} chance to be short; S1 can spare {move['spare_qty']:.0f}."
    )


def test_a_chance_falls_with_each_of_two_givers(paths):
    stock = stock_rows(("A", "S1", 49.0), ("A", "S2", 48.0), ("A", "S3", 0.0))
    demand = asked(*(("A", f"S{k}", 100.0, 50) for k in (1, 2, 3)))
    moves, rows = propose(paths, stock, demand)
    assert [(one["from_location"], one["to_location"]) for one in moves] == [
        ("S1", "S3"), ("S2", "S3"),
    ]  # fmt: skip
    first, second = moves
    assert first["p_stockout_before"] > first["p_stockout_after"] == second["p_stockout_before"]
    assert second["p_stockout_after"] < second["p_stockout_before"]
    assert second["need_qty"] == rows["S3"]["net_requirement_qty"] - first["quantity"]


def test_a_site_without_a_count_neither_gives_nor_gets(paths):
    uncounted = {"on_hand": None}
    for stock in (
        stock_rows(("A", "S1", 200.0), ("A", "S2", None, uncounted)),
        stock_rows(("A", "S1", None, uncounted), ("A", "S2", 0.0)),
    ):
        assert propose(paths, stock, HALVES)[0] == []


def test_what_is_critical_or_may_be_on_order_already_is_reviewed(paths):
    stock = stock_rows(("A", "S1", 200.0), ("A", "S2", 2.0))
    (critical,), _ = propose(paths, stock, HALVES, items=items_table(criticality="insurance"))
    assert critical["needs_review"]
    assert critical["reason_text"].endswith("Critical: review.")
    assert (critical["unit_cost"], critical["purchase_avoided"]) == (None, None)
    unknown = stock_rows(("A", "S1", 200.0), ("A", "S2", 2.0, {"on_order": None}))
    (move,), _ = propose(paths, unknown, HALVES)
    assert (move["needs_review"], "On order unknown" in move["reason_text"]) == (True, True)


def test_the_cost_of_a_transfer_is_weighed_against_the_purchase(paths):
    stock = stock_rows(("A", "S1", 200.0), ("A", "S2", 2.0))
    (move,), _ = propose(paths, stock, HALVES)
    assert propose(paths, stock, HALVES, cost=move["purchase_avoided"])[0] == [move]
    assert propose(paths, stock, HALVES, cost=move["purchase_avoided"] + 0.01)[0] == []


def test_long_names_leave_room_for_the_numbers(paths):
    names = ("N" * 200, "S" * 200)
    stock = stock_rows(("A", names[0], 200.0), ("A", names[1], 2.0))
    (move,), _ = propose(paths, stock, asked(*(("A", name, 500.0, 200) for name in names)))
    assert (move["from_location"], move["to_location"]) == names
    assert len(move["reason_text"]) <= 160
    assert move["reason_text"].endswith(f"can spare {move['spare_qty']:.0f}.")
