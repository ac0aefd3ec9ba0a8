"""Open-Meteo's archive: ERA5 reanalysis of the weather, one call a city and three years.

A call is of one city, not of a list of coordinates, so that a city that fails fails alone. The
model is pinned to ERA5: the default mixes models and breaks in 2017. The time zone is the city's:
days would be UTC otherwise, which puts one day's rain into another.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

from pipelines.sources.answers import expect_list, read_json, refusal, take_fields
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.weather import city_context, coordinates, group_by_city, read_city, time_zone

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


class OpenMeteo(Adapter):
    """The archive at ``base``, asked for 500 of the 600 weighted calls a minute that are free."""

    name = "open_meteo"
    overlap = 10
    pause = 0.12

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:
        """One call a city and window of at most MAX_WEIGHT."""
        return tuple(
            self._call(part, series)
            for city, series in group_by_city(self, wanted, VARIABLES)
            for part in _windows(city, len(series))
        )

    def _call(self, city: SeriesRequest, series: Sequence[str]) -> Call:
        point, zone = coordinates(self, city, series), time_zone(city.region)
        days = {"start_date": city.first.isoformat(), "end_date": city.last.isoformat()}
        variables = ",".join(VARIABLES[name][0] for name in series)
        query = {**point, **days, "daily": variables, "timezone": zone, "models": "era5"}
        return self.ask(
            f"/v1/archive?{urlencode(query, safe=',/')}",
            series,
            {**city_context(city, series), "timezone": zone},
            weight=weight(len(series), (city.last - city.first).days + 1),
        )

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read one city's days; those of the last five before the answer are preliminary."""
        body = read_json(call, answer)
        if isinstance(body, dict) and body.get("error"):
            raise refusal(call, f"error: {body.get('reason', 'without a reason')}")
        units, daily, zone = take_fields(call, body, "daily_units", "daily", "timezone")
        if zone != call.context["timezone"]:
            raise refusal(call, f"days of {zone!r} instead of {call.context['timezone']!r}")
        columns = {}
        for series in call.context["series"]:
            variable, unit = VARIABLES[series]
            (given,) = take_fields(call, units, variable)
            if given != unit:
                raise refusal(call, f"{variable} comes in {given!r} instead of {unit!r}")
            days, values = take_fields(call, daily, "time", variable)
            days, values = expect_list(call, days, "time"), expect_list(call, values, variable)
            if len(days) != len(values) or not days:
                cause = f"changed format: {len(days)} days, {len(values)} of {variable}"
                raise refusal(call, cause)
            columns[series] = zip(days, values, strict=True)
        return read_city(call, answer, columns)


def weight(variables: int, days: int) -> float:
    """How many calls of the free limit a request of one place counts for, as Open-Meteo says."""
    share = variables / 10
    return max(1.0, share, days / 14 * share)


def _windows(city: SeriesRequest, variables: int) -> Iterator[SeriesRequest]:
    """Windows of whole years of 366 days, as many as stay below MAX_WEIGHT."""
    years = max(1, math.floor(MAX_WEIGHT / weight(variables, 366)))
    first = city.first
    while first <= city.last:
        last = min(city.last, first + timedelta(days=years * 366 - 1))
        yield replace(city, first=first, last=last)
        first = last + timedelta(days=1)
