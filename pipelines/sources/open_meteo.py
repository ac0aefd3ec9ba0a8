"""Open-Meteo's archive: ERA5 reanalysis of the weather, one call a city and three years.

A call is of one city, not of a list of coordinates, so that a city that fails fails alone. The
model is pinned to ERA5: the default mixes models and breaks in 2017. The time zone is the city's:
days would be UTC otherwise, which puts one day's rain into another.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from pipelines.sources.base import Answer, Call, Parsed, Wanted
from pipelines.sources.checks import fields, json_of, list_of, refused
from pipelines.sources.local_days import time_zone
from pipelines.sources.weather import City, Column, cities, city_weather, placed

VARIABLES = {
    "temperature_avg_c": ("temperature_2m_mean", "°C"),
    "temperature_max_c": ("temperature_2m_max", "°C"),
    "temperature_min_c": ("temperature_2m_min", "°C"),
    "precipitation_mm": ("precipitation_sum", "mm"),
    "humidity_percent": ("relative_humidity_2m_mean", "%"),
    "wind_max_kmh": ("wind_speed_10m_max", "km/h"),
}
"""Our series: the archive's daily variable, and the unit that it has to come in."""

MAX_WEIGHT = 60.0
"""Most that one call may count for: a window of years that is refused is lost as a whole."""


@dataclass(frozen=True, slots=True)
class OpenMeteo:
    """The archive at ``base``, asked for 500 of the 600 weighted calls a minute that are free."""

    base: str
    name: ClassVar[str] = "open_meteo"
    overlap: ClassVar[int] = 10
    pause: ClassVar[float] = 0.12

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One call a city and window of at most MAX_WEIGHT.

        Raises:
            SourceError: A series that the archive has no variable for, or a city without place.
            DataError: A city whose name ends in no state, so that its time zone is unknown.
        """
        return tuple(
            self._call(placed(self.name, city), first, last)
            for city in cities(self.name, wanted, VARIABLES)
            for first, last in _windows(city)
        )

    def _call(self, city: City, first: date, last: date) -> Call:
        zone = time_zone(city.region)
        days = {"start_date": first.isoformat(), "end_date": last.isoformat()}
        variables = ",".join(VARIABLES[series][0] for series in city.series)
        query = {**city.point, **days, "daily": variables, "timezone": zone, "models": "era5"}
        window = {"first": first.isoformat(), "last": last.isoformat()}
        return Call(
            source=self.name,
            base=self.base,
            target=f"/v1/archive?{urlencode(query, safe=',/')}",
            series=city.series,
            media="json",
            context={**city.context, **window, "timezone": zone},
            weight=weight(len(city.series), (last - first).days + 1),
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read one city's days; those of the last five before the answer are preliminary.

        Raises:
            SourceError: A reason instead of data, days of another time zone, another unit,
                columns of another length, or no value at all.
        """
        body = json_of(call, answer)
        if isinstance(body, dict) and body.get("error"):
            raise refused(call, f"error: {body.get('reason', 'without a reason')}")
        units, daily, zone = fields(call, body, "daily_units", "daily", "timezone")
        if zone != call.context["timezone"]:
            raise refused(call, f"days of {zone!r} instead of {call.context['timezone']!r}")
        columns = {series: _column(call, units, daily, series) for series in call.context["series"]}
        return city_weather(call, answer, columns)


def weight(variables: int, days: int) -> float:
    """How many calls of the free limit a request of one place counts for, as Open-Meteo says."""
    share = variables / 10
    return max(1.0, share, days / 14 * share)


def _windows(city: City) -> Iterator[tuple[date, date]]:
    """Windows of whole years of 366 days, as many as stay below MAX_WEIGHT."""
    years = max(1, math.floor(MAX_WEIGHT / weight(len(city.series), 366)))
    first = city.first
    while first <= city.last:
        last = min(city.last, first + timedelta(days=years * 366 - 1))
        yield first, last
        first = last + timedelta(days=1)


def _column(call: Call, units: Any, daily: Any, series: str) -> Column:
    """Days and values of a series, once unit and length are what they have to be."""
    variable, unit = VARIABLES[series]
    (given,) = fields(call, units, variable)
    if given != unit:
        raise refused(call, f"{variable} comes in {given!r} instead of {unit!r}")
    days, values = fields(call, daily, "time", variable)
    days, values = list_of(call, days, "time"), list_of(call, values, variable)
    if len(days) != len(values) or not days:
        raise refused(call, f"changed format: {len(days)} days, {len(values)} of {variable}")
    return zip(days, values, strict=True)
