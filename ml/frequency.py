"""Frequencies of a panel and the arithmetic of their periods.

A period is named by its start, a ``datetime64[D]``. Weeks start on the weekday found in the data,
so a weekly frequency carries its anchor by way of the periods themselves.
"""

from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.datetime64]
Moment = TypeVar("Moment", np.datetime64, Days)


class Frequency(StrEnum):
    """How often a panel is observed."""

    DAILY = "D"
    BUSINESS = "B"
    WEEKLY = "W"
    MONTHLY = "MS"

    @property
    def season_length(self) -> int:
        """Periods in the main season: a week of days, a year of weeks or months."""
        return {"D": 7, "B": 5, "W": 52, "MS": 12}[self.value]

    @property
    def default_horizon(self) -> int:
        """Periods forecast when nobody says otherwise."""
        return {"D": 30, "B": 30, "W": 13, "MS": 12}[self.value]

    @property
    def days(self) -> float:
        """Mean length of a period [days]."""
        return {"D": 1.0, "B": 1.4, "W": 7.0, "MS": 30.4375}[self.value]

    @property
    def word(self) -> str:
        """The plain adjective."""
        return {"D": "daily", "B": "business-daily", "W": "weekly", "MS": "monthly"}[self.value]


def period_range(first: np.datetime64, last: np.datetime64, frequency: Frequency) -> Days:
    """All periods from ``first`` to ``last``, both included, shape (T,).

    >>> period_range(np.datetime64("2024-01-01"), np.datetime64("2024-03-01"), Frequency.MONTHLY)
    array(['2024-01-01', '2024-02-01', '2024-03-01'], dtype='datetime64[D]')
    """
    first, last = first.astype("datetime64[D]"), last.astype("datetime64[D]")
    if frequency is Frequency.MONTHLY:
        months = np.arange(first.astype("datetime64[M]"), last.astype("datetime64[M]") + 1)
        return months.astype("datetime64[D]")
    if frequency is Frequency.WEEKLY:
        return np.arange(first, last + 1, 7)
    days = np.arange(first, last + 1)
    return days[np.is_busday(days)] if frequency is Frequency.BUSINESS else days


def periods_after(last: np.datetime64, count: int, frequency: Frequency) -> Days:
    """The ``count`` periods that follow ``last``, shape (count,).

    >>> periods_after(np.datetime64("2024-03-01"), 2, Frequency.BUSINESS)  # a Friday
    array(['2024-03-04', '2024-03-05'], dtype='datetime64[D]')
    """
    return _periods_from(last, np.arange(1, count + 1), frequency)


def periods_before(last: np.datetime64, count: int, frequency: Frequency) -> Days:
    """The ``count`` periods that end with ``last``, shape (count,).

    >>> periods_before(np.datetime64("2024-03-04"), 2, Frequency.BUSINESS)  # a Monday
    array(['2024-03-01', '2024-03-04'], dtype='datetime64[D]')
    """
    return _periods_from(last, np.arange(1 - count, 1), frequency)


def _periods_from(last: np.datetime64, steps: npt.NDArray[np.int64], frequency: Frequency) -> Days:
    """The periods so many steps from ``last``."""
    last = last.astype("datetime64[D]")
    if frequency is Frequency.MONTHLY:
        return (last.astype("datetime64[M]") + steps).astype("datetime64[D]")
    if frequency is Frequency.BUSINESS:
        return np.busday_offset(last, steps, roll="backward").astype("datetime64[D]")
    return last + steps * (7 if frequency is Frequency.WEEKLY else 1)


def period_start(days: Days, frequency: Frequency, anchor: int = 0) -> Days:
    """The start of the period that each day falls into; weeks start on weekday ``anchor``."""
    days = days.astype("datetime64[D]")
    if frequency is Frequency.MONTHLY:
        return days.astype("datetime64[M]").astype("datetime64[D]")
    if frequency is Frequency.WEEKLY:
        return days - (weekday(days) - anchor) % 7
    return days


def period_end(start: Moment, frequency: Frequency) -> Moment:
    """The last day of the period that starts on ``start``, or of each one in an array."""
    first: Any = start.astype("datetime64[D]")
    last: Moment = first + (6 if frequency is Frequency.WEEKLY else 0)
    if frequency is Frequency.MONTHLY:
        last = (first.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
    return last


def weekday(days: Days) -> npt.NDArray[np.int64]:
    """Day of the week, Monday = 0; 1970-01-01 was a Thursday."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7


def as_datetime(day: np.datetime64) -> Any:
    """A day as Python's own type, midnight."""
    return day.astype("datetime64[us]").item()
