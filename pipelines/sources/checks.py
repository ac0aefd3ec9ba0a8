"""What every adapter asks of values: are they numbers, can they be, are they of days asked for."""

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.sources.answers import quote, refusal
from pipelines.sources.base import OBSERVATIONS, Answer, Call, ParsedAnswer

Row = tuple[str, str | None, date, float, bool]
"""Series, region, start of the period, value, preliminary: a row of OBSERVATIONS."""
Screened = tuple[list[Row], tuple[str, ...]]
"""The rows that are left, and a line for each reason why others are not."""

LIMITS: Mapping[str, tuple[float, float]] = {
    "temperature_avg_c": (-20.0, 50.0),
    "temperature_max_c": (-20.0, 55.0),
    "temperature_min_c": (-25.0, 50.0),
    "humidity_percent": (0.0, 100.0),
    "precipitation_mm": (0.0, 700.0),  # 683 mm at Bertioga in February 2023 is Brazil's record
    "wind_max_kmh": (0.0, 250.0),
    "usd_brl": (0.5, 25.0),  # since July 1994; before it was not the real
    "USD/BRL": (0.5, 25.0),
    "selic": (0.0, 100.0),
    "selic_daily": (0.0, 5.0),
    "ipca": (-5.0, 100.0),  # 82 % in March 1990
    "igp_m": (-10.0, 100.0),
    "ibc_br": (20.0, 300.0),
    "fiveg_accesses": (0.0, 1e9),
    "mobile_accesses": (0.0, 1e9),
    "fiveg_stations": (0.0, 1e7),
    "Brent": (-100.0, 500.0),  # WTI closed at -36.98 in April 2020
    "PETR4": (0.01, 1000.0),
    "PETR4/dividend": (0.0, 100.0),
}
"""Smallest and largest plausible value in the unit of the series; others need only be finite."""

ANY = (-math.inf, math.inf)
LONGEST_REST = 10
"""Business days without a value of a daily series; carnival, Easter and Christmas take fewer."""

_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")


def read_local_day(stamp: str) -> date:
    """The day that a stamp writes, whatever its offset: in another zone it may be another day."""
    return date.fromisoformat(stamp[:10])


def to_number(value: object) -> float:
    """A finite number out of a number or a text with a decimal point.

    Raises:
        TypeError: It is neither.
        ValueError: It is no number, or not a finite one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is no number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError(f"{value!r} is no number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ValueError(f"{value!r} is not finite")
    return found


def read_rows(
    call: Call,
    pairs: Iterable[tuple[object, object]],
    *,
    day: Callable[[Any], date],
    missing: Sequence[object] = (None, ""),
    series: str = "",
    factor: float = 1.0,
    preliminary_from: date = date.max,
) -> Screened:
    """Rows out of pairs of a date and a value as an answer writes them.

    Region and, unless another name is given, series are those of the context. ``day`` raises
    ValueError, TypeError or OverflowError on what is no date; ``missing`` is how the source writes
    "no value"; what is multiplied with ``factor`` has our unit.

    Raises:
        SourceError: More than half of what is not missing cannot be read.
    """
    rows: list[Row] = []
    wrong: list[str] = []
    empty = 0
    name, region = series or call.context["series"], call.context["region"]
    for when, value in pairs:
        if value in missing:
            empty += 1
            continue
        try:
            of = day(when)
            rows.append((name, region, of, to_number(value) * factor, of >= preliminary_from))
        except (ValueError, TypeError, OverflowError):
            wrong.append(f"{when}: {value}")
    total = len(rows) + len(wrong) + empty
    first = quote(call, "".join(wrong[:1]))
    unreadable = f"{len(wrong)} of {total} values cannot be read, first: {first}"
    if len(wrong) > len(rows):
        raise refusal(call, unreadable)
    nulls = f"{empty} of {total} values are null"
    return rows, tuple(note for note, count in ((nulls, empty), (unreadable, wrong)) if count)


def screen(
    call: Call, answer: Answer, rows: Iterable[Row], notes: Iterable[str] = ()
) -> ParsedAnswer:
    """Rows of an answer, screened: the window, the day of the run, the limits, repeats.

    A value of a day after that of the run is a plan, not an observation. The window counts where
    the context of the call has one.

    Raises:
        SourceError: See :func:`keep_plausible`.
    """
    kept, lines = list(rows), list(notes)
    spans = [(date.min, answer.day, f"of days after {answer.day}")]
    if "last" in call.context:
        first, last = (date.fromisoformat(call.context[end]) for end in ("first", "last"))
        spans.insert(0, (first, last, "of days not asked for"))
    for first, last, others in spans:
        inside = [row for row in kept if first <= row[2] <= last]
        if lost := len(kept) - len(inside):
            lines.append(f"{lost} of {len(kept)} values are {others}")
        kept = inside
    kept, absurd = keep_plausible(call, kept)
    table = to_table(kept)
    lines += absurd
    if repeats := len(kept) - table.num_rows:
        lines.append(f"{repeats} of {len(kept)} values are of a day given twice, the last counts")
    return ParsedAnswer(table, tuple(lines))


def keep_plausible(call: Call, rows: Sequence[Row]) -> Screened:
    """The rows whose values are finite and within LIMITS.

    Raises:
        SourceError: More than half of the values of a series are not: it is another quantity
            or another unit.
    """
    kept: list[Row] = []
    wrong: dict[str, list[Row]] = {}
    of_series = Counter(row[0] for row in rows)
    for row in rows:
        low, high = LIMITS.get(row[0], ANY)
        possible = math.isfinite(row[3]) and low <= row[3] <= high
        (kept if possible else wrong.setdefault(row[0], [])).append(row)
    notes = []
    for series, lost in wrong.items():
        low, high = LIMITS.get(series, ANY)
        note = (
            f"{len(lost)} of {of_series[series]} values of {series} are outside "
            f"[{low:g}, {high:g}], first: {lost[0][3]:g} on {lost[0][2]}"
        )
        if 2 * len(lost) > of_series[series]:
            raise refusal(call, note)
        notes.append(note)
    return kept, tuple(notes)


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Rows as OBSERVATIONS, sorted; of one series, region and day the last row counts."""
    newest = {row[:3]: row for row in rows}
    ordered = sorted(newest.values(), key=lambda row: (row[0], row[1] or "", row[2]))
    columns = list(zip(*ordered, strict=True)) or [()] * len(OBSERVATIONS)
    return pa.table(columns, names=OBSERVATIONS.names).cast(OBSERVATIONS)


def expect_rows(call: Call, rows: Collection[object], cause: str) -> None:
    """Accept that nothing is there only where the window is short: carnival, or Christmas.

    Raises:
        SourceError: Nothing is there of more than LONGEST_REST business days.
    """
    days = int(np.busday_count(call.context["first"], call.context["last"])) + 1
    if not rows and days > LONGEST_REST:
        raise refusal(call, cause.format(days=days))
