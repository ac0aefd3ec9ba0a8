"""Days from text: ISO, year and month, day and month in either order, with a time of day."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.parsed import Parsed, faults_of
from pipelines.intake.quarantine import Reason

FIRST_YEAR = 1900  # before it a date is a typing error, or a spreadsheet's null
_TIME = (
    r"(?:[T ,]+(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?"
    r"\s*(?:[AaPp]\.?[Mm]\.?)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = (
    rf"^(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})(?:[-/.](?P<day>\d{{1,2}}){_TIME})?$",
    r"^(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})?$",
    r"^(?P<month>\d{1,2})[-/.](?P<year>\d{4})(?P<day>)$",
)
_YEAR_LAST = rf"^(?P<first>\d{{1,2}})[-/.](?P<second>\d{{1,2}})[-/.](?P<year>\d{{4}}){_TIME}$"
_MONTH_FIRST_SHARE = 0.1  # of the dates with the year last; fewer are typing errors
Ints = npt.NDArray[np.int64]


def parse_days(texts: pa.Array, weights: Ints, *, today: np.datetime64, where: str) -> Parsed:
    """Parse days.

    Dates with the year last are day first (Brazil), unless more of them can only be month first
    than can only be day first, and those are no rare typing errors.

    Args:
        texts: U distinct texts.
        weights: (U,) on how many rows each text counts when the order is decided.
        today: Later days are faults.
        where: File and column for the remark.

    Returns:
        ``datetime64[D]``, NaT where there is a fault.
    """
    year, month, day = _parts(texts, _YEAR_FIRST[0], ("year", "month", "day"))
    for pattern in _YEAR_FIRST[1:]:
        parts = _parts(texts, pattern, ("year", "month", "day"))
        year, month, day = (
            np.maximum(*both) for both in zip((year, month, day), parts, strict=True)
        )
    day = np.where((year > 0) & (day < 0), 1, day)
    last_year, first, second = _parts(texts, _YEAR_LAST, ("year", "first", "second"))
    slashed = last_year > 0
    month_first, remarks = _order(first[slashed], second[slashed], weights[slashed], where)
    year = np.where(slashed, last_year, year)
    month = np.where(slashed, first if month_first else second, month)
    day = np.where(slashed, second if month_first else first, day)
    days, exists = _days(year, month, day)
    faults = faults_of(
        len(texts),
        (pc.equal(texts, "").to_numpy(zero_copy_only=False), Reason.EMPTY_DATE),
        (year < 0, Reason.UNPARSABLE_DATE),
        (~exists, Reason.IMPOSSIBLE_DATE),
        (days > today, Reason.AFTER_TODAY),
    )
    days[faults > 0] = np.datetime64("NaT")
    return Parsed(days, faults, remarks)


def _parts(texts: pa.Array, pattern: str, names: tuple[str, str, str]) -> tuple[Ints, Ints, Ints]:
    """The named groups as numbers, -1 where a text does not match or leaves a group out."""
    found = pc.extract_regex(texts, pattern)

    def number(name: str) -> Ints:
        group = pc.struct_field(found, name)
        digits = pc.if_else(pc.equal(group, ""), None, group)
        return pc.fill_null(digits.cast(pa.int64()), -1).to_numpy()

    one, two, three = names
    return number(one), number(two), number(three)


def _order(first: Ints, second: Ints, weights: Ints, where: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the month comes first, and the sentence that says so."""
    total = int(weights.sum())
    if not total:
        return False, ()
    only_day = int(weights[(first > 12) & (second <= 12)].sum())
    only_month = int(weights[(first <= 12) & (second > 12)].sum())
    month_first = only_month > only_day and only_month >= _MONTH_FIRST_SHARE * total
    order = "month/day/year" if month_first else "day/month/year"
    doubt = "" if only_day or only_month else ", as nothing in it speaks against that"
    return month_first, (f"{where}: dates were read as {order}{doubt}.",)


def _days(
    year: Ints, month: Ints, day: Ints
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.bool_]]:
    sound = (year >= FIRST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = np.where(sound, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(sound, day - 1, 0)
    return days, sound & (days.astype("datetime64[M]") == months)
