"""The user's receipts."""

import pytest

from ml.contracts.demand import RECEIPTS
from ml.errors import DataError
from pipelines.intake.quarantine import IntakeError
from pipelines.intake.receipts import read_receipts

HEADER = "sku,data_pedido,data_recebimento,quantidade,fornecedor,pedido"


def rows_of(read):
    return [
        (row["item_id"], row["receipt_line"], f"{row['ordered_at']:%m-%d}",
         f"{row['received_at']:%m-%d}", row["quantity"])
        for row in read.table.to_pylist()
    ]  # fmt: skip


def test_receipts_are_numbered_by_the_day_they_came(csv, options):
    path = csv(
        "B,2024-01-02,2024-02-01,5,ACME,P1", "A,2024-03-01,2024-03-20,2,,",
        "A,01/02/2024,15/02/2024,3,,P2", header=HEADER,
    )  # fmt: skip
    read = read_receipts(path, options())
    assert rows_of(read) == [
        ("A", 1, "02-01", "02-15", 3.0), ("A", 2, "03-01", "03-20", 2.0),
        ("B", 1, "01-02", "02-01", 5.0),
    ]  # fmt: skip
    assert read.table.schema.equals(RECEIPTS.schema)


def test_an_order_that_came_in_parts_is_one_receipt_on_its_last_day(csv, options):
    path = csv(
        "A,2024-01-02,2024-02-01,5,,P1", "A,2024-01-02,2024-03-01,1,,P1",
        "A,2024-01-02,2024-02-01,5,,", "A,2024-01-02,2024-02-01,5,,", header=HEADER,
    )  # fmt: skip
    read = read_receipts(path, options())
    assert rows_of(read) == [
        ("A", 1, "01-02", "02-01", 5.0), ("A", 2, "01-02", "02-01", 5.0),
        ("A", 3, "01-02", "03-01", 6.0),
    ]  # fmt: skip
    assert any("1 row of orders that came in parts" in one for one in read.statements)


def test_orders_of_several_days_under_one_number_are_several_receipts(csv, options):
    path = csv("A,2022-01-02,2022-02-01,5,,7", "A,2024-03-04,2024-04-01,2,,7", header=HEADER)
    assert rows_of(read_receipts(path, options())) == [
        ("A", 1, "01-02", "02-01", 5.0), ("A", 2, "03-04", "04-01", 2.0),
    ]  # fmt: skip


def test_how_much_came_is_known_only_where_each_part_says_it(csv, options):
    path = csv(
        "A,2024-01-02,2024-02-01,5,,P1", "A,2024-01-02,2024-03-01,,,P1",
        "B,2024-01-02,2024-02-01,,,P2", header=HEADER,
    )  # fmt: skip
    assert [row[-1] for row in rows_of(read_receipts(path, options()))] == [None, None]


def test_a_row_that_tells_no_lead_time_is_set_aside_with_its_reason(csv, options):
    path = csv(
        "A,2024-01-02,,5,,", "A,,2024-01-02,5,,", "A,2024-02-02,2024-02-01,5,,",
        "A,2015-01-01,2024-02-01,5,,", "A,2024-06-01,2024-08-01,5,,", "A,soon,2024-02-01,5,,",
        "C,2024-02-01,2024-02-01,,,", header=HEADER,
    )  # fmt: skip
    read = read_receipts(path, options())  # the day of the run is 30 June
    assert rows_of(read) == [("C", 1, "02-01", "02-01", None)]
    cells = set(read.quarantine.select("line", "column", "reason").iter_rows())
    assert cells == {
        (2, "data_recebimento", "empty_date"), (3, "data_pedido", "empty_date"),
        (4, "data_recebimento", "out_of_range"), (5, "data_recebimento", "out_of_range"),
        (6, "data_recebimento", "date_after_today"), (7, "data_pedido", "unparsable_date"),
    }  # fmt: skip
    assert (read.count.read, read.count.used, read.count.aside) == (7, 1, 6)


def test_repeated_receipts_may_be_refused(csv, options):
    line = "A,2024-01-02,2024-02-01,5,,P1"
    with pytest.raises(DataError, match=r"1 row of 2 repeat a receipt\. First: 'A'\."):
        read_receipts(csv(line, line, header=HEADER), options(duplicates="error"))


def test_a_file_of_which_nothing_is_left_says_why(csv, options):
    with pytest.raises(IntakeError, match=r"none of 1 row can be used \(1 empty_date\)"):
        read_receipts(csv("A,2024-01-02,,5,,", header=HEADER), options())
