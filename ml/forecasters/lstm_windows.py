"""Training windows of the global LSTM: what it sees, and which bucket came true.

A window ends at an origin t. Its input is the last L periods up to t, its targets are some of the
periods t+1 to t+H, each with features of that period that are known ahead (step, season).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.forecasters.bucket_distribution import Buckets
from ml.frequency import Frequency, periods_after, weekday
from ml.panel import Bools, Drivers, Floats, Ints, Panel, carried_forward

Float32s = npt.NDArray[np.float32]

WINDOW = 60
TARGETS = 24  # target steps drawn a window where the horizon is longer
VOLATILITY_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Scaled:
    """A panel in the network's terms."""

    # (N, T) demand over the item's scale, or price filled over holidays; NaN = unknown
    levels: Floats
    seen: Bools  # (N, T) whether there was an observation
    kind: str  # of the panel
    # (T + H, G) features known ahead of every period of the panel and its horizon
    calendar: Float32s
    drivers: Drivers | None = None  # what outside drivers contribute, or `None`


def learn_typical(panel: Panel, small: float = 20.0) -> float | None:
    """Typical size of one demand where sizes are brought to one scale, else ``None``.

    Counts stay as they are where nine in ten demands of the panel are whole and at most
    ``small``: then a bucket is a count. Otherwise each item is divided by its mean demand when
    there is any, so that large and small parts learn from each other. Prices stay as they are.
    """
    sizes = panel.values[panel.values > 0]
    if not panel.is_demand or not len(sizes):
        return None
    whole = bool(np.all(sizes == np.round(sizes)))
    if whole and np.quantile(sizes, 0.9) <= small:
        return None
    return float(np.median(sizes))


def divisors(panel: Panel, typical: float | None) -> Floats:
    """What each item's values are divided by, (N,); depends on the item's own values alone.

    An item with few demands is shrunk to the typical size of :func:`learn_typical`.
    """
    if typical is None:
        return np.ones(len(panel.items))
    sizes = np.where(panel.values > 0, panel.values, 0.0)
    return (sizes.sum(axis=1) + typical) / (np.sum(sizes > 0, axis=1) + 1)


def scale_panel(panel: Panel, horizon: int, scales: Floats) -> Scaled:
    """The panel in the network's terms."""
    levels = panel.values / scales[:, None]
    if not panel.is_demand:  # carried forward over days without a price; the first carried back
        filled, first = carried_forward(levels), np.argmax(panel.observed(), axis=1)
        start = levels[np.arange(len(levels)), first]
        levels = np.where(np.isnan(filled), start[:, None], filled)
    ahead = periods_after(panel.cutoff, horizon, panel.frequency)
    periods = np.concatenate([panel.periods, ahead])
    year = (periods - periods.astype("datetime64[Y]")).astype(float) / 365.25 * 2 * np.pi
    parts = [np.sin(year), np.cos(year)]
    if panel.frequency is Frequency.MONTHLY:
        parts += [np.sin(2 * year), np.cos(2 * year)]
    if panel.frequency is Frequency.DAILY:
        parts += [(weekday(periods) == day).astype(float) for day in range(7)]
    calendar = np.stack(parts, axis=1).astype(np.float32)
    return Scaled(levels, panel.observed(), panel.kind, calendar, panel.drivers)


def learnable_origins(table: Scaled, last: int, least: int = 6) -> tuple[Ints, Ints]:
    """All (row, origin) pairs with ``least`` observations up to the origin, before ``last``."""
    counts = np.cumsum(table.seen, axis=1)
    rows, origins = np.nonzero(counts[:, : last - 1] >= least)
    return rows, origins


def inputs(table: Scaled, rows: Ints, origins: Ints) -> tuple[Float32s, Floats]:
    """Network input of windows and their own scales.

    Returns:
        (n, L, F) features of the last L periods; and (n,) the volatility of each window
        (ones for demand).
    """
    length = min(WINDOW, table.levels.shape[1])
    places = origins[:, None] + np.arange(1 - length, 1)
    inside = places >= 0
    places = np.maximum(places, 0)
    seen = table.seen[rows[:, None], places] & inside
    values = table.levels[rows[:, None], places]
    if table.kind == "demand":
        level = np.where(seen, np.log1p(np.nan_to_num(values)), 0.0)
        change, spread = np.sign(level), np.ones(len(values))
    else:
        level, change, spread = _price_inputs(values, inside)
    driven = table.drivers.seen_from(rows, origins, places) if table.drivers else None
    return _stack(table, (level, change, seen), places, driven), spread


def _price_inputs(values: Floats, inside: Bools) -> tuple[Floats, Floats, Floats]:
    change = np.where(inside, np.diff(values, axis=1, prepend=values[:, :1]), 0.0)
    change = np.nan_to_num(change)
    active = np.maximum(inside.sum(axis=1), 2)
    spread = np.sqrt((change**2).sum(axis=1) / active)
    spread = np.maximum(spread, VOLATILITY_FLOOR * np.maximum(1.0, np.abs(values[:, -1])))
    width = spread[:, None] * np.sqrt(values.shape[1])
    level = np.where(inside, np.nan_to_num((values - values[:, -1:]) / width), 0.0)
    return np.clip(level, -8, 8), np.clip(change / spread[:, None], -8, 8), spread


def targets(table: Scaled, rows: Ints, origins: Ints, steps: Ints, spread: Floats) -> Floats:
    """What came true, in the terms of the buckets, (n, K); NaN where not known.

    Args:
        table: The panel in the network's terms.
        rows: (n,) items.
        origins: (n,) last period seen.
        steps: (n, K) periods ahead, from 1.
        spread: (n,) volatility of each window.
    """
    last = table.levels.shape[1]
    places = origins[:, None] + steps
    at = rows[:, None], np.minimum(places, last - 1)
    values = np.where((places < last) & table.seen[at], table.levels[at], np.nan)
    if table.kind == "demand":
        return values
    return (values - table.levels[rows, origins][:, None]) / (spread[:, None] * np.sqrt(steps))


def target_features(
    table: Scaled, rows: Ints, origins: Ints, steps: Ints, horizon: int
) -> Float32s:
    """Features of the target periods as they are expected at the origins, (n, K, G)."""
    driven = table.drivers.ahead_of(rows, origins, steps) if table.drivers else None
    return _stack(table, (steps / horizon, np.log(steps)), origins[:, None] + steps, driven)


def _stack(
    table: Scaled, columns: Sequence[Floats | Bools], places: Ints, driven: Float32s | None
) -> Float32s:
    """Columns, the calendar at these places and the drivers as features, (n, K, G)."""
    # One float32 array filled in place: windows are by far the largest thing in memory.
    first, last = len(columns), len(columns) + table.calendar.shape[1]
    groups = 0 if driven is None else driven.shape[-1]
    features = np.empty((*places.shape, last + groups), np.float32)
    for number, column in enumerate(columns):
        features[..., number] = column
    features[..., first:last] = table.calendar[places]
    if driven is not None:
        features[..., last:] = driven
    return features


def draw_steps(rng: np.random.Generator, count: int, horizon: int) -> Ints:
    """Target steps of each window, (count, K): all of them, or K at random."""
    if horizon <= TARGETS:
        return np.tile(np.arange(1, horizon + 1), (count, 1))
    return np.sort(rng.integers(1, horizon + 1, (count, TARGETS)), axis=1)


def labels(buckets: Buckets, truth: Floats) -> tuple[Ints, Float32s]:
    """Bucket of each target and its weight in the loss: 0 where it is not known."""
    known = ~np.isnan(truth)
    return buckets.of(np.where(known, truth, 0.0)), known.astype(np.float32)
