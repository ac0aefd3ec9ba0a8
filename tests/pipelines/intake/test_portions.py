"""Files of any size are read some rows at a time: how many at a time changes nothing."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from ml import panel_tables, processed
from ml.contracts.demand import DEMAND, in_parts
from ml.errors import ContractError, DataError
from ml.panel import dataset_id
from pipelines.intake import data_file, demand_rows, demand_table, read_text, records
from pipelines.intake.demand import read_demand
from pipelines.intake.read_tables import process_files
from pipelines.intake.request import ReadingRequest
from tests.pipelines.intake.test_any_file import quickly, tables

TODAY = date(2024, 6, 30)
SIZES = {
    (read_text, "PIECE"): 40,  # bytes: two or three lines
    (read_text, "MOST_AT_ONCE"): 9,
    (records, "CHUNK"): 3,
    (data_file, "BATCH"): 4,
    (demand_rows, "PORTION"): 2,
    (demand_table, "DENSE"): 5,
    (processed, "PART"): 3,
    (processed, "ROW_GROUP"): 7,
}


@contextmanager
def few_at_a_time():
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), size in SIZES.items():
            patch.setattr(module, name, size)
        yield


def outcome(path, **choices):
    """All that reading a file says, or its line of error."""
    try:
        read = read_demand(path, ReadingRequest(today=TODAY, **choices))
    except DataError as error:
        cells = getattr(error, "quarantine", None)
        return str(error), cells if cells is None else cells.rows()
    beside = {name: table and table.to_pylist() for name, table in read.beside.items()}
    return (
        read.table.to_pylist(), read.frequency, read.count, read.statements,
        read.quarantine.rows(), beside,
    )  # fmt: skip


def both(path, **choices):
    """The outcome, which is that of a few rows at a time."""
    with few_at_a_time():
        found = outcome(path, **choices)
    assert found == outcome(path, **choices)
    return found


def test_whatever_is_in_a_file_it_is_read_the_same_in_small_pieces():
    read = []

    @quickly(12)
    @given(tables().filter(lambda written: written[0] == "demand"))
    def compare(written):
        with TemporaryDirectory() as folder:
            path = Path(folder, "demand.csv")
            path.write_bytes(written[1])
            found = both(path)
            both(path, as_of=date(2024, 1, 15), frequency="W")
        read.append(len(found) > 2)

    compare()
    assert sum(read) > 3


@pytest.fixture
def company():
    """Rows by day, of sites and units, with returns, stock-outs, gaps and an absurd item."""
    draw = np.random.default_rng(5)
    days = np.datetime64("2024-01-01") + np.arange(40)
    rows = [
        (f"item {item:02d}", str(day), str(draw.poisson(2) - (draw.random() < 0.1)),
         "north" if draw.random() < 0.5 else "", "yes" if draw.random() < 0.1 else "")
        for day in days for item in range(12) if draw.random() < 0.7
    ]  # fmt: skip
    rows += [("absurd", "2024-01-03", "1e12", "", ""), ("TOTAL", "2024-01-03", "7", "", "")]
    names = ["item_id", "ds", "y", "site_id", "is_stockout"]
    return pl.DataFrame(rows, names, orient="row")


@pytest.mark.parametrize("frequency", [None, "W", "MS"])
def test_a_file_by_day_is_put_together_by_item(company, tmp_path, frequency):
    company.write_csv(tmp_path / "demand.csv")
    table, *_ = both(tmp_path / "demand.csv", frequency=frequency)
    assert [row["item_id"] for row in table] == sorted(row["item_id"] for row in table)
    assert len({row["item_id"] for row in table}) == 14
    company.write_parquet(tmp_path / "demand.parquet")
    same, *_ = both(tmp_path / "demand.parquet", frequency=frequency)
    assert same == table


def test_a_broken_row_far_down_keeps_its_line(tmp_path):
    lines = [f"A,2024-01-{day:02d},1" for day in range(1, 29)]
    lines[20], lines[24], lines[26] = "A,2024-02-30,1", "A;2024-01-25", ""  # lines 22, 26 and 28
    quoted = ['"two', 'lines",2024-01-01,x', *lines]  # a cell more above them: two lines further
    for rows, more in ((lines, 0), (quoted, 2)):
        path = tmp_path / "demand.csv"
        path.write_text("\n".join(["item_id,ds,y", *rows]) + "\n")
        *_, cells, _ = both(path)
        found = [(line, reason) for _, line, _, _, _, reason in cells]
        assert found[-2:] == [(22 + more, "impossible_date"), (26 + more, "wrong_field_count")]


def test_accents_and_invisible_signs_are_put_right_across_pieces(tmp_path):
    rows = [f"pec\u0327a {n},2024-01-01,1\u200b" for n in range(20)]
    path = tmp_path / "demand.csv"
    path.write_text("\n".join(["item_id,ds,y", *rows]))
    table, _, _, said, *_ = both(path)
    assert {row["item_id"] for row in table} == {f"pe\u00e7a {n}" for n in range(20)}
    assert any("20 invisible signs" in one for one in said)
    assert any("20 accents apart" in one for one in said)


@pytest.mark.parametrize(
    ("later", "words"), [(b"item_id,ds,y\n", "became shorter"), (b"\xff" * 50, "changed")]
)
def test_a_file_that_changes_while_it_is_read_is_told(tmp_path, later, words):
    path = tmp_path / "demand.csv"
    path.write_text("item_id,ds,y\nA,2024-01-01,1\nA,2024-01-02,2\n")
    with read_text.open_bytes(path) as file:
        text, _ = read_text.read_text(file, path.name)
        path.write_bytes(later)
        with pytest.raises(DataError, match=rf"demand\.csv: {words} while it was read"):
            list(text.pieces())


def panel_of(table):
    return panel_tables.demand_panel(table, as_of=None, today=TODAY).panel


def test_what_is_processed_makes_the_panel_that_was_read(company, tmp_path):
    company.write_csv(tmp_path / "demand.csv")
    request = ReadingRequest(today=TODAY, files={"demand": tmp_path / "demand.csv"})
    whole = read_demand(tmp_path / "demand.csv", request).table
    with few_at_a_time():
        process_files(request, tmp_path)
        parts = processed.read_demand_parts(tmp_path)
        assert max(part.num_rows for part in parts.parts()) == 3
        assert parts.whole().equals(whole)
        panel = panel_of(parts)
    assert dataset_id([panel]) == dataset_id([panel_of(whole)])
    assert panel.shortages is not None
    assert (parts.ids.to_pylist(), parts.sources, parts.days) == (
        whole["item_id"].unique().to_pylist(), ("user_files",), in_parts(whole).days,
    )  # fmt: skip


def test_rows_in_no_order_make_the_same_panel(company, tmp_path):
    company.write_csv(tmp_path / "demand.csv")
    request = ReadingRequest(today=TODAY, files={"demand": tmp_path / "demand.csv"})
    process_files(request, tmp_path)
    path = tmp_path / "processed" / "demand.parquet"
    table = pq.read_table(path)
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    pq.write_table(shuffled, path)
    with few_at_a_time():
        found = processed.read_demand_parts(tmp_path)
        assert dataset_id([panel_of(found)]) == dataset_id([panel_of(table)])
    pq.write_table(pa.concat_tables([table, table.slice(3, 1)]), path)  # far from its twin
    with few_at_a_time(), pytest.raises(ContractError, match="occur more than once"):
        processed.read_demand_parts(tmp_path)


def test_a_table_in_memory_may_be_read_in_parts(company, tmp_path):
    company.write_csv(tmp_path / "demand.csv")
    table = read_demand(tmp_path / "demand.csv", ReadingRequest(today=TODAY)).table
    parts = replace(
        in_parts(table), parts=lambda: (table.slice(at, 5) for at in range(0, len(table), 5))
    )
    assert parts.whole().equals(table)
    assert dataset_id([panel_of(parts)]) == dataset_id([panel_of(table)])
    assert in_parts(DEMAND.schema.empty_table()).days is None
