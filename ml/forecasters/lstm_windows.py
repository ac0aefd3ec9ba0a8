"""Training windows of the global LSTM: what it sees, and which bucket came true.

A window ends at an origin t. Its input is the last L periods up to t, its targets are some of the
periods t+1 to t+H, each with features of that period that are known ahead (step, season).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.forecasters.bucket_distribution import Buckets
from ml.forecasters.typical_size import TypicalSize
from ml.forecasters.window_levels import YEAR, WindowLevels, measure_levels
from ml.frequency import Frequency, periods_after, weekday
from ml.panel import Bools, Drivers, Floats, Ints, Panel, carried_forward

Float32s = npt.NDArray[np.float32]
Steps = npt.NDArray[np.unsignedinteger[Any]]

WINDOW = {"demand": 28, "price": 60}  # periods; the standing of an item knows what was before
DRAWN = 65_536  # windows whose steps are drawn at once
TARGETS = 24  # target steps drawn a window where the horizon is longer
YEARS = 3  # seen before the network is told the time of the year
VOLATILITY_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Scaled:
    """A panel in the network's terms."""

    values: Floats  # (N, T) demand, or price filled over holidays; NaN = unknown
    seen: Bools  # (N, T) whether there was an observation
    kind: str  # of the panel
    frequency: Frequency  # of the panel
    # (T + H, G) features known ahead of every period of the panel and its horizon
    calendar: Float32s
    levels: WindowLevels | None  # what is known of demand at each period, `None` for prices
    drivers: Drivers | None = None  # what outside drivers contribute, or `None`

    @property
    def untold(self) -> int:
        """How many features of the year, which come first, are zero: it is not told yet."""
        told = np.flatnonzero(self.calendar.any(axis=0))
        return int(told[0]) if len(told) else self.calendar.shape[1]


def scale_panel(panel: Panel, horizon: int, typical: TypicalSize | None) -> Scaled:
    """The panel in the network's terms; ``typical`` is that of the items that are learned from.

    Each window is divided by its item's unit; ``None`` of prices.
    """
    values = panel.values
    if not panel.is_demand:  # carried forward over days without a price; the first carried back
        filled, first = carried_forward(values), np.argmax(panel.observed(), axis=1)
        start = values[np.arange(len(values)), first]
        values = np.where(np.isnan(filled), start[:, None], filled)
    ahead = periods_after(panel.cutoff, horizon, panel.frequency)
    periods = np.concatenate([panel.periods, ahead])
    year = (periods - periods.astype("datetime64[Y]")).astype(float) / 365.25 * 2 * np.pi
    parts = [np.sin(year), np.cos(year)]
    if panel.frequency is Frequency.MONTHLY:
        parts += [np.sin(2 * year), np.cos(2 * year)]
    if panel.is_demand and len(panel.periods) < YEARS * YEAR[panel.frequency]:
        parts = [np.zeros(len(year)) for _ in parts]  # what all items did in one month is no season
    if panel.frequency is Frequency.DAILY:
        parts += [(weekday(periods) == day).astype(float) for day in range(7)]
    calendar = np.stack(parts, axis=1).astype(np.float32)
    levels = None if typical is None else measure_levels(panel, typical)
    return Scaled(
        values, panel.observed(), panel.kind, panel.frequency, calendar, levels, panel.drivers
    )


def learnable_origins(table: Scaled, last: int, least: int = 6) -> tuple[Ints, Ints]:
    """All (row, origin) pairs with ``least`` observations up to the origin, before ``last``."""
    counts = np.cumsum(table.seen, axis=1)
    rows, origins = np.nonzero(counts[:, : last - 1] >= least)
    return rows, origins


def know_units(table: Scaled, rows: Ints, origins: Ints) -> Bools:
    """Whether an item's own size of demand was known at origins, (n,): it had been asked for.

    Never where values are measured in something else.
    """
    if table.levels is None or table.levels.counts:
        return np.zeros(len(rows), bool)
    asked = table.values > 0
    first = np.where(asked.any(axis=1), np.argmax(asked, axis=1), asked.shape[1])
    return np.asarray(first[rows] <= origins)


def inputs(table: Scaled, rows: Ints, origins: Ints) -> Float32s:
    """Network input of windows: features of the last L periods, (n, L, F)."""
    places, inside, values = _window(table, rows, origins)
    seen = table.seen[rows[:, None], places] & inside
    if table.levels is not None:
        unit = table.levels.unit[rows, origins][:, None]
        if not table.levels.counts:
            unit = unit * table.levels.own[rows[:, None], places]
        values = values / unit
        level = np.where(seen, np.log1p(np.nan_to_num(values)), 0.0)
        change = np.sign(level)
    else:
        level, change, _ = _price_inputs(values, inside)
    driven = table.drivers.seen_from(rows, origins, places) if table.drivers else None
    return _stack(table, (level, change, seen), places, driven)


def _window(table: Scaled, rows: Ints, origins: Ints) -> tuple[Ints, Bools, Floats]:
    """The last L periods of windows, whether the panel had begun, and the values, all (n, L)."""
    length = min(WINDOW[table.kind], table.values.shape[1])
    places = origins[:, None] + np.arange(1 - length, 1)
    inside = places >= 0
    places = np.maximum(places, 0)
    return places, inside, table.values[rows[:, None], places]


def _price_inputs(values: Floats, inside: Bools) -> tuple[Floats, Floats, Floats]:
    """Levels and changes of prices (n, L), and the volatility of each window (n,)."""
    change = np.where(inside, np.diff(values, axis=1, prepend=values[:, :1]), 0.0)
    change = np.nan_to_num(change)
    active = np.maximum(inside.sum(axis=1), 2)
    spread = np.sqrt((change**2).sum(axis=1) / active)
    spread = np.maximum(spread, VOLATILITY_FLOOR * np.maximum(1.0, np.abs(values[:, -1])))
    width = spread[:, None] * np.sqrt(values.shape[1])
    level = np.where(inside, np.nan_to_num((values - values[:, -1:]) / width), 0.0)
    return np.clip(level, -8, 8), np.clip(change / spread[:, None], -8, 8), spread


def targets(table: Scaled, rows: Ints, origins: Ints, steps: Ints) -> Floats:
    """What came true, in the terms of the buckets, (n, K); NaN where not known.

    Args:
        table: The panel in the network's terms.
        rows: (n,) items.
        origins: (n,) last period seen.
        steps: (n, K) periods ahead, from 1.
    """
    last = table.values.shape[1]
    places = origins[:, None] + steps
    at = rows[:, None], np.minimum(places, last - 1)
    values = np.where((places < last) & table.seen[at], table.values[at], np.nan)
    unit = units(table, rows, origins, steps)
    if table.levels is not None:
        return table.levels.typical.divide(values, unit)
    return (values - table.values[rows, origins][:, None]) / (unit * np.sqrt(steps))


def units(table: Scaled, rows: Ints, origins: Ints, steps: Ints) -> Floats:
    """What targets ``steps`` after origins are divided by, (n, K).

    The item's unit, of sizes times the index of its season, or the volatility of a price.
    """
    if table.levels is None:
        _, inside, values = _window(table, rows, origins)
        _, _, spread = _price_inputs(values, inside)
        return np.repeat(spread[:, None], steps.shape[1], axis=1)
    unit = np.repeat(table.levels.unit[rows, origins][:, None], steps.shape[1], axis=1)
    if table.levels.counts:
        return unit
    return unit * table.levels.indices(rows, origins, steps, of_sizes=True)


def target_features(
    table: Scaled, rows: Ints, origins: Ints, steps: Ints, horizon: int
) -> Float32s:
    """Features of the target periods as they are expected at the origins, (n, K, G)."""
    driven = table.drivers.ahead_of(rows, origins, steps) if table.drivers else None
    columns = [steps / horizon, np.log(steps)]
    # Small counts stand in the window as they are; told more of them, networks gained nothing.
    if table.levels is not None and not table.levels.counts:
        season = np.log(table.levels.indices(rows, origins, steps))
        standing = np.moveaxis(table.levels.standing[rows, origins], 1, 0)[:, :, None]
        columns += [season, *table.levels.year_ago(rows, origins, steps), *standing]
    return _stack(table, columns, origins[:, None] + steps, driven)


def _stack(
    table: Scaled, columns: Sequence[Floats | Bools], places: Ints, driven: Float32s | None
) -> Float32s:
    """The calendar at these places, columns and the drivers as features, (n, K, G)."""
    # One float32 array filled in place: windows are by far the largest thing in memory.
    first, last = table.calendar.shape[1], table.calendar.shape[1] + len(columns)
    groups = 0 if driven is None else driven.shape[-1]
    features = np.empty((*places.shape, last + groups), np.float32)
    features[..., :first] = table.calendar[places]
    for number, column in enumerate(columns, start=first):
        features[..., number] = column
    if driven is not None:
        features[..., last:] = driven
    return features


def draw_steps(rng: np.random.Generator, count: int, horizon: int) -> Steps:
    """Target steps of each window, (count, K): all of them, or K at random.

    They are drawn in blocks: of all windows they would be the largest thing in memory.
    """
    kind = np.min_scalar_type(horizon)
    if horizon <= TARGETS:
        return np.tile(np.arange(1, horizon + 1, dtype=kind), (count, 1))
    steps = np.empty((count, TARGETS), kind)
    for first in range(0, count, DRAWN):
        block = steps[first : first + DRAWN]
        block[:] = np.sort(rng.integers(1, horizon + 1, block.shape), axis=1)
    return steps


def labels(buckets: Buckets, truth: Floats) -> tuple[Ints, Float32s]:
    """Bucket of each target and its weight in the loss: 0 where it is not known."""
    known = ~np.isnan(truth)
    return buckets.of(np.where(known, truth, 0.0)), known.astype(np.float32)
