"""The user's items; and how attributes of items and stock are read from text, cell by cell.

A cell that cannot be read goes to quarantine and counts as not given; the row stays, because
one bad cost must not hide a lead time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa

from ml.contracts.base import Column, Contract, check
from ml.contracts.demand import ITEMS
from ml.errors import DataError
from pipelines.intake.data_file import DataFile, open_files
from pipelines.intake.names import ITEM_NAMES, by_usual_names
from pipelines.intake.parse_days import parse_days
from pipelines.intake.parse_numbers import parse_numbers
from pipelines.intake.parse_words import parse_criticality, parse_status
from pipelines.intake.parsed import (
    NOTHING,
    TEXT,
    ParsedTexts,
    Parser,
    faulty_cells,
    is_one_of,
    parse_column,
    parsed_texts,
)
from pipelines.intake.quarantine import Reason, combined, to_arrow
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import counted, named, on_rows, refuse_nothing_left

PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Records:
    """Rows of attributes of all files.

    Attributes:
        rows: ``item_id``, the columns of the contract that any file has, null where nothing is
            given; and ``file``, ``line`` and ``id_column``, what a file calls its ids.
        names: Those columns.
        remarks: What was decided in reading.
        quarantine: Cells set aside.
    """

    rows: pl.DataFrame
    names: list[str]
    remarks: tuple[str, ...]
    quarantine: pl.DataFrame


def read_items(path: Path, request: ReadingRequest) -> Intake:
    """Read items from a file or a folder of files.

    The first row of an item counts; later ones that say something else go to quarantine, or,
    where ``duplicates`` is ``error``, are refused.

    Raises:
        DataError: Files that cannot be read or have no column of ids; repeated items where they
            are to be refused.
        IntakeError: No row has an id.
    """
    where = path.name
    files = open_files(path, by_usual_names(ITEM_NAMES, ("item_id",), request.columns))
    records = read_records(where, files, ITEMS, request.today)
    rows = records.rows
    repeats = rows.filter(~pl.col("item_id").is_first_distinct())
    if repeats.height and request.duplicates == "error":
        raise DataError(
            f"{where}: {counted(repeats.height, 'row')} of {rows.height:,} repeat an item. "
            f"First: {named(repeats['item_id'].unique().sort().to_list())}. Keep one row an item."
        )
    given = [pl.col(name) for name in records.names]
    differs = [
        value.ne_missing(value.first().over("item_id"))
        for value in given
        if value.meta.output_name() != "item_id"
    ]
    different = rows.filter(pl.any_horizontal(pl.lit(value=False), *differs))
    repeated = different.select(
        "file", "line", "item_id", column="id_column", value="item_id",
        reason=pl.lit(str(Reason.REPEATED_KEY)),
    )  # fmt: skip
    quarantine = combined([records.quarantine, repeated])
    statements = [*on_rows(where, files, rows.height - different.height, quarantine)]
    statements += records.remarks
    if repeats.height:
        statements.append(
            f"{where}: {counted(repeats.height, 'row')} repeated an item; the first row of each "
            f"counts, {different.height:,} that said something else were set aside."
        )
    first = rows.unique("item_id", keep="first", maintain_order=True).sort("item_id")
    table = contract_table(first, ITEMS, where)
    return Intake(table, None, tuple(statements), quarantine)


def read_records(where: str, files: Sequence[DataFile], contract: Contract, today: date) -> Records:
    """Read the columns of a contract from opened files; only rows without an id are left out.

    Raises:
        IntakeError: No row has an id.
    """
    parts: list[pl.DataFrame] = []
    remarks: list[str] = []
    aside = [file.broken for file in files]
    item = pl.col("item_id")
    for file in files:
        wanted = [one for one in contract.columns[1:] if one.name in file.names]
        rows = file.rows.with_columns(
            pl.when(item == "").then(pl.lit(str(Reason.EMPTY_ID))).alias("item_id.fault")
        )
        aside.append(faulty_cells(file, rows, "item_id", item))
        for column in wanted:
            parse = _parser(column, today, typed=column.name in file.typed)
            rows, said = parse_column(file, rows, column.name, parse)
            aside.append(faulty_cells(file, rows, column.name, item))
            remarks += said
        values = {one.name: pl.col(f"{one.name}.value") for one in wanted}
        origin = {"file": pl.lit(file.name), "id_column": pl.lit(file.names["item_id"])}
        parts.append(rows.filter(item != "").select("item_id", "line", **origin, **values))
    quarantine = combined(aside)
    rows = pl.concat(parts, how="diagonal")
    refuse_nothing_left(where, files, rows.height, quarantine)
    names = [column.name for column in contract.columns if column.name in rows.columns]
    return Records(rows, names, tuple(remarks), quarantine)


def contract_table(rows: pl.DataFrame, contract: Contract, where: str) -> pa.Table:
    """Rows in their contract; a column that they lack is null.

    Raises:
        ContractError: The rows break their contract.
    """
    columns = [
        name if name in rows.columns else pl.lit(None).alias(name) for name in contract.names
    ]
    return check(to_arrow(rows.select(columns)), contract, where=where)


def _parser(column: Column, today: date, *, typed: bool) -> Parser:
    """What makes values of a column's texts; what has a fault counts as not given."""
    if column.name == "criticality":
        return parse_criticality
    if column.name == "status":
        return parse_status
    if pa.types.is_string(column.dtype):
        return partial(_free_text, upper=column.name == "currency")
    if pa.types.is_timestamp(column.dtype):
        return partial(_optional_days, today=today)
    return partial(_in_range, column=column, typed=typed)


def _free_text(texts: pl.DataFrame, where: str, *, upper: bool) -> ParsedTexts:  # noqa: ARG001
    return parsed_texts(texts, pl.when(TEXT != "").then(TEXT.str.to_uppercase() if upper else TEXT))


def _optional_days(texts: pl.DataFrame, where: str, *, today: date) -> ParsedTexts:
    parsed = parse_days(texts, where, today=today)
    given = pl.when(~is_one_of(NOTHING)).then(pl.col("fault"))
    return ParsedTexts(parsed.cells.with_columns(fault=given), parsed.remarks)


def _in_range(texts: pl.DataFrame, where: str, *, column: Column, typed: bool) -> ParsedTexts:
    """Values outside the range of the contract are faults; service levels may be percentages."""
    parsed = parse_numbers(texts, where, typed=typed)
    value, remarks = pl.col("value"), parsed.remarks
    if column.name == "service_target":
        percent = (value > 1) & (value <= PERCENT)
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
        outside = (value < column.lower) | (value > column.upper)
    rules = parsed_texts(parsed.cells, value, (outside, Reason.OUT_OF_RANGE)).cells
    fault = pl.coalesce(rules["fault"], parsed.cells["fault"])
    return ParsedTexts(rules.with_columns(fault=fault), remarks)
