"""The user's demand: rows of any frequency and origin to the dense table of the contract."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from ml.contracts.demand import ABSURD, DEMAND, SITE_DEMAND
from ml.errors import DataError
from ml.frequency import Frequency
from pipelines.intake import series
from pipelines.intake.cells import faulty_cells, parse_column
from pipelines.intake.data_file import DataFile, open_files
from pipelines.intake.names import DEMAND_NAMES, find_columns
from pipelines.intake.parse_numbers import parse_numbers
from pipelines.intake.parse_words import parse_flags
from pipelines.intake.periods import MONDAY, Inferred, fill_calendar, infer, on_periods
from pipelines.intake.quarantine import combined
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import count_rows, counted, named, on_rows
from pipelines.intake.series import KEY, SOUND, USABLE, FileRows, SeriesRows, Y
from pipelines.intake.site_demand import count_by_site

NEEDED = ("item_id", "ds", "y")
ZEROS_SHARE = 0.01  # of the rows; fewer recorded zeros are slips in a log of movements
SLIP = 1e-6  # of a sum, by rounding
PRESENT_SHARE = 0.5  # of the periods inside the items' spans
_ITEM = pl.col("item_id")
SUMS = (
    "total", "totals", "grand total", "total geral", "total general", "subtotal", "sub-total",
    "soma", "sum", "somatório", "somatorio",
)  # fmt: skip


def read_demand(path: Path, request: ReadingRequest) -> Intake:
    """Read demand from a file or a folder of files.

    Rows of an item and a period are added up over sites and repeated lines, returns (negative
    demand) netted. Absent periods between the first and the last row of an item are made
    explicit. Items without any observed value, or with an absurd one, keep their rows and days as
    they are, and take part in no decision about the others. Where rows name sites, what each of
    them asked for lately is a table beside, ``site_demand``.

    Returns:
        Rows in the demand contract; the frequency; what was found and done, in sentences.

    Raises:
        DataError: Files that cannot be read, lack a column or mix frequencies or an item's units,
            or repeated rows where they are to be refused.
        IntakeError: No row, or no item, is usable.
    """
    where = path.name
    choose = partial(find_columns, aliases=DEMAND_NAMES, needed=NEEDED, mapped=request.columns)
    files = open_files(path, choose)
    read = partial(_read, where, files, request)
    found = series.settle(read, "item", "no observed value or one above")
    del files, read  # the texts, for what follows takes as much again
    usable = found.rows.filter(USABLE)
    key, words = [*KEY, "site_id"], "item, site and day"
    repeats = 0
    if usable.height > found.days.filter(USABLE).height:
        repeats = series.repeated_rows(usable, key, request, where=where, words=words)
    statements = [*found.statements]
    if repeats:
        statements.append(
            f"{where}: {counted(repeats, 'row')} repeated the item, site and day of another "
            "and were added to it; --duplicates error refuses them."
        )
    given = usable.select("y")
    del usable
    inferred = _frequency(where, found.days.filter(USABLE), request)
    by_site = count_by_site(found, inferred)
    rows, returns = _sum_to_periods(found, inferred)
    rows = rows.join(_weigh_stockouts(found, inferred), on=KEY, how="left", maintain_order="left")
    frequency = inferred.frequency
    rows, gaps = _fill_gaps(where, given, fill_calendar(rows, frequency), request.gaps)
    table = rows.select(
        *KEY, "y", "is_stockout", frequency=pl.lit(str(frequency)), source=pl.lit(request.source),
        stockout_share="stockout_share", stockout_y="stockout_y",
    )  # fmt: skip
    statements += [inferred.statement, *returns, gaps]
    intake = series.to_intake(table, DEMAND, found, frequency, statements)
    return replace(intake, beside={SITE_DEMAND.name: by_site})


def _read(
    where: str, files: Sequence[DataFile], request: ReadingRequest, excluded: Sequence[str]
) -> SeriesRows:
    parts = [_read_file(file, request, excluded) for file in files]
    quarantine = combined([*(file.broken for file in files), *(c for p in parts for c in p.aside)])
    rows = pl.concat([part.rows for part in parts])
    later = sum(part.later for part in parts)
    count = count_rows(where, files, quarantine, used=rows.height, needed=NEEDED, later=later)
    said = on_rows(where, files, count, quarantine)
    said += [remark for part in parts for remark in part.remarks]
    _refuse_two_units(where, rows)
    rows = series.as_series(rows.drop("unit"))
    found = series.judge(where, rows, series.add_up(rows), said, quarantine, count, parts)
    if found.unusable:
        said.append(
            f"{where}: {len(found.unusable):,} of {counted(len(found.ids), 'item')} have no "
            f"observed value or one above {ABSURD:g} and are not usable: {named(found.unusable)}; "
            "their rows are kept as they are and change nothing for the others."
        )
    said += [*_on_lookalikes(where, found.ids), *_on_sum_lines(where, found.days)]
    aside = quarantine["item_id"].drop_nulls().unique(maintain_order=True)
    if lost := aside.filter(~aside.is_in([*found.ids, ""])).to_list():
        said.append(f"{where}: no row is left of {counted(len(lost), 'item')}: {named(lost)}.")
    return found


def _refuse_two_units(where: str, rows: pl.DataFrame) -> None:
    """Refuse items whose rows say different units: kilograms and pieces are not added up.

    Raises:
        DataError: There are such.
    """
    unit = pl.col("unit").str.to_lowercase().str.strip_chars(". ")
    units = rows.filter(unit != "").group_by("item_id").agg(units=unit.unique().sort())
    mixed = units.filter(pl.col("units").list.len() > 1).sort("item_id")
    if mixed.height:
        first = ", ".join(repr(one) for one in mixed["units"][0])
        raise DataError(
            f"{where}: {mixed.height:,} of {counted(units.height, 'item')} have demand in several "
            f"units: {named(mixed['item_id'].to_list())}, the first in {first}. Give all rows of "
            "an item in one; rename the column of units if those mean the same."
        )


def _on_lookalikes(where: str, ids: Sequence[str]) -> list[str]:
    """The sentence on ids that differ in case, width and blanks alone, if there are any."""
    bare = pl.col("id").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[\s\p{Cf}]", "")
    alike = pl.DataFrame({"id": ids}, {"id": pl.String}).with_columns(bare=bare)
    alike = alike.filter(pl.col("bare").is_duplicated()).sort("bare", "id")
    if not alike.height:
        return []
    found = f"{alike.height:,} of {counted(len(ids), 'item')}"
    words = "have ids that differ in case or blanks alone and are items of their own"
    return [f"{where}: {found} {words}: {named(alike['id'].to_list())}."]


def _on_sum_lines(where: str, days: pl.DataFrame) -> list[str]:
    """The sentence on items named as spreadsheets name the line below a table, if there are any."""
    name = _ITEM.cast(pl.String).str.to_lowercase().str.strip_chars(" .:=*")
    sums = days.filter(name.is_in(SUMS))
    if not sums.height:
        return []
    others = days.filter(~name.is_in(SUMS)).group_by("ds").agg(others=Y.sum())
    both = sums.join(others, on="ds", how="left").filter(Y.is_not_null())
    alike = both.filter((Y - pl.col("others")).abs() <= SLIP * Y.abs()).height
    names = sums["item_id"].cast(pl.String).unique().sort().to_list()
    line = (
        f"{where}: {named(names)}, {counted(len(names), 'item')} by the name of a line of sums: on "
        f"{alike:,} of {counted(both.height, 'day')} what all other items add up to. Take such "
        "lines out of the file."
    )
    return [line]


def _read_file(file: DataFile, request: ReadingRequest, excluded: Sequence[str]) -> FileRows:
    """The sound rows of a file."""
    dated = series.date_rows(file, request, excluded, "item_id")
    rows, remarks = parse_column(
        file, dated.rows, "y", partial(parse_numbers, typed="y" in file.typed, usual=file.decimal)
    )
    dated.remarks.extend(remarks)
    dated.aside.append(faulty_cells(file, rows, "y", _ITEM))
    flag = pl.lit(None, pl.Boolean)
    if "is_stockout" in file.names:
        rows, _ = parse_column(file, rows, "is_stockout", parse_flags)
        dated.aside.append(faulty_cells(file, rows, "is_stockout", _ITEM))
        flag = pl.col("is_stockout.value")
    site, unit = (pl.col(one) if one in file.names else pl.lit("") for one in ("site_id", "unit"))
    sound = rows.filter(SOUND & pl.col("y.fault").is_null()).select(
        "item_id", ds="ds.value", y="y.value", site_id=site, is_stockout=flag, unit=unit
    )
    return replace(dated, rows=sound, doubt=series.doubt(file, rows, "y"))


def _frequency(where: str, days: pl.DataFrame, request: ReadingRequest) -> Inferred:
    """The frequency asked for, else what the days of the usable items show."""
    if request.forced is None:
        return infer(days, kind="demand", where=where)
    weekdays = days["ds"].dt.weekday().unique()
    anchor = weekdays[0] - 1 if len(weekdays) == 1 else MONDAY
    statement = f"{where}: demand was summed to {request.forced.word} periods, as asked for."
    return Inferred(request.forced, anchor, statement)


def _sum_to_periods(found: SeriesRows, inferred: Inferred) -> tuple[pl.DataFrame, list[str]]:
    """One row an item and period, with returns netted; and the sentence on them."""
    rows = found.days
    if inferred.frequency is not Frequency.DAILY:
        periods = on_periods(found.rows, inferred.frequency, inferred.anchor)
        items = periods.select("item_id", "usable").unique()
        rows = series.add_up(periods).join(items, on="item_id", maintain_order="left")
    statements = []
    if returns := found.rows.filter(USABLE, Y < 0).height:
        below = rows.filter(USABLE, Y < 0).height
        statements.append(
            f"{found.where}: {counted(returns, 'row')} below zero are returns and were netted "
            f"within item and period; {counted(below, 'period')} stayed below zero and became 0."
        )
    # an absurd return stays absurd; the sum with 0 turns a negative zero into a zero
    netted = pl.when(USABLE).then(Y.clip(lower_bound=0.0)).otherwise(Y.abs())
    return rows.with_columns(y=netted + 0.0), statements


def _weigh_stockouts(found: SeriesRows, inferred: Inferred) -> pl.DataFrame:
    """Of each item and period where stock ran out, on what share of days and sites it did.

    And how much was served there. Days are those on which any item has a row, so a month given as
    one row is one day; sites are those of the item in all files.
    """
    rows = found.rows.with_columns(day="ds")
    rows = on_periods(rows, inferred.frequency, inferred.anchor)
    days = rows.filter("usable").group_by("ds").agg(days=pl.col("day").n_unique())
    sites = rows.group_by("item_id").agg(sites=pl.col("site_id").n_unique())
    flagged = rows.filter("is_stockout").sort(*KEY, "y", nulls_last=True)
    cells = flagged.group_by(KEY, maintain_order=True).agg(
        cells=pl.struct("site_id", "day").n_unique(), stockout_y=Y.sum().clip(lower_bound=0.0)
    )
    whole = cells.join(sites, on="item_id").join(days, on="ds", how="left")
    share = (pl.col("cells") / (pl.col("sites") * pl.col("days").fill_null(1))).clip(0.0, 1.0)
    return whole.select(*KEY, stockout_share=share, stockout_y="stockout_y")


def _fill_gaps(
    where: str, given: pl.DataFrame, dense: pl.DataFrame, asked: str
) -> tuple[pl.DataFrame, str]:
    """Make the ``absent`` periods of ``dense`` not observed or nothing moved; and say so.

    ``given`` are the values of the usable items as they were read.
    """
    periods, absent = dense.filter(USABLE).select(pl.len(), pl.col("absent").sum()).row(0)
    meaning, reason = _meaning(given, (periods - absent) / periods, asked)
    if meaning == "zero":
        dense = dense.with_columns(y=pl.when("absent").then(0.0).otherwise(Y))
    if not absent:
        return dense, f"{where}: every item has a row for each period from its first to its last."
    words = "not observed" if meaning == "missing" else "zero demand"
    return dense, (
        f"{where}: {counted(absent, 'period')} without a row between first and last rows "
        f"of items are read as {words} ({reason}); --gaps missing or zero decides otherwise."
    )


def _meaning(given: pl.DataFrame, present: float, asked: str) -> tuple[str, str]:
    """What absent periods are, and why; ``present`` is the share of the others."""
    if asked != "auto":
        return asked, "as asked for"
    zeros, observed = given.select((Y == 0).sum(), count=Y.count()).row(0)
    if zeros and zeros >= ZEROS_SHARE * observed:
        return "missing", f"the file records {counted(zeros, 'zero')} itself"
    share = f"{present:.0%} of the periods between first and last rows are there"
    if present >= PRESENT_SHARE:
        return "missing", share
    return "zero", f"the file is a log of movements: no zeros are recorded and only {share}"
