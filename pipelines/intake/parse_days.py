"""Days from text: ISO, weeks, year and month, day and month in either order, time of day."""

from datetime import date

import polars as pl

from pipelines.intake.cells import TEXT, ParsedTexts, parsed_texts
from pipelines.intake.quarantine import Reason

FIRST_DAY = date(1900, 1, 1)  # before it a date is a typing error, or a spreadsheet's null
_BLANK = r"[\t\n\f\r ]"
_TIME = (
    r"(?:[T ,]+(?:[01]?[0-9]|2[0-4]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?"
    rf"{_BLANK}*(?:[AaPp]\.?[Mm]\.?)?{_BLANK}*(?:Z|UTC|[+-][0-9]{{2}}:?[0-9]{{2}})?)?"
)
_SHORT = "[0-9]{1,2}"
_PATTERNS = {
    "iso": rf"^(?P<year>[0-9]{{4}})[-/.](?P<month>{_SHORT})(?:[-/.](?P<day>{_SHORT}){_TIME})?$",
    "digits": r"^(?P<year>(?:19|20)[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2})?$",
    "week": r"^(?P<year>[0-9]{4})[- ]?[Ww](?P<week>[0-9]{2})(?:-?(?P<weekday>[1-7]))?$",
    "month": rf"^(?P<month>{_SHORT})[-/.](?P<year>[0-9]{{4}})$",
    "last": rf"^(?P<first>{_SHORT})[-/.](?P<second>{_SHORT})[-/.](?P<year>[0-9]{{4}}){_TIME}$",
}
_MONTH_FIRST_SHARE = 0.1  # of the dates with the year last; fewer are typing errors


def parse_days(texts: pl.DataFrame, where: str, *, today: date) -> ParsedTexts:
    """Parse days.

    A week of ISO 8601 is its Monday. Dates with the year last are day first (Brazil), unless more
    of them can only be month first than can only be day first, and those are no rare typing errors.

    Days after today are faults; where there is one, the date is null.
    """
    texts = texts.with_columns(
        TEXT.str.extract_groups(pattern).alias(name) for name, pattern in _PATTERNS.items()
    )
    month_first, remarks = _order(texts, where)
    day_of_last, month_of_last = ("second", "first") if month_first else ("first", "second")
    year = pl.coalesce(_part(name, "year") for name in _PATTERNS)
    month = pl.coalesce(
        *(_part(name, "month") for name in ("iso", "digits", "month")), _part("last", month_of_last)
    )
    day = pl.coalesce(
        _part("iso", "day"), _part("digits", "day"), _part("last", day_of_last), pl.lit("1")
    )
    written = pl.concat_str([year, month.str.zfill(2), day.str.zfill(2)], separator="-")
    monday = pl.coalesce(_part("week", "weekday"), pl.lit("1"))
    week = pl.concat_str([_part("week", "year"), _part("week", "week"), monday], separator="-")
    value = pl.coalesce(
        written.str.to_date("%Y-%m-%d", strict=False), week.str.to_date("%G-%V-%u", strict=False)
    )
    return parsed_texts(
        texts,
        value,
        (TEXT == "", Reason.EMPTY_DATE),
        (year.is_null(), Reason.UNPARSABLE_DATE),
        (value.is_null() | (value < FIRST_DAY), Reason.IMPOSSIBLE_DATE),
        (value > today, Reason.AFTER_TODAY),
        remarks=remarks,
    )


def _part(pattern: str, name: str) -> pl.Expr:
    """A named group of a pattern, null where the text does not match or leaves it out."""
    return pl.col(pattern).struct.field(name)


def _order(texts: pl.DataFrame, where: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the month comes first, and the sentence that says so."""
    first, second = (_part("last", name).cast(pl.Int64) for name in ("first", "second"))
    weight = pl.col("weight")
    total, only_day, only_month = texts.select(
        total=weight.filter(first.is_not_null()).sum(),
        only_day=weight.filter((first > 12) & (second <= 12)).sum(),
        only_month=weight.filter((first <= 12) & (second > 12)).sum(),
    ).row(0)
    if not total:
        return False, ()
    month_first = only_month > only_day and only_month >= _MONTH_FIRST_SHARE * total
    order = "month/day/year" if month_first else "day/month/year"
    doubt = "" if only_day or only_month else ", as nothing in it speaks against that"
    return month_first, (f"{where}: dates were read as {order}{doubt}.",)
