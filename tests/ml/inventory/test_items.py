import math

import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.base import check
from ml.contracts.demand import INVENTORY
from ml.frequency import Frequency
from ml.inventory.items import read_stock, resolve_policies
from ml.settings import PolicySettings
from tests.ml.inventory.builders import make_policy, make_stock

SETTINGS = PolicySettings(service_level=0.9, lead_time_days=20.0, lead_time_cv=0.25)


def table(**columns):
    texts = {"item_id", "currency", "criticality", "status"}
    return pa.table(
        {
            name: pa.array(values, pa.string() if name in texts else pa.float64())
            for name, values in columns.items()
        }
    )


def resolve(items_table=None, inventory_table=None, frequency=Frequency.MONTHLY):
    return resolve_policies(["A"], items_table, inventory_table, frequency, SETTINGS)["A"]


def test_without_tables_everything_is_the_setting_and_says_so():
    policy = resolve()
    assert (policy.lead_time_days_mean, policy.lead_time_days_std) == (20.0, 5.0)
    assert (policy.service_target, policy.target_source) == (0.9, "default")
    assert policy.flags == ("lead_time_assumed", "lead_time_std_assumed")
    assert (policy.moq, policy.order_multiple, policy.max_order_qty) == (0.0, 0.0, math.inf)
    assert (policy.status, policy.criticality, policy.unit_cost) == ("active", None, None)


def test_the_review_period_is_one_period_where_none_is_given():
    found = {one.value: resolve(frequency=one).review_period_days for one in Frequency}
    assert found == {"D": 1.0, "B": 1.4, "W": 7.0, "MS": 30.4375}


def test_the_stock_row_wins_over_the_item_row_column_by_column():
    items = table(
        item_id=["A"], lead_time_days_mean=[50.0], lead_time_days_std=[9.0], moq=[4.0],
        service_target=[0.8],
    )  # fmt: skip
    stock = table(item_id=["A"], lead_time_days_mean=[60.0], lead_time_days_std=[None])
    policy = resolve(items, stock)
    assert (policy.lead_time_days_mean, policy.lead_time_days_std) == (60.0, 9.0)
    assert (policy.moq, policy.service_target, policy.target_source) == (4.0, 0.8, "item")
    assert policy.flags == ()


def test_a_missing_spread_is_a_share_of_the_given_mean_and_never_zero():
    policy = resolve(table(item_id=["A"], lead_time_days_mean=[60.0]))
    assert policy.lead_time_days_std == 15.0  # 0.25 of 60
    assert policy.flags == ("lead_time_std_assumed",)


def test_a_given_spread_of_zero_is_a_constant_lead_time():
    stock = table(item_id=["A"], lead_time_days_mean=[60.0], lead_time_days_std=[0.0])
    assert resolve(None, stock).lead_time_days_std == 0.0


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_target_that_no_stock_can_meet_falls_back_to_the_setting(target):
    policy = resolve(table(item_id=["A"], service_target=[target]))
    assert (policy.service_target, policy.target_source) == (0.9, "default")
    assert "service_target_invalid" in policy.flags


def test_zero_lead_time_review_and_largest_order_count_as_not_given():
    zeros = table(
        item_id=["A"], lead_time_days_mean=[0.0], review_period_days=[0.0], max_order_qty=[0.0]
    )
    policy = resolve(zeros)
    assert (policy.lead_time_days_mean, policy.review_period_days) == (20.0, 30.4375)
    assert policy.max_order_qty == math.inf
    assert "lead_time_assumed" in policy.flags


def test_a_cost_keeps_the_currency_of_its_own_row():
    items = table(item_id=["A"], unit_cost=[5.0], currency=["USD"])
    stock = table(item_id=["A"], unit_cost=[30.0], currency=[None])
    assert resolve(items, stock).unit_cost == 30.0
    assert resolve(items, stock).currency is None
    assert resolve(items, table(item_id=["A"], currency=["BRL"])).currency == "USD"


def test_an_item_in_no_table_gets_the_settings():
    policies = resolve_policies(
        ["A", "NA"], table(item_id=["A"], moq=[3.0]), None, Frequency.DAILY, SETTINGS
    )
    assert (policies["A"].moq, policies["NA"].moq) == (3.0, 0.0)
    assert list(policies) == ["A", "NA"]


def test_a_table_of_the_inventory_contract_is_understood():
    empty = {name: [None] for name in INVENTORY.names}
    columns = empty | make_stock().to_pydict() | {"moq": [12.0], "status": ["phase_out"]}
    full = check(pa.table({n: pa.array(columns[n], INVENTORY.schema.field(n).type) for n in columns}
                 ).select(INVENTORY.names), INVENTORY)  # fmt: skip
    policy = resolve(None, full)
    assert (policy.moq, policy.status) == (12.0, "phase_out")


LAST_DAY = np.datetime64("2024-03-31")


def read(table, policy):
    return read_stock(table, [policy], LAST_DAY)["A"]


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
        pytest.param(7.0, -7, (), id="counted a week after the last demand"),
        pytest.param(7.0, -8, ("snapshot_after_cutoff",), id="counted long after it"),
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
