import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.inventory.lead_time_demand import LeadTimeDemand, prepare_paths
from ml.inventory.risk import days_of_cover, days_to_reorder, stockout_risk
from ml.inventory.stock import Stock


def stock_of(on_hand=0.0, on_order=0.0, backorders=0.0, due=()):
    return Stock(on_hand=on_hand, on_order=on_order, backorders=backorders, due=due, is_usable=True)


def interval_of(until_receipt, protected, lead_periods=1.0, since_count=0.0):
    first, whole = (np.asarray(x, dtype=float) for x in (until_receipt, protected))
    n = len(first)
    return LeadTimeDemand(
        lead_periods=np.full(n, lead_periods), end_periods=np.full(n, lead_periods + 1.0),
        until_receipt=first, protected=whole, ordered=np.sort(whole),
        since_count=np.full(n, since_count),
    )  # fmt: skip


def risk_of(demand, lead, stock, quantity):
    """Risks of (S, H) daily demands: an order placed now comes after ``lead`` days of H."""
    paths = prepare_paths(demand, np.random.default_rng(0))
    interval = LeadTimeDemand(
        lead_periods=np.full(len(demand), float(lead)),
        end_periods=np.full(len(demand), float(demand.shape[1])),
        until_receipt=paths.cumulative[:, lead], protected=paths.cumulative[:, -1],
        ordered=np.sort(paths.cumulative[:, -1]), since_count=np.zeros(len(demand)),
    )  # fmt: skip
    return stockout_risk(paths, interval, stock, quantity, 1.0)


def walked(demand, lead, stock, quantity):
    """Oracle: day by day, unit by unit. Days short, units not served at once, units owed."""
    at_hand = stock.on_hand
    owed = stock.backorders
    short_before, short, late_units = False, False, 0
    for day, wanted in enumerate(demand):
        at_hand += sum(units for when, units in stock.due if when == day)
        if day == lead:
            at_hand += stock.on_order - sum(units for _, units in stock.due) + quantity
        for _ in range(int(wanted)):
            served = at_hand - owed > 0
            at_hand -= served
            owed += not served
            late_units += not served
        if owed > at_hand:
            short |= wanted > 0 or stock.on_hand < stock.backorders
            short_before |= short and day < lead
    return short_before, short, late_units, max(owed - at_hand, 0)


@pytest.mark.parametrize(
    ("stock", "quantity"),
    [
        pytest.param(stock_of(2.0), 0.0, id="stock alone"),
        pytest.param(stock_of(2.0), 4.0, id="an order"),
        pytest.param(stock_of(1.0, on_order=3.0), 2.0, id="an order after another"),
        pytest.param(stock_of(0.0), 6.0, id="no stock"),
        pytest.param(stock_of(8.0), 0.0, id="plenty"),
        pytest.param(stock_of(1.0, backorders=3.0), 4.0, id="owing"),
        pytest.param(stock_of(0.0, 3.0, due=((2.0, 3.0),)), 2.0, id="one due early"),
        pytest.param(stock_of(1.0, 3.0, due=((7.0, 3.0),)), 0.0, id="one due after the order"),
        pytest.param(
            stock_of(1.0, 6.0, due=((1.0, 1.0), (3.0, 2.0), (8.0, 1.0))),
            1.0,
            id="several due, and two units without a date",
        ),
        pytest.param(stock_of(0.0, 3.0, due=((5.0, 3.0),)), 2.0, id="due on the day of receipt"),
        pytest.param(stock_of(1.0, 9.0, due=((30.0, 9.0),)), 2.0, id="due after the interval"),
        pytest.param(stock_of(0.0, 4.0, 2.0, due=((3.0, 4.0),)), 1.0, id="due to who is owed"),
    ],
)
def test_risks_equal_a_walk_day_by_day(stock, quantity):
    demand = np.random.default_rng(4).poisson(0.5, (400, 9))
    lead = 5
    risk = risk_of(demand, lead, stock, quantity)
    with_order = [walked(path, lead, stock, quantity) for path in demand]
    without = [walked(path, lead, stock, 0.0) for path in demand]
    assert risk.p_stockout_before_receipt == pytest.approx(np.mean([w[0] for w in with_order]))
    assert risk.p_stockout_with_order == pytest.approx(np.mean([w[1] for w in with_order]))
    assert risk.p_stockout_no_order == pytest.approx(np.mean([w[1] for w in without]))
    assert risk.expected_backorder_units == pytest.approx(np.mean([w[3] for w in without]))
    late = np.sum([w[2] for w in with_order]) / demand.sum()
    assert risk.expected_fill_rate_with_order == pytest.approx(1.0 - late)


amounts = st.integers(0, 20).map(float)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20),
    amounts, amounts, amounts, amounts, st.sampled_from([(), ((1.0, 0.0),), ((2.0, 0.0),)]),
)  # fmt: skip
def test_an_order_never_raises_the_risk(demand, on_hand, on_order, backorders, quantity, due):
    due = tuple((day, on_order / 2) for day, _ in due)
    daily = np.array([[a, b] for a, b in demand])
    stock = stock_of(on_hand, on_order, backorders, due)
    risk = risk_of(daily, 1, stock, quantity)
    early, late = risk.p_stockout_before_receipt, risk.p_stockout_no_order
    assert 0.0 <= early <= risk.p_stockout_with_order <= late <= 1.0
    served = risk.expected_fill_rate_with_order
    assert served is None or 0.0 <= served <= 1.0


def test_the_fill_rate_of_no_demand_is_unknown():
    risk = risk_of(np.zeros((2, 2)), 1, stock_of(1.0), 0.0)
    assert risk.expected_fill_rate_with_order is None


def test_orders_with_and_without_a_date_are_told_apart():
    # 2 a day, 5 in stock, 30 on order, lead time 5 days: short on the third day, unless they come.
    demand = np.full((10, 6), 2)
    undated = risk_of(demand, 5, stock_of(5.0, 30.0), 0.0)
    assert (undated.p_stockout_before_receipt, undated.p_stockout_if_undated_came) == (1.0, 0.0)
    dated = risk_of(demand, 5, stock_of(5.0, 30.0, due=((2.0, 30.0),)), 0.0)
    assert (dated.p_stockout_before_receipt, dated.p_stockout_no_order) == (0.0, 0.0)
    late = risk_of(demand, 5, stock_of(5.0, 30.0, due=((4.0, 30.0),)), 0.0)
    assert (late.p_stockout_before_receipt, late.p_stockout_if_undated_came) == (1.0, 1.0)


def test_demand_since_the_count_makes_some_paths_short():
    # Two units were counted. On half the paths two more were asked for since then, one on average.
    stock = Stock(on_hand=2.0, on_order=0.0, expected=1.0, is_usable=True)
    paths = prepare_paths(np.ones((4, 2)), np.random.default_rng(0))
    interval = LeadTimeDemand(
        lead_periods=np.ones(4), end_periods=np.full(4, 2.0), until_receipt=np.ones(4),
        protected=np.full(4, 2.0), ordered=np.full(4, 2.0), since_count=np.array([0.0, 0, 2, 2]),
    )  # fmt: skip
    risk = stockout_risk(paths, interval, stock, 0.0, 1.0)
    assert (risk.p_stockout_before_receipt, risk.p_stockout_no_order) == (0.5, 0.5)
    assert risk.expected_backorder_units == 1.0  # two owed on half of the paths


def cover_of(demand, stock, *, lead_periods=1.0, days=7.0):
    paths = prepare_paths(np.asarray(demand), np.random.default_rng(0))
    interval = interval_of(np.zeros(len(demand)), np.zeros(len(demand)), lead_periods)
    return days_of_cover(paths, interval, stock, days)


def test_cover_by_hand():
    # 10 units; the paths ask for 5, 4, 2 and 1 a week, so they last 2, 2.5, 5 and 10 weeks. The
    # lower median of four is the second, the 10 % quantile the first.
    cover = cover_of(np.array([[5] * 12, [4] * 12, [2] * 12, [1] * 12]), stock_of(10.0))
    assert cover == (17.5, 14.0)


def test_cover_beyond_the_horizon_has_no_end():
    assert cover_of([[1] * 6], stock_of(6.0)) == (np.inf, np.inf)


def test_what_is_on_order_helps_only_from_its_receipt_on():
    demand = [[2] * 10]
    in_time = cover_of(demand, stock_of(4.0, on_order=6.0), lead_periods=2.0)
    too_late = cover_of(demand, stock_of(4.0, on_order=6.0), lead_periods=2.5)
    assert in_time[0] == 35.0  # 10 units, 2 a week
    assert too_late[0] == 14.0  # the first 4 are gone before the rest arrives


def test_cover_goes_on_from_an_order_that_comes_in_time():
    # 4 units last 2 weeks at 2 a week; 6 more, due after 10 days, make 5 weeks. Due after 15 days
    # they are late; after 10 days and 40 days, the second ones come too late for week 6.
    demand = [[2] * 10]
    in_time = stock_of(4.0, 6.0, due=((10.0, 6.0),))
    assert cover_of(demand, in_time)[0] == 35.0
    assert cover_of(demand, stock_of(4.0, 6.0, due=((15.0, 6.0),)))[0] == 14.0
    assert cover_of(demand, stock_of(4.0, 8.0, due=((10.0, 6.0), (40.0, 2.0))))[0] == 35.0
    assert cover_of(demand, stock_of(4.0, 8.0, due=((10.0, 6.0), (34.0, 2.0))))[0] == 42.0


def test_days_until_the_slack_is_used_up():
    paths = prepare_paths(np.array([[2, 0, 2]]), np.random.default_rng(0))
    assert days_to_reorder(paths, 1.0, 7.0, at_level=False) == 3.5
    assert days_to_reorder(paths, 4.0, 7.0, at_level=False) is None


def test_at_a_reorder_point_of_lots_the_last_unit_of_slack_counts():
    paths = prepare_paths(np.array([[2, 0, 2]]), np.random.default_rng(0))
    assert days_to_reorder(paths, 2.0, 7.0, at_level=True) == pytest.approx(7.0)
    assert days_to_reorder(paths, 2.0, 7.0, at_level=False) == 14.0
    assert days_to_reorder(paths, 0.0, 7.0, at_level=True) == 0.0
