"""How the calendar moves the work: weekdays, Carnival, public holidays, the quiet weeks."""

import numpy as np

from ml.features.holiday_calendar import (
    CARNIVAL_BEFORE_EASTER,
    DECEMBER,
    GOOD_FRIDAY_BEFORE_EASTER,
    JULY,
    carnival_days,
    good_fridays,
    holiday_days,
    year_end,
)
from ml.frequency import weekday
from pipelines.sample_data.streams import Days, Floats, day_of_year, month_of

__all__ = [
    "CARNIVAL_BEFORE_GOOD_FRIDAY",
    "DAYS_A_YEAR",
    "DECEMBER",
    "annual_sine",
    "calendar_factor",
    "carnival_days",
    "good_fridays",
    "holiday_days",
]

WEEKDAY_FACTORS = (1.0, 1.1, 1.15, 1.05, 1.0, 0.18, 0.06)
CARNIVAL_FACTOR, CATCH_UP_FACTOR = 0.15, 1.35
HOLIDAY_FACTOR, YEAR_END_FACTOR, JULY_FACTOR = 0.1, 0.5, 0.85
CARNIVAL_BEFORE_GOOD_FRIDAY = CARNIVAL_BEFORE_EASTER - GOOD_FRIDAY_BEFORE_EASTER
SINE_AMPLITUDE = 0.15
DAYS_A_YEAR = 365.25


def calendar_factor(days: Days) -> Floats:
    """Multiplier of the rate on each day, the annual sine apart, shape (T,)."""
    factor = np.asarray(WEEKDAY_FACTORS)[weekday(days)]
    carnival, catch_up = carnival_days(days)
    factor[carnival] *= CARNIVAL_FACTOR
    factor[catch_up] *= CATCH_UP_FACTOR
    factor[holiday_days(days)] *= HOLIDAY_FACTOR
    factor[year_end(days)] *= YEAR_END_FACTOR
    factor[month_of(days) == JULY] *= JULY_FACTOR
    return factor


def annual_sine(days: Days) -> Floats:
    """The yearly wave of the log rate, highest in early April, shape (T,)."""
    return SINE_AMPLITUDE * np.sin(2 * np.pi * day_of_year(days) / DAYS_A_YEAR)
