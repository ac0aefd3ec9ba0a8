"""What sources of daily weather share: cities to ask for, and columns of days to read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from ml.errors import DataError
from pipelines.sources.answers import refusal
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest, SourceError
from pipelines.sources.checks import Row, read_rows, screen

DELAY_DAYS = 5
"""Reanalysis is about five days behind; what comes earlier is replaced [days]."""
ZONES = {
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
"""Time zones of each of the 26 states and the federal district (Fernando de Noronha left out)."""


def group_by_city(
    adapter: Adapter, wanted: Sequence[SeriesRequest], served: Collection[str]
) -> list[tuple[SeriesRequest, tuple[str, ...]]]:
    """Group by city what is wanted, so that all series of a city share their calls.

    A window that ends before it starts asks for nothing.

    Returns:
        What is wanted of each city, from the first to the last day that any series is wanted of,
        and the names of its series in the order of ``served``.

    Raises:
        SourceError: A series that the source has not, or one without a city.
    """
    adapter.expect_served(wanted, served, "a city")
    groups: dict[str | None, list[SeriesRequest]] = {}
    for one in wanted:
        if one.first <= one.last:
            groups.setdefault(one.region, []).append(one)
    found = []
    for group in groups.values():
        first, last = min(one.first for one in group), max(one.last for one in group)
        names = {one.series for one in group}
        city = replace(group[0], first=first, last=last)
        found.append((city, tuple(name for name in served if name in names)))
    return found


def coordinates(adapter: Adapter, city: SeriesRequest, series: Sequence[str]) -> dict[str, float]:
    """Where a city is, as fields of a query.

    Raises:
        SourceError: It does not say.
    """
    if city.place is None:
        cause = f"{city.region} has no latitude and longitude. Add them to SITES."
        raise SourceError(adapter.name, series, cause)
    return dict(zip(("latitude", "longitude"), city.place, strict=True))


def city_context(city: SeriesRequest, series: Sequence[str]) -> dict[str, object]:
    """What reading an answer of a city needs, as plain JSON."""
    window = {"first": city.first.isoformat(), "last": city.last.isoformat()}
    return {"region": city.region, "series": list(series), **window}


def time_zone(region: str | None) -> str:
    """IANA time zone of a city, from the state that ends its name: days of weather are local.

    It knows that only some states had summer time, the last one in 2018/19.

    Raises:
        DataError: The name ends in no state.
    """
    name = region or ""
    found = next((zone for zone, states in ZONES.items() if name[-2:].upper() in states), None)
    if found is None or name[-3:-2] not in ("", "_"):
        raise DataError(
            f"region {region!r}: ends in no Brazilian state. Name it like salvador_ba in SITES."
        )
    return found


def read_city(
    call: Call,
    answer: Answer,
    columns: Mapping[str, Iterable[tuple[object, object]]],
    *,
    missing: Sequence[object] = (None, ""),
    factors: Mapping[str, float] | None = None,
) -> ParsedAnswer:
    """Read the columns of one city; the newest days are preliminary.

    Columns hold days, as ISO dates with or without hyphens, and values, which have our unit once
    multiplied with the factor of their series; ``missing`` is how the source writes "no value".

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
