"""How the demand of a panel spreads over weekdays and holidays: the hurdle's calendar.

Orders of an item come at its own rate times a factor of the weekday. So a day has demand with the
chance 1 - exp(-rate * factor), and where it has, rate * factor / chance orders on average: of busy
items all days have demand, and some of them more. The factors are those of the whole panel, as far
as its orders tell (a gamma prior around 1), and each item's own as far as its orders do (a gamma
prior around the panel's, its variance by moments: Efron & Morris 1973, JASA 68). Holidays, and the
days around the turn of the year, are the panel's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ml.features.holiday_calendar import carnival_days, holiday_days, year_end
from ml.forecasters.references.histories import panel_rate
from ml.frequency import Days, Frequency, weekday
from ml.panel import Bools, Floats, Ints, Panel, in_portions

WEEK = 7
PANEL_ORDERS, SPECIAL_ORDERS = 20.0, 20.0  # that a factor of 1 counts for
OWN_SPREADS = (0.002, 1.0)  # least and most variance of the items' own factors
ROUNDS = 12


@dataclass(frozen=True, slots=True)
class DayShares:
    """Chance of demand on a day over that of the item's average day."""

    weekdays: Floats  # (N, 7) of plain days, Monday first; mean 1 over the days that there are
    sizes: Floats  # (N, 7) the same of the size of a demand, its mean over demands 1
    special: Floats  # (3,) factor of plain days, of holidays and of the turn of the year

    def on(self, days: Days) -> Floats:
        """Shares of days (D,), (N, D)."""
        if (self.weekdays == 1).all() and (self.special == 1).all():
            return np.ones((len(self.weekdays), len(days)))
        return self.weekdays[:, weekday(days)] * self.special[kinds_of(days)]

    def rows(self, rows: Sequence[int]) -> "DayShares":
        """Only the items at these positions."""
        return DayShares(self.weekdays[list(rows)], self.sizes[list(rows)], self.special)


def kinds_of(days: Days) -> Ints:
    """0 = plain, 1 = national holiday or carnival, 2 = turn of the year, (D,)."""
    return _kinds_of(days.astype("datetime64[D]").tobytes())


@lru_cache(maxsize=32)
def _kinds_of(content: bytes) -> Ints:
    """The same of days as bytes: each item of a panel asks for the same ones."""
    days = np.frombuffer(content, "datetime64[D]")
    kinds = np.zeros(len(days), np.int64)
    kinds[year_end(days)] = 2
    kinds[holiday_days(days, None) | carnival_days(days)[0]] = 1
    return kinds


def measure_shares(panel: Panel, teaches: Bools) -> DayShares:
    """Shares of all items of a panel, the factors from those that teach; 1 where days are none."""
    ones = np.ones((len(panel.items), WEEK))
    none = DayShares(ones, ones, np.ones(3))
    if panel.frequency not in {Frequency.DAILY, Frequency.BUSINESS}:
        return none
    kinds, days = kinds_of(panel.periods), weekday(panel.periods)
    of_day = np.eye(WEEK)[days] * (kinds == 0)[:, None]
    parts = [(some.observed() @ of_day, (some.values > 0) @ of_day) for some in in_portions(panel)]
    known, orders = (np.concatenate(part) for part in zip(*parts, strict=True))
    there = known.sum(axis=0) > 0
    if not there.any():
        return none
    rates = _own_rates(known, orders, panel_rate(panel))
    factors = np.ones(WEEK)
    for _ in range(ROUNDS):
        expected = known * _chance(rates, factors)
        told, open_to = orders[teaches].sum(axis=0), expected[teaches].sum(axis=0) / factors
        factors = (told + PANEL_ORDERS) / (open_to + PANEL_ORDERS)
        factors /= factors[there].mean()
        expected = known * _chance(rates, factors)
        rates *= (orders.sum(axis=1) + 1) / (expected.sum(axis=1) + 1)
    expected = known * _chance(rates, factors)
    plain = (expected * (1 - _chance(rates, factors)))[teaches]
    excess = ((orders - expected)[teaches] ** 2 - plain).sum() / np.square(expected[teaches]).sum()
    prior = 1 / np.clip(excess, *OWN_SPREADS)
    own = factors * (orders + prior) / (expected + prior)
    chances, ordered = _chance(rates, own), rates[:, None] * own
    usual, asked = (one[:, there].mean(axis=1, keepdims=True) for one in (chances, ordered))
    taught = panel.rows(np.flatnonzero(teaches).tolist())
    special = _measure_special(taught, chances[teaches][:, days], kinds)
    return DayShares(chances / usual, ordered / chances / (asked / usual), special)


def _own_rates(known: Floats, orders: Floats, rate: float) -> Floats:
    """Orders a day of each item, (N,), from days (N, 7) that were known and those with demand."""
    share = (orders.sum(axis=1) + rate) / (known.sum(axis=1) + 1)
    return -np.log1p(-np.minimum(share, 0.999))


def _chance(rates: Floats, factors: Floats) -> Floats:
    return np.asarray(-np.expm1(-rates[:, None] * factors))


def _measure_special(panel: Panel, chances: Floats, kinds: Ints) -> Floats:
    """Factors (3,) of the kinds of days, of chances (N, T) on plain ones."""
    orders = (panel.values > 0).sum(axis=0)
    expected = np.where(panel.observed(), chances, 0.0).sum(axis=0)
    told, open_to = (np.bincount(kinds, one, minlength=3) for one in (orders, expected))
    factors = (told + SPECIAL_ORDERS) / (open_to + SPECIAL_ORDERS)
    return np.asarray(factors / factors[0])
