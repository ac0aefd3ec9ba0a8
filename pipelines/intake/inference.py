"""Which frequency the days of a set of series have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.errors import DataError
from ml.frequency import Days, Frequency, weekday
from pipelines.intake.wording import counted, named

VOTING_DAYS = 6  # distinct days that a series needs before its own frequency counts
SURE_WEEKS = 12  # so many days on one weekday are no chance, however far apart
MONDAY, SATURDAY = 0, 5
WEEK = 7
NAMES_OF_DAYS = (
    "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays",
)  # fmt: skip
Items = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Inferred:
    """A frequency and why.

    Attributes:
        frequency: Of all series.
        anchor: For weeks, the weekday that they start on, Monday = 0.
        statement: What was found, in a sentence.
    """

    frequency: Frequency
    anchor: int
    statement: str


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """What each of N series looks like by itself.

    Attributes:
        days: (N,) distinct days.
        monthly: (N,) all days are first days of months, or all are last ones.
        weekly: (N,) all days are one weekday.
        weekdays: (N,) weekday of the first day.
        votes_weekly: (N,) weekly, and not by chance.
    """

    days: Items
    monthly: Mask
    weekly: Mask
    weekdays: Items
    votes_weekly: Mask

    @property
    def votes_monthly(self) -> Mask:
        return self.monthly & (self.days >= VOTING_DAYS)


def infer(items: Items, days: Days, *, kind: str, names: Sequence[str], where: str) -> Inferred:
    """Infer the frequency that all series share.

    Args:
        items: (P,) series of each pair of series and day, ascending.
        days: (P,) its day, ascending within a series; no pair twice.
        kind: ``demand`` or ``price``.
        names: Names of the series, by the numbers in ``items``.
        where: File for the sentences.

    Raises:
        DataError: Series of different frequencies are mixed.
    """
    distinct = np.unique(days)
    if len(distinct) == 1:
        return Inferred(Frequency.DAILY, MONDAY, f"{where}: has one day only, taken as daily data.")
    starts = np.flatnonzero(np.diff(items, prepend=-1))
    rhythm = _rhythm(items, days, starts)
    if rhythm.monthly.all():
        return Inferred(Frequency.MONTHLY, MONDAY, _monthly(distinct, where))
    weekdays = np.unique(weekday(distinct))
    if len(weekdays) == 1:
        on = NAMES_OF_DAYS[weekdays[0]]
        statement = f"{where}: weekly data, all days are {on}."
        return Inferred(Frequency.WEEKLY, int(weekdays[0]), statement)
    _refuse_mixture(rhythm, [names[i] for i in items[starts]], kind, where)
    return _daily(distinct, kind, where)


def _rhythm(items: Items, days: Days, starts: Items) -> _Rhythm:
    def every(flags: Mask) -> Mask:
        return np.logical_and.reduceat(flags, starts)

    weekdays = weekday(days)
    first_weekday = weekdays[starts]
    counts = np.diff(np.append(starts, len(items)))
    weekly = every(weekdays == np.repeat(first_weekday, counts))
    last = np.append(starts[1:], len(items)) - 1
    weeks = (days[last] - days[starts]).astype(np.int64) // WEEK + 1
    steady = (2 * counts >= weeks) | (counts >= SURE_WEEKS)
    return _Rhythm(
        days=counts,
        monthly=every(_is_first(days)) | every(_is_first(days + 1)),
        weekly=weekly,
        weekdays=first_weekday,
        votes_weekly=weekly & steady & (counts >= VOTING_DAYS),
    )


def _is_first(days: Days) -> Mask:
    return days == days.astype("datetime64[M]")


def _monthly(distinct: Days, where: str) -> str:
    if _is_first(distinct).all():
        return f"{where}: monthly data, all days are firsts of months."
    return f"{where}: monthly data on last days of months, moved to the first of their month."


def _daily(distinct: Days, kind: str, where: str) -> Inferred:
    span = np.arange(distinct[0], distinct[-1] + 1)
    weekends = int((weekday(span) >= SATURDAY).sum())
    if weekends < 2 or (weekday(distinct) >= SATURDAY).any():
        return Inferred(Frequency.DAILY, MONDAY, f"{where}: daily data.")
    if kind == "price":
        statement = f"{where}: daily data from Monday to Friday; holidays are not skipped."
        return Inferred(Frequency.BUSINESS, MONDAY, statement)
    statement = f"{where}: daily data, with no row on a weekend; weekends are periods all the same."
    return Inferred(Frequency.DAILY, MONDAY, statement)


def _refuse_mixture(rhythm: _Rhythm, names: list[str], kind: str, where: str) -> None:
    """Refuse series that vote for different frequencies, or a vote that others do not fit."""
    groups = {"monthly": rhythm.votes_monthly}
    weekly = rhythm.votes_weekly & ~rhythm.monthly
    for day in np.unique(rhythm.weekdays[weekly]):
        groups[f"weekly on {NAMES_OF_DAYS[day]}"] = weekly & (rhythm.weekdays == day)
    voters = np.logical_or.reduce(list(groups.values()))
    if not voters.any():
        return
    groups["daily"] = ~voters & ~_fits_a_vote(rhythm, weekly)
    summed = ", or sum all to one with --frequency W or MS" if kind == "demand" else ""
    found = [
        f"{counted(int(group.sum()), 'item')} {name} (first {named([names[group.argmax()]])})"
        for name, group in groups.items()
        if group.any()
    ]
    raise DataError(
        f"{where}: different frequencies are mixed: {'; '.join(found)}. Put each frequency into "
        f"a file of its own and run them separately{summed}."
    )


def _fits_a_vote(rhythm: _Rhythm, weekly: Mask) -> Mask:
    """Series of too few days to vote that fit one of the votes."""
    fits_month = rhythm.monthly & rhythm.votes_monthly.any()
    return fits_month | (rhythm.weekly & np.isin(rhythm.weekdays, rhythm.weekdays[weekly]))
