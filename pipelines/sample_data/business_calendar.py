"""How the calendar moves the work: weekdays, Carnival, public holidays, the quiet weeks."""

import numpy as np

from ml.frequency import weekday
from pipelines.sample_data.streams import (
    Bools,
    Days,
    Floats,
    day_of_month,
    day_of_year,
    month_of,
)

WEEKDAY_FACTORS = (1.0, 1.1, 1.15, 1.05, 1.0, 0.18, 0.06)
CARNIVAL_FACTOR, CATCH_UP_FACTOR = 0.15, 1.35
HOLIDAY_FACTOR, YEAR_END_FACTOR, JULY_FACTOR = 0.1, 0.5, 0.85
YEAR_END_FIRST, YEAR_END_LAST = 20, 5  # 20 December to 5 January
JULY, DECEMBER = 7, 12
CARNIVAL_BEFORE_GOOD_FRIDAY = 46  # days from its Monday
SINE_AMPLITUDE = 0.15
DAYS_A_YEAR = 365.25


def calendar_factor(days: Days) -> Floats:
    """Multiplier of the rate on each day, the annual sine apart, shape (T,)."""
    factor = np.asarray(WEEKDAY_FACTORS)[weekday(days)]
    carnival, catch_up = carnival_days(days)
    factor[carnival] *= CARNIVAL_FACTOR
    factor[catch_up] *= CATCH_UP_FACTOR
    factor[holiday_days(days)] *= HOLIDAY_FACTOR
    factor[_year_end(days)] *= YEAR_END_FACTOR
    factor[month_of(days) == JULY] *= JULY_FACTOR
    return factor


def annual_sine(days: Days) -> Floats:
    """The yearly wave of the log rate, highest in early April, shape (T,)."""
    return SINE_AMPLITUDE * np.sin(2 * np.pi * day_of_year(days) / DAYS_A_YEAR)


def carnival_days(days: Days) -> tuple[Bools, Bools]:
    """Carnival Monday to Ash Wednesday, and the three days of catching up, each shape (T,)."""
    mondays = good_fridays(days) - CARNIVAL_BEFORE_GOOD_FRIDAY
    return _in_three_days(days, mondays), _in_three_days(days, mondays + 3)


def good_fridays(days: Days) -> Days:
    """Good Friday of every year that ``days`` touches."""
    from holidays import country_holidays

    dates = country_holidays("BR", years=_years(days), language="en_US").get_named("Good Friday")
    return np.array(sorted(dates), dtype="datetime64[D]")


def holiday_days(days: Days) -> Bools:
    """National holidays and 2 July, Bahia's own, shape (T,)."""
    from holidays import country_holidays

    dates = country_holidays("BR", subdiv="BA", years=_years(days))
    return np.isin(days, np.array(sorted(dates), dtype="datetime64[D]"))


def _in_three_days(days: Days, starts: Days) -> Bools:
    return np.isin(days, (starts[:, None] + np.arange(3)).ravel())


def _year_end(days: Days) -> Bools:
    month = month_of(days)
    day = day_of_month(days)
    december = (month == DECEMBER) & (day >= YEAR_END_FIRST)
    january: Bools = (month == 1) & (day <= YEAR_END_LAST)
    return december | january


def _years(days: Days) -> list[int]:
    years = days[[0, -1]].astype("datetime64[Y]").astype(np.int64) + 1970
    return list(range(int(years[0]), int(years[1]) + 1))
