"""Level, season and standing of every item at every period, by what had been seen until then.

A window that ends at an origin is divided by the item's level at that origin, in training and in
prediction alike: so the network meets in training how far levels move, and is unsure of them
afterwards. Whatever follows an origin changes nothing here that belongs to it.

Seasonal indices are ratios to the mean of the season around each period, averaged over the years
and drawn towards 1 by the share of their variance that chance alone explains (the empirical Bayes
estimate of James & Stein; for seasons: Miller & Williams 2003, IJF 19).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.forecasters.typical_size import TypicalSize
from ml.frequency import Frequency
from ml.panel import Floats, Ints, Panel

SPAN = {"D": 28, "B": 20, "W": 13, "MS": 12}  # periods whose mean is the level
YEAR = {"D": 364, "B": 260, "W": 52, "MS": 12}  # periods after which the calendar repeats
AROUND = {"D": 3, "B": 2, "W": 1, "MS": 0}  # periods to each side that a year ago is read from
SEASONS = 8  # years whose ratios make an index
WEEKS = 26  # the same for the index of a weekday
LEAST_INDEX = 0.05  # smaller indices are taken for this one
FURTHEST = 3.0  # logs of ratios beyond this are taken for it
SMALL = 1e-9
TOGETHER = 256  # items that are measured at once, to bound memory


@dataclass(frozen=True, slots=True)
class WindowLevels:
    """What is known of N items at each of T periods, from that period and earlier ones."""

    unit: Floats  # (N, T) level that a window which ends there is divided by
    own: Floats  # (N, T) seasonal index of the period itself as it was known then
    standing: Floats  # (N, T, S) features of the item as it then was
    index: Floats  # (N, T) mean ratio to the year around it of this part of the season
    trust: Floats  # (N, T) weight of the indices at an origin, 0 to 1
    # (N, T) the same as far as sizes are meant: none where most periods are without demand, for
    # there the season says when demand comes, not how large it is
    size_trust: Floats
    nearby: Floats  # (N, T) mean demand around a period, NaN where not observed
    level: Floats  # (N, T) mean demand of the last span
    season: int  # periods
    year: int  # periods
    around: int  # periods to each side in `nearby`
    typical: TypicalSize  # of the panel

    @property
    def counts(self) -> bool:
        """Whether demand is counted, by ones unless the item is a large one."""
        return self.typical.counts

    def indices(self, rows: Ints, origins: Ints, steps: Ints, *, of_sizes: bool = False) -> Floats:
        """Seasonal index of periods ``steps`` (n, K) after origins, as expected there, (n, K)."""
        latest = origins - self.season // 2  # nothing later has a year around it
        ahead = steps + self.season // 2
        places = latest[:, None] + ahead - self.season * -(-ahead // self.season)
        found = np.where(places >= 0, self.index[rows[:, None], np.maximum(places, 0)], 1.0)
        trust = self.size_trust if of_sizes else self.trust
        shrunk = 1 + trust[rows, origins][:, None] * (found - 1)
        return np.maximum(shrunk, LEAST_INDEX)

    def year_ago(self, rows: Ints, origins: Ints, steps: Ints) -> tuple[Floats, Floats]:
        """Log of demand a year before the target over the level a year before the origin.

        Returns:
            (n, K) logs, 0 where not known; and (n, K) whether they are known.
        """
        back = self.year * -(-(steps + self.around) // self.year)
        then, before = origins[:, None] + steps - back, origins[:, None] - back
        known = np.minimum(then, before) >= 0
        at = rows[:, None]
        near = self.nearby[at, np.maximum(then, 0)]
        level = self.level[at, np.maximum(before, 0)]
        known &= ~np.isnan(near) & (level > 0)
        tenth = 0.1 * level + SMALL  # months without demand have a finite log
        logs = np.log((np.where(known, near, level) + tenth) / (level + tenth))
        return np.where(known, np.clip(logs, -FURTHEST, FURTHEST), 0.0), known.astype(float)


def measure_levels(panel: Panel, typical: TypicalSize) -> WindowLevels:
    """WindowLevels of demand; ``typical`` is that of the panel.

    Each item stands alone, so they are measured a few at a time: what is in between takes three
    times as much memory as what is found.
    """
    count, frequency = len(panel.items), panel.frequency
    found: dict[str, Any] = {}
    for first in range(0, max(count, 1), TOGETHER):
        some = slice(first, first + TOGETHER)
        for name, values in _measure_few(panel.values[some], frequency, typical).items():
            if name not in found:
                found[name] = np.empty((count, *values.shape[1:]), values.dtype)
            found[name][some] = values
    return WindowLevels(
        **found, season=frequency.season_length, year=YEAR[frequency], around=AROUND[frequency],
        typical=typical,
    )  # fmt: skip


def _measure_few(
    demand: Floats, frequency: Frequency, typical: TypicalSize
) -> dict[str, npt.NDArray[Any]]:
    """Fields of WindowLevels of some items, from what is known of their demand (N, T)."""
    values, seen = np.nan_to_num(demand), (~np.isnan(demand)).astype(np.float64)
    span, season, year = SPAN[frequency], frequency.season_length, YEAR[frequency]
    index, trust = _seasonal_indices(values, seen, frequency)
    busy = _over(_trailing((values > 0).astype(np.float64), 2 * span), _trailing(seen, 2 * span))
    size_trust = trust * np.clip(2 * busy - 1, 0.0, 1.0)
    own = _own_indices(index, size_trust, season)
    level = _level(values, seen * own, span)
    unit = typical.find_units(_size_level(values, own, span, typical))
    near = AROUND[frequency]
    return {
        "unit": unit,
        "own": own,
        "standing": _standing(values / own, seen, level, trust, (span, year), typical),
        "index": index,
        "trust": trust,
        "size_trust": size_trust,
        "nearby": _over(_centred(values, near), _centred(seen, near), np.nan),
        "level": level,
    }


def _size_level(values: Floats, own: Floats, span: int, typical: TypicalSize) -> Floats:
    """Mean size of demand in the last span, (N, T).

    The fewer demands it holds the more it is drawn to the item's mean size until then, and that to
    the typical one.
    """
    wanted = values > 0
    mean = _over(np.cumsum(values, axis=1), np.cumsum(wanted * own, axis=1))
    ever = typical.draw(np.cumsum(wanted, axis=1), mean)
    times = _trailing(wanted.astype(np.float64), span)
    pull = 2 * (1 - times / span)
    return (_trailing(values, span) + pull * ever) / (_trailing(wanted * own, span) + pull)


def _level(values: Floats, seen: Floats, span: int) -> Floats:
    """Mean of the last span, and of all before where nothing of it was observed, (N, T)."""
    ever = _over(np.cumsum(values, axis=1), np.cumsum(seen, axis=1))
    recent = _over(_trailing(values, span), _trailing(seen, span), np.nan)
    return np.where(np.isnan(recent), ever, recent)


def _seasonal_indices(values: Floats, seen: Floats, frequency: Frequency) -> tuple[Floats, Floats]:
    """Mean ratio of each period, and of those a season apart before it, to the season around it.

    Returns:
        (N, T) mean ratios, which are known half a season later; and the trust in them (N, T).
    """
    season = frequency.season_length
    kept = WEEKS if season < 12 else SEASONS
    ends = _over(_trailing(values, season), _trailing(seen, season), np.nan)
    enough = _trailing(seen, season) >= season / 2
    ends = np.where(enough, ends, np.nan)
    half = season // 2
    around = np.full_like(values, np.nan)
    if values.shape[1] > half:
        around[:, :-half] = ends[:, half:]
        if season % 2 == 0:  # a 2 x m moving average
            around[:, :-half] = (ends[:, half:] + ends[:, half - 1 : -1]) / 2
    around[:, : season - 1 - half + (season % 2 == 0)] = np.nan
    usable = (seen > 0) & (around > 0)
    ratio = np.where(usable, values / np.where(usable, around, 1.0), 0.0)
    times = _seasons(usable.astype(np.float64), season, kept)
    index = _over(_seasons(ratio, season, kept), times, 1.0)
    strays = np.maximum(_seasons(ratio**2, season, kept) - index**2 * times, 0.0)
    # Variance of the indices that would be there by chance, over all parts of the season.
    chance = _over(_trailing(strays, season), _trailing(np.maximum(times - 1, 0.0), season), np.inf)
    chance *= _trailing(_over(np.ones_like(times), times, 1.0), season) / season
    centre = _trailing(index, season) / season
    found = np.maximum(_trailing(index**2, season) / season - centre**2, 0.0)
    wished = 1 - chance * (season - 3) / (season - 1) / np.maximum(found, SMALL)
    wished = np.where(np.isfinite(wished), np.clip(wished, 0.0, 1.0), 0.0)
    trust = np.zeros_like(values)
    if values.shape[1] > half:
        trust[:, half:] = wished[:, :-half]
    return index, trust


def _own_indices(index: Floats, trust: Floats, season: int) -> Floats:
    """Index of each period as it was known at that period, (N, T)."""
    own = np.ones_like(index)
    if index.shape[1] > season:
        own[:, season:] = 1 + trust[:, season:] * (index[:, :-season] - 1)
    return np.maximum(own, LEAST_INDEX)


def _standing(
    calm: Floats,
    seen: Floats,
    level: Floats,
    trust: Floats,
    spans: tuple[int, int],
    typical: TypicalSize,
) -> Floats:
    """Features (N, T, S) of deseasonalised demand ``calm``: size, growth, scatter, zeros, age.

    And how much of the item's unit is that of the panel.
    """
    span, year = spans
    short = max(span // 4, 3)
    recent = _level(calm, seen, short)
    always = _over(np.cumsum(calm, axis=1), np.cumsum(seen, axis=1))
    scatter = _over(_trailing(calm**2, 2 * span), _trailing(seen, 2 * span))
    scatter -= _over(_trailing(calm, 2 * span), _trailing(seen, 2 * span)) ** 2
    empty = seen * (calm == 0)
    age = np.cumsum(np.cumsum(seen, axis=1) > 0, axis=1)
    # Periods that nobody watched are no silence.
    watched = np.cumsum(seen, axis=1)
    since = watched - np.maximum.accumulate(np.where(calm > 0, watched, 0.0), axis=1)
    features = [
        np.log(level / np.exp(typical.log) + 0.01) / 2,
        _log_ratio(recent, level),
        _log_ratio(level, _before(level, span)),
        _log_ratio(level, _before(level, year)),
        _log_ratio(level, always),
        np.log(np.clip(_over(np.sqrt(np.maximum(scatter, 0.0)), level), 0.02, 20.0)) / 2,
        _over(np.cumsum(empty, axis=1), np.cumsum(seen, axis=1)),
        _over(_trailing(empty, span), _trailing(seen, span)),
        3 / np.maximum(age, 3),
        np.log1p(np.minimum(since, age)) / 4,
        trust,
        typical.share(np.cumsum(calm > 0, axis=1)),
    ]
    return np.stack(features, axis=2).astype(np.float32)


def _before(level: Floats, periods: int) -> Floats:
    """The level so many periods earlier; the same one where there was none, (N, T)."""
    places = np.arange(level.shape[1]) - periods
    return np.asarray(level[:, np.where(places < 0, places + periods, places)])


def _log_ratio(part: Floats, whole: Floats) -> Floats:
    """Log of a ratio that may be zero to zero, within ``FURTHEST``, (N, T)."""
    tenth = 0.1 * (part + whole) + SMALL
    return np.clip(np.log((part + tenth) / (whole + tenth)), -FURTHEST, FURTHEST)


def _trailing(values: Floats, width: int) -> Floats:
    """Sum of the last ``width`` periods, fewer at the start, (N, T)."""
    sums = np.cumsum(values, axis=1)
    sums[:, width:] -= sums[:, :-width].copy()
    return sums


def _centred(values: Floats, reach: int) -> Floats:
    """Sum of the periods up to ``reach`` away, known ``reach`` periods later, (N, T)."""
    wide = _trailing(values, 2 * reach + 1)
    found = np.zeros_like(wide)
    found[:, : wide.shape[1] - reach] = wide[:, reach:]
    return found


def _seasons(values: Floats, season: int, kept: int) -> Floats:
    """Sum over the last ``kept`` periods that are whole seasons apart, (N, T)."""
    total = np.zeros_like(values)
    for back in range(0, min(kept * season, values.shape[1]), season):
        total[:, back:] += values[:, : values.shape[1] - back]
    return total


def _over(total: Floats, times: Floats, otherwise: float = 0.0) -> Floats:
    """A mean, or ``otherwise`` where there is nothing to divide by, (N, T)."""
    return np.where(times > 0, total / np.where(times > 0, times, 1.0), otherwise)
