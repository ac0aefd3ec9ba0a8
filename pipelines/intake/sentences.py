"""The sentences that all tables share, on the files, rows and cells that were read."""

from collections.abc import Sequence

import polars as pl

from ml.errors import first_few
from pipelines.intake.data_file import DataFile
from pipelines.intake.quarantine import IntakeError, first_cell, summary


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(1200, "row"), counted(2, "series")
    ('1 row', '1,200 rows', '2 series')
    """
    return f"{number:,} {noun}" if number == 1 or noun == "series" else f"{number:,} {noun}s"


def named(names: Sequence[str]) -> str:
    """The first few names in quotes, each cut to a readable length."""
    return first_few([name if len(name) <= 60 else f"{name[:59]}…" for name in names])


def on_rows(
    where: str, files: Sequence[DataFile], used: int, quarantine: pl.DataFrame
) -> list[str]:
    """Sentences on the rows read and set aside, and on the columns not used.

    Raises:
        IntakeError: No row is used; with the quarantine.
    """
    rows = sum(file.height for file in files)
    if not used:
        why = ": all are of later days."
        if quarantine.height:
            why = f" ({summary(quarantine)}). First: {first_cell(quarantine)}."
        message = f"{where}: none of {counted(rows, 'row')} can be used{why}"
        raise IntakeError(message, quarantine)
    read = f"{counted(rows, 'row')} read from {counted(len(files), 'file')}"
    sentences = [f"{where}: {read}, {used:,} used, {rows - used:,} set aside."]
    if quarantine.height:
        hit = quarantine.select("file", "line").n_unique()
        sentences.append(
            f"{where}: {counted(quarantine.height, 'cell')} quarantined in {counted(hit, 'row')} "
            f"({summary(quarantine)}); first: {first_cell(quarantine)}."
        )
    ignored = sorted({name for file in files for name in file.chosen.ignored})
    if ignored:
        sentences.append(f"{where}: {counted(len(ignored), 'column')} not used: {named(ignored)}.")
    return sentences + [remark for file in files for remark in file.chosen.remarks]
