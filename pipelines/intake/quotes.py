"""Price rows as they stand in the files: parsed, the faulty and contradicting ones set aside."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from ml.contracts.demand import ABSURD
from pipelines.intake.cutoff import on_later_rows, seen_by
from pipelines.intake.dates import parse_days
from pipelines.intake.decimals import parse_numbers
from pipelines.intake.interface import IntakeError
from pipelines.intake.parsed import Parsed
from pipelines.intake.price_columns import choose_price_columns, series_name, value_columns
from pipelines.intake.quarantine import Reason, combined, fault_code, listed
from pipelines.intake.reading import (
    Files,
    cell_faults,
    empty_ids,
    excluded_rows,
    is_sound,
    on_rows,
    open_files,
    refuse_nothing_left,
    taken,
)
from pipelines.intake.repeats import contradicting_rows, one_of_each, refuse_repeated, repeated_rows
from pipelines.intake.request import ReadingRequest
from pipelines.intake.series import Rows, unified, usable_items
from pipelines.intake.source import Mask, Source, TextColumn
from pipelines.intake.wording import counted, named

NO_IDS = pa.array([], pa.string())


@dataclass(frozen=True, slots=True)
class Quotes:
    """Sound price rows of all files, one a series and day.

    Attributes:
        where: Name of the file or folder.
        ids: (N,) names of the series, sorted.
        rows: Sorted by series and day.
        usable: (N,) series that have an observed value and no absurd one.
        notes: Of each series its only ``unit`` and ``currency``, where it has just one.
        statements: What was read and set aside.
        quarantine: Cells set aside.
    """

    where: str
    ids: pa.Array
    rows: Rows
    usable: Mask
    notes: dict[str, list[str | None]]
    statements: tuple[str, ...]
    quarantine: pa.Table


@dataclass(frozen=True, slots=True)
class _Block:
    """One value column of one file."""

    source: Source
    column: TextColumn
    names: TextColumn
    sound: Mask
    rows: Rows


def read_quotes(path: Path, options: ReadingRequest) -> Quotes:
    """Read price rows; unusable series have no say in how the others are read.

    Raises:
        DataError: Files that cannot be read or lack a column; repeated rows where they are to be
            refused.
        IntakeError: No row, or no series, is usable.
    """
    files = open_files(path, choose_price_columns(options.columns))
    quotes = _read(files, options, excluded=NO_IDS)
    if not quotes.usable.all():
        quotes = _read(files, options, excluded=quotes.ids.filter(pa.array(~quotes.usable)))
    if not quotes.usable.any():
        raise IntakeError(
            f"{files.where}: none of {counted(len(quotes.ids), 'series', 'series')} is usable: "
            f"each has no value or one beyond {ABSURD:g}. First: {named(quotes.ids.to_pylist())}.",
            quotes.quarantine,
        )
    return quotes


def _read(files: Files, options: ReadingRequest, *, excluded: pa.Array) -> Quotes:
    blocks: list[_Block] = []
    aside, remarks = list(files.broken), []
    for source in files.sources:
        found, cells, said = _read_file(source, options, excluded)
        blocks += found
        aside += cells
        remarks += said
    blocks, contradicting, repeats = _settled(blocks, options, files.where)
    quarantine = combined([*aside, *contradicting])
    refuse_nothing_left(files, sum(int(block.sound.sum()) for block in blocks), quarantine)
    ids, rows = _joined(blocks)
    rows = one_of_each(rows)
    usable = usable_items(rows, len(ids))
    used = sum(
        int(np.any([block.sound for block in blocks if block.source is source], axis=0).sum())
        for source in files.sources
    )
    units, currencies = (_notes(blocks, note, len(ids)) for note in ("unit", "currency"))
    notes = {"unit": units, "currency": [code and code.upper() for code in currencies]}
    statements = (
        *on_rows(files, used, quarantine),
        *remarks,
        *repeats,
        *_on_series(files.where, ids, usable),
    )
    return Quotes(files.where, ids, rows, usable, notes, statements, quarantine)


def _read_file(
    source: Source, options: ReadingRequest, excluded: pa.Array
) -> tuple[list[_Block], list[pa.Table], list[str]]:
    """The value columns of a file, its faulty cells, and what was decided in reading it."""
    ds, series = source.columns["ds"], source.columns.get("series")
    cells, remarks = [], []
    sound = counts = np.ones(source.rows, bool)
    if series is not None:
        ids = empty_ids(series)
        sound = is_sound(series, ids)
        counts = sound & ~excluded_rows(series, excluded)
        cells.append(cell_faults(source, "series", ids, items=series))
    where = f"{source.name}, {ds.name}"
    days = parse_days(ds.texts, ds.weights(counts), today=np.datetime64(options.today), where=where)
    cells.append(cell_faults(source, "ds", days, items=series))
    seen = seen_by(taken(ds, days), options)
    sound = sound & is_sound(ds, days) & seen
    blocks = []
    parsed = _numbers(source, counts & is_sound(ds, days) & seen)
    for key, column, numbers in parsed:
        if len(parsed) > 1 and _is_text(column, numbers):
            remarks.append(f"{source.name}, {column.name}: no cell is a number; column not used.")
            continue
        names = series or _constant(series_name(source, column), source.rows)
        cells.append(cell_faults(source, key, numbers, items=names))
        remarks += numbers.remarks
        rows = Rows(
            np.zeros(source.rows, np.int64),
            taken(ds, days),
            taken(column, numbers),
            np.full(source.rows, -1, np.int8),
        )
        blocks.append(_Block(source, column, names, sound & is_sound(column, numbers), rows))
    return blocks, cells, [*days.remarks, *remarks, *on_later_rows(source.name, seen, options)]


def _numbers(source: Source, counts: Mask) -> list[tuple[str, TextColumn, Parsed]]:
    return [
        (
            key,
            column,
            parse_numbers(
                column.texts,
                column.weights(counts),
                typed=column.typed,
                where=f"{source.name}, {column.name}",
            ),
        )
        for key, column in value_columns(source)
    ]


def _is_text(column: TextColumn, numbers: Parsed) -> bool:
    return not np.isfinite(taken(column, numbers)).any() and bool(numbers.faults.any())


def _constant(text: str, rows: int) -> TextColumn:
    return TextColumn("", pa.array([text]), np.zeros(rows, np.int32))


def _joined(blocks: list[_Block]) -> tuple[pa.Array, Rows]:
    """The sound rows of all blocks, in their order."""
    ids, items = unified([block.names for block in blocks], [block.sound for block in blocks])
    kept = [block.rows.where(block.sound) for block in blocks]
    return ids, Rows(
        items,
        np.concatenate([rows.days for rows in kept]),
        np.concatenate([rows.values for rows in kept]),
        np.concatenate([rows.flags for rows in kept]),
    )


def _settled(
    blocks: list[_Block], options: ReadingRequest, where: str
) -> tuple[list[_Block], list[pa.Table], list[str]]:
    """Set aside rows of one series and day that disagree; those that agree count once."""
    ids, rows = _joined(blocks)
    repeated = repeated_rows(rows, np.zeros(len(rows.items), np.int64))
    if not repeated.any():
        return blocks, [], []
    if options.duplicates == "error":
        refuse_repeated(rows, repeated, ids, key="series and day", where=where)
    disagree = contradicting_rows(rows)
    statement = (
        f"{where}: {counted(int(repeated.sum()), 'row')} repeated the series and day of another; "
        f"equal ones count once, {disagree.sum():,} that disagree were set aside."
    )
    settled, aside, start = [], [], 0
    for block in blocks:
        positions = np.flatnonzero(block.sound)
        bad = positions[disagree[start : start + len(positions)]]
        start += len(positions)
        faults = np.zeros(block.source.rows, np.int8)
        faults[bad] = fault_code(Reason.REPEATED_KEY)
        column, names = block.column, block.names
        aside.append(
            listed(block.source, faults, column=column.name, values=column.cells, items=names.cells)
        )
        settled.append(replace(block, sound=block.sound & (faults == 0)))
    return settled, aside, [statement]


def _notes(blocks: list[_Block], note: str, count: int) -> list[str | None]:
    """The only unit or currency of each series, ``None`` where there is none or more than one."""
    columns = [block.source.columns.get(note, _constant("", block.source.rows)) for block in blocks]
    sound = [block.sound for block in blocks]
    _, items = unified([block.names for block in blocks], sound)
    texts, codes = unified(columns, sound)
    found: list[set[str]] = [set() for _ in range(count)]
    pairs = np.unique(items * len(texts) + codes)
    for item, code in zip(*divmod(pairs, len(texts)), strict=True):
        found[item].add(texts[int(code)].as_py())
    return [next(iter(some)) if len(some := each - {""}) == 1 else None for each in found]


def _on_series(where: str, ids: pa.Array, usable: Mask) -> list[str]:
    unusable = ids.filter(pa.array(~usable)).to_pylist()
    sentences = [f"{where}: {counted(len(ids), 'series', 'series')}: {named(ids.to_pylist())}."]
    if unusable:
        sentences.append(
            f"{where}: {counted(len(unusable), 'series', 'series')} with no value or one beyond "
            f"{ABSURD:g}: {named(unusable)}; kept as they are, without influence on the others."
        )
    return sentences
