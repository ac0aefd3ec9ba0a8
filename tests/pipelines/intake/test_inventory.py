"""The user's stock."""

import pytest

from ml.contracts.demand import INVENTORY
from ml.errors import DataError
from pipelines.intake.inventory import read_inventory

HEADER = "item_id,location,date,current_stock,on_order,backorders,lead_time"


def given(read, item="A"):
    rows = [row for row in read.table.to_pylist() if row["item_id"] == item]
    assert len(rows) == 1
    named = {name: value for name, value in rows[0].items() if value is not None}
    return {**named, "snapshot_at": str(named.get("snapshot_at", ""))[:10]}


def test_locations_are_summed(csv, options):
    rows = ["A,S1,2024-06-01,5,1,,10", "A,S2,2024-06-03,7,2,4,20", "B,S1,2024-06-01,0,0,0,"]
    read = read_inventory(csv(*rows, header=HEADER), options())
    assert given(read) == {
        "item_id": "A",
        "location_id": "ALL",
        "snapshot_at": "2024-06-01",  # the sum is as old as its oldest count
        "on_hand": 12.0,
        "on_order": 3.0,
        "backorders": 4.0,
        "lead_time_days_mean": 10.0,  # of the first location
    }
    assert given(read, "B")["on_hand"] == 0.0
    assert read.table.schema.equals(INVENTORY.schema)
    assert any("summed over 2 locations" in statement for statement in read.statements)


def test_only_the_newest_count_of_a_location_is_used(csv, options):
    rows = ["A,S1,2024-06-03,5,,,", "A,S1,2024-06-01,99,,,", "A,S2,2024-05-01,1,,,", "A,S1,,50,,,"]
    read = read_inventory(csv(*rows, header=HEADER), options())
    assert given(read)["on_hand"] == 6.0
    assert any("2 rows of older counts were left out" in statement for statement in read.statements)


def test_stock_unknown_in_one_location_is_unknown_in_total(csv, options):
    rows = ["A,S1,2024-06-01,5,1,2,", "A,S2,2024-06-01,,,,", "B,S1,2024-06-01,-3,1,,"]
    read = read_inventory(csv(*rows, header=HEADER), options())
    assert "on_hand" not in given(read)
    assert "on_order" not in given(read)
    assert given(read)["backorders"] == 2.0
    assert "on_hand" not in given(read, "B")
    assert read.quarantine["reason"].to_list() == ["out_of_range"]
    assert any("'on_hand' of 2 items is not known" in statement for statement in read.statements)


def test_repeated_rows_of_a_location_are_added_or_refused(csv, options):
    path = csv("A,S1,2024-06-01,5,,,", "A,S1,2024-06-01,5,,,", header=HEADER)
    assert given(read_inventory(path, options()))["on_hand"] == 10.0
    with pytest.raises(DataError, match=r"1 row of 2 repeat the item, location and day.*'A'"):
        read_inventory(path, options(duplicates="error"))


def test_the_first_location_that_gives_an_attribute_counts(csv, options):
    rows = ["A,S3,2024-06-01,1,,,30", "A,S2,2024-06-01,1,,,20", "A,S1,2024-06-01,1,,,"]
    read = read_inventory(csv(*rows, header=HEADER), options())
    assert given(read)["lead_time_days_mean"] == 20.0


def test_a_day_after_today_is_not_known(csv, options):
    read = read_inventory(csv("A,S1,2024-07-01,5,,,", header=HEADER), options())
    assert given(read)["snapshot_at"] == ""
    assert read.quarantine["reason"].to_list() == ["date_after_today"]


def test_what_a_file_lacks_is_said(csv, options):
    read = read_inventory(csv("A,3", header="item_id,lead_time"), options())
    assert any("no column 'snapshot_at'" in statement for statement in read.statements)
    assert any("no column 'on_hand'" in statement for statement in read.statements)


def test_a_cost_keeps_the_currency_of_its_own_location(csv, options):
    header = "sku,local,data,saldo,custo,moeda"
    path = csv(
        "A,1,2024-06-01,5,,BRL", "A,2,2024-06-01,5,9,USD", "B,1,2024-06-01,5,,BRL",
        "B,2,2024-06-01,5,7,", header=header,
    )  # fmt: skip
    found = read_inventory(path, options()).table.to_pylist()
    assert [(row["unit_cost"], row["currency"]) for row in found] == [(9.0, "USD"), (7.0, "BRL")]


def test_a_second_copy_of_a_file_does_not_double_the_stock(csv, options):
    rows = ("A,2024-06-28,5", "B,2024-06-28,7")
    header = "item_id,snapshot_at,on_hand"
    path = csv(*rows, header=header, name="stock/june.csv")
    csv(*rows, header=header, name="stock/june (1).csv")
    csv("C,2024-06-28,5", "D,2024-06-28,7", header=header, name="stock/other.csv")
    read = read_inventory(path.parent, options())
    assert read.table["on_hand"].to_pylist() == [5.0, 7.0, 5.0, 7.0]
    assert any("'june.csv' is the same file again, left out" in one for one in read.statements)
