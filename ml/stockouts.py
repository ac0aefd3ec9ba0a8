"""Demand of periods in which stock ran out: not unknown, but at least what was served.

Leaving them out takes the busiest periods away. They are right-censored instead (Conrad 1976,
*Sales data and the estimation of demand*; Nahmias 1994, *Demand estimation in lost sales inventory
systems*): on the days and at the sites with stock, demand is what was served; on the others, it is
that or more. The level comes from the periods nearby, and the demand of each such part is drawn
from its distribution above the bound, so that a history keeps the mean, the spread and the tail of
demand, and whole units stay whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.frequency import Days
from ml.mapped import let_go
from ml.seeds import number

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int32]
ROUNDS = 15  # of expectation and maximisation
TOGETHER = 512  # items that are completed at once, to bound memory
AROUND = {"D": 45, "B": 33, "W": 13, "MS": 12}  # periods before and after that make the level
LEAST_EXPOSURE = 4.0  # whole periods with stock, to say anything about those without
LEAST_SPREAD = 1.01  # variance over mean: a Poisson distribution as a negative binomial
MOST_RISE = 3.0  # times the mean of what was served, that a level may come to
MOST_MISSED = 2.0  # times the largest demand of a period with stock, that one without may miss


@dataclass(frozen=True, slots=True)
class Shortages:
    """Where stock ran out, of N series over T periods: C cells, by series and then by period.

    They are few, and whole grids of them would be the largest part of a panel.
    """

    row: Places  # (C,) position of the series
    period: Places  # (C,) position of the period
    served: Floats  # (C,) demand as recorded, NaN = not observed
    exposure: Floats  # (C,) share of the period's days and sites that had stock, 1 = all
    short: Floats  # (C,) units of `served` from the other days and sites

    def pick(self, rows: Sequence[int]) -> "Shortages":
        """Only the series at these positions, ascending."""
        wanted = np.asarray(rows, self.row.dtype)  # of another type all rows would be converted
        first, last = (np.searchsorted(self.row, wanted, side) for side in ("left", "right"))
        counts = last - first
        kept: Any = slice(int(first[0]), int(last[0])) if len(rows) == 1 else (
            np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
        )  # fmt: skip
        return self._only(kept, np.repeat(np.arange(len(rows), dtype=np.int32), counts))

    def between(self, start: int, stop: int) -> "Shortages":
        """Only these periods."""
        kept = (self.period >= start) & (self.period < stop)
        return self._only(kept, self.row[kept], start)

    def _only(self, kept: Any, row: Places, start: int = 0) -> "Shortages":
        parts = (self.served[kept], self.exposure[kept], self.short[kept])
        found = Shortages(row, self.period[kept] - np.int32(start), *parts)
        let_go(self.row, self.period, self.served, self.exposure, self.short)
        return found

    def exposures(self, shape: tuple[int, int]) -> Floats:
        """Share of days and sites with stock as a grid (N, T)."""
        grid = np.ones(shape)
        grid[self.row, self.period] = self.exposure
        return grid

    def shorts(self, shape: tuple[int, int]) -> Floats:
        """Units served on the days and at the sites without stock as a grid (N, T)."""
        grid = np.zeros(shape)
        grid[self.row, self.period] = self.short
        return grid

    def put_served(self, values: Floats) -> Floats:
        """Demand (N, T) with what was recorded where stock ran out."""
        recorded = values.copy()
        recorded[self.row, self.period] = self.served
        return recorded


def complete_demand(
    served: Floats, shortages: Shortages, items: Sequence[str], periods: Days, frequency: str
) -> Floats:
    """Demand (N, T) as far as these periods tell; as ``served`` (N, T) where there was stock.

    An item depends on its own periods only. What it gets where stock ran out is drawn with
    numbers that belong to its id and the period, spread evenly over its own. An item that hardly
    ever had stock keeps what it was served.
    """
    values = served.copy()
    put_demand(values, shortages, items, periods, frequency)
    return values


def put_demand(
    values: Floats, shortages: Shortages, items: Sequence[str], periods: Days, frequency: str
) -> None:
    """The same in the place of what was served, (N, T): a panel may be half of all memory."""
    for first in range(0, len(values), TOGETHER):
        some = values[first : first + TOGETHER]
        own = shortages.pick(range(first, first + len(some)))
        exposure, short = own.exposures(some.shape), own.shorts(some.shape)
        censored = ~np.isnan(some) & (exposure < 1)
        open_ = np.where(np.isnan(some), 0.0, exposure).sum(axis=1)
        rows = np.flatnonzero(censored.any(axis=1) & (open_ >= LEAST_EXPOSURE))
        whole = np.all(np.isnan(some) | (some == np.round(some)), axis=1)
        for kind in (True, False):
            chosen = rows[whole[rows] == kind]
            if not len(chosen):
                continue
            uniforms = [
                _spread_evenly(items[first + row], periods, censored[row]) for row in chosen
            ]
            cells = _Grids(some[chosen], exposure[chosen], short[chosen])
            some[chosen] = _complete(cells, np.stack(uniforms), AROUND[frequency], whole=kind)
        let_go(values)


@dataclass(frozen=True, slots=True)
class _Grids:
    """What :class:`Shortages` says of R items, as grids (R, T)."""

    served: Floats
    exposure: Floats
    short: Floats


def _spread_evenly(item: str, periods: Days, chosen: Bools) -> Floats:
    """Numbers in (0, 1) of the chosen periods, one in each of as many strata, (T,); else NaN."""
    found = np.full(len(periods), np.nan)
    places = np.flatnonzero(chosen)
    order = np.argsort([number(0, "stockout", item, str(day)) for day in periods[places]])
    found[places[order]] = (np.arange(len(places)) + 0.5) / len(places)
    return found


def _complete(own: _Grids, uniforms: Floats, around: int, *, whole: bool) -> Floats:
    """Demand of items (R, T), drawn at ``uniforms`` where stock ran out (else NaN).

    Level and spread come from expectation and maximisation (Dempster, Laird & Rubin 1977): what
    is expected above the bounds, given them, and they out of it. Demand without stock makes a
    share of the period's, and as much of the variance.
    """
    cells = np.nonzero(~np.isnan(uniforms))
    share, bound = 1 - own.exposure[cells], own.short[cells]
    certain = own.served[cells] - bound
    most = MOST_RISE * np.nanmean(own.served, axis=1, keepdims=True)
    with_stock = np.where(np.isnan(uniforms), own.served, np.nan)
    missed = MOST_MISSED * np.nanmax(with_stock, axis=1, initial=0.0)[cells[0]]
    expected, variance = own.served.copy(), np.zeros_like(own.served)
    for _ in range(ROUNDS):
        level = np.clip(_level(expected, around), 1e-6, np.maximum(most, 1e-6))
        spread = _spread(expected - level, level, variance, least=LEAST_SPREAD if whole else 0.01)
        mean = level[cells] * share
        first, second = _above(mean, spread[cells[0]], bound, whole=whole)
        expected[cells] = certain + np.minimum(first, bound + missed)
        variance[cells] = np.clip(second - first**2, 0.0, missed**2)
    drawn = _draw(mean, spread[cells[0]], bound, uniforms[cells], whole=whole)
    made = own.served.copy()
    made[cells] = certain + np.minimum(drawn, bound + missed)
    return made


def _level(values: Floats, around: int) -> Floats:
    """Mean of the observed periods around each, (R, T)."""
    seen = ~np.isnan(values)
    sums, counts = (
        np.cumsum(np.pad(one.astype(np.float64), ((0, 0), (1, 0))), axis=1)
        for one in (np.where(seen, values, 0.0), seen)
    )
    places = np.arange(values.shape[1])
    first, last = np.maximum(places - around, 0), np.minimum(places + around + 1, len(places))
    total, count = sums[:, last] - sums[:, first], counts[:, last] - counts[:, first]
    return np.asarray(total / np.maximum(count, 1.0))


def _spread(error: Floats, level: Floats, variance: Floats, *, least: float) -> Floats:
    """Variance over mean of each item, (R,), with the variance that its censored parts have."""
    seen = ~np.isnan(error)
    squares = np.where(seen, error**2 + variance, 0.0).sum(axis=1)
    return np.clip(squares / np.where(seen, level, 0.0).sum(axis=1), least, np.inf)


def _above(mean: Floats, spread: Floats, bound: Floats, *, whole: bool) -> tuple[Floats, Floats]:
    """First and second moment of demand of at least ``bound``, (C,) each.

    Of a negative binomial (whole units) or gamma distribution with this mean and variance over
    mean: x f_a(x) is a multiple of the same law's density with shape a + 1.
    """
    chances = [_chance(mean, spread, bound, more, whole=whole) for more in range(3)]
    rare = chances[0] < 1e-9  # no such demand was to be expected: what was served stands
    over = np.where(rare, 1.0, chances[0])
    first = mean * chances[1] / over
    if whole:
        second = mean * (mean + spread - 1) * chances[2] / over + first
    else:
        second = mean * (mean + spread) * chances[2] / over
    return np.where(rare, bound, first), np.where(rare, bound**2, second)


def _chance(mean: Floats, spread: Floats, bound: Floats, more: int, *, whole: bool) -> Floats:
    """Chance of what was asked for where ``bound`` was served, (C,), with shape + ``more``.

    Of whole units served, half the chance that they were just enough counts: nobody noted
    whether one more was asked for. Where none was served, nothing is ruled out.
    """
    from scipy.special import betainc, gammaincc

    if not whole:
        return np.asarray(gammaincc(mean / spread + more, bound / spread))
    shape, share = mean / (spread - 1) + more, (spread - 1) / spread
    at_least, beyond = (
        np.where(least <= 0, 1.0, betainc(np.maximum(least, 1.0), shape, share))
        for least in (bound - more, bound - more + 1)
    )
    return np.where(bound <= 0, 1.0, (at_least + beyond) / 2)


def _draw(mean: Floats, spread: Floats, bound: Floats, uniforms: Floats, *, whole: bool) -> Floats:
    """Demand of at least ``bound``, (C,), at these places of its distribution."""
    from scipy.special import gammainccinv

    above = _chance(mean, spread, bound, 0, whole=whole) * (1 - uniforms)
    if whole:
        drawn = _exceeded_with(above, mean / (spread - 1), (spread - 1) / spread)
    else:
        drawn = gammainccinv(mean / spread, above) * spread
    return np.where(np.isfinite(drawn), np.maximum(drawn, bound), bound)


def _exceeded_with(chance: Floats, shape: Floats, share: Floats) -> Floats:
    """Smallest whole number above which a negative binomial count is with at most this chance.

    (C,) of each; of shape r and share q a count is above k with the chance I(q; k + 1, r), the
    regularised incomplete beta function. Halved between whole numbers, as ``scipy.stats``, which
    does the same, takes most of a second to import. Infinite where the chance is 0.
    """
    from scipy.special import betainc

    low, high = np.full(len(chance), -1.0), np.ones(len(chance))
    beyond = np.flatnonzero(chance > 0.0)
    while len(beyond := beyond[betainc(high[beyond] + 1.0, shape[beyond], share[beyond])
                               > chance[beyond]]):  # fmt: skip
        low[beyond], high[beyond] = high[beyond], 2.0 * high[beyond]
    while len(wide := np.flatnonzero(high - low > 1.0)):
        middle = np.floor((low[wide] + high[wide]) / 2.0)
        is_above = betainc(middle + 1.0, shape[wide], share[wide]) > chance[wide]
        low[wide] = np.where(is_above, middle, low[wide])
        high[wide] = np.where(is_above, high[wide], middle)
    return np.where(chance > 0.0, high, np.inf)
