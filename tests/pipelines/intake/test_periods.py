"""Which frequency a file has, and the periods that follow from it."""

from datetime import date

import numpy as np
import pytest

from ml.errors import DataError
from ml.frequency import Frequency, weekday
from pipelines.intake.demand import read_demand

MONTHS = [f"2023-{month:02d}-01" for month in range(1, 9)]
MONTH_ENDS = ["2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31", "2023-06-30"]
TUESDAYS = [f"2024-01-{day:02d}" for day in (2, 9, 16, 23, 30)] + ["2024-02-06"]
WEDNESDAYS = [f"2024-01-{day:02d}" for day in (3, 10, 17, 24, 31)] + ["2024-02-07"]
DAILY = [f"2024-01-{day:02d}" for day in range(1, 15)]
WEEKDAYS = [day for day in DAILY if np.is_busday(day)]


def rows(item, days, y=1):
    return [f"{item},{day},{y}" for day in days]


@pytest.mark.parametrize(
    ("days", "frequency", "words"),
    [
        pytest.param(MONTHS, "MS", "all days are firsts of months", id="firsts of months"),
        pytest.param(MONTH_ENDS, "MS", "moved to the first of their month", id="ends of months"),
        pytest.param(["2023-01", "2023-02", "2023-05"], "MS", "monthly", id="year and month"),
        pytest.param(TUESDAYS, "W", "all days are Tuesdays", id="one weekday"),
        pytest.param(DAILY, "D", "daily data", id="all days"),
        pytest.param(WEEKDAYS, "D", "no row on a weekend", id="no weekends"),
        pytest.param(["2024-01-01"], "D", "one day only", id="one day"),
        pytest.param(["2024-01-31", "2024-02-01"], "D", "daily data", id="an end and a first"),
    ],
)
def test_the_frequency_is_told_from_the_days(csv, options, days, frequency, words):
    read = read_demand(csv(*rows("A", days)), options())
    assert read.frequency == Frequency(frequency)
    assert any(words in statement for statement in read.statements)


def test_ends_of_months_become_the_first_of_their_month(csv, options):
    table = read_demand(csv(*rows("A", MONTH_ENDS)), options()).table
    assert [str(day)[:10] for day in table["ds"].to_pylist()] == MONTHS[:6]


def test_weeks_keep_the_weekday_of_the_data(csv, options):
    table = read_demand(csv(*rows("A", [TUESDAYS[0], TUESDAYS[-1]])), options()).table
    assert [str(day)[:10] for day in table["ds"].to_pylist()] == TUESDAYS


MIXED = [
    ([*rows("M", MONTHS), *rows("N", MONTHS), *rows("D", DAILY)],
     "2 items monthly (first 'M'); 1 item daily (first 'D')"),
    ([*rows("W", TUESDAYS), *rows("D", DAILY)],
     "1 item weekly on Tuesdays (first 'W'); 1 item daily (first 'D')"),
    ([*rows("A", TUESDAYS), *rows("B", WEDNESDAYS)],
     "1 item weekly on Tuesdays (first 'A'); 1 item weekly on Wednesdays (first 'B')"),
    ([*rows("M", MONTHS), *rows("W", TUESDAYS)],
     "1 item monthly (first 'M'); 1 item weekly on Tuesdays (first 'W')"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "words"), MIXED)
def test_mixed_frequencies_are_refused_with_the_first_of_each(csv, options, lines, words):
    with pytest.raises(DataError) as caught:
        read_demand(csv(*lines), options())
    assert words in str(caught.value)
    assert "--frequency W or MS" in str(caught.value)


@pytest.mark.parametrize(("lines", "words"), MIXED)
def test_mixed_frequencies_are_summed_where_one_is_forced(csv, options, lines, words):
    read = read_demand(csv(*lines), options(frequency="MS"))
    assert read.frequency is Frequency.MONTHLY
    assert sum(y for y in read.table["y"].to_pylist() if y) == len(lines)


YEARS = [f"20{year}-{month:02d}-01" for year in (20, 21, 22) for month in range(1, 13)]


@pytest.mark.parametrize("others", [0, 49])
def test_one_day_typed_wrong_leaves_months_months(csv, options, others):
    slip = [*YEARS[:-1], "2022-12-15"]
    lines = [*rows("X", slip), *(row for i in range(others) for row in rows(f"I{i}", YEARS))]
    read = read_demand(csv(*lines), options())
    assert read.frequency is Frequency.MONTHLY
    # the quantity of 15 December counts in December
    assert sum(read.table["y"].to_pylist()) == len(lines) == read.table.num_rows
    assert any("1 day of" in s and "first 'X' on 2022-12-15" in s for s in read.statements)


def test_one_day_typed_wrong_leaves_weeks_weeks(csv, options):
    mondays = [str(np.datetime64("2024-01-01") + 7 * i) for i in range(14)]
    # the Wednesday after the last Monday
    read = read_demand(csv(*rows("A", mondays), "A,2024-04-03,5"), options())
    assert read.frequency is Frequency.WEEKLY
    assert read.table["y"].to_pylist() == [1.0] * 13 + [6.0]


def test_a_daily_item_among_many_monthly_ones_is_no_slip(csv, options):
    lines = [row for i in range(49) for row in rows(f"I{i}", YEARS)]
    with pytest.raises(DataError, match=r"49 items monthly.*1 item daily"):
        read_demand(csv(*lines, *rows("D", DAILY)), options())


def test_six_months_and_many_other_days_are_days(csv, options):
    read = read_demand(csv(*rows("A", [*MONTHS[:6], "2023-07-15", "2023-08-15"])), options())
    assert read.frequency is Frequency.DAILY


def test_a_month_end_typed_wrong_does_not_cut_the_last_month_off(csv, options):
    # as of the month that starts on 1 June: its row is dated by its last day
    ends = [str(np.datetime64(day, "M") + 1 - np.timedelta64(1, "D")) for day in YEARS[:11]]
    lines = rows("A", [*ends[:3], "2020-04-29", *ends[4:]])
    read = read_demand(csv(*lines), options(as_of=date(2020, 11, 1)))
    assert read.count.later == 0
    assert read.table.num_rows == 11


def test_few_rows_on_one_weekday_are_no_weekly_series(csv, options):
    # six Tuesdays spread over two years, as a purchase now and then may fall
    spread = ["2022-01-04", "2022-05-03", "2022-09-06", "2023-01-03", "2023-06-06", "2024-01-02"]
    read = read_demand(csv(*rows("A", spread), *rows("D", DAILY)), options())
    assert read.frequency is Frequency.DAILY


def test_a_short_series_fits_the_frequency_of_the_others(csv, options):
    read = read_demand(csv(*rows("M", MONTHS), *rows("N", MONTHS[:1])), options())
    assert read.frequency is Frequency.MONTHLY


def test_days_are_summed_to_weeks_from_monday(csv, options):
    # 1 January 2024 is a Monday: 7 days, then 7 days
    read = read_demand(csv(*rows("A", DAILY, y=2)), options(frequency="W"))
    assert read.table["y"].to_pylist() == [14.0, 14.0]
    assert (weekday(read.table["ds"].to_numpy().astype("datetime64[D]")) == 0).all()


def test_weekly_rows_keep_their_weekday_where_weeks_are_forced(csv, options):
    read = read_demand(csv(*rows("A", TUESDAYS)), options(frequency="W"))
    assert [str(day)[:10] for day in read.table["ds"].to_pylist()] == TUESDAYS


def test_weekend_demand_goes_to_friday_where_business_days_are_forced(csv, options):
    # 5 January 2024 is a Friday: it takes Saturday and Sunday, the 6th and 7th
    read = read_demand(csv(*rows("A", DAILY)), options(frequency="B"))
    by_day = {str(row["ds"])[:10]: row["y"] for row in read.table.to_pylist()}
    assert by_day["2024-01-05"] == 3.0
    assert "2024-01-06" not in by_day
    assert sum(by_day.values()) == len(DAILY)


def test_days_that_are_summed_are_no_duplicates(csv, options):
    path = csv(*rows("A", DAILY))
    assert read_demand(path, options(frequency="MS", duplicates="error")).table.num_rows == 1
