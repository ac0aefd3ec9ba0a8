"""The user's items and suppliers; and how attributes are read from text, cell by cell.

A cell that cannot be read goes to quarantine and counts as not given; the row stays, because
one bad cost must not hide a lead time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from ml.contracts.base import Column, Contract, check
from ml.contracts.demand import ABSURD, ITEMS, SUPPLIERS
from ml.errors import DataError
from pipelines.intake.cells import (
    NOTHING,
    TEXT,
    ParsedTexts,
    Parser,
    faulty_cells,
    id_fault,
    is_one_of,
    parse_column,
    parsed_texts,
)
from pipelines.intake.data_file import DataFile, open_files
from pipelines.intake.names import ITEM_NAMES, SUPPLIER_NAMES, Aliases, find_columns
from pipelines.intake.parse_days import parse_days
from pipelines.intake.parse_numbers import find_decimal, parse_numbers
from pipelines.intake.parse_words import parse_criticality, parse_service_metric, parse_status
from pipelines.intake.quarantine import Reason, combined, to_arrow
from pipelines.intake.request import Intake, ReadingRequest, RowCount
from pipelines.intake.sentences import count_rows, counted, named, on_rows

PERCENT = 100.0
LEAST_PERCENT = 50.0  # a service target of 2 is no 2 %: nobody keeps stock for that
NEVER_FREE = frozenset({"unit_cost", "stockout_cost"})  # where a 0 is what a system has for unknown
_WORDS: Mapping[str, Parser] = {
    "criticality": parse_criticality,
    "status": parse_status,
    "service_metric": parse_service_metric,
}


@dataclass(frozen=True, slots=True)
class Records:
    """Rows of attributes of all files."""

    files: list[DataFile]  # those that were read
    # the columns of the contract, null where nothing is given; `file`, `line`; and what a file
    # calls its ids and other needed columns, `id_column`, ..
    rows: pl.DataFrame
    remarks: list[str]  # what was decided in reading
    quarantine: pl.DataFrame  # cells set aside

    def account(
        self, where: str, aside: pl.DataFrame, *, used: int, needed: Sequence[str]
    ) -> tuple[RowCount, list[str]]:
        """Where the rows went, and what is said of them; arguments as of :func:`count_rows`.

        Raises:
            DataError: The sum does not hold.
            IntakeError: No row is used.
        """
        count = count_rows(where, self.files, aside, used=used, needed=needed)
        return count, on_rows(where, self.files, count, aside) + self.remarks


def read_items(path: Path, request: ReadingRequest) -> Intake:
    """Read items from a file or a folder of files.

    The first row of an item counts; later ones that say something else go to quarantine, or,
    where ``duplicates`` is ``error``, are refused.

    Raises:
        DataError: Files that cannot be read or have no column of ids; repeated items where they
            are to be refused.
        IntakeError: No row has an id.
    """
    return _read_first_rows(path, request, ITEMS, ITEM_NAMES, noun="an item")


def read_suppliers(path: Path, request: ReadingRequest) -> Intake:
    """Read suppliers from a file or a folder of files, as :func:`read_items` reads items."""
    return _read_first_rows(path, request, SUPPLIERS, SUPPLIER_NAMES, noun="a supplier")


def _read_first_rows(
    path: Path, request: ReadingRequest, contract: Contract, aliases: Aliases, *, noun: str
) -> Intake:
    where, (key, *others) = path.name, contract.names
    records = read_records(path, request, contract, aliases, needed=(key,))
    rows = records.rows
    repeats = rows.filter(~pl.col(key).is_first_distinct())
    refuse_repeats(where, repeats[key], rows, request, noun, f"Keep one row {noun}.")
    given = pl.col(others)
    differs = pl.any_horizontal(given.ne_missing(given.first().over(key)))
    different = rows.filter(differs).select(
        "file", "line", item_id=key, column=f"{key.removeprefix('item_')}_column", value=key,
        reason=pl.lit(str(Reason.REPEATED_KEY)),
    )  # fmt: skip
    quarantine = combined([records.quarantine, different])
    used = rows.height - different.height
    count, statements = records.account(where, quarantine, used=used, needed=(key,))
    if repeats.height:
        statements.append(
            f"{where}: {counted(repeats.height, 'row')} repeated {noun}; the first row of each "
            f"counts, {different.height:,} that said something else were set aside."
        )
    first = rows.unique(key, keep="first", maintain_order=True).sort(key)
    table = check(to_arrow(first.select(contract.names)), contract, where=where)
    return Intake(table, None, count, tuple(statements), quarantine)


def refuse_repeats(
    where: str, ids: pl.Series, rows: pl.DataFrame, request: ReadingRequest, what: str, remedy: str
) -> None:
    """Refuse rows that repeat others, where they are to be refused; ``ids`` are those of each.

    Raises:
        DataError: There are such, and the request says so.
    """
    if len(ids) and request.duplicates == "error":
        raise DataError(
            f"{where}: {counted(len(ids), 'row')} of {rows.height:,} repeat {what}. "
            f"First: {named(ids.unique().sort().to_list())}. {remedy}"
        )


def read_records(
    path: Path,
    request: ReadingRequest,
    contract: Contract,
    aliases: Aliases,
    *,
    needed: Sequence[str] = ("item_id",),
) -> Records:
    """Read the columns of a contract; only rows without a usable id, its first, are left out.

    Raises:
        DataError: Files that cannot be read or lack a column that is ``needed``.
    """
    choose = partial(find_columns, aliases=aliases, needed=needed, mapped=request.columns)
    key = contract.columns[0].name
    files, item = open_files(path, choose), pl.col(key)
    parts = [pl.DataFrame(schema={one.name: _dtype(one) for one in contract.columns})]
    remarks: list[str] = []
    aside = [file.broken for file in files]
    for file in files:
        rows = file.rows.with_columns(id_fault(key))
        aside.append(faulty_cells(file, rows, key, item))
        wanted = [one for one in contract.columns[1:] if one.name in file.names]
        numbers = [rows[one.name] for one in wanted if _dtype(one) is pl.Float64]
        signs = {"usual": file.decimal, "seen": find_decimal(numbers) if numbers else ""}
        for column in wanted:
            reading = {"typed": column.name in file.typed, **signs}
            parse = _parser(column, request.today, reading)
            rows, said = parse_column(file, rows, column.name, parse)
            aside.append(faulty_cells(file, rows, column.name, item))
            remarks += said
        values = {one.name: pl.col(f"{one.name}.value") for one in wanted}
        origin = {"file": pl.lit(file.name)}
        origin |= {f"{one.removeprefix('item_')}_column": pl.lit(file.names[one]) for one in needed}
        sound = rows.filter(pl.col(f"{key}.fault").is_null())
        parts.append(sound.select(key, "line", **origin, **values))
    return Records(files, pl.concat(parts, how="diagonal"), remarks, combined(aside))


def empty_cells(records: Records, wanted: str) -> pl.DataFrame:
    """The cells of a needed column that say nothing, as rows of the quarantine."""
    unknown = records.rows.filter(pl.col(wanted).is_null())
    return unknown.select(
        "file", "line", "item_id", column=f"{wanted}_column", value=pl.lit(""),
        reason=pl.lit(str(Reason.EMPTY_NUMBER)),
    ).join(records.quarantine, on=["file", "line", "column"], how="anti")  # fmt: skip


def _dtype(column: Column) -> type[pl.DataType]:
    if pa.types.is_timestamp(column.dtype):
        return pl.Date
    return pl.String if pa.types.is_string(column.dtype) else pl.Float64


def _parser(column: Column, today: date, reading: Mapping[str, Any]) -> Parser:
    """What makes values of a column's texts; what has a fault counts as not given.

    ``reading`` says how its numbers are written, if they are numbers.
    """
    if column.name in _WORDS:
        return _WORDS[column.name]
    if column.name in {"due_at", "on_order_eta", "needed_until"}:  # what is due comes
        return partial(_optional_days, today=date.max)
    if _dtype(column) is pl.String:
        return partial(_free_text, upper=column.name == "currency")
    if _dtype(column) is pl.Date:
        return partial(_optional_days, today=today)
    return partial(_in_range, column=column, reading=reading)


def _free_text(texts: pl.DataFrame, where: str, *, upper: bool) -> ParsedTexts:  # noqa: ARG001
    return parsed_texts(texts, pl.when(TEXT != "").then(TEXT.str.to_uppercase() if upper else TEXT))


def _optional_days(texts: pl.DataFrame, where: str, *, today: date) -> ParsedTexts:
    parsed = parse_days(texts, where, today=today)
    given = pl.when(~is_one_of(NOTHING)).then(pl.col("fault"))
    return ParsedTexts(parsed.cells.with_columns(fault=given), parsed.remarks)


def _in_range(
    texts: pl.DataFrame, where: str, *, column: Column, reading: Mapping[str, Any]
) -> ParsedTexts:
    """Values outside the range of the contract are faults; service levels may be percentages.

    A cost of 0 is not given: what costs nothing would be bought without end. Units beyond what any
    demand can be are a fault of the file.
    """
    parsed = parse_numbers(texts, where, **reading)
    value, remarks = pl.col("value"), parsed.remarks
    if column.name == "service_target":
        percent = (value >= LEAST_PERCENT) & (value <= PERCENT)
        if parsed.cells.select(percent.any()).item():
            remarks = (*remarks, f"{where}: values above 1 were read as percentages.")
        # by numpy: Polars multiplies with 0.01, which is not the same number
        value = (
            pl.when(percent)
            .then(pl.Series(parsed.cells["value"].to_numpy() / PERCENT))
            .otherwise(value)
        )
        outside = (value <= 0) | (value >= 1)  # no safety stock covers everything
    else:
        most = min(column.upper, ABSURD) if column.unit == "units" else column.upper
        outside = (value < column.lower) | (value > most)
    if column.name in NEVER_FREE:
        free = texts.join(parsed.cells.filter(value == 0), on="text", how="semi")
        if free.height:
            cells = counted(int(free["weight"].sum()), "cell")
            remarks = (*remarks, f"{where}: {cells} with 0, taken as not given.")
        value = pl.when(value != 0).then(value)
    rules = parsed_texts(parsed.cells, value, (outside, Reason.OUT_OF_RANGE)).cells
    fault = pl.coalesce(rules["fault"], parsed.cells["fault"])
    return ParsedTexts(rules.with_columns(fault=fault), remarks)
