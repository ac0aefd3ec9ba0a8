import math

import pyarrow as pa
import pytest

from ml.contracts.base import check
from ml.contracts.demand import INVENTORY
from ml.frequency import Frequency
from ml.inventory.items import divide_rows, resolve_policies
from ml.setting_groups import PolicySettings
from tests.ml.inventory.builders import make_stock

SETTINGS = PolicySettings(service_level=0.9, lead_time_days=20.0, lead_time_cv=0.25)


def table(**columns):
    texts = {"item_id", "currency", "criticality", "status", "successor_item_id"}
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


def test_a_spread_of_more_than_twice_the_mean_counts_as_not_given():
    rows = table(item_id=["A", "B"], lead_time_days_mean=[10.0, 10.0],
                 lead_time_days_std=[20.0, 20.1])  # fmt: skip
    found = resolve_policies(["A", "B"], rows, None, Frequency.MONTHLY, SETTINGS)
    assert found["A"].lead_time_days_std == 20.0
    assert found["B"].lead_time_days_std == 2.5  # the quarter of the setting
    assert "lead_time_std_assumed" in found["B"].flags
    assert "lead_time_std_assumed" not in found["A"].flags


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_target_that_no_stock_can_meet_falls_back_to_the_setting(target):
    policy = resolve(table(item_id=["A"], service_target=[target]))
    assert (policy.service_target, policy.target_source) == (0.9, "default")
    assert "service_target_invalid" in policy.flags


def test_zero_lead_time_review_largest_order_and_largest_stock_count_as_not_given():
    zeros = table(
        item_id=["A"], lead_time_days_mean=[0.0], review_period_days=[0.0], max_order_qty=[0.0],
        shelf_life_days=[0.0], max_stock=[0.0],
    )  # fmt: skip
    policy = resolve(zeros)
    assert policy.shelf_life_days is None
    assert (policy.lead_time_days_mean, policy.review_period_days) == (20.0, 30.4375)
    assert policy.max_order_qty == policy.max_stock == math.inf
    assert "lead_time_assumed" in policy.flags


def test_a_cost_keeps_the_currency_of_its_own_row():
    items = table(item_id=["A"], unit_cost=[5.0], currency=["USD"])
    stock = table(item_id=["A"], unit_cost=[30.0], currency=[None])
    assert resolve(items, stock).unit_cost == 30.0
    assert resolve(items, stock).currency is None
    assert resolve(items, table(item_id=["A"], currency=["BRL"])).currency == "USD"


def test_costs_of_another_currency_are_left_aside_with_a_flag():
    stock = table(item_id=["A"], unit_cost=[10.0], currency=["USD"])
    for currency, known in (("BRL", False), ("USD", True), (None, True)):
        items = table(item_id=["A"], stockout_cost=[300.0], order_cost=[60.0], currency=[currency])
        policy = resolve(items, stock)
        assert (policy.unit_cost, policy.currency) == (10.0, "USD")
        assert ("cost_currency_conflict" in policy.flags) == (not known)
        found = (policy.stockout_cost, policy.order_cost)
        assert found == ((300.0, 60.0) if known else (None, None))


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


def test_an_item_that_is_named_as_its_own_successor_has_none():
    items = table(item_id=["A"], successor_item_id=["A"])
    policy = resolve_policies(["A"], items, None, Frequency.WEEKLY, SETTINGS)["A"]
    assert (policy.successor, policy.is_successor, policy.is_stocked) == (None, False, True)


def test_an_item_with_a_successor_is_ordered_no_more_and_the_successor_says_so():
    items = table(item_id=["A", "B"], successor_item_id=["B", None])
    policies = resolve_policies(["A", "B", "C"], items, None, Frequency.DAILY, SETTINGS)
    assert [policies[one].is_stocked for one in "ABC"] == [False, True, True]
    assert [policies[one].is_successor for one in "ABC"] == [False, True, False]
    assert policies["A"].not_ordered == "Superseded by B"


def test_rows_are_divided_over_chunks_of_items_in_the_order_of_the_table():
    ids = ["C", "A", "X", "B", "A", "D", "C"]
    table = pa.table({"item_id": pa.chunked_array([ids[:3], ids[3:]]), "row": range(7)})
    chunks = (("A", "B"), (), ("C",), ("E",))
    found = [one["row"].to_pylist() for one in divide_rows(table, chunks)]
    assert found == [[1, 3, 4], [], [0, 6], []]  # nobody asked for X and D
    assert list(divide_rows(None, chunks)) == [None] * 4
