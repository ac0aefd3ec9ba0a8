"""Daily features as regressors of a panel's periods, and the seasons that are always in."""

from dataclasses import dataclass

import numpy as np

from ml.features.compute import FeatureFrame
from ml.features.declarations import RELEASE_CARRY, Feature
from ml.frequency import Days, Frequency, period_start, weekday
from ml.panel import Bools, Floats, Ints

YEAR = 365.25
LEAST_YEARS = 1.5  # of history for a yearly wave
LEAST_KNOWN = 0.5  # share of the history that a feature must be known on


@dataclass(frozen=True, slots=True)
class Design:
    """Regressors of T periods until a cutoff and R after it."""

    features: tuple[Feature, ...]  # F features, in the order of the columns
    base: Floats  # (T + R, B) weekdays and the yearly wave, with a constant
    # (T + R, F) standardised; past-only ones are 0 after the cutoff, and 0 (their mean) where
    # they are not known
    values: Floats
    length: int  # T
    frequency: Frequency  # of the periods
    # (F,) periods before the cutoff for which nothing of a feature was known yet
    unknown: Ints

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups in the order of their first feature."""
        return tuple(dict.fromkeys(feature.group for feature in self.features))

    def persistence(self) -> Floats:
        """Share of each feature's distance to its mean that is left after a period, (F,)."""
        daily = np.array([feature.persistence for feature in self.features], np.float64)
        return daily**self.frequency.days

    def lags(self) -> Ints:
        """Periods until each feature is known, (F,): declared, or longer as at the cutoff.

        At every origin the forecast is given what it would be given at the cutoff, also where a
        source is late, or has not been asked for weeks.
        """
        days = np.array([feature.behind for feature in self.features], np.float64)
        declared = np.ceil(days / self.frequency.days).astype(np.int64)
        return np.maximum(declared, self.unknown)

    def ahead(self) -> Bools:
        """Which features are known in advance, (F,)."""
        return np.array([feature.role == "future_known" for feature in self.features], bool)


def make_design(frame: FeatureFrame, periods: Days, ahead: Days, frequency: Frequency) -> Design:
    """Regressors of T periods until the cutoff and R ahead, out of daily features.

    A period has the mean of its days. Features that no model may use, that are known on too
    little of the history, or that never change in it, are left out.
    """
    every = np.concatenate([periods, ahead])
    chosen = [place for place, one in enumerate(frame.features) if one.driver]
    means = _by_period(frame.values[:, chosen], frame.days, every, frequency)
    history = means[: len(periods)]
    known = np.isfinite(history).mean(axis=0)
    with np.errstate(invalid="ignore"):
        spread = np.nanstd(np.where(known > 0, history, 0.0), axis=0)
    kept = np.flatnonzero((known >= LEAST_KNOWN) & (spread > 1e-9))
    values = (means[:, kept] - np.nanmean(history[:, kept], axis=0)) / spread[kept]
    unknown = np.argmax(np.isfinite(history[::-1, kept]), axis=0).astype(np.int64)
    over = frame.days < ahead[0] if len(ahead) else np.ones(len(frame.days), bool)
    columns = [chosen[place] for place in kept]
    features = tuple(frame.features[column] for column in columns)
    carried = _carried(frame.values[over][:, columns], features)
    unknown = np.maximum(unknown, np.ceil(carried / frequency.days).astype(np.int64))
    return Design(
        features=features,
        base=base_terms(every, len(periods), frequency),
        values=np.nan_to_num(values),
        length=len(periods),
        frequency=frequency,
        unknown=unknown,
    )


def _carried(values: Floats, features: tuple[Feature, ...]) -> Floats:
    """Days at the end on which quotes only repeat an older value, (F,).

    A quote that is carried looks known. What it says is as old as the day it is from.
    """
    days = np.zeros(len(features))
    for place, feature in enumerate(features):
        column = values[:, place][np.isfinite(values[:, place])]
        if feature.missing == "carry" and feature.carry < RELEASE_CARRY and len(column) > 1:
            repeated = column[::-1] == column[-1]
            days[place] = min(int(np.argmin(repeated)) - 1, feature.carry)
    return np.maximum(days, 0.0)


def _by_period(values: Floats, days: Days, periods: Days, frequency: Frequency) -> Floats:
    """Mean of the known days of each period, (P, F)."""
    anchor = int(weekday(periods[:1])[0]) if frequency is Frequency.WEEKLY else 0
    starts = period_start(days, frequency, anchor)
    place = np.searchsorted(periods, starts)
    inside = (place < len(periods)) & (periods[np.minimum(place, len(periods) - 1)] == starts)
    seen = np.isfinite(values) & inside[:, None]
    rows = np.minimum(place, len(periods) - 1)
    sums = np.zeros((len(periods), values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, rows, np.where(seen, values, 0.0))
    np.add.at(counts, rows, seen.astype(float))
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)


def base_terms(periods: Days, length: int, frequency: Frequency) -> Floats:
    """A constant, weekdays of daily panels, and a yearly wave where history allows, (P, B)."""
    parts = [np.ones(len(periods))]
    if frequency in (Frequency.DAILY, Frequency.BUSINESS):
        last = 7 if frequency is Frequency.DAILY else 5
        parts += [(weekday(periods) == day).astype(float) for day in range(1, last)]
    if length * frequency.days >= LEAST_YEARS * YEAR:
        day = (periods - periods.astype("datetime64[Y]")).astype(float)
        angle = 2 * np.pi * day / YEAR
        parts += [wave(k * angle) for k in (1, 2) for wave in (np.sin, np.cos)]
    return np.stack(parts, axis=1)
