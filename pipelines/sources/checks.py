"""What every adapter asks of an answer: is it data at all, are its values numbers, can they be.

A service that is down rarely says so with a status: pages, texts and half an answer come with 200
as well. None of them may pass for data, and each is told apart so that the cause can be named.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from pipelines.sources.base import OBSERVATIONS, Answer, Call, Parsed, SourceError, Wanted

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

_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")
SHOWN = 120  # characters of a foreign text in a message
_ECHOED_KEY = re.compile(r"((?i:api ?key)(?: as| is|=|:)?\s*['\"]?)[A-Z0-9]{8,}")
_PAGES = (
    (r"<html[^>]*xmlns|-//W3C//DTD XHTML", "an XHTML page"),
    (r"<html|<!doctype html|<head|<body", "an HTML page"),
)


def refused(call: Call, cause: str) -> SourceError:
    """The error for an answer that is no data; a key that the text echoes is left out of it."""
    return SourceError(call.source, call.series, without_key(call, cause))


def without_key(call: Call, text: str) -> str:
    """A foreign text without the key of its call, nor what looks like one in an old answer."""
    return _ECHOED_KEY.sub(r"\1***", call.redact(text))


def shown(call: Call, text: str) -> str:
    """The beginning of a foreign text, on one line and in quotes."""
    line = " ".join(without_key(call, text).split())
    return f"'{line[:SHOWN]}…'" if len(line) > SHOWN else f"'{line}'"


def json_of(call: Call, answer: Answer) -> Any:
    """Read an answer that has to be JSON.

    What the bytes are decides, not what the header calls them: PHP says ``text/html`` of JSON.

    Raises:
        SourceError: Nothing came, a page or a plain text came, or the JSON breaks off or is wrong.
    """
    text = answer.read().decode("utf-8-sig", errors="replace").strip()
    said = f" (called {answer.content_type})" if answer.content_type else ""
    if not text:
        raise refused(call, "an empty answer")
    if text[0] not in "{[":
        raise refused(call, f"{_kind(text)} instead of JSON{said}: {shown(call, _gist(text))}")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        whole = text[-1] in "}]" and error.pos < len(text)
        what = "wrong JSON" if whole else "JSON that breaks off"
        raise refused(call, f"{what} after {error.pos:,} of {len(text):,} characters") from None
    except (ValueError, RecursionError) as error:
        raise refused(call, f"JSON that cannot be read: {error}") from None


def _kind(text: str) -> str:
    start = text[:2000]
    for pattern, name in _PAGES:
        if re.search(pattern, start, re.IGNORECASE):
            return name
    return "XML" if text.startswith("<") else "plain text"


def _gist(text: str) -> str:
    """What a page says about itself: its title, else its words."""
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return title[1] if title else re.sub(r"<[^>]*>", " ", text[:4000])


def context_of(wanted: Wanted) -> dict[str, Any]:
    """What every ``parse`` needs to know of its request, as plain JSON."""
    return {
        "series": wanted.series,
        "region": wanted.region,
        "code": wanted.code,
        "first": wanted.first.isoformat(),
        "last": wanted.last.isoformat(),
    }


def list_of(call: Call, value: object, what: str) -> list[Any]:
    """A list of an answer.

    Raises:
        SourceError: It is something else: the format has changed.
    """
    if not isinstance(value, list):
        raise refused(call, f"changed format: {what} is {type(value).__name__}, not a list")
    return value


def fields(call: Call, record: object, *names: str) -> tuple[Any, ...]:
    """The named fields of one record of an answer.

    Raises:
        SourceError: A field is missing: the format has changed.
    """
    found = record if isinstance(record, dict) else {}
    if missing := [name for name in names if name not in found]:
        raise refused(call, f"changed format: a record without {', '.join(missing)}")
    return tuple(found[name] for name in names)


def number(value: object) -> float:
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


def readings(
    call: Call,
    pairs: Iterable[tuple[object, object]],
    *,
    day: Callable[[Any], date],
    missing: Sequence[object] = (None, ""),
    series: str = "",
) -> Screened:
    """Rows out of pairs of a date and a value as an answer writes them.

    Args:
        call: Its context names series and region.
        pairs: Date and value, each as it came.
        day: Reads a date; raises ValueError, TypeError or OverflowError on what is none.
        missing: How the source writes "no value".
        series: Another name than that of the context.

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
            rows.append((name, region, day(when), number(value), False))
        except (ValueError, TypeError, OverflowError):
            wrong.append(f"{when}: {value}")
    total = len(rows) + len(wrong) + empty
    first = shown(call, "".join(wrong[:1]))
    unreadable = f"{len(wrong)} of {total} values cannot be read, first: {first}"
    if len(wrong) > len(rows):
        raise refused(call, unreadable)
    nulls = f"{empty} of {total} values are null"
    return rows, tuple(line for line, said in ((nulls, empty), (unreadable, wrong)) if said)


def within(rows: Iterable[Row], first: str | date, last: str | date) -> Screened:
    """The rows of the days that were asked for, both ends included."""
    kept = list(rows)
    early, late = date.fromisoformat(str(first)), date.fromisoformat(str(last))
    inside = [row for row in kept if early <= row[2] <= late]
    outside = len(kept) - len(inside)
    note = f"{outside} of {len(kept)} values are of days not asked for"
    return inside, (note,) if outside else ()


def not_after(rows: Iterable[Row], day: date) -> Screened:
    """The rows up to the day of the run: a value of a later day is a plan, not an observation."""
    given = list(rows)
    kept = [row for row in given if row[2] <= day]
    later = len(given) - len(kept)
    note = f"{later} of {len(given)} values are of days after {day}"
    return kept, (note,) if later else ()


def plausible(call: Call, rows: Iterable[Row]) -> Screened:
    """The rows whose values are finite and within LIMITS.

    Raises:
        SourceError: More than half of the values of a series are not: it is another quantity
            or another unit.
    """
    given = list(rows)
    kept = [row for row in given if _possible(row)]
    wrong = [row for row in given if not _possible(row)]
    of_series = Counter(row[0] for row in given)
    notes = []
    for series, count in Counter(row[0] for row in wrong).items():
        low, high = LIMITS.get(series, (-math.inf, math.inf))
        worst = next(row for row in wrong if row[0] == series)
        note = (
            f"{count} of {of_series[series]} values of {series} are outside [{low:g}, {high:g}], "
            f"first: {worst[3]:g} on {worst[2]}"
        )
        if 2 * count > of_series[series]:
            raise refused(call, note)
        notes.append(note)
    return kept, tuple(notes)


def _possible(row: Row) -> bool:
    low, high = LIMITS.get(row[0], (-math.inf, math.inf))
    return math.isfinite(row[3]) and low <= row[3] <= high


def rows_table(rows: Iterable[Row]) -> pa.Table:
    """Rows as OBSERVATIONS, sorted; of one series, region and day the last row counts."""
    newest = {row[:3]: row for row in rows}
    ordered = sorted(newest.values(), key=lambda row: (row[0], row[1] or "", row[2]))
    columns = list(zip(*ordered, strict=True)) or [()] * len(OBSERVATIONS)
    days = pa.array(columns[2], pa.date32()).cast(pa.timestamp("us"))
    arrays = [
        days if field.name == "ref_date" else pa.array(column, field.type)
        for field, column in zip(OBSERVATIONS, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=OBSERVATIONS)


def parsed(call: Call, answer: Answer, rows: Sequence[Row], notes: Sequence[str] = ()) -> Parsed:
    """Rows of an answer, screened: the window, the day of the run, the limits, repeats.

    Raises:
        SourceError: See :func:`plausible`.
    """
    asked, outside = within(rows, call.context["first"], call.context["last"])
    past, later = not_after(asked, answer.day)
    kept, absurd = plausible(call, past)
    table = rows_table(kept)
    repeats = len(kept) - table.num_rows
    again = (f"{repeats} of {len(kept)} values are of a day given twice, the last counts",)
    return Parsed(table, (*notes, *outside, *later, *absurd, *(again if repeats else ())))
