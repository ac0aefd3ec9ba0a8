from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ml.frequency import Frequency
from ml.inventory.stock import choose_decision_day, read_stock, recorded_since
from tests.ml.inventory.builders import make_policy, make_stock

LAST_DAY = np.datetime64("2024-03-31")


def read(table, policy):
    return read_stock(table, None, [policy], LAST_DAY)["A"]


def without(table, column):
    place = table.schema.get_field_index(column)
    empty = pa.nulls(table.num_rows, table.schema.field(column).type)
    return table.set_column(place, column, empty)


def test_position_is_on_hand_and_on_order_less_what_is_owed_or_promised():
    table = make_stock(on_hand=10.0, on_order=5.0, backorders=2.0, reserved=1.0)
    stock = read(table, make_policy())
    assert (stock.available, stock.position) == (7.0, 12.0)
    assert stock.flags == ("on_order_eta_assumed",)
    assert stock.is_usable


def test_no_table_and_no_row_are_absent_stock():
    for table in (None, make_stock(["B"])):
        stock = read(table, make_policy())
        assert stock.flags == ("inventory_absent",)
        assert not stock.is_usable


@pytest.mark.parametrize(
    ("column", "flag"),
    [
        pytest.param("on_hand", "on_hand_missing", id="no on_hand"),
        pytest.param("snapshot_at", "snapshot_missing", id="no day of count"),
    ],
)
def test_stock_without_amount_or_day_is_as_good_as_absent(column, flag):
    stock = read(without(make_stock(), column), make_policy())
    assert {"inventory_absent", flag} <= set(stock.flags)
    assert not stock.is_usable


def test_unknown_on_order_is_zero_with_a_flag():
    stock = read(without(make_stock(on_hand=3.0), "on_order"), make_policy())
    assert stock.position == 3.0
    assert stock.flags == ("on_order_assumed_zero",)


@pytest.mark.parametrize(
    ("review_days", "age_days", "flags"),
    [
        pytest.param(30.4375, 30, (), id="a month old, reviewed monthly"),
        pytest.param(30.4375, 31, ("stale_inventory",), id="over one review period"),
        pytest.param(30.4375, 60, ("stale_inventory",), id="under two (60.875)"),
        pytest.param(30.4375, 61, ("stale_inventory_error",), id="over two"),
        pytest.param(1.0, 7, (), id="a daily review ages by the week"),
        pytest.param(1.0, 8, ("stale_inventory",), id="over a week, reviewed daily"),
        pytest.param(1.0, 14, ("stale_inventory",), id="two weeks, reviewed daily"),
        pytest.param(1.0, 15, ("stale_inventory_error",), id="over two weeks, reviewed daily"),
        pytest.param(7.0, -1, ("snapshot_after_cutoff",), id="counted after the decision"),
    ],
)
def test_stock_ages_by_review_periods(review_days, age_days, flags):
    policy = make_policy(review_period_days=review_days)
    stock = read(make_stock(age_days=age_days), policy)
    assert stock.flags == flags
    assert stock.is_usable == ("stale_inventory_error" not in flags)


def test_missing_optional_columns_are_no_backorders_and_no_reservations():
    table = make_stock(on_hand=4.0).drop_columns(["backorders", "reserved", "location_id"])
    stock = read(table, make_policy())
    assert (stock.position, stock.location_id) == (4.0, "ALL")


DUE = {"A": ["2024-04-03", "2024-03-31", None, "2024-05-30", "2024-04-03"]}
AMOUNTS = [4.0, 5.0, 6.0, 7.0, 8.0]


def orders_of(days, amounts=AMOUNTS):
    when = pa.array([day and np.datetime64(day, "us").item() for day in days], pa.timestamp("us"))
    return pa.table({"item_id": ["A"] * len(days), "due_at": when, "quantity": amounts})


def test_open_orders_are_sorted_by_what_their_dates_say():
    table = make_stock(on_hand=1.0, on_order=30.0)
    stock = read_stock(table, orders_of(DUE["A"]), [make_policy()], LAST_DAY)["A"]
    assert stock.due == ((3.0, 12.0), (60.0, 7.0))
    assert (stock.overdue_qty, stock.undated, stock.arriving) == (5.0, 11.0, 30.0)
    assert stock.position == 31.0
    assert stock.position_within(21.0) == 24.0
    assert set(stock.flags) == {"open_order_overdue", "on_order_eta_assumed", "open_order_far"}


def test_open_orders_count_where_on_order_says_less():
    stock = read_stock(
        make_stock(on_order=3.0), orders_of(["2024-04-03"], [9.0]), [make_policy()], LAST_DAY
    )["A"]
    assert (stock.arriving, stock.undated, stock.flags) == (9.0, 0.0, ("on_order_disagrees",))


def test_a_file_of_open_orders_says_of_an_item_without_any_that_there_are_none():
    table = without(make_stock(on_hand=3.0), "on_order")
    stock = read_stock(table, orders_of([], []), [make_policy()], LAST_DAY)["A"]
    assert (stock.arriving, stock.on_order, stock.flags) == (0.0, 0.0, ())


def test_what_was_due_between_count_and_decision_is_taken_as_received():
    table = make_stock(on_hand=2.0, on_order=9.0, age_days=4)  # counted on 27 March
    orders = orders_of(["2024-03-30", "2024-03-27", "2024-04-02"], [4.0, 3.0, 2.0])
    stock = read_stock(table, orders, [make_policy()], LAST_DAY)["A"]
    assert (stock.available, stock.arriving) == (6.0, 5.0)
    assert (stock.overdue_qty, stock.due) == (3.0, ((2.0, 2.0),))
    assert set(stock.flags) == {"open_order_overdue", "receipt_assumed"}


@pytest.mark.parametrize(
    ("ages", "wanted", "day"),
    [
        pytest.param((), None, "2024-03-31", id="no stock"),
        pytest.param((5, 2), None, "2024-03-31", id="all counted before the data end"),
        pytest.param((5, -20, -3), None, "2024-04-20", id="the newest count"),
        pytest.param((-63, -3), None, "2024-04-03", id="of another history"),
        pytest.param((-20,), "2024-04-25", "2024-04-25", id="as wanted"),
        pytest.param((), "2024-02-01", "2024-03-31", id="never before the data end"),
    ],
)
def test_the_day_of_the_decision(ages, wanted, day):
    tables = [make_stock([str(age)], age_days=age) for age in ages]
    stock = pa.concat_tables(tables) if tables else None
    found = choose_decision_day(stock, LAST_DAY, wanted and np.datetime64(wanted))
    assert str(found) == day


@pytest.mark.parametrize(
    ("frequency", "as_of", "recent", "counted", "demand"),
    [
        pytest.param("D", "2024-03-31", (9.0, 1.0, 2.0, 4.0), "2024-03-29", 6.0, id="days"),
        pytest.param("D", "2024-03-31", (9.0, 1.0, np.nan, 2.0), "2024-03-29", 6.0, id="a gap"),
        pytest.param("B", "2024-03-29", (9.0, 1.0, 2.0), "2024-03-28", 2.0, id="Good Friday"),
        pytest.param("W", "2024-03-25", (70.0, 14.0), "2024-03-24", 14.0, id="a week"),
        pytest.param("W", "2024-03-25", (70.0, 14.0), "2024-03-22", 34.0, id="and two days of 7"),
        pytest.param("MS", "2024-03-01", (29.0, 62.0), "2024-03-21", 20.0, id="ten days of 31"),
        pytest.param("D", "2024-03-31", (2.0, 4.0), "2024-03-27", 12.0, id="two days before all"),
        pytest.param("D", "2024-03-31", (2.0, 4.0), "2024-03-31", 0.0, id="counted that evening"),
        pytest.param("D", "2024-03-31", (), "2024-03-21", 0.0, id="no history"),
    ],
)
def test_demand_recorded_since_a_count(frequency, as_of, recent, counted, demand):
    days = np.datetime64(counted), np.datetime64(as_of)
    assert recorded_since(recent, *days, Frequency(frequency)) == pytest.approx(demand)


def in_repair(units, days=None, *, age_days=0):
    table = make_stock(on_hand=2.0, age_days=age_days, in_repair_qty=units)
    return read(table if days is None else make_stock(
        on_hand=2.0, age_days=age_days, in_repair_qty=units, repair_tat_days=days,
    ), make_policy())  # fmt: skip


def test_units_in_repair_are_back_a_whole_time_of_repair_after_the_count():
    stock = in_repair(3.0, 20.0, age_days=5)
    assert stock.due == ((15.0, 3.0),)
    assert (stock.position, stock.position_within(14.0), stock.ordered) == (5.0, 2.0, 0.0)


def test_units_in_repair_without_a_time_have_no_date():
    stock = in_repair(3.0)
    assert (stock.due, stock.undated, stock.position) == ((), 3.0, 5.0)
    assert "repair_time_assumed" in stock.flags


def test_a_repair_that_was_over_before_the_decision_is_back():
    stock = in_repair(3.0, 4.0, age_days=5)
    assert (stock.available, stock.arriving) == (5.0, 0.0)
    assert "receipt_assumed" in stock.flags


@pytest.mark.parametrize(("repair_days", "due_on", "ordered"), [
    pytest.param(60.0, 29, 0.0, id="the order came, the repair did not"),
    pytest.param(4.0, 29, 0.0, id="both came"),
    pytest.param(4.0, 31 + 9, 6.0, id="the repair came, the order did not"),
    pytest.param(60.0, 31 + 9, 6.0, id="neither came"),
])  # fmt: skip
def test_what_might_be_cancelled_is_on_order_and_not_in_repair(repair_days, due_on, ordered):
    due = datetime(2024, 3, 1) + timedelta(days=due_on - 1)
    table = make_stock(
        on_hand=2.0, on_order=6.0, age_days=5, in_repair_qty=3.0, repair_tat_days=repair_days
    )
    stock = read(table.append_column("on_order_eta", pa.array([due], pa.timestamp("us"))),
                 make_policy())  # fmt: skip
    assert stock.ordered == ordered
