"""What the boosted trees know of an item at an origin, from nothing after it.

A snapshot is made of the history *until* its origin, so a training row cannot see what came
later: neither in its features nor in the unit that its target is measured in.

The unit is the item's own size of a demand, drawn to what the items of the panel have in common; of
small counts it is 1, but for large items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.forecasters.trees_seasons import Seasons, measure_seasons
from ml.forecasters.typical_size import TypicalSize
from ml.frequency import Days, Frequency, periods_after, weekday
from ml.panel import Bools, Floats, Ints, Panel

HALF_LIVES = {  # of weighted means [periods]
    Frequency.DAILY: (7.0, 28.0, 182.0),
    Frequency.BUSINESS: (5.0, 20.0, 130.0),
    Frequency.WEEKLY: (3.0, 12.0, 52.0),
    Frequency.MONTHLY: (2.0, 6.0, 24.0),
}
SPANS = {  # of plain means [periods]; the last is what an item's own past is taken from, doubled
    Frequency.DAILY: (7, 28, 91),
    Frequency.BUSINESS: (5, 20, 65),
    Frequency.WEEKLY: (4, 13, 52),
    Frequency.MONTHLY: (3, 6, 12),
}
OWN_SIZES = 2.0  # recent demands that an item's mean size of all times is worth beside them
MOST_COUNTED = 50.0  # demands; more say no more about how much is known of an item
TOGETHER = 256  # items that are looked at at once, to bound memory
UNKNOWN = -1.0  # a feature before the first period; all others are at least 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """N items as they were at one origin."""

    origin: int  # position of the last period that is known
    facts: Floats  # (N, F) features of the items
    unit: Floats  # (N,) what values are measured in, before the season
    seasons: Seasons  # indices of the periods after the origin
    of_sizes: Seasons  # the same as far as sizes of demand are meant
    typical: TypicalSize  # of the panel then
    scaled: Floats  # (N, T) values until the origin in units, without their season; 0 = unknown
    seen: Bools  # (N, T) whether there was an observation

    def units(self, rows: Ints, steps: Ints) -> Floats:
        """Unit of items so many steps ahead, (n,)."""
        if self.typical.counts:
            return self.unit[rows]
        return self.unit[rows] * self.of_sizes.ahead(rows, steps)


def take_snapshot(
    panel: Panel, origin: int, typical: TypicalSize, *, others: Snapshot | None = None
) -> Snapshot:
    """Items as they were at an origin, the last period that is known; none later is looked at.

    Each is measured in its own unit, by what is ``typical`` of the panel at every period. Items are
    compared to ``others``; ``None`` = each other.
    """
    history = panel.values[:, : origin + 1]
    common = None if others is None else others.seasons.common
    seasons = measure_seasons(history, panel.frequency.season_length, common)
    of_sizes = seasons.of_sizes(history[:, -2 * SPANS[panel.frequency][-1] :])
    then = typical.at(origin)
    scaled, seen = np.empty(history.shape), np.empty(history.shape, bool)
    found = []
    for first in range(0, max(len(history), 1), TOGETHER):
        some = slice(first, first + TOGETHER)
        facts, unit, scaled[some], seen[some] = _look_back(
            history[some], of_sizes.rows(some), then, panel.frequency
        )
        found.append((facts, unit))
    facts, unit = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Snapshot(origin, facts, unit, seasons, of_sizes, then, scaled, seen)


def _look_back(
    history: Floats, seasons: Seasons, typical: TypicalSize, frequency: Frequency
) -> tuple[Floats, Floats, Floats, Bools]:
    """Facts (n, F), units (n,), values in them (n, T) and what was observed (n, T) of some items.

    Each stands alone, and what is in between takes several times as much memory.
    """
    seen = ~np.isnan(history)
    scaled = np.where(seen, history, 0.0)
    ago = np.arange(history.shape[1])[::-1]
    if not typical.counts:
        scaled /= seasons.until(history.shape[1])
    size = _own_size(scaled, ago, 2 * HALF_LIVES[frequency][1], typical)
    unit = typical.find_units(size)
    scaled = typical.divide(scaled, unit[:, None])
    facts = [
        np.log(unit),
        *_level_facts(scaled, seen, ago, frequency),
        *_demand_facts(scaled, seen, SPANS[frequency][-1]),
        seasons.kept,
    ]
    return np.stack(facts, axis=1), unit, scaled, seen


def _own_size(values: Floats, ago: Ints, half_life: float, typical: TypicalSize) -> Floats:
    """Mean size of an item's demands until now, recent ones foremost, (N,).

    Few demands are drawn to those of all times, and these to the typical one.
    """
    positive = values > 0
    count = positive.sum(axis=1)
    every = typical.draw(count, values.sum(axis=1) / np.maximum(count, 1))
    weight = 0.5 ** (ago / half_life)
    return (values @ weight + OWN_SIZES * every) / (positive @ weight + OWN_SIZES)


def _level_facts(scaled: Floats, seen: Bools, ago: Ints, frequency: Frequency) -> list[Floats]:
    """Levels and shares of periods with demand over several memories, and the yearly trend."""
    facts: list[Floats] = []
    for half_life in HALF_LIVES[frequency]:
        weight = 0.5 ** (ago / half_life)
        mass = np.maximum(seen @ weight, 1e-9)
        facts += [np.log1p(scaled @ weight / mass), (scaled > 0) @ weight / mass]
    means = [_mean_of(scaled[:, -span:], seen[:, -span:]) for span in SPANS[frequency]]
    half = max(min(2 * SPANS[frequency][-1], scaled.shape[1]) // 2, 1)
    latest, before = slice(-half, None), slice(-2 * half, -half)
    rise = (_mean_of(scaled[:, latest], seen[:, latest]) + 0.1) / (
        _mean_of(scaled[:, before], seen[:, before]) + 0.1
    )
    spread = scaled[:, -2 * half :] - _mean_of(scaled[:, latest], seen[:, latest])[:, None]
    noise = np.sqrt(_mean_of(np.where(seen[:, -2 * half :], spread**2, 0.0), seen[:, -2 * half :]))
    return [*facts, *means, np.log(rise), noise]


def _mean_of(values: Floats, seen: Bools) -> Floats:
    return np.asarray(values.sum(axis=1) / np.maximum(seen.sum(axis=1), 1))


def _demand_facts(scaled: Floats, seen: Bools, span: int) -> list[Floats]:
    """How long an item is known, how often it was asked for, when last, and how much at a time."""
    length = scaled.shape[1]
    positive = scaled > 0
    count, known = positive.sum(axis=1), seen.sum(axis=1)
    some = np.maximum(count, 1)
    size = scaled.sum(axis=1) / some
    spread = np.sqrt(np.maximum((scaled**2).sum(axis=1) / some - size**2, 0.0))
    return [
        np.where(count > 0, np.argmax(positive[:, ::-1], axis=1), length),
        np.where(known > 0, length - np.argmax(seen, axis=1), 0),
        count / np.maximum(known, 1),
        np.minimum(count, MOST_COUNTED),
        size,
        spread / np.maximum(size, 1e-9),
        scaled.max(axis=1),
        scaled[:, -span:].max(axis=1),
        scaled[:, -1],
        scaled[:, max(-2, -length)],
    ]


def feature_rows(
    panel: Panel, snapshot: Snapshot, rows: Ints, steps: Ints
) -> npt.NDArray[np.float32]:
    """Features of items at steps after the origin, (n, F)."""
    season = panel.frequency.season_length
    same = snapshot.origin + steps - season * -(-steps // season)
    target = [
        steps,
        snapshot.seasons.ahead(rows, steps),
        *_past(snapshot, rows, (same, same - season)),
    ]
    columns = [
        snapshot.facts[rows],
        np.stack(target, axis=1),
        _calendar(panel, snapshot.origin + steps),
    ]
    if panel.drivers is not None:
        origins = np.full(len(rows), snapshot.origin)
        columns.append(panel.drivers.ahead_of(rows, origins, steps[:, None])[:, 0])
    return np.concatenate(columns, axis=1).astype(np.float32)


def _past(snapshot: Snapshot, rows: Ints, places: Sequence[Ints]) -> list[Floats]:
    """Values at places, where they are after the first period."""
    return [
        np.where(place >= 0, snapshot.scaled[rows, np.maximum(place, 0)], UNKNOWN)
        for place in places
    ]


def _calendar(panel: Panel, places: Ints) -> Floats:
    """Place of periods in the year, and in the week of days, (n, 2) or (n, 3)."""
    beyond = max(int(places.max(initial=0)) - len(panel.periods) + 1, 1)
    ahead = periods_after(panel.cutoff, beyond, panel.frequency)
    periods: Days = np.concatenate([panel.periods, ahead])[places]
    year = (periods - periods.astype("datetime64[Y]")).astype(float) / 365.25 * 2 * np.pi
    parts = [np.sin(year), np.cos(year)]
    if panel.frequency in (Frequency.DAILY, Frequency.BUSINESS):
        parts.append(weekday(periods).astype(np.float64))
    return np.stack(parts, axis=1)
