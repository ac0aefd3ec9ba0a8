"""NASA POWER: daily weather on a grid of half a degree, the last of the sources of the weather.

Wind is the day's largest (``WS10M_MAX``): the mean that ``WS10M`` gives is another quantity than
the other sources' ``wind_max_kmh``.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

from pipelines.sources.answers import quote, read_json, refusal, take_fields
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.weather import city_context, coordinates, group_by_city, read_city

PARAMETERS = {
    "temperature_avg_c": ("T2M", "C"),
    "temperature_max_c": ("T2M_MAX", "C"),
    "temperature_min_c": ("T2M_MIN", "C"),
    "humidity_percent": ("RH2M", "%"),
    "precipitation_mm": ("PRECTOTCORR", "mm/day"),
    "wind_max_kmh": ("WS10M_MAX", "m/s"),
}
"""Our series: the parameter, and the unit it is given in."""

KMH_PER_MS = 3.6
FILLS = (None, "", -999, -99)
"""No value; -999.0 is equal to -999."""


class NasaPower(Adapter):
    """The daily API at ``base``, one call a city: bursts are answered with 429."""

    name = "nasa_power"
    overlap = 10
    pause = 1.0

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:
        """One call a city for all its days."""
        return tuple(self._call(*city) for city in group_by_city(self, wanted, PARAMETERS))

    def _call(self, city: SeriesRequest, series: Sequence[str]) -> Call:
        query = {
            "parameters": ",".join(PARAMETERS[name][0] for name in series),
            "community": "AG",
            **coordinates(self, city, series),
            "start": f"{city.first:%Y%m%d}",
            "end": f"{city.last:%Y%m%d}",
            "format": "JSON",
            "time-standard": "LST",
        }
        target = f"/api/temporal/daily/point?{urlencode(query, safe=',')}"
        return self.ask(target, series, city_context(city, series))

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read one city's days; the newest three to five are always missing."""
        body = read_json(call, answer)
        found = body if isinstance(body, dict) and "properties" not in body else {}
        for name in ("messages", "detail", "message", "errors"):
            if message := found.get(name):
                first = message[0] if isinstance(message, list) else message
                text = first.get("msg", first) if isinstance(first, dict) else first
                raise refusal(call, f"no data but a message: {quote(call, str(text))}")
        header, properties = take_fields(call, body, "header", "properties")
        (fill,) = take_fields(call, header, "fill_value")
        (parameter,) = take_fields(call, properties, "parameter")
        described, columns = body.get("parameters"), {}
        for series in call.context["series"]:
            name, unit = PARAMETERS[series]
            (column,) = take_fields(call, parameter, name)
            if not isinstance(column, dict):
                cause = f"changed format: {name} is {type(column).__name__}, not days"
                raise refusal(call, cause)
            about = described.get(name) if isinstance(described, dict) else None
            given = about.get("units", unit) if isinstance(about, dict) else unit
            if given != unit:
                raise refusal(call, f"{name} comes in {given!r} instead of {unit!r}")
            columns[series] = column.items()
        factors = {"wind_max_kmh": KMH_PER_MS}
        return read_city(call, answer, columns, missing=(*FILLS, fill), factors=factors)
