"""NASA POWER: daily weather on a grid of half a degree, the last of the sources of the weather.

Wind is the day's largest (``WS10M_MAX``): the mean that ``WS10M`` gives is another quantity than
the other sources' ``wind_max_kmh``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from pipelines.sources.base import Answer, Call, Parsed, Wanted
from pipelines.sources.checks import fields, json_of, refused, shown
from pipelines.sources.weather import KMH_PER_MS, City, Column, cities, city_weather, placed

PARAMETERS = {
    "temperature_avg_c": ("T2M", "C"),
    "temperature_max_c": ("T2M_MAX", "C"),
    "temperature_min_c": ("T2M_MIN", "C"),
    "humidity_percent": ("RH2M", "%"),
    "precipitation_mm": ("PRECTOTCORR", "mm/day"),
    "wind_max_kmh": ("WS10M_MAX", "m/s"),
}
"""Our series: the parameter, and the unit it is given in."""

FILLS = (None, "", -999, -99)
"""No value; -999.0 is equal to -999."""


@dataclass(frozen=True, slots=True)
class NasaPower:
    """The daily API at ``base``, one call a city: bursts are answered with 429."""

    base: str
    name: ClassVar[str] = "nasa_power"
    overlap: ClassVar[int] = 10
    pause: ClassVar[float] = 1.0

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One call a city for all its days.

        Raises:
            SourceError: A series that it has no parameter for, or a city without place.
        """
        found = cities(self.name, wanted, PARAMETERS)
        return tuple(self._call(placed(self.name, city)) for city in found)

    def _call(self, city: City) -> Call:
        query = {
            "parameters": ",".join(PARAMETERS[series][0] for series in city.series),
            "community": "AG",
            **city.point,
            "start": f"{city.first:%Y%m%d}",
            "end": f"{city.last:%Y%m%d}",
            "format": "JSON",
            "time-standard": "LST",
        }
        window = {"first": city.first.isoformat(), "last": city.last.isoformat()}
        return Call(
            source=self.name,
            base=self.base,
            target=f"/api/temporal/daily/point?{urlencode(query, safe=',')}",
            series=city.series,
            media="json",
            context={**city.context, **window},
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read one city's days; the newest three to five are always missing.

        Raises:
            SourceError: Messages instead of data, a parameter that is missing or has another
                unit, or no value at all.
        """
        body = json_of(call, answer)
        if isinstance(body, dict) and "properties" not in body:
            _refuse_messages(call, body)
        header, properties = fields(call, body, "header", "properties")
        (fill,) = fields(call, header, "fill_value")
        (parameter,) = fields(call, properties, "parameter")
        columns = {
            series: _column(call, parameter, body.get("parameters"), series)
            for series in call.context["series"]
        }
        factors = {"wind_max_kmh": KMH_PER_MS}
        return city_weather(call, answer, columns, missing=(*FILLS, fill), factors=factors)


def _refuse_messages(call: Call, body: dict[str, Any]) -> None:
    """Raise what an answer without data says about it, if it does."""
    for name in ("messages", "detail", "message", "errors"):
        if said := body.get(name):
            first = said[0] if isinstance(said, list) else said
            text = first.get("msg", str(first)) if isinstance(first, dict) else str(first)
            raise refused(call, f"no data but a message: {shown(call, text)}")


def _column(call: Call, parameter: Any, described: Any, series: str) -> Column:
    """Days and values of a series, once its unit is what it has to be where it is told."""
    name, unit = PARAMETERS[series]
    (column,) = fields(call, parameter, name)
    if not isinstance(column, dict):
        raise refused(call, f"changed format: {name} is {type(column).__name__}, not days")
    about = described.get(name) if isinstance(described, dict) else None
    given = about.get("units", unit) if isinstance(about, dict) else unit
    if given != unit:
        raise refused(call, f"{name} comes in {given!r} instead of {unit!r}")
    return column.items()
