"""What sources of daily weather share: cities to ask for, and columns of days to read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.sources.base import Answer, Call, Parsed, SourceError, Wanted
from pipelines.sources.checks import Row, parsed, readings, refused

KMH_PER_MS = 3.6
DELAY_DAYS = 5
"""Reanalysis is about five days behind; what comes earlier is replaced [days]."""
MISSING = (None, "")

Column = Iterable[tuple[object, object]]
"""Day and value of one variable, each as it came."""


@dataclass(frozen=True, slots=True)
class City:
    """All that is wanted of one city from one source.

    Attributes:
        region: Our name of it.
        code: The source's own name of it, such as its stations; may be empty.
        place: Latitude and longitude, if known.
        series: Our names, in the order in which the source declares them.
        first: First day that any of them is wanted from.
        last: Last day.
    """

    region: str
    code: str
    place: tuple[float, float] | None
    series: tuple[str, ...]
    first: date
    last: date

    @property
    def point(self) -> dict[str, float]:
        """The place as fields of a query."""
        latitude, longitude = self.place or (0.0, 0.0)
        return {"latitude": latitude, "longitude": longitude}

    @property
    def context(self) -> dict[str, object]:
        """What reading an answer needs, as plain JSON; the days belong to the call."""
        return {"region": self.region, "series": list(self.series)}


def cities(source: str, wanted: Sequence[Wanted], served: Collection[str]) -> tuple[City, ...]:
    """Group by city what is wanted, so that all series of a city share their calls.

    Args:
        source: Name of the adapter.
        wanted: Series of cities; a window that ends before it starts asks for nothing.
        served: Our names of all series that the source has, in its order.

    Raises:
        SourceError: A series that the source has not, or one without a city.
    """
    foreign = sorted({one.series for one in wanted if one.series not in served})
    if foreign:
        raise SourceError(source, foreign, f"not served; it has {', '.join(served)}")
    if nowhere := sorted({one.series for one in wanted if one.region is None}):
        raise SourceError(source, nowhere, "asked for without a city")
    groups: dict[str, list[Wanted]] = {}
    for one in wanted:
        if one.first <= one.last and one.region is not None:
            groups.setdefault(one.region, []).append(one)
    return tuple(_city(region, group, served) for region, group in groups.items())


def _city(region: str, group: Sequence[Wanted], served: Collection[str]) -> City:
    asked = {one.series for one in group}
    return City(
        region=region,
        code=group[0].code,
        place=group[0].place,
        series=tuple(series for series in served if series in asked),
        first=min(one.first for one in group),
        last=max(one.last for one in group),
    )


def placed(source: str, city: City) -> City:
    """The city, if it says where it is.

    Raises:
        SourceError: It has no place.
    """
    if city.place is None:
        raise SourceError(
            source, city.series, f"{city.region} has no latitude and longitude. Add them to SITES."
        )
    return city


def city_weather(
    call: Call,
    answer: Answer,
    columns: Mapping[str, Column],
    *,
    missing: Sequence[object] = MISSING,
    factors: Mapping[str, float] | None = None,
) -> Parsed:
    """Read the columns of one city; the newest days are preliminary.

    Args:
        call: Its context holds region, series, first and last.
        answer: Says on which day it came.
        columns: Days and values of every series, days as ISO dates with or without hyphens.
        missing: How the source writes "no value".
        factors: What the values of a series are multiplied with to have our unit.

    Raises:
        SourceError: Nothing at all was measured, or too much cannot be read or cannot be.
    """
    rows: list[Row] = []
    notes: list[str] = []
    final_until = answer.day - timedelta(days=DELAY_DAYS)
    for series, column in columns.items():
        read, said = readings(call, column, day=date.fromisoformat, missing=missing, series=series)
        factor = (factors or {}).get(series, 1.0)
        rows += [(*row[:3], row[3] * factor, row[2] > final_until) for row in read]
        notes += [f"{series}: {note}" for note in said]
    if not rows and date.fromisoformat(call.context["first"]) <= final_until:
        first, last = call.context["first"], call.context["last"]
        raise refused(call, f"no value at all from {first} to {last} in {call.context['region']}")
    return parsed(call, answer, rows, notes)
