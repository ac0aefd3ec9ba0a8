"""What demand and prices share: dated rows of several files as one set of series."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

from ml.contracts.base import Contract, check
from ml.contracts.demand import ABSURD
from ml.errors import DataError
from ml.frequency import Frequency, period_end, period_start
from pipelines.intake.cells import faulty_cells, id_fault, parse_column
from pipelines.intake.data_file import DataFile
from pipelines.intake.parse_days import parse_days
from pipelines.intake.quarantine import IntakeError, Reason, to_arrow
from pipelines.intake.request import Intake, ReadingRequest, RowCount
from pipelines.intake.sentences import UNCLEAR_NUMBERS, counted, named

LONG_GAP = 5 * 365  # days without any row in a whole file; what is before is of another time
MOSTLY = 0.9  # of rows; the others are slips
CHUNK = 1 << 20  # rows that are checked at a time: their texts stay far below Arrow's 2 GiB
KEY = ["item_id", "ds"]
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
class SeriesRows:
    """Sound rows of all files."""

    where: str  # name of the file or folder
    # at least `item_id` (an Enum, sorted as text), `ds`, `y`; and `usable`: of a series that
    # has an observed value and no absurd one
    rows: pl.DataFrame
    days: pl.DataFrame  # one row a series and day, sorted, with `usable`
    ids: list[str]  # all series, sorted
    unusable: list[str]  # series that cannot be used as a whole, sorted
    statements: list[str]  # what was read and set aside
    quarantine: pl.DataFrame  # cells set aside
    count: RowCount
    doubt: str  # why no number can be trusted; "" = they can


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
    rows, remarks = parse_column(file, rows, "ds", partial(parse_days, today=request.today))
    said, later = [*remarks], 0
    if request.as_of is not None:
        last = _last_day(rows["ds.value"], request.as_of, request.forced)
        seen = rows.filter((pl.col("ds.value") <= last).fill_null(value=True))
        if later := rows.height - seen.height:
            rows_later = f"{later:,} of {rows.height:,} rows are after {request.as_of}"
            said.append(f"{file.name}: {rows_later} and were left out.")
        rows = seen
    rows = _set_isolated_aside(rows)
    columns, id_of = (("ds",), None) if item is None else ((item, "ds"), pl.col(item))
    aside = [faulty_cells(file, rows, column, id_of) for column in columns]
    dated = pl.col("ds.fault").is_null()
    rows = rows.with_columns(sound=SOUND & dated, counts=pl.col("counts") & dated)
    return FileRows(rows, aside, said, later)


def _set_isolated_aside(rows: pl.DataFrame) -> pl.DataFrame:
    """Make days a fault that lie long before all others of a file, and are fewer than those.

    A year typed wrong (1925) would make periods of a century.
    """
    day = pl.col("ds.value")
    days = rows.filter("counts", day.is_not_null()).group_by(day).agg(rows=pl.len()).sort(day)
    behind = days.with_columns(
        gap=day.diff().dt.total_days() > LONG_GAP,
        late=2 * (pl.col("rows").cum_sum() - pl.col("rows")) < pl.col("rows").sum(),
    ).filter("gap", "late")
    if not behind.height:
        return rows
    early = pl.col("counts") & (day < behind["ds.value"][-1])
    fault = pl.when(early).then(pl.lit(str(Reason.ISOLATED_DATE))).otherwise("ds.fault")
    return rows.with_columns(fault.alias("ds.fault"))


def doubt(file: DataFile, rows: pl.DataFrame, column: str) -> str:
    """What to say of a column of values in which nothing tells decimals from thousands; "" = none.

    To set such values aside would leave the small ones only.
    """
    signed = rows.filter(SOUND, pl.col(column).str.contains("[.,][0-9]"))
    unclear = signed.filter(pl.col(f"{column}.fault") == str(Reason.AMBIGUOUS_NUMBER))
    if not unclear.height or signed[f"{column}.value"].count():
        return ""
    line, shown = unclear.select("line", column).row(0)
    return (
        f"{file.name} line {line:,}, column {file.names[column]!r}: nothing tells if {shown!r} and "
        f"all {counted(unclear.height, 'number')} like it have a decimal sign or one between "
        f"thousands. {UNCLEAR_NUMBERS}"
    )


def _last_day(days: pl.Series, as_of: date, forced: Frequency | None) -> date:
    """The last day that a run sees: the period that starts on or before ``as_of`` is complete.

    Rows are dated by any day of their period where demand is summed to a coarser frequency, and
    by the last day of their month where nearly all rows are.
    """
    before = days.filter(days <= as_of)
    ends = before == before.dt.month_end()
    if forced is None and len(before) and ends.sum() >= MOSTLY * len(before):
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


def judge(
    where: str,
    rows: pl.DataFrame,
    days: pl.DataFrame,
    said: list[str],
    quarantine: pl.DataFrame,
    count: RowCount,
    parts: Sequence[FileRows],
) -> SeriesRows:
    """Find the series that have an observed value, and none beyond ABSURD.

    The rows are of any number a day; ``days`` has one row a series and day.
    """
    usable = Y.is_not_null().any() & ~(Y.abs() > ABSURD).any()
    series = days.group_by("item_id").agg(usable=usable).sort("item_id")
    rows = rows.join(series, on="item_id", maintain_order="left")
    days = days.join(series, on="item_id", maintain_order="left")
    ids, unusable = (
        found["item_id"].cast(pl.String).to_list() for found in (series, series.filter(~USABLE))
    )
    doubt_ = next((part.doubt for part in parts if part.doubt), "")
    return SeriesRows(where, rows, days, ids, unusable, said, quarantine, count, doubt_)


def settle(read: Callable[[Sequence[str]], SeriesRows], noun: str, fault: str) -> SeriesRows:
    """Read series so that the unusable ones have no say in how the others are read.

    ``read`` reads all files, without regard to some series; ``noun`` is what a series is called,
    ``fault`` what makes one unusable.

    Raises:
        DataError: A file has values that nobody can read.
        IntakeError: No series is usable.
    """
    found = read(())
    if unusable := found.unusable:
        del found  # both at once are the most that a run ever holds
        found = read(unusable)
    if found.doubt:
        raise DataError(found.doubt)
    if found.unusable == found.ids:
        raise IntakeError(
            f"{found.where}: none of {counted(len(found.ids), noun)} is usable: each has "
            f"{fault} {ABSURD:g}. First: {named(found.ids)}.",
            found.quarantine,
        )
    return found


def repeated_rows(
    rows: pl.DataFrame, key: list[str], request: ReadingRequest, *, where: str, words: str
) -> int:
    """How many rows have a key that occurred on a row before.

    Raises:
        DataError: They are to be refused: with the count and the first offenders.
    """
    repeated = rows.filter(~pl.struct(key).is_first_distinct())
    if repeated.height and request.duplicates == "error":
        first = repeated.sort(KEY, maintain_order=True).select(KEY).head(3).rows()
        offenders = ", ".join(f"{item[:60]!r} on {day.isoformat()}" for item, day in first)
        raise DataError(
            f"{where}: {counted(repeated.height, 'row')} of {rows.height:,} repeat the {words} of "
            f"another. First: {offenders}. Remove them, or add them up with --duplicates sum."
        )
    return repeated.height


def to_intake(
    rows: pl.DataFrame,
    contract: Contract,
    found: SeriesRows,
    frequency: Frequency,
    statements: Sequence[str],
) -> Intake:
    """The table of a contract, checked some whole series at a time.

    No key spans two series, so the parts are as good as the whole; the check of keys takes ten
    times as long on 35 million rows at once.

    Raises:
        ContractError: The rows break their contract.
    """
    key = contract.key[0]
    places = rows[key].to_physical().to_numpy().astype(np.int64)
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    cuts = np.unique(starts[np.searchsorted(starts, np.arange(0, rows.height, CHUNK), "right") - 1])
    parts = [
        check(to_arrow(rows[start:stop].cast({key: pl.String})), contract, where=found.where)
        for start, stop in pairwise([*cuts.tolist(), rows.height])
    ]
    table = pa.concat_tables(parts)
    return Intake(table, frequency, found.count, tuple(statements), found.quarantine)
