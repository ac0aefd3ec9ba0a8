"""What becomes of sound demand rows: sums, returns, sites, gaps."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.errors import ConfigError, DataError
from pipelines.intake.demand import read_demand
from pipelines.intake.request import ReadingRequest

DENSE = ["A,2024-01-01,0", "A,2024-01-02,2", "A,2024-01-03,0"]


def values(read, item="A"):
    return [row["y"] for row in read.table.to_pylist() if row["item_id"] == item]


def said(read, words):
    return any(words in statement for statement in read.statements)


def test_repeated_rows_are_added_and_counted(csv, options):
    read = read_demand(csv(*DENSE, "A,2024-01-02,3", "A,2024-01-02,5"), options())
    assert values(read) == [0.0, 10.0, 0.0]
    assert said(read, "2 rows repeated the item, site and day of another")


def test_repeated_rows_are_refused_on_demand(csv, options):
    with pytest.raises(
        DataError, match=r"1 row of 4 repeat .*First: 'A' on 2024-01-02.*--duplicates sum"
    ):
        read_demand(csv(*DENSE, "A,2024-01-02,3"), options(duplicates="error"))


def test_sites_are_summed_and_are_no_duplicates(csv, options):
    header = "item_id,ds,y,site_id,is_stockout"
    path = csv("A,2024-01-01,1,S1,0", "A,2024-01-01,2,,1", "A,2024-01-02,4,S2,", header=header)
    read = read_demand(path, options(duplicates="error"))
    assert values(read) == [3.0, 4.0]
    assert read.table["is_stockout"].to_pylist() == [True, None]
    # One of the three sites ("S1", "", "S2"), which served 2 of the 3.
    assert read.table["stockout_share"].to_pylist() == [pytest.approx(1 / 3), None]
    assert read.table["stockout_y"].to_pylist() == [2.0, None]


def test_a_day_without_stock_weighs_a_day_of_its_month(csv, options):
    rows = [f"A,2024-{month:02d}-{day:02d},1,{int((month, day) == (1, 9))}"
            for month in (1, 2) for day in range(1, 30)]  # fmt: skip
    read = read_demand(csv(*rows, header="item_id,ds,y,is_stockout"),
                       options(frequency="MS"))  # fmt: skip
    assert read.table["y"].to_pylist() == [29.0, 29.0]
    assert read.table["stockout_share"].to_pylist() == [pytest.approx(1 / 29), None]
    assert read.table["stockout_y"].to_pylist() == [1.0, None]


def test_a_site_without_a_number_does_not_hide_the_others(csv, options):
    header = "item_id,ds,y,site_id"
    path = csv("A,2024-01-01,,S1", "A,2024-01-01,2,S2", "A,2024-01-02,,S1", header=header)
    assert values(read_demand(path, options())) == [2.0, None]


def test_returns_are_netted_and_a_period_below_zero_becomes_zero(csv, options):
    read = read_demand(csv(*DENSE, "A,2024-01-02,-1", "A,2024-01-03,-4"), options())
    assert values(read) == [0.0, 1.0, 0.0]
    words = "2 rows below zero are returns and were netted within item and period; 1 period"
    assert said(read, words)


def test_a_sum_beyond_all_numbers_stays_finite(csv, options):
    read = read_demand(csv(*DENSE, "B,2024-01-01,1e308", "B,2024-01-01,1.5e308"), options())
    assert values(read, "B") == [np.finfo(float).max]


@pytest.mark.parametrize("item_rows", [["A,2024-01-05,0"], ["A,2024-01-05,0", "A,2024-01-06,0"]])
def test_short_and_zero_series_are_fine(csv, options, item_rows):
    assert set(values(read_demand(csv(*item_rows), options()))) == {0.0}


@pytest.mark.parametrize(
    ("gaps", "filled"), [("missing", [3.0, None, None, 4.0]), ("zero", [3.0, 0.0, 0.0, 4.0])]
)
def test_absent_periods_are_made_explicit_as_asked(csv, options, gaps, filled):
    read = read_demand(
        csv("A,2024-01-01,3", "A,2024-01-04,4", "B,2024-01-02,1"), options(gaps=gaps)
    )
    assert values(read) == filled
    assert values(read, "B") == [1.0]  # nothing is added before the first and after the last row
    assert said(read, "as asked for")


@pytest.mark.parametrize(
    ("rows", "filled", "reason"),
    [
        # 3 of 10 periods are there, no zero among them; one recorded; 2 of 4; a netted zero
        (["A,2024-01-01,3", "A,2024-01-05,1", "A,2024-01-10,4"], 0.0, "only 30% of the periods"),
        (["A,2024-01-01,3", "A,2024-01-05,0", "A,2024-01-10,4"], None, "records 1 zero itself"),
        (["A,2024-01-01,3", "A,2024-01-04,4"], None, "50% of the periods"),
        (["A,2024-01-01,3", "A,2024-01-05,2", "A,2024-01-05,-2", "A,2024-01-10,4"], 0.0,
         "log of movements"),
    ],
    ids=["log of movements", "zeros are recorded", "half is there", "a netted zero is no record"],
)  # fmt: skip
def test_what_gaps_mean_is_told_from_the_file(csv, options, rows, filled, reason):
    read = read_demand(csv(*rows), options())
    assert values(read)[2] == filled
    assert said(read, reason)


def test_a_row_without_a_number_stays_missing_in_a_log(csv, options):
    path = csv("A,2024-01-01,3", "A,2024-01-05,", "A,2024-01-10,4")
    assert values(read_demand(path, options(gaps="zero")))[4] is None


def test_the_table_is_sorted_by_its_key(csv, options):
    rows = [f"{item},2024-01-01,1" for item in ("é", "B", "b", "🔧")]
    ids = read_demand(csv("b,2024-01-02,1", *rows), options()).table["item_id"].to_pylist()
    assert ids == sorted(ids) == ["B", "b", "b", "é", "🔧"]


@pytest.mark.parametrize("choice", [{"gaps": "no"}, {"duplicates": "mean"}, {"frequency": "H"}])
def test_options_outside_their_lists_are_refused(options, choice):
    with pytest.raises(ConfigError, match="choose one of"):
        options(**choice)


ROW = st.tuples(
    st.sampled_from("ABC"),
    st.integers(1, 28).map(lambda day: f"2024-02-{day:02d}"),
    st.one_of(st.floats(-1e6, 1e6).map(repr), st.sampled_from(["", "0", "0.1", "x", "1e300"])),
    st.sampled_from(["", "S1"]),
)


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40), order=st.randoms())
def test_the_order_of_rows_never_changes_the_table(tmp_path_factory, rows, order):
    rows = [("usable", "2024-02-01", "1", ""), *rows]
    shuffled = order.sample(rows, len(rows))
    folder = tmp_path_factory.mktemp("order")
    tables = []
    for name, lines in (("a.csv", rows), ("b.csv", shuffled)):
        text = "\n".join(",".join(line) for line in [("item_id", "ds", "y", "site_id"), *lines])
        (folder / name).write_text(text)
        options = ReadingRequest(today=date(2024, 6, 30))
        tables.append(read_demand(folder / name, options).table)
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("order", [(0.1, 0.2, 0.3), (0.3, 0.2, 0.1), (0.2, 0.3, 0.1)])
def test_sums_do_not_depend_on_the_order_down_to_the_last_bit(csv, options, order):
    # 0.1 + 0.2 + 0.3 is 0.6000000000000001 and 0.3 + 0.2 + 0.1 is 0.6
    read = read_demand(csv(*(f"A,2024-01-01,{y}" for y in order)), options())
    assert values(read) == [0.6000000000000001]


def test_a_dense_file_is_kept_value_by_value(csv, options):
    rng = np.random.default_rng(3)
    periods = np.arange("2023-01-01", "2023-12-31", dtype="datetime64[D]")
    y = rng.poisson(0.4, (5, len(periods))).astype(float)
    rows = [f"I{i},{day},{y[i, t]}" for i in range(5) for t, day in enumerate(periods)]
    table = read_demand(csv(*rng.permutation(rows)), options()).table
    assert np.array_equal(np.array(table["y"]).reshape(5, -1), y)
    assert (
        table["ds"].to_pylist()[: len(periods)]
        == pa.array(periods.astype("datetime64[us]")).to_pylist()
    )
