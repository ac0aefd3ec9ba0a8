import numpy as np
import pyarrow as pa
import pytest

from ml.inventory.stock import read_stock

LAST_DAY = np.datetime64("2024-03-31")


def read(table, policy):
    return read_stock(table, [policy], LAST_DAY)["A"]


def without(table, column):
    place = table.schema.get_field_index(column)
    empty = pa.nulls(table.num_rows, table.schema.field(column).type)
    return table.set_column(place, column, empty)


def test_position_is_on_hand_and_on_order_less_what_is_owed_or_promised(make_stock, make_policy):
    table = make_stock(on_hand=10.0, on_order=5.0, backorders=2.0, reserved=1.0)
    stock = read(table, make_policy())
    assert (stock.available, stock.position) == (7.0, 12.0)
    assert stock.flags == ("on_order_eta_assumed",)
    assert stock.is_usable


def test_no_table_and_no_row_are_absent_stock(make_stock, make_policy):
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
def test_stock_without_amount_or_day_is_as_good_as_absent(make_stock, make_policy, column, flag):
    stock = read(without(make_stock(), column), make_policy())
    assert {"inventory_absent", flag} <= set(stock.flags)
    assert not stock.is_usable


def test_unknown_on_order_is_zero_with_a_flag(make_stock, make_policy):
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
        pytest.param(7.0, -7, (), id="counted a week after the last demand"),
        pytest.param(7.0, -8, ("snapshot_after_cutoff",), id="counted long after it"),
    ],
)
def test_stock_ages_by_review_periods(make_stock, make_policy, review_days, age_days, flags):
    policy = make_policy(review_period_days=review_days)
    stock = read(make_stock(age_days=age_days), policy)
    assert stock.flags == flags
    assert stock.is_usable == ("stale_inventory_error" not in flags)


def test_missing_optional_columns_are_no_backorders_and_no_reservations(make_stock, make_policy):
    table = make_stock(on_hand=4.0).drop_columns(["backorders", "reserved", "location_id"])
    stock = read(table, make_policy())
    assert (stock.position, stock.location_id) == (4.0, "ALL")
