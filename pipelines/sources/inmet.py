"""INMET: Brazil's weather stations, a ZIP a year with the hours of all of them.

The hourly interface asks for a captcha, so the yearly files are used. They are regenerated while
their year runs, hence the conditional requests. A city names its station and spares for it: about
one station in six is out of order at any time.
"""

import csv
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from io import TextIOWrapper
from typing import Any, ClassVar

from pipelines.sources.base import Answer, Call, Parsed, SourceError, Wanted
from pipelines.sources.checks import Row, not_after, plausible, refused, rows_table
from pipelines.sources.inmet_file import MEASURES, FormatError, StationYear, read_station
from pipelines.sources.local_days import time_zone
from pipelines.sources.weather import City, cities
from pipelines.sources.zip_members import opened_zip

_CODE = re.compile(r"_([A-Z]\d{3})_[^/]*\.CSV$", re.IGNORECASE)
_NEW_YEARS_EVE = (12, 31)


@dataclass(frozen=True, slots=True)
class Inmet:
    """The yearly files at ``base``."""

    base: str
    name: ClassVar[str] = "inmet"
    overlap: ClassVar[int] = 10
    pause: ClassVar[float] = 1.0

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One call a year, for all cities that reach it.

        Raises:
            SourceError: A series that stations do not measure, or a city without a station.
            DataError: A city whose name ends in no state, so that its time zone is unknown.
        """
        found = cities(self.name, wanted, MEASURES)
        for city in found:
            if not _stations(city):
                cause = f"{city.region} has no station. Add it to SITES, such as A401+A456."
                raise SourceError(self.name, city.series, cause)
        years = sorted({year for city in found for year in _years(city)})
        return tuple(
            self._call(year, [city for city in found if year in _years(city)]) for year in years
        )

    def _call(self, year: int, reaching: Sequence[City]) -> Call:
        sites = [
            {**city.context, "stations": _stations(city), "timezone": time_zone(city.region)}
            for city in reaching
        ]
        asked = {series for city in reaching for series in city.series}
        return Call(
            source=self.name,
            base=self.base,
            target=f"/uploads/dadoshistoricos/{year}.zip",
            series=tuple(series for series in MEASURES if series in asked),
            media="zip",
            context={"year": year, "sites": sites},
            conditional=True,
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read the stations of a year, one file of the ZIP after the other.

        Each value is of the first station of its city with 20 valid hours on that day; which
        ones served is noted.

        Raises:
            SourceError: It is no ZIP or breaks off, it has none of the stations, a file's
                columns have changed, or not one day has enough hours.
        """
        rows: list[Row] = []
        notes: list[str] = []
        before = 0
        with opened_zip(call, answer) as archive:
            members = _members(archive)
            codes = [code for site in call.context["sites"] for code in site["stations"]]
            if not set(codes) & set(members):
                total = len(archive.namelist())
                raise refused(call, f"none of {total} files is of station {', '.join(codes)}")
            for site in call.context["sites"]:
                years = list(_station_years(call, archive, members, site))
                rows += _first_served(years, site, notes)
                before += sum(year.before for _, year in years)
        if not rows:
            raise refused(call, f"no day of {call.context['year']} has 20 valid hours")
        if before:
            notes.append(f"{before} hours are of the local year before, left to its own file")
        past, later = not_after(rows, answer.day)
        kept, absurd = plausible(call, past)
        return Parsed(rows_table(kept), (*notes, *later, *absurd))


def _years(city: City) -> range:
    return range(city.first.year, city.last.year + 1)


def _stations(city: City) -> list[str]:
    return [code.strip().upper() for code in city.code.split("+") if code.strip()]


def _members(archive: zipfile.ZipFile) -> dict[str, list[str]]:
    """Files of each station code, in whatever folder."""
    members: dict[str, list[str]] = {}
    for name in archive.namelist():
        if found := _CODE.search(name):
            members.setdefault(found[1].upper(), []).append(name)
    return members


def _station_years(
    call: Call, archive: zipfile.ZipFile, members: Mapping[str, Sequence[str]], site: Any
) -> Iterator[tuple[str, StationYear]]:
    """Station and what it measured, in the order of the site's list."""
    for code in site["stations"]:
        for name in members.get(code, ()):
            with archive.open(name) as raw, TextIOWrapper(raw, "latin-1", newline="") as lines:
                try:
                    yield (
                        code,
                        read_station(
                            lines,
                            year=call.context["year"],
                            time_zone=site["timezone"],
                            series=site["series"],
                        ),
                    )
                except (FormatError, csv.Error) as error:
                    raise refused(call, f"station {code}: {error}") from None


def _first_served(
    years: Sequence[tuple[str, StationYear]], site: Mapping[str, Any], notes: list[str]
) -> list[Row]:
    """A site's rows, each of its first station that has one, and notes on who served."""
    region = site["region"]
    rows: list[Row] = []
    served: Counter[str] = Counter()
    seen = sorted(set().union(*(station.seen for _, station in years)))
    for series in site["series"]:
        for day in seen:
            code, value = _served(years, series, day)
            if code:
                rows.append((series, region, day, value, _filling(day, seen)))
                served[code] += 1
    notes += [f"{region}: {code}: {note}" for code, year in years for note in year.notes]
    notes += [f"{region}: {count} values of {code}" for code, count in served.items()]
    total = len(seen) * len(site["series"])
    if lacking := total - len(rows):
        notes.append(f"{region}: {lacking} of {total} values lack 20 valid hours")
    if not seen:
        notes.append(f"{region}: no file of station {', '.join(site['stations'])}")
    return rows


def _served(years: Sequence[tuple[str, StationYear]], series: str, day: date) -> tuple[str, float]:
    """The first station with a value, and the value; an empty code if none has."""
    for code, station in years:
        if (value := station.days[series].get(day)) is not None:
            return code, value
    return "", 0.0


def _filling(day: date, seen: Sequence[date]) -> bool:
    """Whether the next file may add hours: the last day of a file ends at 20 or 21 h local time.

    31 December stays like that, since the next year's file is another one.
    """
    return day == seen[-1] and (day.month, day.day) != _NEW_YEARS_EVE
