"""History files as a source: what was imported once is read again like any other answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ml.frequency import Days
from pipelines.intake.cells import parse_column
from pipelines.intake.data_file import DataFile, open_file
from pipelines.intake.names import ChosenColumns
from pipelines.intake.parse_days import parse_days
from pipelines.intake.parse_numbers import EITHER, parse_numbers
from pipelines.outside.domain_sources import HISTORY_FILE
from pipelines.sources.answers import refusal
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.checks import Row, keep_plausible, to_table


class HistoryFile(Adapter):
    """Files that somebody brought; the context of a call says what their columns are.

    ``file``: name; ``date`` and ``city``: columns; ``values``: series of each value column;
    ``regions``: region of each text of the city column; ``region``: of the whole file;
    ``monthly``: series whose values are of months.
    """

    name = HISTORY_FILE
    overlap = 0
    pause = 0.0

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:  # noqa: ARG002 - of the interface
        """Nothing: a file comes when somebody brings it."""
        return ()

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read a stored file.

        Raises:
            SourceError: Nothing in it can be used, or most values cannot be.
            DataError: It is no readable file of its format.
        """
        file = open_file(answer.body, _chooser(call.context))
        file = replace(file, name=call.context["file"])
        dated, _ = parse_column(file, file.rows, "date", partial(parse_days, today=answer.day))
        days = dated["date.value"].to_numpy().astype("datetime64[D]")
        months = days.astype("datetime64[M]").astype("datetime64[D]")
        regions = _regions(call.context, file)
        rows: list[Row] = []
        notes = list(_lost(days, regions, file.rows.height))
        for column, series in call.context["values"].items():
            values, remarks = _values(file, column)
            notes += remarks
            for name in series:
                monthly = name in call.context["monthly"]
                rows += _rows(name, months if monthly else days, regions, values)
        kept, absurd = keep_plausible(call, rows)
        table = to_table(kept)
        if not table.num_rows:
            raise refusal(call, f"none of {file.rows.height} rows can be used: {'; '.join(notes)}")
        if repeats := len(kept) - table.num_rows:
            notes.append(f"{repeats} of {len(kept)} values are of a day given twice: last counts")
        return ParsedAnswer(table, (*notes, *absurd))


def _chooser(context: Mapping[str, Any]) -> Any:
    def choose(header: Sequence[str], _name: str) -> ChosenColumns:
        positions = {f"value:{name}": header.index(name) for name in context["values"]}
        positions["date"] = header.index(context["date"])
        if context["city"] is not None:
            positions["city"] = header.index(context["city"])
        return ChosenColumns(positions, ())

    return choose


def _regions(context: Mapping[str, Any], file: DataFile) -> Sequence[str | None] | None:
    """(R,) region of each row, "" where its city is not one of ours; ``None`` = national."""
    if context["city"] is None:
        return None if context["region"] is None else [context["region"]] * file.rows.height
    return [context["regions"].get(text, "") for text in file.rows["city"]]


def _lost(days: Days, regions: Sequence[str | None] | None, total: int) -> Iterator[str]:
    undated = int(np.isnat(days).sum())
    if undated:
        yield f"{undated} of {total} rows have no usable date up to the day of the run"
    elsewhere = sum(region == "" for region in regions or ())
    if elsewhere:
        yield f"{elsewhere} of {total} rows are of cities that SITES does not name"


def _values(file: DataFile, column: str) -> tuple[Any, list[str]]:
    """(R,) numbers, NaN where there is none."""
    key = f"value:{column}"
    parse = partial(parse_numbers, typed=key in file.typed, usual=EITHER)
    rows, remarks = parse_column(file, file.rows, key, parse)
    bad = rows[f"{key}.fault"].count()
    empty = rows[f"{key}.value"].null_count() - bad
    notes = list(remarks)
    notes += [f"{column}: {bad} of {rows.height} values are no numbers"] if bad else []
    notes += [f"{column}: {empty} of {rows.height} values are empty"] if empty else []
    return rows[f"{key}.value"].to_numpy(), notes


def _rows(
    name: str, days: Days, regions: Sequence[str | None] | None, values: Any
) -> Iterator[Row]:
    usable = np.flatnonzero(~np.isnat(days) & np.isfinite(values))
    dates, numbers = days.astype(object), values.tolist()
    for at in usable.tolist():
        region = None if regions is None else regions[at]
        if region != "":
            yield name, region, dates[at], numbers[at], False
