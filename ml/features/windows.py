"""Sums, means and flags over days with gaps, and monthly figures from their release on.

A window says how much of it has to be known.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.features.point_in_time import KnownSeries
from ml.frequency import Days
from ml.panel import Floats

LEAST_SHARE = 0.8  # of a window's days
LEAST_WEIGHT = 0.7  # of the known days in a fading sum
LEAST_FOR_QUANTILE = 180  # known days: below half a year a quantile is one of a season


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the known values among the last ``window``, shape (T,).

    NaN where fewer than ``LEAST_SHARE`` of the window are known. A window is summed on its own,
    so a value does not depend on how far back the series goes.
    """
    _, count, mean = _windows(values, window)
    return np.where(count >= LEAST_SHARE * window, mean, np.nan)


def rolling_deviation(values: Floats, window: int, least: int) -> Floats:
    """Standard deviation (divisor n - 1) of the known values among the last ``window``, (T,).

    NaN where fewer than ``least`` (at least 2) are known.
    """
    views, count, mean = _windows(values, window)
    variance = np.nansum((views - mean[:, None]) ** 2, axis=1) / np.maximum(count - 1, 1)
    return np.where(count >= max(least, 2), np.sqrt(variance), np.nan)


def _windows(values: Floats, window: int) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """The last ``window`` values of each day, (T, window), how many are known, and their mean."""
    padded = np.concatenate([np.full(window - 1, np.nan), values])
    views = np.empty((0, window))
    if len(padded) >= window:
        views = np.lib.stride_tricks.sliding_window_view(padded, window)
    count = (~np.isnan(views)).sum(axis=1)
    return views, count, np.nansum(views, axis=1) / np.maximum(count, 1)


def fading_sum(events: Floats, factor: float) -> Floats:
    """Sum of past events, each weighing ``factor`` ** (days since it), shape (T,).

    Unknown days count as without event, as long as the known ones hold ``LEAST_WEIGHT`` of
    all weight; NaN otherwise, hence on every unknown day itself while ``factor`` is below it.
    """
    load = np.empty(len(events))
    level = weight = 0.0
    for day, event in enumerate(events):
        known = not np.isnan(event)
        level = factor * level + (event if known else 0.0)
        weight = factor * weight + (1 - factor) * known
        load[day] = level if weight >= LEAST_WEIGHT else np.nan
    return load


def exceeds(values: Floats, quantile: float) -> Floats:
    """1 where a value is above the quantile of all known ones, 0 where not, NaN where unknown.

    NaN throughout while fewer than ``LEAST_FOR_QUANTILE`` values are known.
    """
    known = ~np.isnan(values)
    if known.sum() < LEAST_FOR_QUANTILE:
        return np.full(len(values), np.nan)
    return np.where(known, values > np.quantile(values[known], quantile), np.nan)


def any_of(flags: list[Floats]) -> Floats:
    """1 where any flag is 1, 0 where all are 0, NaN where that cannot be told, shape (T,)."""
    stacked = np.stack(flags)
    some = (stacked == 1).any(axis=0)
    none = (stacked == 0).all(axis=0)
    return np.where(some, 1.0, np.where(none, 0.0, np.nan))


def carry(values: Floats, most: int) -> Floats:
    """Each gap filled with the value before it, for at most ``most`` positions, shape (T,)."""
    position = np.arange(len(values))
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, position))
    near = (last >= 0) & (position - last <= most)
    return np.where(near, values[last], np.nan) if len(values) else values


def change(values: Floats, days: int) -> Floats:
    """Difference to the value ``days`` before, NaN for the first ones, shape (T,)."""
    before = np.concatenate([np.full(min(days, len(values)), np.nan), values[:-days]])
    return values - before[: len(values)]


def stand(values: Floats, since: Days, days: Days, most: int) -> Floats:
    """Values (n,) that stand from their day ``since`` until a newer one does, shape (K,).

    They come in the order of the periods that they are of, NaN = none; a newer period's always
    wins. None stands for more than ``most`` days beyond its first of the gapless ``days``.
    """
    stands = np.full(len(days), np.nan)
    if not len(days):
        return stands
    starts = (since - days[0]).astype(np.int64)
    for value, start in zip(values, starts, strict=True):
        if not np.isnan(value):
            stands[max(start, 0) :] = np.nan
            stands[max(start, 0) : max(start + most + 1, 0)] = value
    return stands


@dataclass(frozen=True, slots=True)
class Monthly:
    """A series by the month."""

    months: npt.NDArray[np.datetime64]  # (M,) consecutive months, datetime64[M]
    values: Floats  # (M,), NaN = none
    since: Days  # (M,) days from which they stand; the month's own first where there is no value


def stands_since(observed: KnownSeries, lag: int) -> Days:
    """Day from which each value stands: when it came out, but at most ``lag`` days after its own.

    History that was first fetched years later thus stands where it would have stood.
    """
    return np.minimum(observed.since, observed.days + lag)


def by_month(observed: KnownSeries, lag: int) -> Monthly:
    """A series on consecutive months; of several values in a month the last one counts."""
    at = observed.days.astype("datetime64[M]")
    months = np.arange(at[0], at[-1] + 1) if len(at) else at
    values = np.full(len(months), np.nan)
    since = months.astype("datetime64[D]")
    position = (at - months[:1]).astype(np.int64) if len(at) else np.empty(0, np.int64)
    values[position] = observed.values
    since[position] = stands_since(observed, lag)
    return Monthly(months, values, since)


def log_growth(values: Floats, months: int) -> Floats:
    """Log of each value over the one so many months before; NaN unless both are positive."""
    growth = np.full(len(values), np.nan)
    now, before = values[months:], values[:-months]
    both = (now > 0) & (before > 0)  # NaN compares false
    growth[months:][both] = np.log(now[both] / before[both])
    return growth


def compound(percent: Floats, months: int) -> Floats:
    """Monthly changes [%] compounded over the last so many months [%]; NaN if one is missing."""
    total = np.full(len(percent), np.nan)
    if len(percent) >= months:
        windows = np.lib.stride_tricks.sliding_window_view(percent, months)
        total[months - 1 :] = 100 * (np.prod(1 + windows / 100, axis=1) - 1)
    return total
