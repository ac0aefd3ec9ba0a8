"""Attributes of items and stock: each column of a contract read from text, cell by cell.

A cell that cannot be read goes to quarantine and counts as not given; the row stays, because
one bad cost must not hide a lead time.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import Column, Contract
from pipelines.intake.dates import parse_days
from pipelines.intake.decimals import NOTHING, parse_numbers
from pipelines.intake.parsed import Parsed, faults_of, is_one_of
from pipelines.intake.quarantine import Reason, combined
from pipelines.intake.reading import (
    Files,
    cell_faults,
    empty_ids,
    is_sound,
    refuse_nothing_left,
    taken,
)
from pipelines.intake.request import ReadingRequest
from pipelines.intake.series import unified
from pipelines.intake.source import Mask, Source, TextColumn
from pipelines.intake.words import parse_criticality, parse_status

PERCENT = 100.0
Values = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Records:
    """Rows of attributes of all files.

    Attributes:
        ids: (N,) sorted.
        items: (R,) number of each row's item.
        columns: (R,) values of each column that any file has, by name; nothing = NaN, NaT, None.
        files: (R,) number of the row's file.
        rows: (R,) position of the row in its file.
        remarks: What was decided in reading.
        quarantine: Cells set aside.
    """

    ids: pa.Array
    items: npt.NDArray[np.int64]
    columns: dict[str, Values]
    files: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    remarks: tuple[str, ...]
    quarantine: pa.Table


def read_records(files: Files, contract: Contract, options: ReadingRequest) -> Records:
    """Read the columns of a contract from opened files; only rows without an id are left out.

    Raises:
        IntakeError: No row has an id.
    """
    wanted = [column for column in contract.columns if column.name != "item_id"]
    parts: list[dict[str, Values]] = []
    sound: list[Mask] = []
    remarks: list[str] = []
    aside = list(files.broken)
    for source in files.sources:
        item = source.columns["item_id"]
        ids = empty_ids(item)
        aside.append(cell_faults(source, "item_id", ids, items=item))
        sound.append(is_sound(item, ids))
        part = {}
        for column in wanted:
            if column.name in source.columns:
                parsed = _parse(source, column, options)
                part[column.name] = taken(source.columns[column.name], parsed)[sound[-1]]
                aside.append(cell_faults(source, column.name, parsed, items=item))
                remarks += parsed.remarks
        parts.append(part)
    quarantine = combined(aside)
    refuse_nothing_left(files, sum(int(mask.sum()) for mask in sound), quarantine)
    ids, items = unified([source.columns["item_id"] for source in files.sources], sound)
    counts = [int(mask.sum()) for mask in sound]
    return Records(
        ids=ids,
        items=items,
        columns=_stacked(wanted, parts, counts),
        files=np.repeat(np.arange(len(counts)), counts),
        rows=np.concatenate([np.flatnonzero(mask) for mask in sound]),
        remarks=tuple(remarks),
        quarantine=quarantine,
    )


def as_array(values: Values, column: Column) -> pa.Array:
    """Values of a column as the Arrow array of its contract."""
    if pa.types.is_timestamp(column.dtype):
        values = values.astype("datetime64[us]")
    return pa.array(values, column.dtype, from_pandas=True)


def nothing(column: Column, count: int) -> Values:
    """A column in which nothing is given."""
    if pa.types.is_timestamp(column.dtype):
        return np.full(count, np.datetime64("NaT"), "datetime64[D]")
    return np.full(count, None, object) if _is_text(column) else np.full(count, np.nan)


def is_given(values: Values) -> npt.NDArray[np.bool_]:
    """Where a column says something."""
    if values.dtype == object:
        return pc.is_valid(pa.array(values, pa.string())).to_numpy(zero_copy_only=False)
    return ~np.isnan(values)


def _is_text(column: Column) -> bool:
    return bool(pa.types.is_string(column.dtype))


def _stacked(
    wanted: list[Column], parts: list[dict[str, Values]], counts: list[int]
) -> dict[str, Values]:
    return {
        column.name: np.concatenate(
            [
                part.get(column.name, nothing(column, count))
                for part, count in zip(parts, counts, strict=True)
            ]
        )
        for column in wanted
        if any(column.name in part for part in parts)
    }


def _parse(source: Source, column: Column, options: ReadingRequest) -> Parsed:
    """What the distinct texts of a column mean; what has a fault counts as not given."""
    text = source.columns[column.name]
    where = f"{source.name}, {text.name}"
    if column.name == "criticality":
        parsed = parse_criticality(text.texts, where)
    elif column.name == "status":
        parsed = parse_status(text.texts)
    elif _is_text(column):
        return _free_text(text, upper=column.name == "currency")
    elif pa.types.is_timestamp(column.dtype):
        parsed = _optional_days(text, np.datetime64(options.today), where)
    else:
        parsed = _in_range(column, _numbers(text, where), where)
    missing = nothing(column, len(text.texts))
    return replace(parsed, values=np.where(parsed.faults > 0, missing, parsed.values))


def _free_text(text: TextColumn, *, upper: bool) -> Parsed:
    texts = pc.utf8_upper(text.texts) if upper else text.texts
    values = pc.if_else(pc.equal(texts, ""), None, texts).to_numpy(zero_copy_only=False)
    return Parsed(values.astype(object), faults_of(len(values)))


def _optional_days(text: TextColumn, today: np.datetime64, where: str) -> Parsed:
    parsed = parse_days(text.texts, text.weights(), today=today, where=where)
    given = ~is_one_of(text.texts, NOTHING)
    return replace(parsed, faults=np.where(given, parsed.faults, np.int8(0)))


def _numbers(text: TextColumn, where: str) -> Parsed:
    return parse_numbers(text.texts, text.weights(), typed=text.typed, where=where)


def _in_range(column: Column, parsed: Parsed, where: str) -> Parsed:
    """Values outside the range of the contract are faults; service levels may be percentages."""
    values, remarks = parsed.values, parsed.remarks
    if column.name == "service_target":
        percent = (values > 1) & (values <= PERCENT)
        values = np.where(percent, values / PERCENT, values)
        if percent.any():
            remarks = (*remarks, f"{where}: values above 1 were read as percentages.")
        outside = (values <= 0) | (values >= 1)  # no safety stock covers everything
    else:
        outside = (values < column.lower) | (values > column.upper)
    rules = faults_of(len(values), (outside, Reason.OUT_OF_RANGE))
    return Parsed(values, np.maximum(parsed.faults, rules), remarks)
