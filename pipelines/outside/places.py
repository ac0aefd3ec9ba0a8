"""Places and symbols out of the settings: checked before anything is asked."""

import re
from dataclasses import dataclass

from ml.errors import ConfigError, first_few
from ml.settings import Settings

STATES = frozenset(
    {
        "AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA",
        "PB", "PE", "PI", "PR", "RJ", "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO",
    }
)  # fmt: skip
_NAME = re.compile(r"[a-z0-9_]+_([a-z]{2})")
_STATIONS = re.compile(r"[A-Z]\d{3}(\+[A-Z]\d{3})*")
_SYMBOL = re.compile(r"[\w.^=/-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Site:
    """A city whose weather is collected.

    Attributes:
        name: Our name of it, its state's two letters at the end: ``salvador_ba``.
        latitude: Degrees north.
        longitude: Degrees east.
        stations: INMET's station, spare ones after it: ``A401+A456``.
    """

    name: str
    latitude: float
    longitude: float
    stations: str


def sites(settings: Settings) -> tuple[Site, ...]:
    """The cities of ``SITES``.

    Raises:
        ConfigError: None, one twice, or one that is not ``name:latitude:longitude:stations``.
    """
    found = tuple(_site(part) for part in _parts(settings.sites))
    _refuse_bad_list("SITES", [site.name for site in found], "salvador_ba:-12.97:-38.51:A401+A456")
    return found


def states(settings: Settings) -> tuple[str, ...]:
    """The states of ``STATES``.

    Raises:
        ConfigError: None, one twice, or one that Brazil does not have.
    """
    found = tuple(part.upper() for part in _parts(settings.states))
    _refuse_bad_list("STATES", found, "BA,PE")
    unknown = [state for state in found if state not in STATES]
    if unknown:
        raise ConfigError(
            f"settings: STATES: {len(unknown)} of {len(found)} are no Brazilian states: "
            f"{first_few(unknown)}. Write two letters each: BA,PE."
        )
    return found


def symbols(settings: Settings) -> dict[str, str]:
    """The quoted prices of ``SYMBOLS``: our name to Yahoo's symbol.

    Raises:
        ConfigError: None, one twice, or one that is not ``series=symbol``.
    """
    pairs = [part.partition("=") for part in _parts(settings.symbols)]
    bad = ["".join(pair) for pair in pairs if not (_fits(pair[0]) and _fits(pair[2]))]
    if bad:
        raise ConfigError(
            f"settings: SYMBOLS: {len(bad)} of {len(pairs)} cannot be read: {first_few(bad)}. "
            "Write series=symbol, for example PETR4=PETR4.SA."
        )
    _refuse_bad_list("SYMBOLS", [name for name, _, _ in pairs], "PETR4=PETR4.SA")
    return {name.strip(): symbol.strip() for name, _, symbol in pairs}


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _fits(text: str) -> bool:
    return _SYMBOL.fullmatch(text.strip()) is not None


def _site(text: str) -> Site:
    parts = [part.strip() for part in text.split(":")]
    try:
        name, latitude, longitude, stations = parts
        site = Site(name, float(latitude), float(longitude), stations)
    except ValueError:
        raise _bad_site(text) from None
    state = _NAME.fullmatch(name)
    on_earth = abs(site.latitude) <= 90 and abs(site.longitude) <= 180  # false for nan
    if not (on_earth and state and state[1].upper() in STATES and _STATIONS.fullmatch(stations)):
        raise _bad_site(text)
    return site


def _bad_site(text: str) -> ConfigError:
    return ConfigError(
        f"settings: SITES: '{text}' cannot be read. Write name:latitude:longitude:stations, the "
        "name in small letters with the state at its end: salvador_ba:-12.97:-38.51:A401+A456."
    )


def _refuse_bad_list(setting: str, names: list[str] | tuple[str, ...], example: str) -> None:
    if not names:
        raise ConfigError(f"settings: {setting} names nothing. Write for example {example}.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"settings: {setting}: {len(twice)} of {len(set(names))} are there twice: "
            f"{first_few(twice)}. Keep one of each."
        )
