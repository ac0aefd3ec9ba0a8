"""Which frequency a set of series has, and its rows on dense periods of that frequency."""

from dataclasses import dataclass

import polars as pl

from ml.errors import DataError
from ml.frequency import Frequency, period_start
from pipelines.intake.sentences import counted, named

MONDAY, FRIDAY = 0, 4
_STEPS = {Frequency.WEEKLY: "1w", Frequency.MONTHLY: "1mo"}
_DS = pl.col("ds")
VOTING_DAYS = 6  # distinct days that a series needs before its own frequency counts
SURE_WEEKS = 12  # so many days on one weekday are no chance, however far apart
SLIPS_OF_ONE = 20  # one day of so many of a series may be off its rhythm: a date typed wrong
SLIPS_OF_ALL = 50  # one of so many of all days
WEEK = 7
NAMES_OF_DAYS = (
    "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays",
)  # fmt: skip
_WEEKDAY = _DS.dt.weekday() - 1  # Monday = 0
_ON = [f"on_{day}" for day in range(WEEK)]
_FIRST_ON = [f"first_{name}" for name in _ON]


@dataclass(frozen=True, slots=True)
class Inferred:
    """A frequency and why."""

    frequency: Frequency  # of all series
    anchor: int  # for weeks, the weekday that they start on, Monday = 0
    statement: str  # what was found, in a sentence


def infer(rhythm: pl.DataFrame, distinct: pl.Series, *, kind: str, where: str) -> Inferred:
    """Infer the frequency that all series share.

    Args:
        rhythm: Of all series, see :func:`rhythm_of`.
        distinct: The days of all series, each once, sorted.
        kind: demand or price.
        where: File or folder, for messages.

    Raises:
        DataError: Series of different frequencies are mixed.
    """
    on_weekday = rhythm.select(_ON).sum().row(0)
    usual = on_weekday.index(max(on_weekday))
    rhythm = rhythm.with_columns(off_weekday=pl.col("count") - pl.col(_ON[usual]))
    span = pl.date_range(distinct[0], distinct[-1], eager=True)
    frequency, anchor, words = Frequency.DAILY, MONDAY, "daily data."
    if len(distinct) == 1:
        words = "has one day only, taken as daily data."
    elif _keeps(rhythm, "off_months", VOTING_DAYS):
        frequency, words = Frequency.MONTHLY, "monthly data, all days are firsts of months."
        if rhythm["off_months"].sum():
            words = _on_strays(rhythm, pl.col("in_months"), pl.col("in_month"), "month")
        elif (distinct != distinct.dt.month_start()).any():
            words = "monthly data on last days of months, moved to the first of their month."
    elif _keeps(rhythm, "off_weekday", SURE_WEEKS):
        frequency, anchor = Frequency.WEEKLY, usual
        words = f"weekly data, all days are {NAMES_OF_DAYS[anchor]}."
        if rhythm["off_weekday"].sum():
            others = [first for day, first in enumerate(_FIRST_ON) if day != anchor]
            first = pl.min_horizontal(others)
            words = _on_strays(rhythm, pl.col("off_weekday"), first, "week")
    else:
        _refuse_mixture(rhythm, kind, where)
        used = [day for day, count in enumerate(on_weekday) if count]
        if max(used) <= FRIDAY and (span.dt.weekday() - 1 > FRIDAY).sum() > 1:
            words = "daily data, with no row on a weekend; weekends are periods all the same."
            if kind == "price":
                frequency = Frequency.BUSINESS
                words = "daily data from Monday to Friday; holidays are not skipped."
    return Inferred(frequency, anchor, f"{where}: {words}")


def rhythm_of(days: pl.DataFrame) -> pl.DataFrame:
    """What each series looks like by itself, one row a series.

    ``days`` are ``item_id`` and ``ds``, sorted, no pair twice.

    ``off_months``: days that are no first days of months, or no last ones if those are fewer;
    ``in_months``, ``in_month``: days that are neither, the first of them; ``on_0`` and so on: days
    that are Mondays, ``first_on_0`` the first of them; ``monthly``, ``weekly``: without any off;
    the votes: so many days that it is not by chance; ``first``, ``last``: of its days.
    """
    count, enough = pl.col("count"), pl.col("count") >= VOTING_DAYS
    steady = (2 * count >= pl.col("weeks")) | (count >= SURE_WEEKS)
    firsts, lasts = ((edge == _DS).sum() for edge in (_DS.dt.month_start(), _DS.dt.month_end()))
    inside = (_DS.dt.day() > 1) & (_DS.dt.month_end() != _DS)
    return (
        days.group_by("item_id", maintain_order=True)
        .agg(
            count=pl.len(),
            off_months=pl.len() - pl.max_horizontal(firsts, lasts),
            in_months=inside.sum(),
            in_month=_DS.filter(inside).first(),
            weekday=_WEEKDAY.first(),
            first=_DS.first(),
            last=_DS.last(),
            **{name: _WEEKDAY.eq(day).sum() for day, name in enumerate(_ON)},
            **{name: _DS.filter(_WEEKDAY.eq(day)).first() for day, name in enumerate(_FIRST_ON)},
        )
        .with_columns(
            monthly=pl.col("off_months") == 0,
            weekly=pl.max_horizontal(_ON) == count,
            weeks=(pl.col("last") - pl.col("first")).dt.total_days() // WEEK + 1,
        )
        .with_columns(
            votes_monthly=pl.col("monthly") & enough,
            votes_weekly=pl.col("weekly") & ~pl.col("monthly") & steady & enough,
        )
    )


def _keeps(rhythm: pl.DataFrame, off: str, sure: int) -> bool:
    """Whether all series keep a rhythm, but for slips: few of all days, and of each series few.

    Where there are slips, ``sure`` days must keep it.
    """
    slips, days = int(rhythm[off].sum()), int(rhythm["count"].sum())
    few = (rhythm[off] <= (rhythm["count"] // SLIPS_OF_ONE).clip(1)).all()
    return not slips or (few and slips <= max(1, days // SLIPS_OF_ALL) and days - slips >= sure)


def _on_strays(rhythm: pl.DataFrame, strays: pl.Expr, first: pl.Expr, period: str) -> str:
    """The words on days off a rhythm: how many each series has, and the first of each."""
    found = rhythm.select("item_id", "count", strays=strays, first=first)
    item, day = found.filter(pl.col("strays") > 0).select("item_id", "first").row(0)
    number, total = (int(found[name].sum()) for name in ("strays", "count"))
    return (
        f"{period}ly data; {counted(number, 'day')} of {total:,} off its rhythm "
        f"counted in the {period} that it falls in, the first {named([str(item)])} on {day}."
    )


def _refuse_mixture(rhythm: pl.DataFrame, kind: str, where: str) -> None:
    """Refuse series that vote for different frequencies, or a vote that others do not fit."""
    monthly = rhythm.filter("votes_monthly")
    weekly = rhythm.filter("votes_weekly")
    weekdays = weekly["weekday"].unique().sort().to_list()
    if not monthly.height and not weekly.height:
        return
    # series of too few days to vote that fit one of the votes
    fits = (pl.col("monthly") & bool(monthly.height)) | (
        pl.col("weekly") & pl.col("weekday").is_in(weekdays)
    )
    groups = {"monthly": monthly}
    groups |= {
        f"weekly on {NAMES_OF_DAYS[day]}": weekly.filter(pl.col("weekday") == day)
        for day in weekdays
    }
    groups["daily"] = rhythm.filter(~pl.col("votes_monthly"), ~pl.col("votes_weekly"), ~fits)
    summed = ", or sum all to one with --frequency W or MS" if kind == "demand" else ""
    found = [
        f"{counted(group.height, 'item')} {name} (first {named([str(group['item_id'][0])])})"
        for name, group in groups.items()
        if group.height
    ]
    raise DataError(
        f"{where}: different frequencies are mixed: {'; '.join(found)}. Put each frequency into "
        f"a file of its own and run them separately{summed}."
    )


def on_periods(rows: pl.DataFrame, frequency: Frequency, anchor: int) -> pl.DataFrame:
    """Rows of usable series on the first days of their periods.

    Business-daily weekends belong to the Friday before.
    """
    if frequency is Frequency.BUSINESS:
        beyond = (_DS.dt.weekday() - 1 - FRIDAY).clip(lower_bound=0)
        starts = _DS - pl.duration(days=beyond)
    else:
        starts = pl.lit(pl.Series(period_start(rows["ds"].to_numpy(), frequency, anchor)))
    return rows.with_columns(ds=pl.when("usable").then(starts).otherwise(_DS))


def fill_calendar(rows: pl.DataFrame, frequency: Frequency) -> pl.DataFrame:
    """Add the periods between the first and the last row of each usable series.

    The rows are ``item_id``, ``ds``, ``usable`` and values, one row a key, days on periods;
    unusable series keep their own rows and days.

    Returns:
        The rows, sorted by series and day; those added have nulls for values and ``absent``.
    """
    rows = rows.with_columns(absent=pl.lit(value=False))
    together = rows.filter("usable")
    spans = together.group_by("item_id").agg(first=_DS.min(), last=_DS.max())
    days = pl.date_ranges("first", "last", _STEPS.get(frequency, "1d"))
    calendar = spans.select("item_id", ds=days).explode("ds")
    if frequency is Frequency.BUSINESS:
        calendar = calendar.filter(_DS.dt.weekday() - 1 <= FRIDAY)
    dense = calendar.join(together, on=["item_id", "ds"], how="left").with_columns(
        pl.col("absent", "usable").fill_null(value=True)
    )
    return pl.concat([dense, rows.filter(~pl.col("usable"))]).sort("item_id", "ds")
