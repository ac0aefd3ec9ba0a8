"""Outside series as they are watched for drift: as they are known, by how often they come."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.drift.detect import Watched, end_together
from ml.features.point_in_time import KnownSeries, known_at
from ml.frequency import Frequency, period_range, weekday
from ml.panel import Floats
from ml.panel_tables import infer_frequency

LEAST_VALUES = 3  # that tell how often a series comes


def watch_outside(tables: Mapping[str, pa.Table], today: np.datetime64) -> list[Watched]:
    """Series of outside tables as they are known at the end of a day, those of one rhythm together.

    They are published with lags of their own, so each is watched until its own last value. One
    that has no more of them is not found here: whoever fetches it says so. The ``tables`` hold
    rows as published; prices that are forecast are watched as a panel is.
    """
    rhythms: dict[tuple[Frequency, int], dict[str, KnownSeries]] = defaultdict(dict)
    for table, rows in sorted(tables.items()):
        for name, series in _known_series(table, rows, today):
            if len(series.days) >= LEAST_VALUES:
                frequency = infer_frequency(series.days)
                anchor = int(weekday(series.days[:1])[0]) if frequency is Frequency.WEEKLY else -1
                rhythms[frequency, anchor][name] = series
    return [_watch(frequency, rhythms[frequency, anchor]) for frequency, anchor in sorted(rhythms)]


def _known_series(
    table: str, rows: pa.Table, today: np.datetime64
) -> Iterator[tuple[str, KnownSeries]]:
    """Each series of each region, by a name of its own."""
    for region in sorted(pc.unique(rows["region"]).to_pylist(), key=lambda one: one or ""):
        known = known_at(rows, today, name=table, region=region, least_share=1.0)
        if known.region == region:  # else nothing of it is known yet
            for name, series in sorted(known.series.items()):
                yield f"{name} ({region})" if region else name, series


def _watch(frequency: Frequency, found: Mapping[str, KnownSeries]) -> Watched:
    first = min(series.days[0] for series in found.values())
    last = max(series.days[-1] for series in found.values())
    periods = period_range(first, last, frequency)
    values: Floats = np.full((len(found), len(periods)), np.nan)
    for row, series in enumerate(found.values()):
        own = np.isin(series.days, periods)
        values[row, np.searchsorted(periods, series.days[own])] = series.values[own]
    values = end_together(values, len(periods))
    name = f"outside_{frequency.value.lower()}"
    return Watched(name, "feature", tuple(found), periods, values, frequency)
