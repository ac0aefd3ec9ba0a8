"""INMET: Brazil's weather stations, a ZIP a year with the hours of all of them.

The hourly interface asks for a captcha, so the yearly files are used. They are regenerated while
their year runs, hence the conditional requests. A city names its station and spares for it: about
one station in six is out of order at any time.

A station's file is a year of hours in UTC, read into local days. Two styles are around. Until 2018:
``DATA (YYYY-MM-DD);HORA (UTC)``, ``00:00``, -9999 where nothing was measured; since then
``Data;Hora UTC``, ``0000 UTC``, blanks. Both are read by what the columns are called without
accents, and both kinds of gaps are understood in either.
"""

import csv
import math
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import TextIOWrapper
from itertools import islice
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.sources.answers import lines_of, open_zip, plain_name, refusal
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest, SourceError
from pipelines.sources.checks import LIMITS, Row, screen
from pipelines.sources.weather import group_by_city, time_zone

MIN_HOURS = 20
"""Least valid hours of a day; a sum over fewer says too little rain, a maximum too little wind."""
HEADER_LINES = 20  # the column names come ninth; more would be another format
NOTHING = -9999.0
_STATION = re.compile(r"_([A-Z]\d{3})_[^/]*\.CSV$", re.IGNORECASE)
_HOUR = re.compile(r"(\d{4})[/-](\d\d)[/-](\d\d);(\d\d):?00(?:\s*UTC)?\s*")

Hour = tuple[float | None, ...]
"""The values of an hour, one a series, in our units; ``None`` where nothing valid is."""


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


class Inmet(Adapter):
    """The yearly files at ``base``."""

    name = "inmet"
    overlap = 10
    pause = 1.0

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:
        """One call a year, for all cities that reach it."""
        cities = group_by_city(self, wanted, MEASURES)
        for city, series in cities:
            if not _stations(city):
                cause = f"{city.region} has no station. Add it to SITES, such as A401+A456."
                raise SourceError(self.name, series, cause)
        years = {year for city, _ in cities for year in range(city.first.year, city.last.year + 1)}
        return tuple(self._call(year, cities) for year in sorted(years))

    def _call(self, year: int, cities: Sequence[tuple[SeriesRequest, Sequence[str]]]) -> Call:
        reaching = [one for one in cities if one[0].first.year <= year <= one[0].last.year]
        asked = {name for _, series in reaching for name in series}
        sites = [
            {
                "region": city.region,
                "series": list(series),
                "stations": _stations(city),
                "timezone": time_zone(city.region),
            }
            for city, series in reaching
        ]
        return self.ask(
            f"/uploads/dadoshistoricos/{year}.zip",
            [name for name in MEASURES if name in asked],
            {"year": year, "sites": sites},
            media="zip",
            conditional=True,
        )

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read the stations of a year, one file of the ZIP after the other.

        Each value is of the first station of its city with 20 valid hours on that day; which
        station served is in the notes.
        """
        rows: list[Row] = []
        notes: list[str] = []
        before = 0
        with open_zip(call, answer) as archive:
            members: dict[str, list[str]] = {}  # files of each station, in whatever folder
            for name in archive.namelist():
                if found := _STATION.search(name):
                    members.setdefault(found[1].upper(), []).append(name)
            codes = [code for site in call.context["sites"] for code in site["stations"]]
            if not set(codes) & set(members):
                total = len(archive.namelist())
                raise refusal(call, f"none of {total} files is of station {', '.join(codes)}")
            for site in call.context["sites"]:
                years = list(_station_years(call, archive, members, site))
                rows += _choose_stations(years, site, notes)
                before += sum(year.before for _, year in years)
        if not rows:
            raise refusal(call, f"no day of {call.context['year']} has {MIN_HOURS} valid hours")
        if before:
            notes.append(f"{before} hours are of the local year before, left to its own file")
        return screen(call, answer, rows, notes)


def _stations(city: SeriesRequest) -> list[str]:
    return [code.strip().upper() for code in city.code.split("+") if code.strip()]


@dataclass(frozen=True, slots=True)
class StationYear:
    """What one station measured in a year."""

    # value of each series on each local day with MIN_HOURS valid hours or more
    days: dict[str, dict[date, float]]
    seen: frozenset[date]  # local days that the file has hours of, valid or not
    before: int  # hours that were left out, since they are of the local year before
    notes: tuple[str, ...]  # what was left out, counted


def _station_years(
    call: Call, archive: zipfile.ZipFile, members: Mapping[str, Sequence[str]], site: Any
) -> Iterator[tuple[str, StationYear]]:
    """Station and what it measured, in the order of the site's list."""
    zone = ZoneInfo(site["timezone"])
    for code in site["stations"]:
        for name in members.get(code, ()):
            with archive.open(name) as raw, TextIOWrapper(raw, "latin-1", newline="") as lines:
                try:
                    yield (
                        code,
                        _read_station(lines_of(lines), call.context["year"], zone, site["series"]),
                    )
                except (ValueError, csv.Error) as error:
                    raise refusal(call, f"station {code}: {error}") from None


def _choose_stations(
    years: Sequence[tuple[str, StationYear]], site: Mapping[str, Any], notes: list[str]
) -> list[Row]:
    """A site's rows, each of its first station that has one, and notes on who served.

    The last day of a file ends at 20 or 21 h local time, so that the next file may add hours to
    it; 31 December stays like that, since the next year's file is another one.
    """
    region = site["region"]
    rows: list[Row] = []
    served: Counter[str] = Counter()
    seen = sorted(set().union(*(station.seen for _, station in years)))
    for series in site["series"]:
        for day in seen:
            measured = [(code, year.days[series].get(day)) for code, year in years]
            code, value = next((one for one in measured if one[1] is not None), ("", None))
            if value is not None:
                fills = day == seen[-1] and (day.month, day.day) != (12, 31)
                rows.append((series, region, day, value, fills))
                served[code] += 1
    notes += [f"{region}: {code}: {note}" for code, year in years for note in year.notes]
    notes += [f"{region}: {count} values of {code}" for code, count in served.items()]
    total = len(seen) * len(site["series"])
    if lacking := total - len(rows):
        notes.append(f"{region}: {lacking} of {total} values lack {MIN_HOURS} valid hours")
    if not seen:
        notes.append(f"{region}: no file of station {', '.join(site['stations'])}")
    return rows


def _read_station(
    lines: Iterable[str], year: int, zone: ZoneInfo, series: Sequence[str]
) -> StationYear:
    """Read a station's file into days of its zone.

    The first hours of the year in UTC are of the local day before and are left out; 31 December
    lacks them in turn, and counts if the other 21 hours are valid.

    Raises:
        ValueError: Columns are missing, or most lines or values cannot be read.
    """
    rows = csv.reader(lines, delimiter=";", quoting=csv.QUOTE_NONE)
    positions = _positions(rows, series)
    faults: Counter[str] = Counter()
    hours = dict(_hours(rows, positions, faults))
    for what, count in faults.items():
        if count > len(hours) * (len(series) if what.startswith("values") else 1) / 2:
            raise ValueError(f"{count} {what} in {len(hours)} hours")
    by_day: dict[date, list[Hour]] = {}
    for hour, values in hours.items():
        by_day.setdefault(hour.astimezone(zone).date(), []).append(values)
    before = sum(len(of) for day, of in by_day.items() if day.year != year)
    days = {day: of for day, of in by_day.items() if day.year == year}
    values_of: dict[str, dict[date, float]] = {name: {} for name in series}
    for at, name in enumerate(series):
        for day, of in days.items():
            valid = [value for values in of if (value := values[at]) is not None]
            if len(valid) >= MIN_HOURS:
                values_of[name][day] = MEASURES[name].of_day(valid)
    notes = tuple(f"{count} {what}" for what, count in faults.items())
    return StationYear(values_of, frozenset(days), before, notes)


def _positions(rows: Iterator[list[str]], series: Sequence[str]) -> dict[str, int]:
    """Where every series stands, out of the line that names the columns."""
    for row in islice(rows, HEADER_LINES):
        names = [plain_name(cell) for cell in row]
        # "DATA DE FUNDACAO:" above it starts with the same word
        if len(names) > 2 and names[0].startswith("DATA") and names[1].startswith("HORA"):
            break
    else:
        raise ValueError("changed format: no line names the columns DATA and HORA")
    starts = {name: MEASURES[name].column for name in series}
    found = {
        name: next((at for at, one in enumerate(names) if one.startswith(start)), -1)
        for name, start in starts.items()
    }
    if lacking := [starts[name] for name, at in found.items() if at < 0]:
        raise ValueError(f"changed format: no column {', '.join(lacking)}")
    return found


def _hours(
    rows: Iterable[list[str]], positions: Mapping[str, int], faults: Counter[str]
) -> Iterator[tuple[datetime, Hour]]:
    """Hour in UTC and its values."""
    for row in rows:
        if not "".join(row).strip():
            continue
        found = _HOUR.fullmatch(";".join(row[:2]))  # 2023/01/01;0000 UTC or 2018-01-01;00:00
        try:
            digits = "".join(found.groups()) if found else ""
            hour = datetime.strptime(digits, "%Y%m%d%H").replace(tzinfo=UTC)
        except ValueError:
            hour = None
        if hour is None or len(row) <= max(positions.values()):
            faults["lines cannot be read"] += 1
            continue
        yield hour, tuple(_value(row[at], name, faults) for name, at in positions.items())


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
