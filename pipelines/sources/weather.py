"""What sources of daily weather share: cities to ask for, and columns of days to read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ml.errors import DataError
from pipelines.sources.answers import refusal
from pipelines.sources.base import Answer, Api, Call, Parsed, SourceError, Wanted
from pipelines.sources.checks import Row, read_rows, screen

KMH_PER_MS = 3.6
DELAY_DAYS = 5
"""Reanalysis is about five days behind; what comes earlier is replaced [days]."""
MISSING = (None, "")
_ZONES = {
    "America/Araguaina": ("TO",),
    "America/Bahia": ("BA",),
    "America/Belem": ("AP", "PA"),
    "America/Boa_Vista": ("RR",),
    "America/Campo_Grande": ("MS",),
    "America/Cuiaba": ("MT",),
    "America/Fortaleza": ("CE", "MA", "PB", "PI", "RN"),
    "America/Maceio": ("AL", "SE"),
    "America/Manaus": ("AM",),
    "America/Porto_Velho": ("RO",),
    "America/Recife": ("PE",),
    "America/Rio_Branco": ("AC",),
    "America/Sao_Paulo": ("DF", "ES", "GO", "MG", "PR", "RJ", "RS", "SC", "SP"),
}
ZONE_OF_STATE = {state: zone for zone, states in _ZONES.items() for state in states}
"""Time zone of each of the 26 states and the federal district (Fernando de Noronha left out)."""

Column = Iterable[tuple[object, object]]
"""Day and value of one variable, each as it came."""


@dataclass(frozen=True, slots=True)
class CityWanted:
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
    def context(self) -> dict[str, object]:
        """What reading an answer needs, as plain JSON; the days belong to the call."""
        return {"region": self.region, "series": list(self.series)}


def group_by_city(
    api: Api, wanted: Sequence[Wanted], served: Collection[str]
) -> tuple[CityWanted, ...]:
    """Group by city what is wanted, so that all series of a city share their calls.

    Args:
        api: The adapter.
        wanted: Series of cities; a window that ends before it starts asks for nothing.
        served: Our names of all series that the source has, in its order.

    Raises:
        SourceError: A series that the source has not, or one without a city.
    """
    api.expect_served(wanted, served, "a city")
    groups: dict[str, list[Wanted]] = {}
    for one in wanted:
        if one.first <= one.last:
            groups.setdefault(str(one.region), []).append(one)
    return tuple(
        CityWanted(
            region,
            code=group[0].code,
            place=group[0].place,
            series=tuple(name for name in served if name in {one.series for one in group}),
            first=min(one.first for one in group),
            last=max(one.last for one in group),
        )
        for region, group in groups.items()
    )


def coordinates(api: Api, city: CityWanted) -> dict[str, float]:
    """Where a city is, as fields of a query.

    Raises:
        SourceError: It does not say.
    """
    if city.place is None:
        cause = f"{city.region} has no latitude and longitude. Add them to SITES."
        raise SourceError(api.name, city.series, cause)
    return dict(zip(("latitude", "longitude"), city.place, strict=True))


def time_zone(region: str) -> str:
    """Time zone of a city, from the state that ends its name: weather is counted on local days.

    Args:
        region: City with its state, such as ``salvador_ba``.

    Returns:
        IANA name; it knows that only some states had summer time, the last one in 2018/19.

    Raises:
        DataError: The name ends in no state.
    """
    state = region[-2:].upper()
    if state not in ZONE_OF_STATE or region[-3:-2] not in ("", "_"):
        raise DataError(
            f"region {region!r}: ends in no Brazilian state. Name it like salvador_ba in SITES."
        )
    return ZONE_OF_STATE[state]


def read_city(
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
    preliminary_from = answer.day - timedelta(days=DELAY_DAYS - 1)
    for series, column in columns.items():
        read, left_out = read_rows(
            call,
            column,
            day=date.fromisoformat,
            missing=missing,
            series=series,
            factor=(factors or {}).get(series, 1.0),
            preliminary_from=preliminary_from,
        )
        rows += read
        notes += [f"{series}: {note}" for note in left_out]
    first, last = call.context["first"], call.context["last"]
    if not rows and date.fromisoformat(first) < preliminary_from:
        raise refusal(call, f"no value at all from {first} to {last} in {call.context['region']}")
    return screen(call, answer, rows, notes)
