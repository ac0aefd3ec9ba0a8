"""Places and symbols out of the settings: checked before anything is asked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ml.errors import ConfigError, first_few
from ml.settings import STATES, Settings

_DEGREES = r"\s*([-+]?\d*\.?\d+)\s*"
_SITE = re.compile(
    rf"([a-z0-9_]+_(?:{'|'.join(STATES)}))\s*:{_DEGREES}:{_DEGREES}:"
    r"\s*([A-Z]\d{3}(?:\+[A-Z]\d{3})*)"
)
_SYMBOL = re.compile(r"([\w.^=/-]+?)\s*=\s*([\w.^=/-]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClimateSite:
    """A city whose weather is collected."""

    name: str  # our name of it, its state's two letters at the end: `salvador_ba`
    latitude: float  # degrees north
    longitude: float  # degrees east
    stations: str  # INMET's station, spare ones after it: `A401+A456`


def sites(settings: Settings) -> tuple[ClimateSite, ...]:
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
    unknown = [state for state in found if state.lower() not in STATES]
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
    parts = _parts(settings.symbols)
    pairs = {part: _SYMBOL.fullmatch(part) for part in parts}
    bad = [part for part, pair in pairs.items() if pair is None]
    if bad:
        raise ConfigError(
            f"settings: SYMBOLS: {len(bad)} of {len(parts)} cannot be read: {first_few(bad)}. "
            "Write series=symbol, for example PETR4=PETR4.SA."
        )
    found = [(pair[1], pair[2]) for part in parts if (pair := pairs[part])]
    _refuse_bad_list("SYMBOLS", [name for name, _ in found], "PETR4=PETR4.SA")
    return dict(found)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _site(text: str) -> ClimateSite:
    parts = _SITE.fullmatch(text)
    if parts is None or abs(float(parts[2])) > 90 or abs(float(parts[3])) > 180:
        raise ConfigError(
            f"settings: SITES: '{text}' cannot be read. Write name:latitude:longitude:stations, "
            "the name in small letters with the state at its end: "
            "salvador_ba:-12.97:-38.51:A401+A456."
        )
    return ClimateSite(parts[1], float(parts[2]), float(parts[3]), parts[4])


def _refuse_bad_list(setting: str, names: Sequence[str], example: str) -> None:
    if not names:
        raise ConfigError(f"settings: {setting} names nothing. Write for example {example}.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"settings: {setting}: {len(twice)} of {len(set(names))} are there twice: "
            f"{first_few(twice)}. Keep one of each."
        )
