"""Demand rows as they stand in the files: parsed, the faulty ones set aside, the items judged."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import ABSURD
from ml.frequency import Days
from pipelines.intake.cutoff import on_later_rows, seen_by
from pipelines.intake.dates import parse_days
from pipelines.intake.decimals import parse_numbers
from pipelines.intake.interface import IntakeError
from pipelines.intake.names import DEMAND_NAMES
from pipelines.intake.quarantine import combined
from pipelines.intake.reading import (
    Files,
    by_usual_names,
    cell_faults,
    empty_ids,
    excluded_rows,
    is_sound,
    on_rows,
    open_files,
    refuse_nothing_left,
    taken,
)
from pipelines.intake.request import ReadingRequest
from pipelines.intake.series import Floats, Ints, Rows, summed, unified, usable_items
from pipelines.intake.source import Mask, Source, TextColumn
from pipelines.intake.wording import counted, named
from pipelines.intake.words import UNKNOWN, parse_flags

NEEDED = ("item_id", "ds", "y")
NO_IDS = pa.array([], pa.string())


@dataclass(frozen=True, slots=True)
class Movements:
    """Sound demand rows of all files.

    Attributes:
        where: Name of the file or folder.
        ids: (N,) sorted.
        rows: As they were read, in the order of the files.
        sites: (R,) number of each row's site.
        usable: (N,) items that have an observed value and no absurd one.
        usable_days: One row an item and day, of usable items only, sorted.
        statements: What was read and set aside.
        quarantine: Cells set aside.
    """

    where: str
    ids: pa.Array
    rows: Rows
    sites: Ints
    usable: Mask
    usable_days: Rows
    statements: tuple[str, ...]
    quarantine: pa.Table

    @property
    def is_usable(self) -> Mask:
        """Rows of usable items, (R,)."""
        return self.usable[self.rows.items]

    @property
    def usable_rows(self) -> Rows:
        """Only the rows of usable items."""
        return self.rows.where(self.is_usable)


@dataclass(frozen=True, slots=True)
class _FileRows:
    """Rows of one file with the mask of the sound ones."""

    sound: Mask
    days: Days
    values: Floats
    flags: npt.NDArray[np.int8]
    quarantine: pa.Table
    remarks: tuple[str, ...]


def read_movements(path: Path, options: ReadingRequest) -> Movements:
    """Read demand rows; unusable items have no say in how the others are read.

    Raises:
        DataError: Files that cannot be read, or lack a column.
        IntakeError: No row, or no item, is usable.
    """
    files = open_files(path, by_usual_names(DEMAND_NAMES, NEEDED, options.columns))
    movements = _read(files, options, excluded=NO_IDS)
    if not movements.usable.all():  # how dates and numbers are written is settled without them
        unusable = movements.ids.filter(pa.array(~movements.usable))
        movements = _read(files, options, excluded=unusable)
    if not movements.usable.any():
        raise IntakeError(
            f"{files.where}: none of {counted(len(movements.ids), 'item')} is usable: each has no "
            f"observed value or one above {ABSURD:g}. "
            f"First: {named(movements.ids.to_pylist())}.",
            movements.quarantine,
        )
    return movements


def _read(files: Files, options: ReadingRequest, *, excluded: pa.Array) -> Movements:
    parts = [_read_file(source, options, excluded) for source in files.sources]
    quarantine = combined([*files.broken, *(part.quarantine for part in parts)])
    sound = [part.sound for part in parts]
    refuse_nothing_left(files, sum(int(mask.sum()) for mask in sound), quarantine)
    ids, items = unified([source.columns["item_id"] for source in files.sources], sound)
    _, sites = unified([_sites(source) for source in files.sources], sound)
    rows = Rows(
        items,
        np.concatenate([part.days[part.sound] for part in parts]),
        np.concatenate([part.values[part.sound] for part in parts]),
        np.concatenate([part.flags[part.sound] for part in parts]),
    )
    days = summed(rows)
    usable = usable_items(days, len(ids))
    statements = [
        *on_rows(files, len(items), quarantine),
        *(remark for part in parts for remark in part.remarks),
        *_on_items(files.where, ids, usable, quarantine),
    ]
    return Movements(
        where=files.where,
        ids=ids,
        rows=rows,
        sites=sites,
        usable=usable,
        usable_days=days.where(usable[days.items]),
        statements=tuple(statements),
        quarantine=quarantine,
    )


def _read_file(source: Source, options: ReadingRequest, excluded: pa.Array) -> _FileRows:
    """Parse the columns; what is decided for a column is decided by the sound rows only."""
    item, ds, y = (source.columns[name] for name in NEEDED)
    ids = empty_ids(item)
    counts = is_sound(item, ids) & ~excluded_rows(item, excluded)
    where = f"{source.name}, {ds.name}"
    days = parse_days(ds.texts, ds.weights(counts), today=np.datetime64(options.today), where=where)
    seen = seen_by(taken(ds, days), options)
    counts &= is_sound(ds, days) & seen
    where = f"{source.name}, {y.name}"
    numbers = parse_numbers(y.texts, y.weights(counts), typed=y.typed, where=where)
    parts = [
        cell_faults(source, "item_id", ids, items=item),
        cell_faults(source, "ds", days, items=item),
        cell_faults(source, "y", numbers, items=item),
    ]
    flags = np.full(source.rows, UNKNOWN, np.int8)
    if "is_stockout" in source.columns:
        stockout = source.columns["is_stockout"]
        parsed = parse_flags(stockout.texts)
        flags = taken(stockout, parsed)
        parts.append(cell_faults(source, "is_stockout", parsed, items=item))
    return _FileRows(
        sound=is_sound(item, ids) & is_sound(ds, days) & is_sound(y, numbers) & seen,
        days=taken(ds, days),
        values=taken(y, numbers),
        flags=flags,
        quarantine=combined(parts),
        remarks=(*days.remarks, *numbers.remarks, *on_later_rows(source.name, seen, options)),
    )


def _sites(source: Source) -> TextColumn:
    """The column of sites; without one all rows are of one site."""
    everywhere = TextColumn("", pa.array([""]), np.zeros(source.rows, np.int32))
    return source.columns.get("site_id", everywhere)


def _on_items(where: str, ids: pa.Array, usable: Mask, quarantine: pa.Table) -> list[str]:
    """Sentences on items that cannot be used as a whole, and on items of which no row is left."""
    sentences = []
    unusable = ids.filter(pa.array(~usable))
    if len(unusable):
        sentences.append(
            f"{where}: {len(unusable):,} of {counted(len(ids), 'item')} have no observed value or "
            f"one above {ABSURD:g} and are not usable: {named(unusable.to_pylist())}; their rows "
            "are kept as they are and change nothing for the others."
        )
    aside = quarantine["item_id"].drop_null().unique()
    lost = aside.filter(
        pc.invert(pc.is_in(aside, value_set=pa.concat_arrays([ids, pa.array([""])])))
    )
    if len(lost):
        sentences.append(
            f"{where}: no row is left of {counted(len(lost), 'item')}: {named(lost.to_pylist())}."
        )
    return sentences
