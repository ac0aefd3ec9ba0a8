"""Limits, policies and stock drawn at random: no row contradicts itself, whatever meets in it."""

from datetime import datetime

import numpy as np
import pytest

from ml.inventory.recommendations import recommend
from ml.inventory.terms import add_economic_lot, plan_last_buy
from tests.ml.inventory.builders import make_context, make_history, make_policy, make_stock

PATHS = np.random.default_rng(3).negative_binomial(0.8, 0.25, (300, 40))
ALWAYS = {
    "lead_time_days_mean": (2.0, 14.0, 60.0), "lead_time_days_std": (0.0, 5.0),
    "review_period_days": (1.0, 7.0, 30.0), "moq": (0.0, 5.0, 40.0),
    "order_multiple": (0.0, 6.0, 25.0, 100.0), "min_stock": (0.0, 10.0, 80.0),
    "criticality": (None, "A", "insurance"),
    "status": ("active", "active", "phase_out", "last_buy", "do_not_stock"),
    "service_metric": ("csl", "csl_pos", "fill_rate", "cost"),
}  # fmt: skip
SOMETIMES = {
    "max_stock": (5.0, 60.0, 200.0), "max_order_qty": (3.0, 30.0, 150.0), "order_cost": (40.0,),
    "shelf_life_days": (3.0, 30.0, 300.0), "stockout_cost": (5.0, 100.0),
}  # fmt: skip
STOCK = {
    "on_hand": (0.0, 4.0, 30.0, 500.0), "on_order": (0.0, 20.0), "backorders": (0.0, 6.0),
    "reserved": (0.0, 9.0),
}  # fmt: skip
ENDS = (datetime(2024, 2, 1), datetime(2024, 4, 20), datetime(2024, 12, 31))  # one is over


def drawn_row(rng):
    """A policy drawn at random, and the row that it leads to; an item of 10 BRL."""

    def one_of(values):
        return values[rng.integers(len(values))]

    given = {name: one_of(values) for name, values in ALWAYS.items()}
    given |= {name: one_of(values) for name, values in SOMETIMES.items() if rng.random() < 0.3}
    given |= {"needed_until": one_of(ENDS)} if given["status"] == "last_buy" else {}
    policy = make_policy(unit_cost=10.0, currency="BRL", **given)
    policy = plan_last_buy(add_economic_lot(policy, 120.0), np.datetime64("2024-03-31"))
    stock = make_stock(age_days=one_of((0, 3)), **{n: one_of(v) for n, v in STOCK.items()})
    rows = recommend(PATHS[None], [make_history()], {"A": policy}, stock, make_context())
    return policy, rows.to_pylist()[0]


@pytest.mark.parametrize("seed", range(5))
def test_no_combination_gives_a_row_that_contradicts_itself(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        policy, row = drawn_row(rng)
        order, position = row["order_qty"], row["inventory_position"]
        after, action = position + order, row["action"]
        assert row["p_stockout_with_order"] <= row["p_stockout_no_order"]
        assert row["order_value"] == 10.0 * order
        if not order:
            assert action != "order_now"
            assert not row["net_requirement_qty"] or action in {"review", "expedite"}, row
            continue
        assert action in {"order_now", "expedite", "review"}, row
        assert position <= row["reorder_point"]
        assert row["excess_qty"] == 0.0
        assert policy.moq <= order <= policy.max_order_qty
        assert not policy.order_multiple or order % policy.order_multiple == 0.0
        assert after <= min(policy.max_stock, row["shelf_life_qty"] or np.inf), row
        if row["binding_constraint"] not in {"max_order", "max_stock", "shelf_life"}:
            assert after >= row["reorder_point"], row
        if policy.has_cycle_stock and row["binding_constraint"] == "multiple":
            assert after <= row["order_up_to"], row
