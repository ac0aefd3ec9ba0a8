"""Settings of pooled models that a panel may have of its own, and where they are searched for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

Settings = Mapping[str, float]
"""Values by name; one inside a setting that is a dataclass is named ``outer.inner``."""


@dataclass(frozen=True, slots=True)
class Range:
    """Values that are tried of one setting, drawn evenly by ratio."""

    low: float
    high: float
    whole: bool = True  # whole numbers only


RANGES: Mapping[str, Mapping[str, Range]] = {
    "lstm": {
        "units": Range(16, 96),
        "epochs": Range(2, 12),
        "learning_rate": Range(5e-4, 1e-2, whole=False),
    },
    "trees": {
        "boosting.any_trees": Range(20, 240),
        "boosting.size_trees": Range(8, 80),
        "boosting.leaves": Range(3, 32),
        "boosting.least_rows": Range(40, 800),
        "boosting.learning_rate": Range(0.02, 0.3, whole=False),
    },
}


def settings_of(config: Any, family: str) -> dict[str, float]:
    """What a model is set to, of all that can be tuned."""
    return {name: attrgetter(name)(config) for name in RANGES[family]}


def with_settings(config: Any, settings: Settings) -> Any:
    """The same model with other values of these settings."""
    own: dict[str, Any] = {}
    for name, value in settings.items():
        outer, _, inner = name.partition(".")
        held = own.get(outer, getattr(config, outer))
        own[outer] = with_settings(held, {inner: value}) if inner else value
    return replace(config, **own)
