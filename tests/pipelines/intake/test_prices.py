"""The user's prices."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.outside import PRICES
from ml.errors import DataError
from ml.frequency import Frequency
from pipelines.intake.prices import read_prices
from pipelines.intake.quarantine import IntakeError

WEEKDAYS = [f"2024-01-{day:02d}" for day in (1, 2, 3, 4, 5, 8, 9)]


def levels(read, series=None):
    rows = read.table.to_pylist()
    return [row["value"] for row in rows if series in (None, row["series"])]


def names(read):
    return sorted(set(read.table["series"].to_pylist()))


def test_a_price_column_is_called_after_its_file(csv, options):
    rows = [f"{day},{80 + i}" for i, day in enumerate(WEEKDAYS)]
    read = read_prices(csv(*rows, header="Date,Price", name="brent.csv"), options())
    assert names(read) == ["brent"]
    assert read.frequency is Frequency.BUSINESS
    assert levels(read) == [80.0, 81.0, 82.0, 83.0, 84.0, 85.0, 86.0]
    assert read.table.schema.equals(PRICES.schema)
    assert read.table["available_at"].equals(read.table["ref_date"])
    assert set(read.table["source"].to_pylist()) == {"user_files"}


@pytest.mark.parametrize(
    ("header", "name"),
    [("Date,Close", "file"), ("date,VALUE", "file"), ("Date,Brent", "Brent"),
     ("Data,Fechamento", "Fechamento")],
)  # fmt: skip
def test_a_series_takes_its_name_from_its_column_or_its_file(csv, options, header, name):
    path = csv("2024-01-01,1", "2024-01-02,2", header=header, name="file.csv")
    assert names(read_prices(path, options())) == [name]


def test_market_data_give_their_close(csv, options):
    header = "Date,Open,High,Low,Close,Adj Close,Volume"
    rows = ["2024-01-01,1,2,0.5,1.5,1.4,9000000000", "2024-01-02,2,3,1.5,2.5,2.4,8000000000"]
    read = read_prices(csv(*rows, header=header, name="PETR4.SA.csv"), options())
    assert names(read) == ["PETR4.SA"]
    assert levels(read) == [1.5, 2.5]
    assert any("columns not used" in statement for statement in read.statements)


def test_every_column_of_a_wide_file_is_a_series(csv, options):
    rows = ["2024-01-01,80,,a", "2024-01-02,x,-36.98,b"]
    read = read_prices(csv(*rows, header="Date,Brent,WTI,Notes", name="oil.csv"), options())
    assert names(read) == ["Brent", "WTI"]
    assert levels(read, "WTI") == [None, -36.98]
    assert levels(read, "Brent") == [80.0]
    cell = ("oil.csv", 3, "Brent", "Brent", "x", "unparsable_number")
    assert read.quarantine.rows() == [cell]
    assert any("Notes: no cell is a number" in statement for statement in read.statements)


def test_a_column_of_names_makes_the_series(csv, options):
    rows = ["PETR4,2024-01-01,30,brl,R$", "BRENT,2024-01-01,80,USD,barrel",
            "PETR4,2024-01-02,31,brl,R$"]  # fmt: skip
    read = read_prices(csv(*rows, header="ticker,date,close,currency,unit"), options())
    assert names(read) == ["BRENT", "PETR4"]
    assert levels(read, "PETR4") == [30.0, 31.0]
    assert read.table["unit"].to_pylist() == ["barrel", "R$", "R$"]
    assert read.table["currency"].to_pylist() == ["USD", "BRL", "BRL"]


def test_several_value_columns_beside_a_column_of_names_are_refused(csv, options):
    with pytest.raises(DataError, match="2 columns may hold the values: 'bid', 'ask'"):
        read_prices(csv("A,2024-01-01,1,2", header="series,date,bid,ask"), options())


def test_the_value_column_can_be_named(csv, options):
    path = csv("A,2024-01-01,1,2", header="series,date,bid,ask")
    assert levels(read_prices(path, options(columns={"value": "ask"}))) == [2.0]


def test_gaps_stay_missing_and_holidays_are_not_skipped(csv, options):
    rows = [f"{day},1" for day in WEEKDAYS if day != "2024-01-03"]
    read = read_prices(csv(*rows, header="Date,Price"), options(gaps="zero"))
    assert levels(read) == [1.0, 1.0, None, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("days", "frequency"),
    [
        (["2024-01-01", "2024-02-01", "2024-03-01"], "MS"),
        (["2024-01-31", "2024-02-29"], "MS"),
        (["2024-01-02", "2024-01-09"], "W"),
        ([*WEEKDAYS, "2024-01-06"], "D"),
        (WEEKDAYS[:3], "D"),
    ],
    ids=["firsts", "ends", "weeks", "a weekend", "too short to tell"],
)
def test_the_frequency_of_prices_is_told_from_their_days(csv, options, days, frequency):
    rows = [f"{day},1" for day in days]
    assert read_prices(csv(*rows, header="Date,Price"), options()).frequency == frequency


def test_mixed_frequencies_of_prices_cannot_be_summed(csv, options):
    months = [f"M,2023-{month:02d}-01,1" for month in range(1, 9)]
    days = [f"D,{day},1" for day in WEEKDAYS]
    with pytest.raises(DataError, match=r"different frequencies are mixed.*run them separately\.$"):
        read_prices(csv(*months, *days, header="series,date,value"), options())


def test_equal_repeats_count_once_and_contradictions_are_set_aside(csv, options):
    rows = ["2024-01-01,1", "2024-01-01,1", "2024-01-02,2", "2024-01-02,3", "2024-01-03,4"]
    read = read_prices(csv(*rows, header="Date,Price"), options())
    assert levels(read) == [1.0, None, 4.0]
    assert read.quarantine["line"].to_list() == [4, 5]
    assert set(read.quarantine["reason"].to_list()) == {"repeated_key"}


def test_a_row_without_a_value_contradicts_nothing(csv, options):
    rows = ["2024-01-01,", "2024-01-01,1", "2024-01-02,2"]
    read = read_prices(csv(*rows, header="Date,Price"), options())
    assert levels(read) == [1.0, 2.0]
    assert read.quarantine.height == 0


def test_repeats_are_refused_on_demand(csv, options):
    path = csv("2024-01-01,1", "2024-01-01,1", header="Date,Price", name="oil.csv")
    words = r"1 row of 2 repeat the series and day.*'oil' on 2024-01-01"
    with pytest.raises(DataError, match=words):
        read_prices(path, options(duplicates="error"))


def test_a_folder_of_prices_is_one_table(file, tmp_path, options):
    file("Date,Price\n2024-01-01,80\n2024-01-02,81\n", "prices/brent.csv")
    table = pa.table({"date": ["2024-01-01", "2024-01-02"], "close": [5.0, 5.1]})
    pq.write_table(table, tmp_path / "prices" / "usd_brl.parquet")
    assert names(read_prices(tmp_path / "prices", options())) == ["brent", "usd_brl"]


def test_a_date_after_today_is_set_aside(csv, options):
    read = read_prices(csv("2024-01-01,1", "2024-07-01,2", header="Date,Price"), options())
    assert levels(read) == [1.0]
    assert read.quarantine["reason"].to_list() == ["date_after_today"]


def test_a_file_without_a_price_is_refused(csv, options):
    with pytest.raises(IntakeError, match="none of 1 series is usable"):
        read_prices(csv("2024-01-01,", header="Date,Price"), options())
    with pytest.raises(IntakeError, match="none of 1 row can be used"):
        read_prices(csv("never,1", header="Date,Price"), options())
    with pytest.raises(DataError, match="no column of values"):
        read_prices(csv("2024-01-01", header="Date"), options())
    with pytest.raises(DataError, match="no cell of its columns 'WTI', 'Notes' is a number"):
        read_prices(csv("2024-01-01,a,b", header="Date,WTI,Notes"), options())
