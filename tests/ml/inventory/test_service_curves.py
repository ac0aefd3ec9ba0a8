import numpy as np
import pytest
from scipy import stats

from ml.contracts.beside_orders import LEAD_TIME_FACTORS, LEAD_TIMES, POLICY_GRID, TARGETS
from ml.frequency import Frequency
from ml.inventory.item_case import OrderContext
from ml.inventory.service_curves import draw_policy_grid, draw_service_curves, expect_outcomes
from tests.ml.inventory.builders import (
    make_context,
    make_history,
    make_needs,
    make_policy,
    make_row,
)

ITEMS = ("A", "B", "C")


def drawn(seed=1, steps=12, **policy):
    """Curves of three items with Poisson demand of mean .3, 2 and 9 a week."""
    rng = np.random.default_rng(seed)
    paths = np.stack([rng.poisson(mean, (2000, steps)) for mean in (0.3, 2.0, 9.0)])
    histories = [make_history(item) for item in ITEMS]
    policies = {item: make_policy(item, **policy) for item in ITEMS}
    return paths, histories, policies, make_context()


def test_every_item_has_a_row_a_lead_time_and_target():
    table = draw_service_curves(*drawn(unit_cost=3.0, currency="BRL"))
    assert table.num_rows == len(ITEMS) * len(LEAD_TIME_FACTORS) * len(TARGETS)
    assert set(table["lead_time_days_mean"].to_pylist()) == {10.5, 14.0, 21.0, 28.0}
    units, value = table["stock_units"].to_numpy(), table["stock_value"].to_numpy()
    assert value == pytest.approx(3.0 * units)


def test_levels_and_stock_rise_with_target_and_lead_time_and_shortages_fall():
    rows = draw_service_curves(*drawn(lead_time_days_std=5.0)).to_pylist()
    cells = {(row["item_id"], row["lead_time_factor"], row["service_target"]): row for row in rows}
    for item in ITEMS:
        for factor in LEAD_TIME_FACTORS:
            curve = [cells[item, factor, target] for target in TARGETS]
            for name in ("reorder_point", "stock_units", "fill_rate"):
                assert [row[name] for row in curve] == sorted(row[name] for row in curve)
            for name in ("p_stockout", "expected_backorder_units"):
                assert [row[name] for row in curve] == sorted(
                    (r[name] for r in curve), reverse=True
                )
        for target in TARGETS:
            points = [cells[item, factor, target]["reorder_point"] for factor in LEAD_TIME_FACTORS]
            assert points == sorted(points)


@pytest.mark.parametrize("place", range(20))
def test_a_curve_says_what_a_fresh_simulation_sees(place):
    # 20 items of random rates and lead times of whole weeks, random targets; 40,000 weeks walked.
    rng = np.random.default_rng(place)
    rate, lead = rng.gamma(1.0, 3.0), int(rng.integers(1, 5))
    paths = rng.poisson(rate, (6000, 12))
    policy = make_policy(lead_time_days_mean=7.0 * lead)
    table = draw_service_curves(paths[None], [make_history()], {"A": policy}, make_context())
    target = float(rng.choice(TARGETS))
    (row,) = (
        row for row in table.to_pylist()
        if (row["lead_time_factor"], row["service_target"]) == (1.0, target)
    )  # fmt: skip
    level, weeks = row["reorder_point"], 40_000
    demand = np.random.default_rng(1000 + place).poisson(rate, weeks + lead + 1)
    net = np.full(weeks, np.nan)  # just before the receipt of what is ordered in week t
    sums = np.concatenate([[0], np.cumsum(demand)])
    # At the end of week t the position is S; until the receipt of the next order, L + 1 weeks on,
    # all of S arrives and nothing else.
    net = level - (sums[lead + 1 : lead + 1 + weeks] - sums[:weeks])
    after = level - (sums[lead : lead + weeks] - sums[:weeks])
    owed = np.maximum(-net, 0.0)
    late = owed - np.maximum(-after, 0.0)
    assert (net < 0).mean() == pytest.approx(row["p_stockout"], abs=0.02)
    assert owed.mean() == pytest.approx(row["expected_backorder_units"], abs=0.03 * (1 + rate))
    assert 1.0 - late.sum() / demand[:weeks].sum() == pytest.approx(row["fill_rate"], abs=0.02)
    held = (np.maximum(net, 0) + np.maximum(after, 0)).mean() / 2
    assert held == pytest.approx(row["stock_units"], rel=0.03, abs=0.05)


def test_outcomes_of_poisson_demand_are_the_loss_function():
    # E[(D - S)+] of Poisson(4) at 5: sum over d > 5 of (d - 5) p(d).
    rng = np.random.default_rng(3)
    lead, review = rng.poisson(3.0, 200_000), rng.poisson(1.0, 200_000)
    found = expect_outcomes(make_needs(lead + review, lead), np.array([5.0]))
    over = np.arange(6, 60)
    loss = ((over - 5) * stats.poisson.pmf(over, 4.0)).sum()
    assert found["expected_backorder_units"][0] == pytest.approx(loss, abs=0.01)
    assert found["p_stockout"][0] == pytest.approx(stats.poisson.sf(5, 4.0), abs=0.004)


def test_a_curve_meets_the_recommendation_at_its_own_target():
    paths = np.random.default_rng(5).negative_binomial(0.5, 0.3, (500, 12))
    policy = {"lead_time_days_std": 4.0, "moq": 3.0}
    row = make_row(paths, seed=3, **policy)
    table = draw_service_curves(
        paths[None], [make_history()], {"A": make_policy(**policy)}, make_context()
    )
    same = [
        one for one in table.to_pylist()
        if (one["lead_time_factor"], one["service_target"]) == (1.0, row["service_target"])
    ]  # fmt: skip
    assert [(one["reorder_point"], one["order_up_to"]) for one in same] == [
        (row["reorder_point"], row["order_up_to"])
    ]


def test_items_that_are_not_stocked_have_no_curve():
    assert draw_service_curves(*drawn(status="obsolete")).num_rows == 0
    assert draw_service_curves(*drawn(lead_time_days_mean=5000.0)).num_rows == 0


def test_the_grid_supposes_lead_times():
    table = draw_policy_grid(*drawn(lead_time_days_std=7.0))
    assert table.schema.equals(POLICY_GRID.schema, check_metadata=True)
    rows = [row for row in table.to_pylist() if row["item_id"] == "B"]
    assert [row["lead_time_days_mean"] for row in rows] == list(LEAD_TIMES)
    points = [row["reorder_point"] for row in rows]
    assert points == sorted(points)
    assert points[0] < points[-1]


def test_curves_of_an_item_do_not_depend_on_how_far_others_need_the_forecast():
    paths, histories, policies, _ = drawn(steps=30)
    context = OrderContext(
        frequency=Frequency.WEEKLY, as_of=np.datetime64("2024-03-25"), seed=3, horizon=6
    )
    far = draw_service_curves(paths, histories, policies, context)
    near = draw_service_curves(paths[:, :, :6], histories, policies, context)
    assert far.equals(near)
