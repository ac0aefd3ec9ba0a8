"""A panel: a set of series of one kind and frequency, which is all that a model ever sees.

What outside drivers contribute to the series travels with it.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ml.frequency import Days, Frequency
from ml.mapped import let_go
from ml.seeds import number
from ml.stockouts import Shortages, complete_demand

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
LEAST_TO_LEARN = {"demand": 8, "price": 30}
TOGETHER = 1024  # items of a panel that are looked at together
OUTSIZED, NEARLY_ALL = 1e4, 0.95
MOST_TEACHERS = 3000  # items that a pooled model learns from


@dataclass(frozen=True, slots=True)
class Drivers:
    """What F features in G groups contribute to the C demand classes of a panel.

    One rule serves the past and the future of a window: at origin o a past-only driver with a
    publication lag is known up to o - lag; after that its contribution fades by its persistence,
    because that is what can be expected of it. Future-known drivers are known at every period.
    """

    groups: tuple[str, ...]  # G names
    features: tuple[str, ...]  # F names
    # (C, T + R, F) effect on the log of the rate (demand), or expected change in units of the
    # item's volatility (price); 0 at the feature's mean. R periods reach beyond the cutoff;
    # there only future-known features are filled.
    contribution: Floats
    group_of: Ints  # (F,) position of each feature's group
    ahead: Bools  # (F,) whether the feature is known in advance
    persistence: Floats  # (F,) share of a contribution that is left after a period
    lag: Ints  # (F,) periods until a value is known
    last: int  # position of the cutoff, T - 1
    class_of: Ints  # (N,) position of each item's class
    changes: bool = False  # whether contributions are to changes (prices) rather than to levels

    def rows(self, rows: Sequence[int]) -> "Drivers":
        """Only the items at these positions."""
        return replace(self, class_of=self.class_of[list(rows)])

    def behind(self, periods: int) -> "Drivers":
        """The same after so many earlier periods in which nothing is known to contribute."""
        front = np.zeros((len(self.contribution), periods, self.contribution.shape[2]))
        longer = np.concatenate([front, self.contribution], axis=1)
        return replace(self, contribution=longer, last=self.last + periods)

    def seen_from(self, rows: Ints, origins: Ints, places: Ints) -> npt.NDArray[np.float32]:
        """Contribution of each group at ``places`` as it is expected at ``origins``.

        Args:
            rows: (n,) items.
            origins: (n,) last period that is known.
            places: (n, L) periods, before or after the origin.

        Returns:
            (n, L, G).
        """
        found = np.zeros((*places.shape, len(self.groups)), np.float32)
        classes = self.class_of[rows][:, None]
        for (group, ahead, lag, persistence), features in self._alike().items():
            known = np.minimum(places, self.contribution.shape[1] - 1)
            if not ahead:
                known = np.clip(places, 0, np.maximum(origins - lag, 0)[:, None])
            gaps = np.maximum(places - known, 0)
            fade = persistence ** np.arange(int(gaps.max(initial=0)) + 1)
            summed = self.contribution[:, :, features].sum(axis=2)
            found[..., group] += summed[classes, known] * fade[gaps]
        return found

    def _alike(self) -> dict[tuple[int, bool, int, float], list[int]]:
        """Features of one group that are known and fade alike: looking them up takes the time."""
        alike: dict[tuple[int, bool, int, float], list[int]] = {}
        for feature, group in enumerate(self.group_of.tolist()):
            ahead = bool(self.ahead[feature])
            lag = 0 if ahead else int(self.lag[feature])
            key = group, ahead, lag, float(self.persistence[feature])
            alike.setdefault(key, []).append(feature)
        return alike

    def ahead_of(self, rows: Ints, origins: Ints, steps: Ints) -> npt.NDArray[np.float32]:
        """Contribution of each group to the level at ``steps`` (n, K) after origins, (n, K, G).

        Contributions to changes are summed from the origin on.
        """
        if not self.changes:
            return self.seen_from(rows, origins, origins[:, None] + steps)
        every = origins[:, None] + np.arange(1, int(steps.max()) + 1)
        summed = np.cumsum(self.seen_from(rows, origins, every), axis=1)
        return np.take_along_axis(summed, steps[..., None] - 1, axis=1)

    def contribution_to(self, row: int, horizon: int) -> Floats:
        """Contribution of each group to one item over history and horizon, (T + H, G).

        Contributions to changes are summed up to levels.
        """
        places = np.arange(self.last + 1 + horizon)[None, :]
        seen = self.seen_from(np.array([row]), np.array([self.last]), places)[0]
        levels = seen.astype(np.float64)
        return np.cumsum(levels, axis=0) if self.changes else levels


@dataclass(frozen=True, slots=True)
class Panel:
    """Series that share kind, frequency and calendar."""

    kind: str  # `demand` (non-negative, cumulative quantities matter) or `price` (any sign)
    frequency: Frequency  # how often the series are observed
    items: tuple[str, ...]  # N ids, sorted
    periods: Days  # T period starts, ascending, without gaps
    values: Floats  # (N, T), NaN = not observed. Read-only.
    units: tuple[str | None, ...]  # N units, `None` where not known
    # what outside drivers contribute, as known at the panel's own cutoff; `None` where none
    # are used
    drivers: Drivers | None = None
    # where stock ran out, and `values` are what demand was there as far as these periods tell;
    # `None` where it never did
    shortages: Shortages | None = None

    def __post_init__(self) -> None:
        """Refuse a panel whose parts do not fit each other."""
        shape = (len(self.items), len(self.periods))
        if self.values.shape != shape or len(self.units) != len(self.items):
            raise ValueError(f"values must be {shape}, got {self.values.shape}")
        if list(self.items) != sorted(set(self.items)):
            raise ValueError("items must be sorted and unique")
        self.values.flags.writeable = False

    @property
    def cutoff(self) -> np.datetime64:
        """Start of the last period: the panel's ``as_of``."""
        return self.periods[-1]

    @property
    def is_demand(self) -> bool:
        """Whether values are quantities that never fall below zero."""
        return self.kind == "demand"

    def until(self, cutoff: np.datetime64) -> "Panel":
        """The panel as it was when the period ``cutoff`` had just ended.

        Drivers do not come along: what was known of them then is for their study to say.
        """
        keep = int(np.searchsorted(self.periods, cutoff, side="right"))
        if keep == len(self.periods):  # stock-outs are told by all of them already
            return replace(self, drivers=None)
        return self._only(slice(keep))

    def since(self, start: int) -> "Panel":
        """The panel without the periods before a position, and without its drivers."""
        return self._only(slice(start, None))

    def _only(self, kept: slice) -> "Panel":
        """Some periods: what they tell of stock-outs is told by them alone."""
        periods, values, shortages = self.periods[kept], self.recorded[:, kept], None
        if self.shortages is None:
            values = values.copy()
        else:
            start, stop, _ = kept.indices(len(self.periods))
            shortages = self.shortages.between(start, stop)
            values = complete_demand(values, shortages, self.items, periods, self.frequency.value)
        return replace(self, periods=periods, values=values, drivers=None, shortages=shortages)

    def select(self, items: Sequence[str]) -> "Panel":
        """Only the named items, in the panel's order."""
        places = ((item, bisect_left(self.items, item)) for item in sorted(set(items)))
        return self.rows([row for item, row in places if self.items[row : row + 1] == (item,)])

    def rows(self, rows: Sequence[int]) -> "Panel":
        """Only the items at these positions, ascending."""
        if len(rows) == len(self.items):
            return self
        chosen = replace(
            self,
            items=tuple(self.items[i] for i in rows),
            values=self.values[list(rows)],
            units=tuple(self.units[i] for i in rows),
            drivers=None if self.drivers is None else self.drivers.rows(rows),
            shortages=self.shortages and self.shortages.pick(rows),
        )
        let_go(self.values)
        return chosen

    def with_stock(self) -> "Panel":
        """The panel as if nothing had been observed where stock ran out on some day or site."""
        if self.shortages is None:
            return self
        values = np.where(self.exposure < 1, np.nan, self.values)
        return replace(self, values=values, shortages=None)

    @property
    def recorded(self) -> Floats:
        """What was recorded, (N, T): where stock ran out, what was served."""
        return self.values if self.shortages is None else self.shortages.put_served(self.values)

    @property
    def exposure(self) -> Floats:
        """Share of each period's days and sites that had stock, (N, T)."""
        if self.shortages is None:
            return np.ones(self.values.shape)
        return self.shortages.exposures(self.values.shape)

    def observed(self) -> Bools:
        """Where there is an observation, shape (N, T)."""
        return ~np.isnan(self.values)


def learnable_items(panel: Panel) -> tuple[str, ...]:
    """Items that others may learn from, as known at the panel's cutoff: enough observations.

    Items that nobody has ever asked for teach as well, or a panel would hold survivors only and
    what is not sold yet be forecast as if it had to be. There are at most as many of them as of
    the others, those with the smallest hash of their id, so a catalogue of dead items drowns
    nothing; where all is zero there is nothing to learn. Prices of zero are no prices. What is out
    of all proportion teaches nothing, see :func:`outsized_items`.

    Whatever else is in a file, pooled models and weights are made from these items alone.
    """
    return _learnable(panel, len(panel.periods))


def learnable_until(panel: Panel, cutoff: np.datetime64) -> tuple[str, ...]:
    """The same as known at an earlier cutoff, without a copy of the panel as it was then.

    Demand where stock ran out need not be completed for it: that moves no item that stood still.
    """
    return _learnable(panel, int(np.searchsorted(panel.periods, cutoff, side="right")))


def _learnable(panel: Panel, keep: int) -> tuple[str, ...]:
    found = [_looks(some, keep) for some in in_portions(panel)]
    observed, moving, events, sizes = (np.concatenate(one) for one in zip(*found, strict=True))
    enough = observed >= LEAST_TO_LEARN[panel.kind]
    silent = [panel.items[row] for row in np.flatnonzero(enough & ~moving)]
    alive = enough & moving & ~_outsized(panel, events, sizes)
    most = int(alive.sum()) if panel.is_demand else 0
    chosen = set(sorted(silent, key=lambda item: number(0, "silent", item))[:most])
    return tuple(item for item, ok in zip(panel.items, alive, strict=True) if ok or item in chosen)


def in_portions(panel: Panel, size: int = TOGETHER) -> Iterator[Panel]:
    """Some items at a time, without drivers: what is computed of each cell takes as much again."""
    for first in range(0, max(len(panel.items), 1), size):
        rows = slice(first, first + size)
        shortages = panel.shortages and panel.shortages.pick(range(len(panel.items))[rows])
        yield replace(
            panel, items=panel.items[rows], values=panel.values[rows], units=panel.units[rows],
            drivers=None, shortages=shortages,
        )  # fmt: skip
        let_go(panel.values)


def _looks(panel: Panel, keep: int) -> tuple[Ints, Bools, Ints, Floats]:
    """Observations of each item, whether it ever moved, its demands and their mean size."""
    values = panel.recorded[:, :keep]
    moving = moving_items(panel) if keep == len(panel.periods) else _moving(values)
    observed, sold = (~np.isnan(values)).sum(axis=1), values > 0
    events = sold.sum(axis=1)
    sizes = values.sum(axis=1, where=sold) / np.maximum(events, 1)
    return observed, moving, events, sizes


def moving_items(panel: Panel) -> Bools:
    """Which items have ever been anything but zero, (N,)."""
    return _moving(panel.values)


def _moving(values: Floats) -> Bools:
    most, least = (find.reduce(values, axis=1, initial=0.0) for find in (np.fmax, np.fmin))
    return np.asarray((most > 0) | (least < 0))


def outsized_items(panel: Panel) -> Bools:
    """Items of which one demand is ``OUTSIZED`` times what it is of nearly all others, (N,).

    A value just below what a number may be is most often a slip, and what pooled models make of one
    such item spoils the forecasts of the others. Prices may be of any size.
    """
    found = [_looks(some, len(panel.periods))[2:] for some in in_portions(panel)]
    return _outsized(panel, *(np.concatenate(one) for one in zip(*found, strict=True)))


def _outsized(panel: Panel, events: Ints, sizes: Floats) -> Bools:
    if not panel.is_demand or not events.any():
        return np.zeros(len(panel.items), bool)
    usual = np.quantile(sizes[events > 0], NEARLY_ALL, method="lower")
    return np.asarray(sizes > OUTSIZED * usual)


def draw_teachers(learnable: Sequence[str]) -> tuple[str, ...]:
    """Items that a pooled model learns from: all that teach, at most ``MOST_TEACHERS`` of them.

    Models draw a bounded number of windows and rows, so the more items they are drawn from, the
    less each adds to what is known, and all take time and memory. Those with the smallest hash of
    their id are taken, so most of them stay when others come.
    """
    order = sorted(learnable, key=lambda item: number(0, "teacher", item))
    return tuple(sorted(order[:MOST_TEACHERS]))


def dataset_id(panels: Sequence[Panel], outside: str = "") -> str:
    """Name of what the models learn from by its content: panels, and rows named ``outside``."""
    digest = hashlib.sha256(outside.encode())
    for panel in panels:
        digest.update(f"{panel.kind}|{panel.frequency}|{panel.units}|{panel.items!r}".encode())
        digest.update(panel.periods.astype("datetime64[D]").astype("<i8").tobytes())
        firsts = range(0, len(panel.items), TOGETHER)
        for rows in (panel.values[first : first + TOGETHER] for first in firsts):
            let_go(panel.values)
            values = np.where(np.isnan(rows), -1e300, rows) + 0.0  # no negative zero
            digest.update(values.astype("<f8").tobytes())
        if panel.shortages is None:
            continue
        every, length = range(len(panel.items)), len(panel.periods)
        for grid in (Shortages.exposures, Shortages.shorts):
            for some in (every[first : first + TOGETHER] for first in firsts):
                known = grid(panel.shortages.pick(some), (len(some), length))
                digest.update(known.astype("<f8").tobytes())
    return f"d-{digest.hexdigest()[:12]}"


def carried_forward(values: Floats) -> Floats:
    """Each price carried over days without one; NaN before the first, (N, T)."""
    places = np.where(np.isnan(values), 0, np.arange(values.shape[1]))
    return np.asarray(np.take_along_axis(values, np.maximum.accumulate(places, axis=1), axis=1))
