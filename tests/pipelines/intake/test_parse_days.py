"""Days from text."""

from datetime import date, timedelta

import polars as pl
import pytest

from pipelines.intake.parse_days import parse_days
from pipelines.intake.quarantine import Reason


def parsed(*texts, weights=None):
    """Days as text or the reasons why there are none, and the remarks."""
    frame = pl.DataFrame({"text": texts, "weight": weights or [1] * len(texts)})
    result = parse_days(frame, "f, ds", today=date(2024, 6, 30))
    cells = result.cells.select(pl.coalesce(pl.col("fault"), pl.col("value").cast(pl.String)))
    return cells.to_series().to_list(), result.remarks


@pytest.mark.parametrize(
    ("text", "day"),
    [("2024-02-29", "2024-02-29"), ("2024-2-9", "2024-02-09"), ("2024/02/09", "2024-02-09"),
     ("2024-02-09T23:59:59.123456Z", "2024-02-09"), ("2024-02-09 00:00:00-03:00", "2024-02-09"),
     ("2024-02-09 7:05 PM", "2024-02-09"), ("2024-02", "2024-02-01"), ("202402", "2024-02-01"),
     ("20240209", "2024-02-09"), ("02/2024", "2024-02-01"), ("09/02/2024", "2024-02-09"),
     ("9.2.2024", "2024-02-09"), ("31-01-2024 10:30", "2024-01-31"),
     ("2024-06-30", "2024-06-30"),
     # ISO 8601: week 1 has the year's first Thursday; 2020 has 53 weeks
     ("2020-W53", "2020-12-28"), ("2020W53", "2020-12-28"), ("2020-W53-7", "2021-01-03"),
     ("2021-w01", "2021-01-04"), ("2015-W01", "2014-12-29"), ("2024 W05", "2024-01-29")],
)  # fmt: skip
def test_a_day_is_read(text, day):
    assert parsed(text)[0] == [day]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", Reason.EMPTY_DATE), ("soon", Reason.UNPARSABLE_DATE),
     ("45000", Reason.UNPARSABLE_DATE), ("1/2/24", Reason.UNPARSABLE_DATE),
     ("2024-01-01 25:00", Reason.UNPARSABLE_DATE), ("2023-02-29", Reason.IMPOSSIBLE_DATE),
     ("2024-13-01", Reason.IMPOSSIBLE_DATE), ("31/04/2024", Reason.IMPOSSIBLE_DATE),
     ("0000-00-00", Reason.IMPOSSIBLE_DATE), ("1899-12-30", Reason.IMPOSSIBLE_DATE),
     ("2021-W53", Reason.IMPOSSIBLE_DATE), ("2024-W00", Reason.IMPOSSIBLE_DATE),
     ("2024-W27", Reason.AFTER_TODAY),
     ("2024-07-01", Reason.AFTER_TODAY), ("9999-12-31", Reason.AFTER_TODAY)],
)  # fmt: skip
def test_what_is_no_day_has_its_reason(text, reason):
    assert parsed(text)[0] == [reason]


def test_the_day_comes_first_where_nothing_speaks_against_it():
    days, remarks = parsed("01/02/2024", "03/04/2024")
    assert days == ["2024-02-01", "2024-04-03"]
    assert remarks == (
        "f, ds: dates were read as day/month/year, as nothing in it speaks against that.",
    )


def test_the_month_comes_first_where_a_date_can_only_be_read_so():
    days, remarks = parsed("12/25/2023", "01/02/2024")
    assert days == ["2023-12-25", "2024-01-02"]
    assert remarks == ("f, ds: dates were read as month/day/year.",)


def test_a_rare_typing_error_does_not_turn_the_order_round():
    # 1 row in 20 has a thirteenth month; with 1 in 5 the order would turn
    days, _ = parsed("05/13/2024", "01/02/2024", weights=[1, 19])
    assert days == [Reason.IMPOSSIBLE_DATE, "2024-02-01"]


def test_texts_of_no_weight_have_no_say_in_the_order():
    assert parsed("12/25/2023", "01/02/2024", weights=[0, 1])[0][1] == "2024-02-01"


def test_every_week_of_forty_years_is_the_monday_that_the_calendar_says():
    mondays = [date(1985, 1, 7) + timedelta(7 * i) for i in range(52 * 39)]
    weeks = [f"{year}-W{week:02d}" for year, week, _ in (day.isocalendar() for day in mondays)]
    assert parsed(*weeks)[0] == [str(day) for day in mondays]


def test_every_day_of_four_years_comes_back():
    days = [str(date(2020, 1, 1) + timedelta(i)) for i in range(4 * 365 + 1)]
    assert parsed(*days)[0] == days
    assert parsed(*(f"{day[8:]}/{day[5:7]}/{day[:4]}" for day in days))[0] == days
