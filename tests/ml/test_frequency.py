from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.frequency import (
    Frequency,
    period_end,
    period_range,
    period_start,
    periods_after,
    weekday,
)

PANDAS = {"D": "D", "B": "B", "W": "7D", "MS": "MS"}
days = st.dates(date(1990, 1, 1), date(2060, 12, 31))
frequencies = st.sampled_from(list(Frequency))


def first_period(day, frequency):
    """The first period start of the frequency on or after a day, by looking at every day."""
    while (frequency == "MS" and day.day != 1) or (frequency == "B" and day.weekday() > 4):
        day += timedelta(days=1)
    return np.datetime64(day)


@given(day=days, frequency=frequencies, count=st.integers(0, 60))
def test_periods_after_a_period_are_those_that_pandas_counts(day, frequency, count):
    start = first_period(day, frequency)
    expected = pd.date_range(start, periods=count + 1, freq=PANDAS[frequency])
    found = periods_after(start, count, frequency)
    np.testing.assert_array_equal(found, expected[1:].to_numpy().astype("datetime64[D]"))
    assert found.dtype == "datetime64[D]"


@given(day=days, frequency=frequencies, count=st.integers(1, 60))
def test_a_range_holds_both_ends_and_all_between(day, frequency, count):
    first = first_period(day, frequency)
    following = periods_after(first, count, frequency)
    found = period_range(first, following[-1], frequency)
    np.testing.assert_array_equal(found, [first, *following])


def test_a_range_that_ends_before_it_starts_is_empty():
    for frequency in Frequency:
        assert len(period_range(np.datetime64("2024-05-01"), np.datetime64("2024-03-01"),
                                frequency)) == 0  # fmt: skip


def test_business_days_leave_the_weekend_out_and_keep_holidays():
    # 2024-12-20 is a Friday; 25 December and 1 January are working days of this calendar.
    found = period_range(
        np.datetime64("2024-12-20"), np.datetime64("2025-01-02"), Frequency.BUSINESS
    )
    assert [str(day)[5:] for day in found] == [
        *("12-20", "12-23", "12-24", "12-25", "12-26", "12-27"),
        *("12-30", "12-31", "01-01", "01-02"),
    ]


def test_weeks_keep_the_weekday_that_they_start_on():
    sunday = np.datetime64("2024-02-25")
    weeks = period_range(sunday, np.datetime64("2024-03-31"), Frequency.WEEKLY)
    assert set(weekday(weeks)) == {6}
    assert len(weeks) == 6


@given(day=days, frequency=frequencies, anchor=st.integers(0, 6))
def test_every_day_falls_into_the_period_that_holds_it(day, frequency, anchor):
    first = first_period(day, frequency) if frequency == "B" else np.datetime64(day)
    (start,) = period_start(np.array([first]), frequency, anchor)
    assert start <= first <= period_end(start, frequency)
    assert frequency != "W" or weekday(start) == anchor
    assert frequency != "MS" or str(start).endswith("-01")


@given(day=days, frequency=st.sampled_from(["D", "W", "MS"]))
def test_a_period_ends_on_the_day_before_the_next_one_starts(day, frequency):
    start = first_period(day, frequency)
    (following,) = periods_after(start, 1, Frequency(frequency))
    assert period_end(start, Frequency(frequency)) + 1 == following


@pytest.mark.parametrize(
    ("start", "frequency", "end"),
    [
        pytest.param("2024-02-01", "MS", "2024-02-29", id="a leap February"),
        pytest.param("2023-12-01", "MS", "2023-12-31", id="over the year's end"),
        pytest.param("2024-03-01", "B", "2024-03-01", id="a Friday is over on Friday"),
        pytest.param("2024-02-25", "W", "2024-03-02", id="a week"),
    ],
)
def test_the_last_day_of_a_period(start, frequency, end):
    assert period_end(np.datetime64(start), Frequency(frequency)) == np.datetime64(end)


@given(day=days)
def test_weekdays_are_numbered_as_in_the_standard_library(day):
    assert weekday(np.array([np.datetime64(day)])) == day.weekday()


@pytest.mark.parametrize("frequency", list(Frequency), ids=lambda one: one.word)
def test_the_mean_length_of_a_period_is_that_of_the_calendar(frequency):
    # The Gregorian calendar repeats after 400 years, which are whole weeks as well.
    first, last = np.datetime64("2000-01-01"), np.datetime64("2399-12-31")
    length = 146_097 / len(period_range(first, last, frequency))
    assert frequency.days == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize("frequency", list(Frequency), ids=lambda one: one.word)
def test_the_main_season_is_a_week_of_days_or_a_year(frequency):
    span = frequency.season_length * frequency.days
    assert span == pytest.approx(7 if frequency in {"D", "B"} else 365.25, rel=0.005)
