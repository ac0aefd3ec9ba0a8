"""What demand and prices share: dated rows of several files as one set of series."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

import numpy as np
import polars as pl

from ml.contracts.demand import ABSURD
from ml.errors import DataError
from ml.frequency import Frequency, period_end, period_start
from pipelines.intake.cells import faulty_cells, id_fault
from pipelines.intake.data_file import DataFile
from pipelines.intake.parse_days import parse_days
from pipelines.intake.quarantine import IntakeError, Reason
from pipelines.intake.request import ReadingRequest, RowCount
from pipelines.intake.sentences import UNCLEAR_NUMBERS, counted, named

LONG_GAP = 5 * 365  # days without any row in a whole file; what is before is of another time
MOSTLY = 0.9  # of rows; the others are slips
KEY = ["item_id", "ds"]
SIGNED = "[.,][0-9]"  # in numbers that have a decimal sign, or one between thousands
SOUND, USABLE, Y = pl.col("sound"), pl.col("usable"), pl.col("y")


@dataclass(frozen=True, slots=True)
class FileRows:
    """The dated rows of one file."""

    # of DataFile.rows, with the columns parsed so far; `sound` where a row can be used,
    # `counts` where it says how the next columns are written
    rows: pl.DataFrame
    aside: list[pl.DataFrame]  # quarantine
    remarks: list[str]  # what was decided in reading
    later: int  # rows after the day of the run, left out
    doubt: str = ""  # why no number of it can be trusted


@dataclass(frozen=True, slots=True)
class ReadSeries:
    """What was read of all files, but for the rows."""

    where: str  # name of the file or folder
    ids: list[str]  # all series, sorted
    unusable: list[str]  # series that cannot be used as a whole, sorted
    statements: list[str]  # what was read and set aside
    quarantine: pl.DataFrame  # cells set aside
    count: RowCount
    doubt: str  # why no number can be trusted; "" = they can


class HasAbout(Protocol):
    """Rows of series with what is to be said about them."""

    @property
    def about(self) -> ReadSeries:
        """All but the rows."""


Found = TypeVar("Found", bound=HasAbout)


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """Sound rows of all files."""

    about: ReadSeries
    # at least `item_id` (an Enum, sorted as text), `ds`, `y`; and `usable`: of a series that
    # has an observed value and no absurd one
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class JudgedDays:
    """What was decided of the days of one file."""

    # of each distinct `text` its `value` and `fault`; `early`: the day lies long before all
    # others, in rows that count; `later`: it is of a period that the run must not see
    cells: pl.DataFrame
    later: int  # rows of such periods
    remarks: list[str]


def judge_days(file: DataFile, texts: pl.DataFrame, request: ReadingRequest) -> JudgedDays:
    """Parse the days of a file, and find those that are too early or too late.

    ``texts`` are distinct, each with its number of ``rows``, and as ``weight`` of those that count.
    """
    parsed = parse_days(texts, f"{file.name}, {file.names['ds']}", today=request.today)
    cells = parsed.cells.join(texts, on="text", maintain_order="left")
    cells = cells.with_columns(early=pl.lit(value=False), later=pl.lit(value=False))
    said, later, day = [*parsed.remarks], 0, pl.col("value")
    if request.as_of is not None:
        last = _last_day(cells, request.as_of, request.forced)
        cells = cells.with_columns(later=(day > last).fill_null(value=False))
        if later := int(cells.filter("later")["rows"].sum()):
            rows_later = f"{later:,} of {texts['rows'].sum():,} rows are after {request.as_of}"
            said.append(f"{file.name}: {rows_later} and were left out.")
    seen = cells.filter(~pl.col("later"), day.is_not_null(), pl.col("weight") > 0)
    days = seen.group_by(day).agg(rows=pl.col("weight").sum().cast(pl.Int64)).sort("value")
    # a year typed wrong (1925) would make periods of a century
    behind = days.with_columns(
        gap=day.diff().dt.total_days() > LONG_GAP,
        few=2 * (pl.col("rows").cum_sum() - pl.col("rows")) < pl.col("rows").sum(),
    ).filter("gap", "few")
    if behind.height:
        early = (day < behind["value"][-1]).fill_null(value=False)
        cells = cells.with_columns(early=early)
    return JudgedDays(cells, later, said)


def date_rows(
    file: DataFile, request: ReadingRequest, excluded: Sequence[str], item: str | None
) -> FileRows:
    """Parse ids and days of a file; what is decided for it is decided by the sound rows only.

    ``item`` is the column of ids, if there is one; ``excluded`` are series that have no say.
    """
    rows = file.rows.with_columns(sound=pl.lit(value=True), counts=pl.lit(value=True))
    if item is not None:
        fine = pl.col(f"{item}.fault").is_null()
        rows = rows.with_columns(id_fault(item))
        rows = rows.with_columns(sound=fine, counts=fine & ~pl.col(item).is_in(excluded))
    texts = rows.group_by(text="ds").agg(rows=pl.len(), weight=pl.col("counts").sum())
    days = judge_days(file, texts, request)
    isolated = pl.when("early", "counts").then(pl.lit(str(Reason.ISOLATED_DATE)))
    rows = rows.join(
        days.cells.select("text", "value", "fault", "early", "later"),
        left_on="ds", right_on="text", how="left", maintain_order="left",
    ).filter(~pl.col("later")).with_columns(
        pl.col("value").alias("ds.value"), isolated.otherwise("fault").alias("ds.fault")
    ).drop("value", "fault", "early", "later")  # fmt: skip
    columns, id_of = (("ds",), None) if item is None else ((item, "ds"), pl.col(item))
    aside = [faulty_cells(file, rows, column, id_of) for column in columns]
    dated = pl.col("ds.fault").is_null()
    rows = rows.with_columns(sound=SOUND & dated, counts=pl.col("counts") & dated)
    return FileRows(rows, aside, days.remarks, days.later)


def doubt(file: DataFile, rows: pl.DataFrame, column: str) -> str:
    """What to say of a column of values in which nothing tells decimals from thousands; "" = none.

    To set such values aside would leave the small ones only.
    """
    signed = rows.filter(SOUND, pl.col(column).str.contains(SIGNED))
    unclear = signed.filter(pl.col(f"{column}.fault") == str(Reason.AMBIGUOUS_NUMBER))
    if not unclear.height or signed[f"{column}.value"].count():
        return ""
    line, shown = unclear.select("line", column).row(0)
    return say_doubt(file, column, line, shown, unclear.height)


def say_doubt(file: DataFile, column: str, line: int, shown: str, number: int) -> str:
    """The sentence on so many such values, by the first of them."""
    return (
        f"{file.name} line {line:,}, column {file.names[column]!r}: nothing tells if {shown!r} and "
        f"all {counted(number, 'number')} like it have a decimal sign or one between "
        f"thousands. {UNCLEAR_NUMBERS}"
    )


def _last_day(cells: pl.DataFrame, as_of: date, forced: Frequency | None) -> date:
    """The last day that a run sees: the period that starts on or before ``as_of`` is complete.

    Rows are dated by any day of their period where demand is summed to a coarser frequency, and
    by the last day of their month where nearly all rows are.
    """
    day, rows = pl.col("value"), pl.col("rows")
    before = cells.filter(day <= as_of)
    ends = before.filter(day == day.dt.month_end()).select(rows.sum()).item()
    total = before.select(rows.sum()).item()
    if forced is None and total and ends >= MOSTLY * total:
        forced = Frequency.MONTHLY
    if forced is None:
        return as_of
    start = period_start(np.array([as_of], "datetime64[D]"), forced)[0]
    last: date = period_end(start, forced).astype(object)
    return last


def as_series(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their ids as an Enum that sorts as Python sorts text."""
    ids = pl.Enum(rows["item_id"].unique().sort())
    return rows.with_columns(pl.col("item_id").cast(ids))


def add_up(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of one series and day made one, sorted; the values of a key are added up.

    Null and a number make the number, nulls alone stay null; a flag is true where any is. What is
    added does not depend on the order of the rows, down to the last bit.
    """
    rows = rows.sort(*KEY, "y", nulls_last=True)
    totals = rows.group_by(KEY, maintain_order=True).agg(
        observed=Y.is_not_null().any(), is_stockout=pl.col("is_stockout").max(), count=pl.len()
    )
    group = np.repeat(np.arange(totals.height), totals["count"])
    sums = np.bincount(group, rows["y"].fill_null(0.0).to_numpy(), totals.height)
    largest = np.finfo(np.float64).max
    y = pl.when("observed").then(pl.Series(np.clip(sums, -largest, largest)))
    return totals.with_columns(y=y).drop("observed", "count")


def find_usable(days: pl.DataFrame) -> pl.DataFrame:
    """Whether each series, sorted, has an observed value, and none beyond ABSURD."""
    usable = Y.is_not_null().any() & ~(Y.abs() > ABSURD).any()
    return days.group_by("item_id").agg(usable=usable).sort("item_id")


def settle(read: Callable[[Sequence[str]], Found], noun: str, fault: str) -> Found:
    """Read series so that the unusable ones have no say in how the others are read.

    ``read`` reads all files, without regard to some series; ``noun`` is what a series is called,
    ``fault`` what makes one unusable.

    Raises:
        DataError: A file has values that nobody can read.
        IntakeError: No series is usable.
    """
    found = read(())
    if unusable := found.about.unusable:
        del found  # both at once are the most that a run ever holds
        found = read(unusable)
    about = found.about
    if about.doubt:
        raise DataError(about.doubt)
    if about.unusable == about.ids:
        raise IntakeError(
            f"{about.where}: none of {counted(len(about.ids), noun)} is usable: each has "
            f"{fault} {ABSURD:g}. First: {named(about.ids)}.",
            about.quarantine,
        )
    return found


def find_repeats(rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """The keys of rows that have one that occurred on a row before, sorted by item and day."""
    repeated = rows.filter(~pl.struct(key).is_first_distinct())
    return repeated.sort(KEY, maintain_order=True).select(KEY)


def refuse_repeats(
    first: pl.DataFrame, count: int, total: int, request: ReadingRequest, *, where: str, words: str
) -> None:
    """Refuse repeated keys where that is asked for.

    Raises:
        DataError: There are so many among so many rows, ``first`` the first of them.
    """
    if not count or request.duplicates != "error":
        return
    offenders = ", ".join(f"{item[:60]!r} on {day.isoformat()}" for item, day in first.rows()[:3])
    raise DataError(
        f"{where}: {counted(count, 'row')} of {total:,} repeat the {words} of "
        f"another. First: {offenders}. Remove them, or add them up with --duplicates sum."
    )
