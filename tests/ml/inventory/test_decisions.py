import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contracts.recommendations import ACTIONS, REASONS
from ml.inventory.decisions import Situation, decide
from ml.inventory.ordering import Levels, Order
from ml.inventory.risk import Risk
from ml.inventory.stock import Stock
from tests.ml.inventory.builders import make_history, make_policy

CALM = Risk(0.0, 0.1, 0.1, 0.0, 1.0, 0.0)
URGENT = Risk(0.51, 0.8, 0.6, 3.0, 0.5, 0.51)
NO_ORDER = Order(0.0, 0.0)
ORDER = Order(5.0, 5.0)


def situation(**changes):
    policy = make_policy(
        status=changes.pop("status", "active"), criticality=changes.pop("criticality", None)
    )
    known = {"on_order": changes.pop("on_order", 0.0)}
    known |= {name: changes.pop(name, 0.0) for name in ("backorders", "expected")}
    base = {
        "policy": policy,
        "history": make_history(demand_class=changes.pop("demand_class", "smooth")),
        "stock": Stock(on_hand=10.0, is_usable=True, **known),
        "levels": Levels("RS", 8.0, 8.0, 2.0, 1.0),
        "order": NO_ORDER,
        "risk": CALM,
        "excess": 0.0,
        "reorder_in_days": None,
        "expected_demand": 6.0,
    }
    return Situation(**(base | changes))


@pytest.mark.parametrize(
    ("changes", "action", "reason"),
    [
        pytest.param({}, "hold", "stock_sufficient", id="enough"),
        pytest.param({"order": ORDER}, "order_now", "ip_below_rop", id="below the reorder point"),
        pytest.param(
            {"order": ORDER, "risk": URGENT}, "expedite", "stockout_risk_before_receipt",
            id="an order comes too late",
        ),
        pytest.param(
            {"risk": URGENT, "excess": 3.0, "on_order": 9.0}, "expedite",
            "stockout_risk_before_receipt", id="too much, but too late",
        ),
        pytest.param(
            {"risk": dataclasses.replace(URGENT, p_stockout_before_receipt=0.5), "order": ORDER},
            "order_now", "ip_below_rop", id="even odds are not urgent",
        ),
        pytest.param(
            {"reorder_in_days": 7.0}, "order_soon", "rop_crossed_before_next_review",
            id="within the review period",
        ),
        pytest.param(
            {"reorder_in_days": 7.1}, "hold", "stock_sufficient", id="after the next review"
        ),
        pytest.param(
            {"excess": 3.0, "on_order": 9.0}, "reduce_or_cancel_po", "po_exceeds_need",
            id="too much on order",
        ),
        pytest.param({"excess": 3.0}, "review_excess", "cover_above_limit", id="too much"),
        pytest.param(
            {"excess": 3.0, "criticality": "A", "on_order": 9.0}, "review", "po_exceeds_need",
            id="critical, too much on order",
        ),
        pytest.param(
            {"excess": 3.0, "criticality": "insurance"}, "review", "cover_above_limit",
            id="insurance, too much",
        ),
        pytest.param(
            {"order": ORDER, "on_order": None}, "review", "on_order_unknown",
            id="perhaps ordered already",
        ),
        pytest.param(
            {"order": ORDER, "on_order": None, "risk": URGENT}, "review", "on_order_unknown",
            id="urgent, perhaps ordered already",
        ),
        pytest.param({"on_order": None}, "hold", "stock_sufficient", id="enough in any case"),
        pytest.param(
            {"order": Order(5.0, 20.0, "moq"), "status": "phase_out"}, "review",
            "phase_out_above_need", id="phased out, order above need",
        ),
        pytest.param(
            {"order": ORDER, "status": "phase_out"}, "order_now", "ip_below_rop",
            id="phased out, exact order",
        ),
        pytest.param(
            {"order": Order(5.0, 0.0, "max_order")}, "review", "order_limits_conflict",
            id="no quantity fits",
        ),
        pytest.param({"demand_class": "new"}, "review", "new_item", id="new"),
        pytest.param(
            {"expected_demand": 0.0}, "none", "no_demand_expected", id="nobody asks for it"
        ),
        pytest.param(
            {"status": "obsolete", "risk": URGENT}, "none", "not_stocked", id="obsolete, short"
        ),
        pytest.param(
            {"status": "do_not_stock", "backorders": 11.0}, "review", "not_stocked",
            id="not stocked, owed and on no order",
        ),
        pytest.param(
            {"status": "do_not_stock", "backorders": 11.0, "on_order": 1.0}, "none", "not_stocked",
            id="not stocked, owed and on its way",
        ),
        pytest.param(
            {"status": "obsolete", "expected": 11.0}, "none", "not_stocked",
            id="obsolete, only the forecast asks for some",
        ),
        pytest.param(
            {"status": "do_not_stock", "excess": 2.0}, "review_excess", "not_stocked",
            id="not stocked, some left",
        ),
        pytest.param(
            {"status": "obsolete", "excess": 2.0, "criticality": "A"}, "review", "not_stocked",
            id="critical and obsolete, some left",
        ),
    ],
)  # fmt: skip
def test_the_first_action_that_applies_is_taken(changes, action, reason):
    decision = decide(situation(**changes))
    assert (decision.action, decision.reason_code) == (action, reason)


def test_the_reason_is_told_in_numbers():
    decision = decide(situation(order=ORDER))
    assert decision.reason_text == "Position 10, reorder point 8; order 5."
    urgent = decide(situation(order=ORDER, risk=URGENT))
    assert urgent.reason_text == (
        "51% chance to be short before an order can arrive. Position 10, reorder point 8."
    )


numbers = st.floats(0, 1e9)


@given(
    st.fixed_dictionaries(
        {
            "order": st.builds(Order, numbers, numbers),
            "risk": st.sampled_from([CALM, URGENT]),
            "excess": numbers,
            "reorder_in_days": st.one_of(st.none(), st.floats(0, 200)),
            "on_order": st.one_of(st.none(), numbers),
            "levels": st.builds(
                Levels, st.just("RS"), numbers, numbers, st.floats(-1e9, 1e9), numbers
            ),
            "status": st.sampled_from(["active", "phase_out", "do_not_stock", "obsolete"]),
            "criticality": st.sampled_from([None, "A", "B", "C", "insurance"]),
        }
    )
)
def test_any_situation_has_one_action_with_a_short_reason(changes):
    critical = changes["criticality"] in {"A", "insurance"}
    decision = decide(situation(**changes))
    assert decision.action in ACTIONS
    assert decision.reason_code in REASONS
    assert 0 < len(decision.reason_text) <= 160
    assert decision.reason_text.endswith(".")
    if critical:
        assert decision.action not in {"reduce_or_cancel_po", "review_excess"}
    if changes["status"] in {"do_not_stock", "obsolete"}:
        assert decision.action in {"none", "review", "review_excess"}


@pytest.mark.parametrize(
    ("units", "words"),
    [
        pytest.param({"on_order": 4.0}, "4 on order, 4 without a date", id="on order"),
        pytest.param(
            {"on_order": 0.0, "in_repair_qty": 3.0}, "3 in repair, 3 without a date", id="in repair"
        ),
        pytest.param(
            {"on_order": 4.0, "in_repair_qty": 3.0}, "7 on order or in repair, 7 without a date",
            id="both",
        ),
    ],
)  # fmt: skip
def test_who_is_asked_for_dates_is_told_what_is_to_come(units, words):
    stock = Stock(on_hand=0.0, is_usable=True, **units)
    risk = dataclasses.replace(URGENT, p_stockout_if_undated_came=0.1)
    asked = decide(situation(stock=stock, risk=risk))
    assert asked.reason_code == "on_order_date_unknown"
    assert asked.reason_text.startswith(words)
