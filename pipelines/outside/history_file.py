"""History files as a source: what was imported once is read again like any other answer."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from ml.frequency import Days
from pipelines.intake.dates import parse_days
from pipelines.intake.decimals import parse_numbers
from pipelines.intake.names import Found
from pipelines.intake.source import Source, TextColumn
from pipelines.intake.sources import open_source
from pipelines.outside.domain_sources import HISTORY_FILE
from pipelines.sources.answers import refusal
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, Wanted
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

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:  # noqa: ARG002 - of the interface
        """Nothing: a file comes when somebody brings it."""
        return ()

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read a stored file.

        Raises:
            SourceError: Nothing in it can be used, or most values cannot be.
            DataError: It is no readable file of its format.
        """
        source = open_source(answer.body, _chooser(call.context))
        days = _days(call, source.columns["date"], answer.day)
        regions = _regions(call.context, source)
        rows: list[Row] = []
        notes = list(_lost(days, regions, source.rows))
        for column, series in call.context["values"].items():
            values, said = _values(call, source.columns[column])
            notes += said
            for name in series:
                monthly = name in call.context["monthly"]
                rows += _rows(name, _months(days) if monthly else days, regions, values)
        kept, absurd = keep_plausible(call, rows)
        table = to_table(kept)
        if not table.num_rows:
            raise refusal(call, f"none of {source.rows} rows can be used: {'; '.join(notes)}")
        if repeats := len(kept) - table.num_rows:
            notes.append(f"{repeats} of {len(kept)} values are of a day given twice: last counts")
        return ParsedAnswer(table, (*notes, *absurd))


def _chooser(context: Mapping[str, Any]) -> Any:
    def choose(header: Sequence[str], _name: str) -> Found:
        positions = {column: header.index(column) for column in context["values"]}
        positions["date"] = header.index(context["date"])
        if context["city"] is not None:
            positions["city"] = header.index(context["city"])
        return Found(positions, ())

    return choose


def _days(call: Call, column: TextColumn, today: date) -> Days:
    """(R,) days; NaT where there is none, or one after the day of the run."""
    limit = np.datetime64(today, "D")
    where = f"{call.context['file']}, {column.name}"
    parsed = parse_days(column.texts, column.weights(), today=limit, where=where)
    days = np.where(parsed.faults > 0, np.datetime64("NaT", "D"), parsed.values)
    return days.astype("datetime64[D]")[column.codes]


def _months(days: Days) -> Days:
    return days.astype("datetime64[M]").astype("datetime64[D]")


def _regions(context: Mapping[str, Any], source: Source) -> Sequence[str | None] | None:
    """(R,) region of each row, "" where its city is not one of ours; ``None`` = national."""
    if context["city"] is None:
        return None if context["region"] is None else [context["region"]] * source.rows
    column = source.columns["city"]
    names = [context["regions"].get(text, "") for text in column.texts.to_pylist()]
    return [names[code] for code in column.codes]


def _lost(days: Days, regions: Sequence[str | None] | None, total: int) -> Iterator[str]:
    undated = int(np.isnat(days).sum())
    if undated:
        yield f"{undated} of {total} rows have no usable date up to the day of the run"
    elsewhere = sum(region == "" for region in regions or ())
    if elsewhere:
        yield f"{elsewhere} of {total} rows are of cities that SITES does not name"


def _values(call: Call, column: TextColumn) -> tuple[Any, list[str]]:
    """(R,) numbers, NaN where there is none."""
    where = f"{call.context['file']}, {column.name}"
    parsed = parse_numbers(column.texts, column.weights(), typed=column.typed, where=where)
    bad = int(column.weights()[parsed.faults > 0].sum())
    values = np.where(parsed.faults > 0, np.nan, parsed.values)[column.codes]
    empty = int(np.isnan(values).sum()) - bad
    notes = list(parsed.remarks)
    notes += [f"{column.name}: {bad} of {len(values)} values are no numbers"] if bad else []
    notes += [f"{column.name}: {empty} of {len(values)} values are empty"] if empty else []
    return values, notes


def _rows(
    name: str, days: Days, regions: Sequence[str | None] | None, values: Any
) -> Iterator[Row]:
    usable = np.flatnonzero(~np.isnat(days) & np.isfinite(values))
    dates, numbers = days.astype(object), values.tolist()
    for at in usable.tolist():
        region = None if regions is None else regions[at]
        if region != "":
            yield name, region, dates[at], numbers[at], False
