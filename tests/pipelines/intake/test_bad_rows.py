"""Rows that cannot be used are named, counted, and leave no trace."""

import csv as csv_module
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.intake import read_text, records
from pipelines.intake.demand import read_demand
from pipelines.intake.quarantine import CELLS, IntakeError, Reason, write_quarantine

GOOD = ["A,2024-01-01,1", "A,2024-01-02,2", "B,2024-01-01,3", "B,2024-01-02,4"]
BAD = [
    pytest.param(",2024-01-05,1", ("", "item_id", "", Reason.EMPTY_ID), id="empty id"),
    pytest.param("A,,1", ("A", "ds", "", Reason.EMPTY_DATE), id="empty date"),
    pytest.param("A,soon,1", ("A", "ds", "soon", Reason.UNPARSABLE_DATE), id="no date"),
    pytest.param("A,2024-02-30,1", ("A", "ds", "2024-02-30", Reason.IMPOSSIBLE_DATE), id="30 Feb"),
    pytest.param("A,2024-07-01,1", ("A", "ds", "2024-07-01", Reason.AFTER_TODAY), id="tomorrow"),
    pytest.param("A,2024-01-05,x", ("A", "y", "x", Reason.UNPARSABLE_NUMBER), id="no number"),
    pytest.param("A,2024-01-05,inf", ("A", "y", "inf", Reason.INFINITE_NUMBER), id="infinite"),
    pytest.param(
        "A,2024-01-05,1,2", (None, None, "A,2024-01-05,1,2", Reason.FIELD_COUNT), id="4 fields"
    ),
    pytest.param("A;2024-01-05", (None, None, "A;2024-01-05", Reason.FIELD_COUNT), id="1 field"),
]


@pytest.mark.parametrize(("row", "cell"), BAD)
@pytest.mark.parametrize("place", [0, 2, 4], ids=["first", "middle", "last"])
def test_a_bad_row_is_named_and_leaves_no_trace(csv, options, row, cell, place):
    clean = read_demand(csv(*GOOD), options())
    read = read_demand(csv(*GOOD[:place], row, *GOOD[place:]), options())
    assert read.table.equals(clean.table)
    assert read.frequency == clean.frequency
    assert read.quarantine.rows() == [("demand.csv", place + 2, *cell)]
    assert "5 rows read from 1 file, 4 used, 1 set aside" in read.statements[0]


@pytest.mark.parametrize("y", ["", "NaN", "null"])
def test_no_demand_is_not_observed_and_no_fault(csv, options, y):
    read = read_demand(csv("A,2024-01-01,1", f"A,2024-01-02,{y}", "A,2024-01-03,0"), options())
    assert read.table["y"].to_pylist() == [1.0, None, 0.0]
    assert read.quarantine.height == 0


def test_a_bad_row_has_no_say_in_how_numbers_and_dates_are_written(csv, options):
    read = read_demand(csv("A,01/02/2024,1.234", 'A,soon,"3,5"', ",12/25/2023,1"), options())
    assert read.table["y"].to_pylist() == [1.234]
    assert str(read.table["ds"][0])[:10] == "2024-02-01"


@pytest.mark.parametrize("count", [6, 7, 8, 14])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_file_may_end_with_a_chunk(csv, options, monkeypatch, count, quote):
    monkeypatch.setattr(records, "CHUNK", 7)
    monkeypatch.setattr(read_text, "PIECE", 7 * len("A,2024-01-01,1\n"))
    rows = [f"{quote}A{quote},2024-01-{day:02d},{day}" for day in range(1, count + 1)]
    read = read_demand(csv(*rows), options())
    assert read.table["y"].to_pylist() == [*range(1, count + 1)]


def test_texts_of_several_lines_may_lie_across_chunks(file, options, monkeypatch):
    monkeypatch.setattr(records, "CHUNK", 7)
    rows = "".join(f'"{"long " * 9}\nid {i}",2024-01-01,1\n' for i in range(50))
    read = read_demand(file(f"item_id,ds,y\n{rows}X,soon,1\n"), options())
    assert read.table.num_rows == 50
    assert read.quarantine["line"].to_list() == [102]


def test_lines_are_counted_over_blank_lines_and_lines_within_quotes(file, options):
    path = file(
        'item_id,note,ds,y\n\nA,"two\nlines",2024-01-01,1\n\n\nB,"three\n\nlines",soon,1\n'
        'C,5" pipe,2024-01-01,x\nD,short\nE,,never,1\n'
    )
    # header 1, blank 2, A 3-4, blank 5-6, B 7-9, C 10, D 11, E 12
    read = read_demand(path, options())
    assert read.quarantine["line"].to_list() == [7, 10, 11, 12]


def test_lines_are_counted_over_a_header_of_two_lines(file, options):
    path = file('item_id,ds,y,"a\nb"\nA,2024-01-01,1,\nA,soon,1,\n')
    assert read_demand(path, options()).quarantine["line"].to_list() == [4]


def test_rows_of_parquet_are_numbered(tmp_path, options):
    rows = {"item_id": ["A", None, "A"], "ds": ["2024-01-01"] * 3, "y": [1.0, 2.0, float("inf")]}
    pq.write_table(pa.table(rows), tmp_path / "demand.parquet")
    quarantine = read_demand(tmp_path / "demand.parquet", options()).quarantine
    assert quarantine["line"].to_list() == [2, 3]
    assert quarantine["value"].to_list() == ["", "inf"]


def test_rows_after_the_day_of_the_run_are_left_out_and_counted(csv, options):
    read = read_demand(csv(*GOOD), options(as_of=date(2024, 1, 1)))
    clean = read_demand(csv(GOOD[0], GOOD[2]), options())
    assert read.table.equals(clean.table)
    assert "demand.csv: 2 of 4 rows are after 2024-01-01 and were left out." in read.statements


def test_a_file_of_later_rows_only_is_refused(csv, options):
    with pytest.raises(IntakeError, match="none of 4 rows can be used: all are of later days"):
        read_demand(csv(*GOOD), options(as_of=date(2023, 12, 31)))


def test_every_bad_cell_of_a_row_is_named(csv, options):
    read = read_demand(csv(*GOOD, ",soon,x"), options())
    assert sorted(read.quarantine["column"].to_list()) == ["ds", "item_id", "y"]
    assert "4 used, 1 set aside" in read.statements[0]


def test_items_of_which_no_row_is_left_are_named(csv, options):
    read = read_demand(csv(*GOOD, "LOST,soon,1", "A,soon,1"), options())
    assert "demand.csv: no row is left of 1 item: 'LOST'." in read.statements


def test_a_file_of_bad_rows_only_is_refused_with_its_quarantine(csv, options):
    words = r"none of 2 rows can be used \(2 unparsable_date\)"
    with pytest.raises(IntakeError, match=words) as caught:
        read_demand(csv("A,soon,1", "B,later,1"), options())
    assert caught.value.exit_code == 3
    assert caught.value.quarantine["item_id"].to_list() == ["A", "B"]


def test_a_word_that_is_no_flag_costs_the_flag_only(csv, options):
    rows = ["A,2024-01-01,1,perhaps", "A,2024-01-02,2,sim"]
    read = read_demand(csv(*rows, header="item_id,ds,y,is_stockout"), options())
    assert read.table["is_stockout"].to_pylist() == [None, True]
    assert read.quarantine["reason"].to_list() == [Reason.UNKNOWN_WORD]


def test_the_quarantine_is_written_as_csv_and_removed_when_empty(csv, options, tmp_path):
    read = read_demand(csv(*GOOD, '"a ""b""\nc",soon,1'), options())
    path = write_quarantine(read.quarantine, tmp_path / "quarantine", "demand")
    with path.open(newline="") as handle:
        rows = list(csv_module.DictReader(handle))
    assert list(rows[0]) == CELLS.columns
    assert rows[0]["item_id"] == 'a "b"\nc'
    clean = read_demand(csv(*GOOD), options())
    assert write_quarantine(clean.quarantine, tmp_path / "quarantine", "demand") is None
    assert list((tmp_path / "quarantine").iterdir()) == []
