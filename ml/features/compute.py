"""All features at one cutoff. Pure: tables in, a frame out, nothing later than the cutoff seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ml.features.climate import climate_features
from ml.features.declarations import FEATURES, Feature
from ml.features.economy import economy_features, price_features, telecom_features
from ml.features.holiday_calendar import calendar_features, is_state
from ml.features.point_in_time import KnownTable, known_at
from ml.frequency import Days
from ml.panel import Floats


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """All that could be known of the features at one cutoff, for one region."""

    features: tuple[Feature, ...]  # F features, in the order of their declaration
    days: Days  # (T,) consecutive days
    values: Floats  # (T, F), NaN = not known at the cutoff. Read-only.
    # what a reader has to know: regions that stand in, series without a value
    statements: tuple[str, ...] = ()
    # F names of what each feature is of: a city, a state, `mean`; `None` = national. Empty
    # where nobody needs them.
    regions: tuple[str | None, ...] = ()
    # F names of who published what it is made of, `None` = computed
    publishers: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a frame whose parts do not fit each other."""
        shape = (len(self.days), len(self.features))
        if self.values.shape != shape:
            raise ValueError(f"values must be {shape}, got {self.values.shape}")
        for name, per_feature in (("regions", self.regions), ("publishers", self.publishers)):
            if per_feature and len(per_feature) != len(self.features):
                raise ValueError(f"{name} must have {len(self.features)} entries or none")
        self.values.flags.writeable = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(feature.name for feature in self.features)

    def column(self, name: str) -> Floats:
        """The values of one feature, shape (T,).

        Raises:
            ValueError: The frame does not have it.
        """
        if name not in self.names:
            raise ValueError(f"the frame has no feature '{name}', it has {list(self.names)}")
        return self.values[:, self.names.index(name)]


_GROUPS: Mapping[str, tuple[str, str, float, Callable[[KnownTable], Mapping[str, Floats]]]] = {
    "climate": ("climate", "city", 0.5, climate_features),
    "economy": ("economic", "nation", 1.0, economy_features),
    "telecom": ("anatel_5g", "state", 1.0, telecom_features),
    "prices": ("prices", "nation", 1.0, price_features),
}
"""By group its table, which region's rows count, the share of the regions that a day's mean needs
where others stand in, and the arithmetic. Weather of some cities resembles that of all; a total of
some states does not."""
TABLES = tuple(table for table, *_ in _GROUPS.values())


class _Part(NamedTuple):
    """The features of one group on the days of the frame."""

    columns: Mapping[str, Floats]
    region: str | None
    publishers: str | None
    statements: tuple[str, ...]


def features_at(
    tables: Mapping[str, pa.Table],
    cutoff: np.datetime64,
    first: np.datetime64,
    last: np.datetime64,
    *,
    region: str,
) -> FeatureFrame:
    """The features of the days ``first`` to ``last`` as they were known at the end of ``cutoff``.

    Of ``climate``, ``economic``, ``anatel_5g`` and ``prices`` the tables that exist: features of
    the others are left out, the calendar is always there. Windows reach back as far as the tables
    do; past-only features are NaN after what was known. The last two letters of the region, a
    city, are the state: ``salvador_ba``.

    Raises:
        ValueError: ``last`` lies before ``first``.
    """
    cutoff, first, last = (day.astype("datetime64[D]") for day in (cutoff, first, last))
    if last < first:
        raise ValueError(f"last must not lie before first, got {first} to {last}")
    days = np.arange(first, last + np.timedelta64(1, "D"))
    state = state_of(region)
    if is_state(state):
        calendar = _Part(calendar_features(days, state), state, None, ())
    else:
        said = f"calendar: '{state}' is no Brazilian state; national holidays alone count."
        calendar = _Part(calendar_features(days, None), None, None, (said,))
    parts = {"calendar": calendar}
    for group, (table, *_) in _GROUPS.items():
        if table in tables:
            parts[group] = _outside_part(tables[table], group, region, cutoff, days)
    features = tuple(feature for feature in FEATURES if feature.group in parts)
    columns = [parts[feature.group].columns[feature.name] for feature in features]
    return FeatureFrame(
        features=features,
        days=days,
        values=np.column_stack(columns),
        statements=tuple(line for part in parts.values() for line in part.statements),
        regions=tuple(parts[feature.group].region for feature in features),
        publishers=tuple(parts[feature.group].publishers for feature in features),
    )


def state_of(region: str) -> str:
    """Two letters of the state that a region is, or that its name ends in.

    >>> state_of("salvador_ba"), state_of("BA")
    ('BA', 'BA')
    """
    return region[-2:].upper()


def _outside_part(
    rows: pa.Table, group: str, region: str, cutoff: np.datetime64, days: Days
) -> _Part:
    table, scope, least_share, calculate = _GROUPS[group]
    wanted = {"city": region, "state": state_of(region), "nation": None}[scope]
    known = known_at(rows, cutoff, name=table, region=wanted, least_share=least_share)
    columns, statements = {}, list(known.statements)
    found = calculate(known)
    inside = np.isin(days, known.days)
    for name, values in found.items():
        columns[name] = np.full(len(days), np.nan)
        columns[name][inside] = values[np.isin(known.days, days)]
    empty = [name for name, values in found.items() if np.isnan(values).all()]
    if empty and len(known.days):
        statements.append(
            f"{table}: too little was known by {cutoff} for {len(empty)} of {len(found)} features: "
            f"{', '.join(empty)}."
        )
    return _Part(columns, known.region, known.publishers, tuple(statements))
