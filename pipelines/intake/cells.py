"""From the texts of a column to values; every distinct text is parsed once."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from pipelines.intake.data_file import DataFile
from pipelines.intake.quarantine import Reason

NOTHING = ("", "nan", "na", "n/a", "#n/a", "null", "none", "<na>", "nat", ".")
TEXT = pl.col("text")


@dataclass(frozen=True, slots=True)
class ParsedTexts:
    """What a parser makes of the distinct texts of a column."""

    # one row a `text` with its `value`, null where it says nothing or has a `fault`: the
    # reason, null in sound ones
    cells: pl.DataFrame
    remarks: tuple[str, ...] = ()  # what was decided for the column as a whole, in plain sentences


Parser = Callable[[pl.DataFrame, str], ParsedTexts]
"""From distinct texts, each with its ``weight`` as evidence, and "file, column" for remarks."""


def matches(column: pl.Expr, pattern: str) -> pl.Expr:
    """Where texts match a pattern from end to end."""
    return column.str.contains(rf"^(?:{pattern})$")


def is_one_of(words: tuple[str, ...]) -> pl.Expr:
    """Where ``text`` is one of some lower-case words, whatever its case."""
    return TEXT.str.to_lowercase().is_in(words)


def parsed_texts(
    texts: pl.DataFrame,
    value: pl.Expr,
    *rules: tuple[pl.Expr, Reason],
    remarks: tuple[str, ...] = (),
) -> ParsedTexts:
    """Values and faults of texts; of several rules that are broken the first counts."""
    faults = [pl.when(broken).then(pl.lit(str(reason))) for broken, reason in rules]
    fault = pl.coalesce(faults) if rules else pl.lit(None, pl.String)
    cells = texts.select(TEXT, value=value, fault=fault)
    sound = pl.when(pl.col("fault").is_null()).then(pl.col("value"))
    return ParsedTexts(cells.with_columns(value=sound), remarks)


def parse_column(
    file: DataFile, rows: pl.DataFrame, wanted: str, parse: Parser
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The rows of a file with ``<wanted>.value`` and ``<wanted>.fault``, and the remarks.

    Where there is a column ``counts``, only its true rows count as evidence of how the wanted
    column is written.
    """
    weight = pl.col("counts").sum() if "counts" in rows.columns else pl.len()
    texts = rows.group_by(text=wanted).agg(weight=weight)
    parsed = parse(texts, f"{file.name}, {file.names[wanted]}")
    cells = parsed.cells.select(
        TEXT, pl.col("value").alias(f"{wanted}.value"), pl.col("fault").alias(f"{wanted}.fault")
    )
    joined = rows.join(cells, left_on=wanted, right_on="text", how="left", maintain_order="left")
    return joined, parsed.remarks


def id_fault(column: str) -> pl.Expr:
    """Why a text is no id: it is empty, or a spreadsheet rounded it, so that ids became one."""
    reason = pl.when(pl.col(column) == "").then(pl.lit(str(Reason.EMPTY_ID)))
    rounded = matches(pl.col(column), r"[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]{2,}")
    return reason.when(rounded).then(pl.lit(str(Reason.ROUNDED_ID))).alias(f"{column}.fault")


def faulty_cells(
    file: DataFile, rows: pl.DataFrame, wanted: str, item: pl.Expr | None = None
) -> pl.DataFrame:
    """The faulty cells of a parsed column as rows of the quarantine."""
    reason = pl.col(f"{wanted}.fault")
    return rows.filter(reason.is_not_null()).select(
        file=pl.lit(file.name),
        line=pl.col("line"),
        item_id=pl.lit(None, pl.String) if item is None else item,
        column=pl.lit(file.names[wanted]),
        value=pl.col(wanted),
        reason=reason,
    )
