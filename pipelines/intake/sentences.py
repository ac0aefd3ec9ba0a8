"""The sentences that all tables share, on the files, rows and cells that were read."""

from collections.abc import Sequence

import polars as pl

from ml.errors import DataError, first_few
from pipelines.intake.data_file import DataFile
from pipelines.intake.quarantine import IntakeError, Reason, first_cell, summary
from pipelines.intake.request import RowCount

UNCLEAR_NUMBERS = (
    "Write thousands without a sign, or decimals with another number of digits than three."
)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(1200, "row"), counted(2, "series")
    ('1 row', '1,200 rows', '2 series')
    """
    return f"{number:,} {noun}" if number == 1 or noun == "series" else f"{number:,} {noun}s"


def named(names: Sequence[str]) -> str:
    """The first few names in quotes, each cut to a readable length."""
    return first_few([name if len(name) <= 60 else f"{name[:59]}…" for name in names])


def count_rows(
    where: str,
    files: Sequence[DataFile],
    aside: pl.DataFrame,
    *,
    used: int,
    needed: Sequence[str],
    later: int = 0,
) -> RowCount:
    """Count where the rows of files went.

    ``aside`` are the cells set aside of rows that are not used; those in the ``needed`` columns,
    and those of no column, cost their row.

    Raises:
        DataError: The sum does not hold: rows would be lost without a word.
    """
    lost = pl.concat([aside.filter(pl.col("column").is_null()), cells_in(files, needed, aside)])
    read = sum(file.height for file in files)
    count = RowCount(read, used, lost.select("file", "line").n_unique(), later)
    if read != count.used + count.aside + count.later:
        raise DataError(
            f"{where}: {counted(read, 'row')} read, but {used:,} used, {count.aside:,} set aside "
            f"and {later:,} of later days. Nothing was kept; this is a fault of the program, "
            "report it."
        )
    return count


def cells_in(files: Sequence[DataFile], wanted: Sequence[str], cells: pl.DataFrame) -> pl.DataFrame:
    """Those of some cells of a quarantine that are in columns of these wanted names."""
    columns = pl.DataFrame(
        [(file.name, file.names[one]) for file in files for one in wanted if one in file.names],
        {"file": pl.String, "column": pl.String},
        orient="row",
    )
    return cells.join(columns, on=["file", "column"], how="semi")


def on_rows(
    where: str, files: Sequence[DataFile], count: RowCount, quarantine: pl.DataFrame
) -> list[str]:
    """Sentences on the rows read and set aside, and on the columns not used.

    Raises:
        IntakeError: No row is used; with the quarantine.
    """
    if not count.used:
        why = ": all are of later days."
        if quarantine.height:
            why = f" ({summary(quarantine)}). First: {first_cell(quarantine)}."
            if Reason.AMBIGUOUS_NUMBER in set(quarantine["reason"]):
                why = f"{why} {UNCLEAR_NUMBERS}"
        message = f"{where}: none of {counted(count.read, 'row')} can be used{why}"
        raise IntakeError(message, quarantine)
    read = f"{counted(count.read, 'row')} read from {counted(len(files), 'file')}"
    sentences = [f"{where}: {read}, {count.used:,} used, {count.read - count.used:,} set aside."]
    if quarantine.height:
        hit = quarantine.select("file", "line").n_unique()
        sentences.append(
            f"{where}: {counted(quarantine.height, 'cell')} quarantined in {counted(hit, 'row')} "
            f"({summary(quarantine)}); first: {first_cell(quarantine)}."
        )
    ignored = sorted({name for file in files for name in file.chosen.ignored})
    if ignored:
        sentences.append(f"{where}: {counted(len(ignored), 'column')} not used: {named(ignored)}.")
    return sentences + [
        remark for file in files for remark in (*file.chosen.remarks, *file.remarks)
    ]
