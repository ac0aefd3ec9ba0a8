"""The user's open orders."""

import pytest

from ml.contracts.demand import OPEN_ORDERS
from ml.errors import DataError
from pipelines.intake.open_orders import read_open_orders
from pipelines.intake.quarantine import IntakeError

HEADER = "sku,quantidade,entrega,fornecedor,pedido"


def rows_of(read):
    return [
        (
            row["item_id"],
            row["order_line"],
            row["quantity"],
            row["due_at"] and f"{row['due_at']:%m-%d}",
        )
        for row in read.table.to_pylist()
    ]


def test_orders_are_numbered_by_their_due_date(csv, options):
    path = csv(
        "B,5,2024-07-20,ACME,P1", "A,2,2024-08-01,,", "A,3,2024-07-01,,P2", "A,4,,,P3",
        header=HEADER,
    )  # fmt: skip
    read = read_open_orders(path, options())  # the day of the run is 30 June
    assert rows_of(read) == [
        ("A", 1, 3.0, "07-01"), ("A", 2, 2.0, "08-01"), ("A", 3, 4.0, None), ("B", 1, 5.0, "07-20"),
    ]  # fmt: skip
    assert read.table.schema.equals(OPEN_ORDERS.schema)
    assert read.table["supplier"].to_pylist() == [None, None, None, "ACME"]
    assert any("1 order without a due date" in one for one in read.statements)


def test_a_line_without_a_quantity_is_set_aside_with_its_reason(csv, options):
    path = csv("A,,2024-07-01,,", "A,-3,2024-07-01,,", "B,x,32/13/2024,,", "C,1,,,", header=HEADER)
    read = read_open_orders(path, options())
    assert rows_of(read) == [("C", 1, 1.0, None)]
    cells = set(read.quarantine.select("line", "column", "reason").iter_rows())
    assert cells == {
        (2, "quantidade", "empty_number"), (3, "quantidade", "out_of_range"),
        (4, "quantidade", "unparsable_number"), (4, "entrega", "impossible_date"),
    }  # fmt: skip
    assert (read.count.read, read.count.used, read.count.aside) == (4, 1, 3)


def test_an_unreadable_date_leaves_an_order_without_one(csv, options):
    read = read_open_orders(csv("A,4,soon,,", header=HEADER), options())
    assert rows_of(read) == [("A", 1, 4.0, None)]
    assert read.quarantine["reason"].to_list() == ["unparsable_date"]


def test_what_has_come_is_left_out_in_words(csv, options):
    read = read_open_orders(csv("A,0,2024-07-01,,", "A,4,2024-07-01,,", header=HEADER), options())
    assert rows_of(read) == [("A", 1, 4.0, "07-01")]
    assert any("1 row with nothing still to come" in one for one in read.statements)


def test_repeated_lines_of_an_order_are_added_or_refused(csv, options):
    path = csv("A,4,2024-07-01,,P1", "A,4,2024-07-01,,P1", "A,4,2024-07-01,,", header=HEADER)
    read = read_open_orders(path, options())
    assert sum(read.table["quantity"].to_pylist()) == 12.0
    assert any("1 row repeated an order line" in one for one in read.statements)
    with pytest.raises(DataError, match=r"1 row of 3 repeat an order line.*'A'"):
        read_open_orders(path, options(duplicates="error"))


def test_a_file_without_quantities_or_usable_rows_is_refused(csv, options):
    with pytest.raises(DataError, match="no column for 'quantity'"):
        read_open_orders(csv("A,2024-07-01", header="sku,entrega"), options())
    with pytest.raises(IntakeError, match="none of 1 row can be used"):
        read_open_orders(csv("A,,2024-07-01,,", header=HEADER), options())


def test_no_open_orders_are_an_empty_table(csv, options):
    read = read_open_orders(csv("A,0,2024-07-01,,", header=HEADER), options())
    assert read.table.num_rows == 0
