"""One station's file of INMET: a year of hours in UTC, read into local days.

Two styles are around. Until 2018: ``DATA (YYYY-MM-DD);HORA (UTC)``, ``00:00``, -9999 where nothing
was measured; since then ``Data;Hora UTC``, ``0000 UTC``, blanks. Both are read by what the columns
are called without accents, and both kinds of gaps are understood in either.
"""

import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from statistics import fmean
from zoneinfo import ZoneInfo

from pipelines.sources.checks import LIMITS
from pipelines.sources.headers import plain

MIN_HOURS = 20
"""Least valid hours of a day; a sum over fewer says too little rain, a maximum too little wind."""
HEADER_LINES = 20  # the column names come ninth; more would be another format
NOTHING = -9999.0


@dataclass(frozen=True, slots=True)
class Measure:
    """How a series comes out of hours: its column, what makes a day of them, factor to our unit."""

    column: str
    of_day: Callable[[Sequence[float]], float]
    factor: float = 1.0


MEASURES = {
    "temperature_avg_c": Measure("TEMPERATURA DO AR", fmean),
    "temperature_max_c": Measure("TEMPERATURA MAXIMA", max),
    "temperature_min_c": Measure("TEMPERATURA MINIMA", min),
    "humidity_percent": Measure("UMIDADE RELATIVA DO AR", fmean),
    "precipitation_mm": Measure("PRECIPITACAO TOTAL", math.fsum),
    "wind_max_kmh": Measure("VENTO VELOCIDADE", max, 3.6),  # m/s, and not the gusts
}


class FormatError(Exception):
    """A file that is not a station's year of hours, or not any more."""


@dataclass(frozen=True, slots=True)
class StationYear:
    """What one station measured in a year.

    Attributes:
        days: Value of each series on each local day with MIN_HOURS valid hours or more.
        seen: Local days that the file has hours of, valid or not.
        before: Hours that were left out, since they are of the local year before.
        notes: What was left out, counted.
    """

    days: dict[str, dict[date, float]]
    seen: frozenset[date]
    before: int
    notes: tuple[str, ...]


def read_station(
    lines: Iterable[str], *, year: int, time_zone: str, series: Sequence[str]
) -> StationYear:
    """Read a file.

    Args:
        lines: Its lines as text (ISO-8859-1).
        year: Of the file. Its first hours in UTC are of the local day before and are left out;
            its 31 December lacks them in turn, and counts if the other 21 hours are valid.
        time_zone: IANA name, for local days.
        series: Our names of what is wanted.

    Raises:
        FormatError: Columns are missing, or most lines or values cannot be read.
    """
    rows = csv.reader(lines, delimiter=";", quoting=csv.QUOTE_NONE)
    positions = _positions(rows, series)
    faults: Counter[str] = Counter()
    hours = dict(_hours(rows, positions, series, faults))
    read = len(hours)
    for what, count in faults.items():
        if count > read * (len(series) if what.startswith("values") else 1) / 2:
            raise FormatError(f"{count} {what} in {read} hours")
    by_day = _by_local_day(hours, ZoneInfo(time_zone))
    before = sum(len(of) for day, of in by_day.items() if day.year != year)
    days = {day: of for day, of in by_day.items() if day.year == year}
    values = {name: dict(_of_days(days, at, MEASURES[name])) for at, name in enumerate(series)}
    notes = tuple(f"{count} {what}" for what, count in faults.items())
    return StationYear(values, frozenset(days), before, notes)


def _positions(rows: Iterator[list[str]], series: Sequence[str]) -> list[int]:
    """Where the hour's day, the hour and every series stand, out of the line that names them."""
    for row in islice(rows, HEADER_LINES):
        names = [plain(cell) for cell in row]
        # "DATA DE FUNDACAO:" above it starts with the same word
        if len(names) > 2 and names[0].startswith("DATA") and names[1].startswith("HORA"):
            break
    else:
        raise FormatError("changed format: no line names the columns DATA and HORA")
    found = [_position(names, MEASURES[name].column) for name in series]
    if lacking := [MEASURES[name].column for name, at in zip(series, found, strict=True) if at < 0]:
        raise FormatError(f"changed format: no column {', '.join(lacking)}")
    return found


def _position(names: Sequence[str], start: str) -> int:
    return next((at for at, name in enumerate(names) if name.startswith(start)), -1)


def _hours(
    rows: Iterable[list[str]],
    positions: Sequence[int],
    series: Sequence[str],
    faults: Counter[str],
) -> Iterator[tuple[datetime, tuple[float | None, ...]]]:
    """Hour in UTC and its values in our units, None where nothing valid is."""
    for row in rows:
        if not "".join(row).strip():
            continue
        hour = _hour(row)
        if hour is None or len(row) <= max(positions):
            faults["lines cannot be read"] += 1
            continue
        cells = zip((row[at] for at in positions), series, strict=True)
        yield hour, tuple(_value(cell, name, faults) for cell, name in cells)


def _hour(row: Sequence[str]) -> datetime | None:
    """The hour of a line, from ``2023/01/01;0000 UTC`` or ``2018-01-01;00:00``."""
    found = re.fullmatch(r"(\d{4})[/-](\d\d)[/-](\d\d);(\d\d):?00(?:\s*UTC)?\s*", ";".join(row[:2]))
    if not found:
        return None
    try:
        year, month, day, hour = (int(part) for part in found.groups())
        return datetime(year, month, day, hour, tzinfo=UTC)
    except ValueError:
        return None


def _value(cell: str, series: str, faults: Counter[str]) -> float | None:
    """A number with a decimal comma, its leading zero perhaps left out (``,8``), in our unit."""
    text = cell.strip().replace(",", ".")
    if not text:
        return None
    if not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", text):
        faults["values cannot be read"] += 1
        return None
    number = float(text)
    if number == NOTHING:
        return None
    low, high = LIMITS[series]
    value = number * MEASURES[series].factor
    if not low <= value <= high:
        faults["values of an hour cannot be"] += 1
        return None
    return value


def _by_local_day(
    hours: Mapping[datetime, tuple[float | None, ...]], zone: ZoneInfo
) -> dict[date, list[tuple[float | None, ...]]]:
    days: dict[date, list[tuple[float | None, ...]]] = {}
    for hour, values in hours.items():
        days.setdefault(hour.astimezone(zone).date(), []).append(values)
    return days


def _of_days(
    days: Mapping[date, Sequence[tuple[float | None, ...]]], at: int, measure: Measure
) -> Iterator[tuple[date, float]]:
    for day, hours in days.items():
        valid = [value for values in hours if (value := values[at]) is not None]
        if len(valid) >= MIN_HOURS:
            yield day, measure.of_day(valid)
