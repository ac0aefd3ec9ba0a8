from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from ml.contracts.recommendations import RECOMMENDATIONS
from ml.frequency import Frequency
from ml.inventory.recommendations import insufficient, rank, recommend
from tests.ml.inventory.builders import (
    make_context,
    make_history,
    make_policy,
    make_row,
    make_stock,
)

NEEDS_STOCK = (
    *("order_qty", "net_requirement_qty", "binding_constraint", "order_by_date", "order_value"),
    *("expected_receipt_date", "priority_score", "p_stockout_before_receipt"),
    *("p_stockout_no_order", "p_stockout_with_order", "expected_backorder_units"),
    *("expected_fill_rate_with_order", "days_of_cover_p50", "days_of_cover_p10"),
    *("stockout_date_p50", "stockout_date_p10", "cover_censored", "days_to_rupture"),
    *("alert_level", "excess_qty", "excess_value", "slob_class"),
)


@pytest.fixture
def many():
    """Ten slow movers with random lead times: all that ``recommend`` takes, by row."""
    items = [f"item-{i}" for i in range(10)]
    paths = np.random.default_rng(0).poisson(0.7, (10, 200, 12))
    policies = {item: make_policy(item, lead_time_days_std=6.0) for item in items}
    return paths, [make_history(item) for item in items], policies, make_stock(items, on_hand=2.0)


def run(paths, histories, policies, stock, **changes):
    return recommend(paths, histories, policies, stock, make_context(**changes))


# The level: cumulative demand over the random protection interval


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.99])
def test_level_of_poisson_demand_is_the_poisson_quantile_of_the_interval(level):
    paths = np.random.default_rng(1).poisson(2.0, (4000, 3))
    row = make_row(paths, service_target=level)  # a week of review, two of lead time
    assert abs(row["order_up_to"] - stats.poisson.ppf(level, 6.0)) <= 1
    assert row["ltd_mean"] == pytest.approx(6.0, abs=0.15)
    assert row["ltd_p_zero"] == pytest.approx(np.exp(-6.0), abs=0.004)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.99])
def test_level_of_overdispersed_demand_is_the_negative_binomial_quantile(level):
    # Periods are gamma-Poisson with r = 0.4, p = 0.2: three of them have r = 1.2.
    paths = np.random.default_rng(2).negative_binomial(0.4, 0.2, (6000, 3))
    row = make_row(paths, service_target=level)
    near = stats.nbinom.ppf([level - 0.01, min(level + 0.003, 0.995)], 1.2, 0.2)
    assert near[0] - 1 <= row["order_up_to"] <= near[1] + 1


def test_level_of_the_published_newsvendor_example():
    # Snyder & Shen, Example 4.3: demand N(50, 8), critical ratio 0.70 / 0.88, S* = 56.60.
    demand = stats.norm.ppf((np.arange(5000) + 0.5) / 5000, 50, 8)[:, None]
    row = make_row(demand, service_target=0.70 / 0.88, lead_time_days_mean=0.0)
    assert row["order_up_to"] == pytest.approx(56.60, abs=0.02)
    assert row["safety_stock"] == pytest.approx(6.60, abs=0.02)


@pytest.mark.parametrize("target", [0.8, 0.95])
def test_level_achieves_its_target_under_random_lead_times(target):
    # Oracle: units arrive one by one at random moments (1.2 a day); nothing knows of periods.
    a_day, lead_mean, lead_std = 1.2, 60.0, 24.0
    paths = np.random.default_rng(5).poisson(a_day * 30.4375, (3000, 8))
    row = make_row(
        paths, frequency=Frequency.MONTHLY, service_target=target, review_period_days=30.4375,
        lead_time_days_mean=lead_mean, lead_time_days_std=lead_std,
    )  # fmt: skip
    rng = np.random.default_rng(6)
    shape = (lead_mean / lead_std) ** 2
    days = 30.4375 + rng.gamma(shape, lead_mean / shape, 100_000)
    achieved = np.mean(rng.poisson(a_day * days) <= row["order_up_to"])
    assert achieved == pytest.approx(target, abs=0.015)


def test_level_achieves_its_target_on_lumpy_daily_demand():
    # Oracle: whole days of an unrelated sample; requests come on 5 % of days, 1 to 9 units each.
    def demand(seed, n_paths, n_days):
        rng = np.random.default_rng(seed)
        return rng.integers(1, 10, (n_paths, n_days)) * (rng.random((n_paths, n_days)) < 0.05)

    row = make_row(
        demand(1, 2000, 70), frequency=Frequency.DAILY, service_target=0.9, lead_time_days_std=6.0
    )
    rng = np.random.default_rng(8)
    days = np.round(7 + rng.gamma((14 / 6) ** 2, 36 / 14, 40_000)).astype(int)
    sums = np.cumsum(demand(9, 40_000, 70), axis=1)[np.arange(40_000), np.minimum(days, 70) - 1]
    # A whole unit more is in the level than needed: at most the chance of the level itself.
    own = np.mean(sums == row["order_up_to"])
    assert 0.9 - 0.015 <= np.mean(sums <= row["order_up_to"]) <= 0.9 + 0.015 + own


def test_quantiles_of_single_periods_are_never_summed():
    rare = (np.random.default_rng(1).random((4000, 12)) < 0.04).astype(int)
    seldom = (np.random.default_rng(2).random((4000, 12)) < 0.1).astype(int)
    row = [make_row(paths, lead_time_days_mean=77.0) for paths in (rare, seldom)]
    # The 95 % quantile of one week is 0 and 1, and twelve of them add to 0 and 12. Over twelve
    # weeks the demand is binomial: P(X <= 1) = .919 and P(X <= 2) = .989 at 4 %, so 2; at 10 %
    # P(X <= 2) = .889 and P(X <= 3) = .974, so 3.
    assert [np.quantile(p, 0.95, axis=0).sum() for p in (rare, seldom)] == [0.0, 12.0]
    assert [r["ltd_p95"] for r in row] == [2.0, 3.0]
    assert [r["order_up_to"] for r in row] == [2.0, 3.0]


# Order of the rows, chunks, seeds


def test_neither_chunks_nor_order_change_a_row(many):
    paths, facts, policies, stock = many
    whole = run(*many)
    back = np.arange(10)[::-1]
    assert run(paths[back], [facts[i] for i in back], policies, stock).equals(whole)
    parts = [
        run(paths[at], facts[at], policies, stock)
        for at in (slice(0, 3), slice(3, 9), slice(9, 10))
    ]
    assert pa.concat_tables(parts).equals(whole)


def test_a_longer_horizon_leaves_the_levels_as_they_are(many):
    paths, facts, policies, stock = many
    columns = ["order_up_to", "ltd_mean", "p_stockout_no_order", "order_qty"]
    short, long = (run(paths[:, :, :h], facts, policies, stock).select(columns) for h in (9, 12))
    assert short.equals(long)


def test_the_seed_draws_other_lead_times(many):
    one, other = (run(*many, seed=seed)["ltd_mean"] for seed in (0, 1))
    assert one != other


def test_items_draw_lead_times_of_their_own(many):
    paths, *rest = many
    alike = np.broadcast_to(paths[:1], paths.shape)
    assert len(set(run(alike, *rest)["ltd_mean"].to_pylist())) > 1


def test_the_run_changes_nothing_but_its_name(many):
    first, second = (run(*many, run_id=name).drop_columns(["run_id"]) for name in "ab")
    assert first.equals(second)


def test_inputs_are_left_alone(many):
    before = many[0].copy()
    run(*many)
    assert (many[0] == before).all()


def test_no_items_are_an_empty_table_of_the_contract(many):
    table = run(many[0][:0], [], many[2], many[3])
    assert table.num_rows == 0
    assert table.schema.equals(RECOMMENDATIONS.schema, check_metadata=True)


# More of one thing


UNEVEN = np.random.default_rng(4).negative_binomial(0.5, 0.3, (300, 40))


@pytest.mark.parametrize("multiple", [0.0, 5.0])
def test_a_higher_target_never_lowers_level_or_order(multiple):
    rows = [
        make_row(UNEVEN, service_target=target, order_multiple=multiple, lead_time_days_std=4.0)
        for target in np.linspace(0.5, 0.99, 12)
    ]
    for column in ("order_up_to", "order_qty"):
        values = [row[column] for row in rows]
        assert values == sorted(values)
    assert rows[-1]["order_up_to"] > rows[0]["order_up_to"]


def test_a_longer_lead_time_never_lowers_level_or_order():
    rows = [
        make_row(UNEVEN, lead_time_days_mean=mean, lead_time_days_std=0.3 * mean)
        for mean in np.linspace(7.0, 70.0, 40)
    ]
    for column in ("order_up_to", "order_qty", "ltd_mean", "p_stockout_before_receipt"):
        values = [row[column] for row in rows]
        assert values == sorted(values)


def test_more_stock_never_raises_order_or_risk_and_never_shortens_the_cover():
    rows = [
        make_row(UNEVEN, stock=make_stock(on_hand=float(n)), lead_time_days_std=4.0, moq=4.0)
        for n in range(25)
    ]
    for column in ("order_qty", "p_stockout_no_order", "p_stockout_before_receipt"):
        values = [row[column] for row in rows]
        assert values == sorted(values, reverse=True)
        assert values[0] > values[-1]
    cover = [row["days_to_rupture"] for row in rows]
    assert cover == sorted(cover)


def test_the_order_lowers_the_risk_that_it_can_still_reach(many):
    table = run(*many).to_pylist()
    assert all(r["p_stockout_with_order"] <= r["p_stockout_no_order"] for r in table)
    assert any(r["p_stockout_with_order"] < r["p_stockout_no_order"] for r in table)
    assert all(r["p_stockout_before_receipt"] <= r["p_stockout_with_order"] for r in table)


# A row by hand: two a week on every path, a week of review, two weeks of lead time


STEADY = np.full((50, 30), 2)


def test_a_whole_row_by_hand():
    row = make_row(
        STEADY, stock=make_stock(on_hand=4.0, on_order=1.0, reserved=1.0), unit_cost=2.5,
        currency="BRL", criticality="A",
    )  # fmt: skip
    expected = {
        "mode": "full",
        "policy": "base_stock",
        "reorder_point": 6.0,  # three weeks of two
        "order_up_to": 6.0,
        "safety_stock": 0.0,
        "inventory_position": 4.0,
        "net_requirement_qty": 2.0,
        "order_qty": 2.0,
        "order_value": 5.0,
        "currency": "BRL",
        "p_stockout_before_receipt": 1.0,  # 4 asked for in two weeks, 3 free
        "expected_backorder_units": 2.0,  # 6 asked for, 4 in all
        "expected_fill_rate_with_order": pytest.approx(5 / 6),  # the fourth unit comes late
        "days_of_cover_p50": 10.5,  # 3 units last a week and a half
        "days_to_rupture": 10.5,
        "alert_level": "high",
        "cover_censored": False,
        "excess_qty": 0.0,
        "action": "review",  # the unit on order would do, if it came at once
        "reason_code": "on_order_date_unknown",
        "priority_score": 3.0,
        "demand_next_30d_mean": pytest.approx(60 / 7),
        "protection_days": 21.0,
        "confidence": "high",
        "quality_flags": "on_order_eta_assumed",
    }
    assert {name: row[name] for name in expected} == expected


def test_days_count_from_the_end_of_the_last_period_seen():
    row = make_row(STEADY, stock=make_stock(on_hand=4.0))
    days = {name: str(row[name]) for name in RECOMMENDATIONS.names if "_date" in name and row[name]}
    assert str(row["as_of"]) == "2024-03-25 00:00:00"
    assert str(row["data_cutoff"]) == "2024-03-31 00:00:00"
    assert days == {
        "order_by_date": "2024-04-01 00:00:00",  # the first day that is still to come
        "expected_receipt_date": "2024-04-14 00:00:00",  # the fourteenth
        "stockout_date_p50": "2024-04-15 00:00:00",  # 4 units last 14 days, the 15th is short
        "stockout_date_p10": "2024-04-15 00:00:00",
    }


@pytest.mark.parametrize(
    ("lots", "policy"),
    [
        pytest.param({"economic_lot": 20.0}, "sQ", id="economic lots"),
        pytest.param({"moq": 20.0}, "RsS", id="a smallest order"),
    ],
)
def test_what_comes_in_lots_is_ordered_on_the_day_that_reaches_the_reorder_point(lots, policy):
    daily = np.ones((50, 60))
    row = make_row(daily, frequency=Frequency.DAILY, stock=make_stock(on_hand=20.0),
                   review_period_days=1.0, **lots)  # fmt: skip
    assert (row["policy"], row["reorder_point"]) == (policy, 15.0)
    # a unit a day: the fifth day brings 20 down to 15
    assert str(row["order_by_date"]) == "2024-04-05 00:00:00"


def test_cover_beyond_the_horizon_has_no_date():
    row = make_row(STEADY, stock=make_stock(on_hand=100.0))
    assert row["cover_censored"] is True
    assert row["days_to_rupture"] == 210.0
    assert (row["stockout_date_p50"], row["alert_level"]) == (None, "normal")


def test_excess_is_what_neither_half_a_year_nor_the_level_explains():
    stock = make_stock(on_hand=60.0)
    row = make_row(STEADY, stock=stock, unit_cost=3.0)
    # 180 days are 26 weeks of two: 52 units.
    assert (row["excess_qty"], row["excess_value"]) == (8.0, 24.0)
    assert (row["action"], row["slob_class"]) == ("review_excess", "excess")
    # However far the forecast goes, by itself or for the sake of another item.
    for steps in (3, 10, 25):
        short = make_row(STEADY[:, :steps], stock=stock)
        assert (short["excess_qty"], short["demand_next_90d_mean"]) == (8.0, 90 / 7 * 2)


def test_what_the_forecast_holds_beyond_an_items_own_reach_changes_nothing():
    paths = np.random.default_rng(3).poisson(1.5, (200, 40))
    asked, more = (
        recommend(
            paths[None, :, :steps],
            [make_history()],
            {"A": make_policy()},
            make_stock(on_hand=90.0),
            make_context(horizon=6),
        )
        for steps in (6, 40)
    )
    assert asked.equals(more)
    assert asked["excess_qty"][0].as_py() > 0.0


def test_fractional_paths_of_whole_units_still_give_whole_orders():
    paths = np.full((10, 6), 2.1)
    assert make_row(paths)["order_up_to"] == pytest.approx(6.3)
    assert make_row(paths, history=make_history(whole_units=True))["order_qty"] == 7.0


# What cannot be computed stays empty


def test_without_stock_no_quantity_is_given(many):
    for stock in (None, many[3].slice(0, 0)):
        table = run(*many[:3], stock)
        assert {name: len(table) - table[name].null_count for name in NEEDS_STOCK} == (
            dict.fromkeys(NEEDS_STOCK, 0)
        )
        assert set(table["action"].to_pylist()) == {"set_parameters"}
        assert set(table["mode"].to_pylist()) == {"policy_only"}
        assert set(table["quality_flags"].to_pylist()) == {"inventory_absent"}
        assert table["order_up_to"].null_count == table["ltd_p95"].null_count == 0


def test_the_policy_is_the_same_with_and_without_stock(many):
    columns = ["policy", "reorder_point", "order_up_to", "ltd_p99", "demand_next_30d_mean"]
    with_stock, without = (run(*many[:3], stock).select(columns) for stock in (many[3], None))
    assert with_stock.equals(without)


def test_an_interval_between_demands_that_is_not_finite_is_unknown():
    row = make_row(STEADY, history=make_history(adi=np.inf, cv2=np.nan))
    assert (row["adi"], row["cv2"]) == (None, None)


def test_stock_too_old_for_an_order_suppresses_all_quantities():
    row = make_row(STEADY, stock=make_stock(on_hand=4.0, age_days=15))
    assert (row["mode"], row["reason_code"]) == ("policy_only", "stale_inventory")
    assert row["quality_flags"] == "stale_inventory_error"
    assert "2024-03-16" in row["reason_text"]
    assert [name for name in NEEDS_STOCK if row[name] is not None] == []
    assert row["inventory_position"] == 4.0


def test_stock_of_last_week_is_used_with_a_flag():
    row = make_row(STEADY, stock=make_stock(on_hand=4.0, age_days=14))
    assert (row["mode"], row["order_qty"]) == ("full", 2.0)
    assert (row["quality_flags"], row["confidence"]) == ("stale_inventory", "medium")


def test_an_interval_beyond_the_forecast_is_computed_and_said():
    row = make_row(STEADY[:, :2], stock=make_stock(on_hand=4.0))
    assert (row["mode"], row["order_up_to"], row["order_qty"]) == ("full", 6.0, 2.0)
    assert (row["ltd_method"], row["confidence"]) == ("extended_paths", "medium")
    assert row["quality_flags"] == "extended_beyond_forecast"


def test_a_need_for_decades_is_said_to_be_the_reason_why_there_are_no_numbers():
    row = make_row(STEADY, stock=make_stock(on_hand=4.0), status="last_buy", extra_days=3650.0)
    assert row["reason_code"] == "horizon_too_short"
    assert row["reason_text"].endswith("correct its needed_until or lead time.")


def test_a_lead_time_of_decades_gets_no_numbers():
    row = make_row(STEADY, stock=make_stock(on_hand=4.0), lead_time_days_mean=3650.0)
    assert (row["mode"], row["reason_code"]) == ("insufficient", "horizon_too_short")
    assert row["reason_text"] == "Protection interval of 3661 days: correct its lead time."
    numbers = ("order_up_to", "reorder_point", "safety_stock", "ltd_mean", "ltd_p95")
    assert [name for name in (*NEEDS_STOCK, *numbers) if row[name] is not None] == []
    assert (row["confidence"], row["lead_time_days_mean"]) == ("low", 3650.0)


# The day of the decision


def decide_later(demand, stock, days=20, *, recent=(), **policy):
    """The row of monthly paths after March, decided so many days into April."""
    table = recommend(
        np.asarray(demand)[None], [make_history(recent=recent)],
        {"A": make_policy(review_period_days=30.4375, **policy)}, stock,
        make_context(Frequency.MONTHLY, decided_on=np.datetime64("2024-03-31") + days),
    )  # fmt: skip
    return table.to_pylist()[0]


THIRTY = np.full((400, 12), 30.4375)  # one unit a day


def test_days_count_from_the_day_of_the_decision():
    row = decide_later(THIRTY, make_stock(age_days=-20, on_hand=10.0), lead_time_days_mean=10.0)
    assert str(row["decision_day"]) == "2024-04-20 00:00:00"
    # Counted on 20 April, 10 units last until the end of the 30th, when an order comes.
    assert str(row["stockout_date_p50"]) == "2024-05-01 00:00:00"
    assert str(row["expected_receipt_date"]) == "2024-04-30 00:00:00"
    assert row["reorder_point"] == pytest.approx(40.4375)  # review and lead time, a unit a day
    assert (row["rolled_by"], row["rolled_demand"]) == ("none", 0.0)
    assert row["inventory_position"] == 10.0


def test_an_older_count_is_brought_to_the_day_of_the_decision():
    # Counted on 10 March, with 62 units in March: 21 of 31 days of it, 42, are taken off as
    # recorded; and 20 days of April as expected.
    row = decide_later(
        THIRTY, make_stock(age_days=21, on_hand=100.0), recent=(31.0, 62.0),
        lead_time_days_mean=10.0,
    )  # fmt: skip
    assert (row["rolled_by"], row["rolled_demand"]) == ("both", pytest.approx(62.0))
    assert row["inventory_position"] == pytest.approx(38.0)
    assert row["days_of_cover_p50"] == pytest.approx(38.0)
    assert row["on_hand"] == 100.0


def test_levels_of_a_later_decision_are_those_of_demand_from_then_on():
    # Poisson demand of 20 a month; from any day on, the interval of 61 days asks for about 40.
    paths = np.random.default_rng(9).poisson(20.0, (4000, 12))
    row = decide_later(paths, None, days=17, lead_time_days_mean=30.4375)
    assert abs(row["order_up_to"] - stats.poisson.ppf(0.95, 40.0)) <= 1
    assert row["ltd_mean"] == pytest.approx(40.0, abs=0.4)


# What is on order


def due_in(*days_and_units, item="A"):
    """Open orders, by days after 31 March."""
    days = [datetime(2024, 3, 31) + timedelta(days=day) for day, _ in days_and_units]
    units = [float(amount) for _, amount in days_and_units]
    return pa.table({"item_id": [item] * len(days), "due_at": days, "quantity": units})


def row_of_orders(stock, orders, **policy):
    table = recommend(
        np.full((1, 50, 30), 2), [make_history()], {"A": make_policy(**policy)}, stock,
        make_context(), open_orders=orders,
    )  # fmt: skip
    return table.to_pylist()[0]


def test_an_order_that_comes_in_time_needs_nothing_and_one_without_a_date_a_question():
    # Two a week, two weeks of lead time; 2 on hand, 60 on order.
    stock = make_stock(on_hand=2.0, on_order=60.0)
    dated = row_of_orders(stock, due_in((5, 60)))
    assert (dated["action"], dated["p_stockout_before_receipt"]) == ("reduce_or_cancel_po", 0.0)
    assert dated["quality_flags"] == ""
    assert str(dated["next_receipt_date"]) == "2024-04-05 00:00:00"
    asked = row_of_orders(stock, None)
    assert (asked["action"], asked["reason_code"]) == ("review", "on_order_date_unknown")
    late = row_of_orders(stock, due_in((13, 60)))  # a week after half of the stock is gone
    assert (late["action"], late["quality_flags"]) == ("expedite", "")
    assert late["p_stockout_before_receipt"] > 0.9


def test_an_overdue_order_is_asked_for():
    row = row_of_orders(make_stock(on_hand=2.0, on_order=60.0), due_in((-3, 60)))
    assert (row["action"], row["overdue_qty"]) == ("review", 60.0)
    assert "60 overdue" in row["reason_text"]
    assert row["quality_flags"] == "open_order_overdue"


def test_an_order_due_after_the_interval_covers_none_of_it():
    # Three weeks of two are 6: with 6 due in four weeks there is still all of that to order.
    row = row_of_orders(make_stock(on_hand=0.0, on_order=6.0), due_in((28, 6)))
    assert (row["order_qty"], row["inventory_position"]) == (6.0, 6.0)
    assert row["quality_flags"] == "open_order_far"


def test_insurance_spares_follow_their_limits_or_costs_and_else_ask_for_them():
    never = np.zeros((200, 10))
    never[:2] = 1.0  # one in a hundred intervals has demand
    base = {"criticality": "insurance", "service_target": 0.9}
    asked = make_row(never, **base)
    assert (asked["action"], asked["reason_code"]) == ("review", "insurance_undecided")
    kept = make_row(never, min_stock=2.0, **base)
    assert (kept["reorder_point"], kept["order_qty"]) == (2.0, 2.0)
    # A unit costs 100; held for a week .38; short it costs 1,000: p / (p + h) = .9996 > .99.
    cost = make_row(never, unit_cost=100.0, stockout_cost=1000.0, **base)
    assert cost["reorder_point"] == 3.0  # what is asked for on the paths with demand
    # Short it costs 10: p / (p + h) = .963 of the intervals, which have no demand.
    cheap = make_row(never, unit_cost=100.0, stockout_cost=10.0, **base)
    assert (cheap["reorder_point"], cheap["action"]) == (0.0, "hold")


def test_no_order_goes_above_the_largest_stock():
    row = make_row(STEADY, stock=make_stock(on_hand=2.0), max_stock=5.0)
    assert (row["reorder_point"], row["order_qty"]) == (5.0, 3.0)
    packs = make_row(STEADY, stock=make_stock(on_hand=2.0), max_stock=5.0, order_multiple=2.0)
    assert (packs["order_qty"], packs["binding_constraint"]) == (2.0, "max_stock")


def test_an_interval_that_just_fits_is_computed():
    assert make_row(STEADY[:, :3])["order_up_to"] == 6.0


def test_unknown_on_order_turns_an_order_into_a_review():
    stock = make_stock(on_hand=4.0)
    place = stock.schema.get_field_index("on_order")
    row = make_row(STEADY, stock=stock.set_column(place, "on_order", pa.nulls(1, pa.float64())))
    assert (row["action"], row["reason_code"]) == ("review", "on_order_unknown")
    assert (row["order_qty"], row["on_order"]) == (2.0, 0.0)
    assert row["quality_flags"] == "on_order_assumed_zero"


def test_refused_items_get_a_row_with_their_reason():
    table = insufficient(
        {"B": "no observation", "A": "x" * 300},
        {"B": make_policy("B")},
        make_context(),
    )
    assert table["item_id"].to_pylist() == ["A", "B"]
    assert table["reason_text"].to_pylist() == ["x" * 160, "no observation"]
    assert table["mode"].to_pylist() == ["insufficient"] * 2
    assert table["order_qty"].null_count == 2
    assert table["quality_flags"].to_pylist() == ["no_forecast"] * 2
    assert table["lead_time_days_mean"].to_pylist() == [None, 14.0]
    assert table.schema.equals(RECOMMENDATIONS.schema, check_metadata=True)


# The rank


def test_the_rank_follows_the_score_then_the_item_and_skips_rows_without_score(many):
    table = pa.concat_tables([run(*many), run(*many[:3], None).slice(0, 0)])
    place = table.schema.get_field_index("priority_score")
    scores = [0.5, None, 2.0, 0.5, 0.0, None, 0.0, 2.0, 0.1, 0.5]
    ranked = rank(table.set_column(place, "priority_score", pa.array(scores, pa.float64())))
    assert ranked["priority_rank"].to_pylist() == [3, None, 1, 4, 7, None, 8, 2, 6, 5]
    assert ranked["item_id"].equals(table["item_id"])
    assert ranked.schema.field("priority_rank").type == pa.int64()


def test_the_rank_does_not_depend_on_the_order_of_the_rows(many):
    table = run(*many)
    mixed = table.take(np.random.default_rng(0).permutation(10))
    assert rank(mixed).sort_by("item_id").equals(rank(table))


# Wrong arguments


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda paths, histories, policies: (paths, histories[1:], policies),
            r"9 items have 10 sets of paths",
            id="paths that do not fit",
        ),
        pytest.param(
            lambda paths, histories, policies: (paths, [*histories[:9], histories[0]], policies),
            "each item once: 10 histories of 9 items",
            id="an item named twice",
        ),
        pytest.param(
            lambda paths, histories, policies: (
                *(paths, histories),
                {item: policy for item, policy in policies.items() if item != "item-4"},
            ),
            "no policy for 1 of 10 items, first 'item-4'",
            id="an item without a policy",
        ),
        *(
            pytest.param(
                lambda paths, histories, policies, wrong=wrong: (
                    *(np.where(np.arange(12) == 1, wrong, paths), histories, policies),
                ),
                "finite and not negative",
                id=f"no demand: {wrong}",
            )
            for wrong in (-1.0, np.nan, np.inf)
        ),
    ],
)
def test_wrong_arguments_are_refused(many, change, message):
    *parts, stock = many
    with pytest.raises(ValueError, match=message):
        run(*change(*parts), stock)


def test_a_level_is_raised_by_what_older_origins_fell_short_and_the_target_stays():
    demand = np.tile(np.arange(1.0, 101.0)[:, None], (1, 4)) * [1.0, 0.0, 0.0, 0.0]
    plain, raised, by_fill = (
        make_row(demand, stock=make_stock(), history=make_history(level_raise=more), **policy)
        for more, policy in ((0.0, {}), (0.03, {}), (0.03, {"service_metric": "fill_rate"}))
    )
    assert (plain["reorder_point"], plain["tau_nominal"]) == (95.0, 0.95)
    assert (raised["reorder_point"], raised["tau_nominal"]) == (98.0, pytest.approx(0.98))
    assert raised["service_target"] == 0.95
    assert by_fill["tau_nominal"] < 0.95  # what is calibrated is the cycle service alone
    near = make_row(demand, stock=make_stock(), history=make_history(level_raise=0.01),
                    service_target=0.9995)  # fmt: skip
    assert near["tau_nominal"] == 0.9995  # above what a raise goes to, and never lowered
