"""Every row of a file is used, set aside or left out; and the numbers are there as data."""

from dataclasses import replace
from datetime import date

import pytest

from ml.errors import DataError
from pipelines.intake import records
from pipelines.intake.quarantine import CELLS
from pipelines.intake.read_tables import read_tables
from pipelines.intake.read_text import open_bytes, read_text
from pipelines.intake.request import RowCount
from pipelines.intake.sentences import count_rows

DEMAND = ["A,2024-01-01,1", "A,2024-01-02,2", "A,soon,x", ",2024-01-03,1", "A;2024-01-04;1"]


@pytest.fixture
def counts(csv, options):
    def read(table, *rows, header, **choices):
        path = csv(*rows, header=header, name=f"{table}.csv")
        return read_tables(options(files={table: path}, **choices)).counts[table]

    return read


def test_rows_of_demand_are_counted_once_each(counts):
    # two bad cells in one row are one row; the bad flag costs no row
    flagged = [f"{row},1" for row in DEMAND[:4]] + [DEMAND[4], "B,2024-01-01,1,perhaps"]
    count = counts("demand", *flagged, header="item_id,ds,y,is_stockout")
    assert count == RowCount(read=6, used=3, aside=3, later=0)


def test_rows_after_the_day_of_the_run_are_neither_used_nor_set_aside(counts):
    rows = [*DEMAND, "A,2024-02-01,1", "A,2024-02-02,x"]
    count = counts("demand", *rows, header="item_id,ds,y", as_of=date(2024, 1, 31))
    assert count == RowCount(read=7, used=2, aside=3, later=2)


def test_a_line_of_prices_is_used_where_any_of_its_values_is(counts):
    rows = ["2024-01-01,1.5,x", "2024-01-02,y,2.5", "2024-01-03,x,y", "soon,1.5,2.5"]
    count = counts("prices", *rows, header="date,brent,petr4")
    assert count == RowCount(read=4, used=2, aside=2, later=0)


def test_a_bad_cell_of_an_item_or_of_stock_costs_no_row(counts):
    rows = ["A,x", "B,2", ",3", "A,5"]
    # of items a second row that says something else is set aside, of stock it is added
    assert counts("items", *rows, header="sku,moq") == RowCount(4, used=2, aside=2, later=0)
    assert counts("inventory", *rows, header="sku,moq") == RowCount(4, used=3, aside=1, later=0)


def test_a_line_that_no_row_took_stops_the_reading(file):
    with open_bytes(file('item_id,ds,y\n"A",2024-01-01,1\n')) as opened:
        text, _ = read_text(opened, "f")
        header = records.find_header(text)
        (part,) = records.read_records(text, header, {"y": 2})
        assert (part.rows.rows(), part.broken.height, part.blank) == ([(2, "1")], 0, 0)
        more = replace(text, lines=3)  # as if there were one more
        with pytest.raises(DataError, match="f: has 3 lines, but the header takes 1, rows 1, quot"):
            list(records.read_records(more, header, {"y": 2}))


def test_a_sum_that_does_not_hold_stops_the_reading(file, options):
    found = read_tables(options(files={"demand": file("item_id,ds,y\nA,2024-01-01,1\n")}))
    assert found.counts["demand"].used == 1
    with pytest.raises(DataError, match="0 rows read, but 1 used, 0 set aside and 0 of later"):
        count_rows("demand.csv", [], CELLS, used=1, needed=("item_id",))
