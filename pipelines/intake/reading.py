"""What all tables share: opening the files of a path, and the sentences on what came of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.files import data_files
from pipelines.intake.interface import IntakeError
from pipelines.intake.names import Aliases, Found, find_columns
from pipelines.intake.parsed import Parsed, faults_of
from pipelines.intake.quarantine import Reason, first_cell, listed, rows_set_aside, summary
from pipelines.intake.source import Choose, Mask, Source, TextColumn
from pipelines.intake.sources import open_source
from pipelines.intake.wording import counted, named


@dataclass(frozen=True, slots=True)
class Files:
    """The opened files of one table.

    Attributes:
        where: Name of the file or folder, for sentences.
        sources: One a file, in the order of their names.
    """

    where: str
    sources: tuple[Source, ...]

    @property
    def rows(self) -> int:
        """Rows of all files, those with a wrong number of fields among them."""
        return sum(source.rows + source.broken.num_rows for source in self.sources)

    @property
    def broken(self) -> list[pa.Table]:
        """Quarantine of the lines with a wrong number of fields."""
        return [source.broken for source in self.sources]


def open_files(path: Path, choose: Choose) -> Files:
    """Open all data files of a path.

    Raises:
        DataError: A file that cannot be read, or lacks a column that is needed.
    """
    return Files(path.name, tuple(open_source(file, choose) for file in data_files(path)))


def by_usual_names(aliases: Aliases, needed: Sequence[str], mapped: Mapping[str, str]) -> Choose:
    """A chooser of columns by the user's mapping and the names that columns usually have."""

    def choose(header: Sequence[str], where: str) -> Found:
        return find_columns(header, aliases, needed=needed, mapped=mapped, where=where)

    return choose


def empty_ids(column: TextColumn) -> Parsed:
    """Ids need no parsing; an empty one is a fault."""
    empty = pc.equal(column.texts, "").to_numpy(zero_copy_only=False)
    faults = faults_of(len(column.texts), (empty, Reason.EMPTY_ID))
    return Parsed(np.empty(0), faults)


def cell_faults(
    source: Source, wanted: str, parsed: Parsed, *, items: TextColumn | None
) -> pa.Table:
    """The faulty cells of one column as quarantine rows."""
    column = source.columns[wanted]
    return listed(
        source,
        parsed.faults[column.codes],
        column=column.name,
        values=column.cells,
        items=None if items is None else items.cells,
    )


def is_sound(column: TextColumn, parsed: Parsed) -> Mask:
    """The rows without a fault in a column, (R,)."""
    return (parsed.faults == 0)[column.codes]


def taken(column: TextColumn, parsed: Parsed) -> npt.NDArray[Any]:
    """The value of each row, (R,)."""
    return parsed.values[column.codes]


def refuse_nothing_left(files: Files, used: int, quarantine: pa.Table) -> None:
    """Refuse files of which no row is left.

    Raises:
        IntakeError: With the quarantine.
    """
    if used:
        return
    raise IntakeError(
        f"{files.where}: none of {counted(files.rows, 'row')} can be used "
        f"({summary(quarantine)}). First: {first_cell(quarantine)}.",
        quarantine,
    )


def on_rows(files: Files, used: int, quarantine: pa.Table) -> list[str]:
    """Sentences on the rows read and set aside, and on the columns not used."""
    aside = files.rows - used
    cells = quarantine.num_rows
    read = (
        f"{files.where}: {counted(files.rows, 'row')} read from "
        f"{counted(len(files.sources), 'file')}, {used:,} used, {aside:,} set aside."
    )
    sentences = [read]
    if cells:
        sentences.append(
            f"{files.where}: {counted(cells, 'cell')} quarantined in "
            f"{counted(rows_set_aside(quarantine), 'row')} ({summary(quarantine)}); "
            f"first: {first_cell(quarantine)}."
        )
    ignored = sorted({name for source in files.sources for name in source.found.ignored})
    if ignored:
        sentences.append(
            f"{files.where}: {counted(len(ignored), 'column')} not used: {named(ignored)}."
        )
    sentences += [remark for source in files.sources for remark in source.found.remarks]
    return sentences


def excluded_rows(column: TextColumn, excluded: pa.Array) -> Mask:
    """Rows of the ids that have no say in how the others are read, (R,)."""
    found = pc.is_in(column.texts, value_set=excluded).to_numpy(zero_copy_only=False)
    return found[column.codes]
