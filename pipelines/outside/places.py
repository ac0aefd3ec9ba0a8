"""Places and symbols out of the settings: checked before anything is asked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ml.errors import ConfigError, first_few
from ml.setting_groups import STATES
from ml.settings import Settings

_DEGREES = r"\s*([-+]?\d*\.?\d+)\s*"
_SITE = re.compile(
    rf"([a-z0-9_]+_(?:{'|'.join(STATES)}))\s*:{_DEGREES}:{_DEGREES}:"
    r"\s*([A-Z]\d{3}(?:\+[A-Z]\d{3})*)"
)
_SYMBOL = re.compile(r"([\w.^=/-]+?)\s*=\s*([\w.^=/-]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """What a value is of: a city, a state, or the country."""

    region: str | None = None  # our name; `None` = national
    # latitude and longitude in degrees north and east, where sources need them
    position: tuple[float, float] | None = None
    # its own names at sources that have them, by source
    codes: Mapping[str, str] = field(default_factory=dict)


def sites(settings: Settings) -> dict[str, Place]:
    """The cities of ``SITES`` by our names, their states at the end: ``salvador_ba``.

    Raises:
        ConfigError: None, one twice, or one that is not ``name:latitude:longitude:stations``.
    """
    found = [_site(part) for part in _parts(settings.sites)]
    _refuse_bad_list("SITES", [name for name, _ in found], "salvador_ba:-12.97:-38.51:A401+A456")
    return dict(found)


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


def _site(text: str) -> tuple[str, Place]:
    """A city with its position, and INMET's station with spare ones after it."""
    parts = _SITE.fullmatch(text)
    if parts is None or abs(float(parts[2])) > 90 or abs(float(parts[3])) > 180:
        raise ConfigError(
            f"settings: SITES: '{text}' cannot be read. Write name:latitude:longitude:stations, "
            "the name in small letters with the state at its end: "
            "salvador_ba:-12.97:-38.51:A401+A456."
        )
    position = float(parts[2]), float(parts[3])
    return parts[1], Place(parts[1], position, {"inmet": parts[4]})


def _refuse_bad_list(setting: str, names: Sequence[str], example: str) -> None:
    if not names:
        raise ConfigError(f"settings: {setting} names nothing. Write for example {example}.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"settings: {setting}: {len(twice)} of {len(set(names))} are there twice: "
            f"{first_few(twice)}. Keep one of each."
        )
