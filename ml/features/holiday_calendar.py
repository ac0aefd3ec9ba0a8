"""The calendar: known for all time, so the one group that reaches beyond the cutoff."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from ml.frequency import Days
from ml.panel import Bools, Floats

CARNIVAL_BEFORE_EASTER = 48  # days from its Monday
GOOD_FRIDAY_BEFORE_EASTER = 2
CARNIVAL_DAYS = CATCH_UP_DAYS = 3
YEAR_END_FIRST, YEAR_END_LAST = 20, 5  # 20 December to 5 January
JULY, DECEMBER = 7, 12
_MARGIN = 370  # days on both sides, so that every day has a next holiday


def calendar_features(days: Days, state: str | None) -> Mapping[str, Floats]:
    """All features of the calendar on (T,) consecutive days, each of shape (T,).

    Holidays of the state of these two letters count beside the national ones.
    """
    around = np.arange(days[0] - _MARGIN, days[-1] + _MARGIN + 1)
    holiday = holiday_days(around, state)
    monday_tuesday = np.isin(
        around, np.concatenate([_carnival_mondays(around) + i for i in (0, 1)])
    )
    working = np.is_busday(around) & ~holiday & ~monday_tuesday
    bridge = np.zeros(len(around), np.bool_)  # working days alone between two days off
    bridge[1:-1] = working[1:-1] & ~working[:-2] & ~working[2:]
    next_holiday = around[holiday][np.searchsorted(around[holiday], days)]
    carnival, catch_up = carnival_days(days)
    inside = slice(_MARGIN, _MARGIN + len(days))
    angle = 2 * np.pi * (month_of(days) - 1) / 12
    flags = {
        "is_holiday": holiday[inside],
        "is_carnival": carnival,
        "is_after_carnival": catch_up,
        "is_bridge_day": bridge[inside],
        "is_year_end": year_end(days),
        "is_july": month_of(days) == JULY,
        "is_business_day": working[inside],
    }
    return {name: flag.astype(np.float64) for name, flag in flags.items()} | {
        "days_to_next_holiday": (next_holiday - days).astype(np.float64),
        "month_sin": np.sin(angle),
        "month_cos": np.cos(angle),
    }


def good_fridays(days: Days) -> Days:
    """Good Friday of every year that ``days`` touches."""
    return _easters(days) - GOOD_FRIDAY_BEFORE_EASTER


def carnival_days(days: Days) -> tuple[Bools, Bools]:
    """Carnival Monday to Ash Wednesday, and the three days of catching up, each shape (T,)."""
    mondays = _carnival_mondays(days)
    carnival = np.isin(days, (mondays[:, None] + np.arange(CARNIVAL_DAYS)).ravel())
    after = mondays + CARNIVAL_DAYS
    return carnival, np.isin(days, (after[:, None] + np.arange(CATCH_UP_DAYS)).ravel())


def holiday_days(days: Days, state: str | None = "BA") -> Bools:
    """National holidays and those of one state (of Bahia 2 July), shape (T,)."""
    return np.isin(days, np.concatenate([_holidays(year, state) for year in _years(days)]))


def year_end(days: Days) -> Bools:
    """The quiet weeks from 20 December to 5 January, shape (T,)."""
    month, day = month_of(days), day_of_month(days)
    december = (month == DECEMBER) & (day >= YEAR_END_FIRST)
    january: Bools = (month == 1) & (day <= YEAR_END_LAST)
    return december | january


def is_state(code: str | None) -> bool:
    """Whether two letters name a Brazilian state whose holidays are known."""
    from holidays import list_supported_countries

    return code in list_supported_countries()["BR"]


def month_of(days: Days) -> npt.NDArray[np.int64]:
    """Month, January = 1."""
    return days.astype("datetime64[M]").astype(np.int64) % 12 + 1


def day_of_month(days: Days) -> npt.NDArray[np.int64]:
    """Day of the month, the first = 1."""
    return (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1


def _carnival_mondays(days: Days) -> Days:
    return _easters(days) - CARNIVAL_BEFORE_EASTER


def _easters(days: Days) -> Days:
    from dateutil.easter import easter

    return np.array([easter(year) for year in _years(days)], dtype="datetime64[D]")


@cache
def _holidays(year: int, state: str | None) -> Days:
    from holidays import country_holidays

    dates = country_holidays("BR", subdiv=state, years=year)
    return np.array(sorted(dates), dtype="datetime64[D]")


def _years(days: Days) -> range:
    years = days[[0, -1]].astype("datetime64[Y]").astype(np.int64) + 1970
    return range(int(years[0]), int(years[1]) + 1)
