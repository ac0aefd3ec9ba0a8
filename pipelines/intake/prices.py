"""The user's prices: levels of any sign, one row a series and period, to their contract."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from ml.contracts.base import check
from ml.contracts.demand import ABSURD
from ml.contracts.outside import PRICES
from ml.errors import DataError
from pipelines.intake import series
from pipelines.intake.cells import faulty_cells, parse_column
from pipelines.intake.data_file import DataFile, open_files, stem
from pipelines.intake.names import (
    PRICE_NAMES,
    Choose,
    ChosenColumns,
    find_columns,
    plain,
    position_of,
)
from pipelines.intake.parse_numbers import find_decimal, parse_numbers
from pipelines.intake.periods import fill_calendar, infer, on_periods, rhythm_of
from pipelines.intake.quarantine import Reason, combined, to_arrow
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import count_rows, counted, named, on_rows
from pipelines.intake.series import KEY, SOUND, USABLE, FileRows, ReadSeries, SeriesRows, Y

CLOSES = ("close", "price", "ultimo", "fechamento")  # the first that is there is the price
MARKET = (
    *CLOSES, "open", "high", "low", "adj_close", "volume", "vol", "change", "change_percent", "var",
    "dividends", "stock_splits", "abertura", "maxima", "minima",
)  # fmt: skip
LONG_VALUES = ("value", "valor", "preco", *CLOSES)
NAMELESS = ("price", "close", "value")  # a series of this name is called after its file
VALUE = "value:"  # begins the wanted names of value columns
_NOTES = ("unit", "currency")


def read_prices(path: Path, request: ReadingRequest) -> Intake:
    """Read prices from a file or a folder of files.

    The request's ``gaps`` and ``frequency`` are for demand: a gap between prices stays missing,
    and levels cannot be summed to a coarser frequency. Where ``duplicates`` is ``sum``, equal rows
    of one series and day count once, and rows that disagree go to quarantine.

    Returns:
        Rows in the prices contract, available on the day that they are of; the frequency; what
        was found and done, in sentences.

    Raises:
        DataError: Files that cannot be read, lack a column or mix frequencies, or repeated rows
            where they are to be refused.
        IntakeError: No row, or no series, is usable.
    """
    files = open_files(path, _choose_columns(request.columns))
    read = partial(_read, path.name, files, request)
    found = series.settle(read, "series", "no value or one beyond")
    where, days = found.about.where, found.rows.filter(USABLE).select(KEY)
    inferred = infer(rhythm_of(days), days["ds"].unique().sort(), kind="price", where=where)
    rows = on_periods(found.rows, inferred.frequency, inferred.anchor)
    _refuse_two_of_a_period(found, rows, str(inferred.frequency))
    rows = fill_calendar(rows.drop(_NOTES), inferred.frequency)
    notes = found.rows.select("item_id", *_NOTES).unique()
    table = rows.join(notes, on="item_id", how="left", maintain_order="left").select(
        series="item_id",
        region=pl.lit(None, pl.String),
        ref_date="ds",
        available_at="ds",
        value="y",
        unit="unit",
        source=pl.lit(request.source),
        preliminary=pl.lit(value=False),
        estimated=pl.lit(None, pl.Boolean),
        currency="currency",
    )
    absent = counted(rows.filter("absent").height, "period")
    statements = (
        *found.about.statements,
        inferred.statement,
        f"{where}: {absent} without a row between first and last rows stay missing.",
    )
    checked = check(to_arrow(table.cast({"series": pl.String})), PRICES, where=where)
    about = found.about
    return Intake(checked, inferred.frequency, about.count, statements, about.quarantine)


def _choose_columns(mapped: Mapping[str, str]) -> Choose:
    """A chooser for price files: one value column, market data, or one column a series."""

    def choose(header: Sequence[str], where: str) -> ChosenColumns:
        base = find_columns(header, where, aliases=PRICE_NAMES, needed=("ds",), mapped=mapped)
        free = {
            i: plain(name)
            for i, name in enumerate(header)
            if name and i not in base.positions.values()
        }
        asked = position_of(header, (mapped["value"],), where) if "value" in mapped else None
        values = [asked] if asked in free else _value_columns(free)
        if "series" in base.positions and len(values) > 1:
            values = [i for name in LONG_VALUES for i in values if free[i] == name][:1] or values
            if len(values) > 1:
                raise DataError(
                    f"{where}: {len(values)} columns may hold the values: "
                    f"{named([header[i] for i in values])}. Say which one: --column value=NAME."
                )
        if not values:
            raise DataError(
                f"{where}: no column of values. Columns found: {named(list(header))}. "
                "Say which one it is: --column value=NAME."
            )
        positions = {**base.positions, **{f"{VALUE}{i}": i for i in values}}
        ignored = tuple(name for i, name in enumerate(header) if i not in positions.values())
        return ChosenColumns(positions, ignored, base.remarks)

    return choose


def _value_columns(free: Mapping[int, str]) -> list[int]:
    """All columns; of market data the close and what is no market data."""
    close = next((i for close in CLOSES for i, name in free.items() if name == close), None)
    return [i for i, name in free.items() if close in (None, i) or name not in MARKET]


def _read(
    where: str, files: Sequence[DataFile], request: ReadingRequest, excluded: Sequence[str]
) -> SeriesRows:
    parts = [_read_file(file, request, excluded) for file in files]
    rows = pl.concat([part.rows for part in parts])
    again = series.find_repeats(rows, KEY)
    words, repeats = "series and day", again.height
    series.refuse_repeats(again, repeats, rows.height, request, where=where, words=words)
    disagree = Y.is_not_null() & (Y.min().over(KEY) != Y.max().over(KEY))
    contradicting = rows.filter(disagree).select(
        "file", "line", "item_id", "column", value="text", reason=pl.lit(str(Reason.REPEATED_KEY))
    )
    rows = rows.filter(~disagree)
    aside = [*(file.broken for file in files), *(cells for part in parts for cells in part.aside)]
    quarantine = combined([*aside, contradicting])
    lines = rows.select("file", "line").unique()
    lost = quarantine.join(lines, on=["file", "line"], how="anti")
    needed = {name for file in files for name in file.names}
    later = sum(part.later for part in parts)
    count = count_rows(where, files, lost, used=lines.height, needed=[*needed], later=later)
    said = on_rows(where, files, count, quarantine)
    said += [remark for part in parts for remark in part.remarks]
    if repeats:
        said.append(
            f"{where}: {counted(repeats, 'row')} repeated the series and day of another; equal "
            f"ones count once, {contradicting.height:,} that disagree were set aside."
        )
    rows = _with_notes(series.as_series(rows.drop("file", "line", "column", "text")))
    rows = rows.sort(*KEY, "y", nulls_last=True, maintain_order=True)  # a value goes before null
    rows = rows.unique(KEY, keep="first", maintain_order=True)
    usable = series.find_usable(rows)
    rows = rows.join(usable, on="item_id", maintain_order="left")
    ids, unusable = (
        one["item_id"].cast(pl.String).to_list() for one in (usable, usable.filter(~USABLE))
    )
    said.append(f"{where}: {counted(len(ids), 'series')}: {named(ids)}.")
    if unusable:
        said.append(
            f"{where}: {counted(len(unusable), 'series')} with no value or one "
            f"beyond {ABSURD:g}: {named(unusable)}; kept as they are, without influence on "
            "the others."
        )
    doubt = next((part.doubt for part in parts if part.doubt), "")
    about = ReadSeries(where, ids, unusable, said, quarantine, count, doubt)
    return SeriesRows(about, rows)


def _read_file(file: DataFile, request: ReadingRequest, excluded: Sequence[str]) -> FileRows:
    """The sound values of all value columns of a file, below one another."""
    ids = "series" if "series" in file.names else None
    dated = series.date_rows(file, request, excluded, ids)
    keys = [key for key in file.names if key.startswith(VALUE)]
    notes = {note: pl.col(note) if note in file.names else pl.lit("") for note in _NOTES}
    texts = [dated.rows[key] for key in keys if key not in file.typed]
    seen = find_decimal(texts) if len(texts) > 1 else ""
    blocks, doubt = [], ""
    for key in keys:
        parse = partial(parse_numbers, typed=key in file.typed, usual=file.decimal, seen=seen)
        rows, remarks = parse_column(file, dated.rows, key, parse)
        doubt = doubt or series.doubt(file, rows, key)
        name, value, fault = file.names[key], pl.col(f"{key}.value"), pl.col(f"{key}.fault")
        if len(keys) > 1 and rows.select(value.is_null().all() & fault.is_not_null().any()).item():
            dated.remarks.append(f"{file.name}, {name}: no cell is a number; column not used.")
            continue
        own_name = stem(Path(file.name)) if plain(name) in NAMELESS else name
        item = pl.col(ids) if ids else pl.lit(own_name)
        dated.aside.append(faulty_cells(file, rows, key, item))
        dated.remarks.extend(remarks)
        blocks.append(
            rows.filter(SOUND & fault.is_null()).select(
                file=pl.lit(file.name), line="line", column=pl.lit(name), text=key,
                item_id=item, ds="ds.value", y=value, **notes,
            )
        )  # fmt: skip
    if not blocks:
        columns = named([file.names[key] for key in keys])
        raise DataError(f"{file.name}: no cell of its columns {columns} is a number.")
    return replace(dated, rows=pl.concat(blocks), doubt=doubt)


def _refuse_two_of_a_period(found: SeriesRows, rows: pl.DataFrame, frequency: str) -> None:
    """Refuse levels of two days that fall into one period: neither is that of the period.

    Raises:
        DataError: There are such.
    """
    second = rows.with_columns(day=found.rows["ds"]).filter(
        USABLE, pl.struct(KEY).is_duplicated(), pl.col("day") != pl.col("ds")
    )
    if second.height:
        item, day = second.select("item_id", "day").row(0)
        raise DataError(
            f"{found.about.where}: {counted(second.height, 'row')} of {rows.height:,} fall into a "
            f"period ({frequency}) that has a row already: first {item!r} on {day}. Remove or "
            "correct."
        )


def _with_notes(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the only unit and currency of their series, null where there is not just one."""
    only = {}
    for note in _NOTES:
        given = pl.col(note).filter(pl.col(note) != "").unique()
        only[note] = pl.when(given.len() == 1).then(given.first())
    notes = rows.group_by("item_id").agg(**only)
    notes = notes.with_columns(pl.col("currency").str.to_uppercase())
    return rows.drop(_NOTES).join(notes, on="item_id", how="left", maintain_order="left")
