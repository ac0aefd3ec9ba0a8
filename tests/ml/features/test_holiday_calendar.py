import numpy as np
import pytest

from ml.features.compute import features_at
from ml.features.holiday_calendar import carnival_days, good_fridays

# Published: Shrove Tuesday (Carnival) of Brazilian calendars.
CARNIVAL_TUESDAYS = (
    *("2015-02-17", "2016-02-09", "2019-03-05", "2020-02-25", "2022-03-01", "2024-02-13"),
    *("2025-03-04", "2026-02-17", "2027-02-09"),
)


def frame(first, last, region="salvador_ba"):
    day = np.datetime64(first)
    return features_at({}, day, day, np.datetime64(last), region=region)


def on(frame, name, day):
    return frame.column(name)[frame.days == np.datetime64(day)].item()


def flagged(frame, name):
    return [str(day) for day in frame.days[frame.column(name) == 1]]


def test_good_friday_agrees_with_the_library_of_holidays_over_a_century():
    from holidays import country_holidays

    years = range(1990, 2090)
    named = country_holidays("BR", years=years, language="en_US").get_named("Good Friday")
    days = np.array([f"{year}-01-01" for year in years], "datetime64[D]")
    assert good_fridays(days).tolist() == sorted(named)


@pytest.mark.parametrize("tuesday", CARNIVAL_TUESDAYS)
def test_carnival_is_monday_to_ash_wednesday_and_is_caught_up_in_three_days(tuesday):
    year = np.datetime64(tuesday, "Y")
    days = np.arange(year.astype("datetime64[D]"), (year + 1).astype("datetime64[D]"))
    carnival, after = carnival_days(days)
    assert days[carnival].tolist() == (np.datetime64(tuesday) + np.arange(-1, 2)).tolist()
    assert days[after].tolist() == (np.datetime64(tuesday) + np.arange(2, 5)).tolist()


def test_holidays_of_2025_in_bahia_are_the_published_ones():
    expected = [
        "2025-01-01", "2025-04-18", "2025-04-21", "2025-05-01", "2025-07-02", "2025-09-07",
        "2025-10-12", "2025-11-02", "2025-11-15", "2025-11-20", "2025-12-25",
    ]  # fmt: skip
    year = frame("2025-01-01", "2025-12-31")
    assert flagged(year, "is_holiday") == expected
    elsewhere = frame("2025-01-01", "2025-12-31", "sao_paulo_sp")
    assert on(elsewhere, "is_holiday", "2025-07-02") == 0
    assert on(elsewhere, "is_holiday", "2025-07-09") == 1  # of São Paulo's own


def test_the_day_of_black_consciousness_is_national_since_2024():
    for day, expected in (("2023-11-20", 0), ("2024-11-20", 1)):
        assert on(frame(day, day), "is_holiday", day) == expected


def test_a_bridge_day_stands_alone_between_a_day_off_and_a_weekend():
    # 2025: Thursday 1 May, Thursday 20 November and Thursday 25 December; 1 January 2026 is a
    # Thursday too, 2 July a Wednesday (no bridge). Monday 21 April lies next to its weekend.
    found = flagged(frame("2025-01-01", "2026-01-31"), "is_bridge_day")
    assert found == ["2025-05-02", "2025-11-21", "2025-12-26", "2026-01-02"]
    # 2024: Tuesday 2 July makes a bridge of Monday 1 July.
    assert flagged(frame("2024-06-20", "2024-07-10"), "is_bridge_day") == ["2024-07-01"]


def test_business_days_leave_out_weekends_holidays_and_two_days_of_carnival():
    march = frame("2025-03-01", "2025-03-31")
    # 21 weekdays, less Carnival Monday 3 and Tuesday 4; Ash Wednesday is worked.
    assert march.column("is_business_day").sum() == 19
    assert on(march, "is_business_day", "2025-03-05") == 1
    assert on(frame("2025-07-01", "2025-07-31"), "is_business_day", "2025-07-02") == 0


def test_the_year_ends_from_20_december_to_5_january():
    found = flagged(frame("2024-12-01", "2025-01-31"), "is_year_end")
    assert (found[0], found[-1], len(found)) == ("2024-12-20", "2025-01-05", 17)


def test_days_to_the_next_holiday_count_down_to_zero_on_it():
    december = frame("2025-12-22", "2025-12-27")
    # 25 December, then 1 January.
    assert december.column("days_to_next_holiday").tolist() == [3, 2, 1, 0, 6, 5]


def test_the_position_in_the_year_comes_round_on_a_circle():
    year = frame("2025-01-01", "2026-01-01")
    circle = year.column("month_sin") ** 2 + year.column("month_cos") ** 2
    assert circle == pytest.approx(1.0)
    assert (on(year, "month_cos", "2025-01-15"), on(year, "month_sin", "2025-04-15")) == (1, 1)
    assert on(year, "month_cos", "2025-07-15") == pytest.approx(-1)
    assert year.column("is_july").sum() == 31
