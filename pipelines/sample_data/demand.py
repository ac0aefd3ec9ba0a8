"""True demand: arrivals around an expected rate, each asking for some units at some site."""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_data.families import FAMILIES
from pipelines.sample_data.items import Items, whole_packs
from pipelines.sample_data.lifecycle import Lifecycle
from pipelines.sample_data.streams import Floats, Ints, stream

FRAILTY_SHAPE = 3.0  # weekly Gamma(3, 1/3): mean 1, so that arrivals are negative binomial
HUMIDITY_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Drivers:
    """What moves all items: log calendar factor with the sine, storm and humidity, all (T,)."""

    log_calendar: Floats
    storm: Floats
    humidity: Floats
    site_ramp: Floats  # (K, T)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Every single demand, in the order of item, day and arrival; arrays of shape (A,)."""

    item: Ints
    day: Ints
    site: Ints
    units: Floats


def expected_rate(items: Items, life: Lifecycle, drivers: Drivers) -> Floats:
    """Expected arrivals of each item and day, 0 before the launch [1/day], shape (N, T)."""
    effects = np.array([(f.storm, f.humidity, f.fiveg) for f in FAMILIES])[items.family]
    log_rate = np.log(items.rate)[:, None] + life.log_factor + drivers.log_calendar
    log_rate += effects[:, :1] * drivers.storm
    log_rate += HUMIDITY_WEIGHT * effects[:, 1:2] * drivers.humidity
    log_rate += effects[:, 2:] * item_ramp(items, drivers)
    rate: Floats = np.exp(log_rate)
    rate[np.arange(rate.shape[1]) < life.launch[:, None]] = 0.0
    return rate


def item_ramp(items: Items, drivers: Drivers) -> Floats:
    """The 5G ramp that each item sees: its sites' ramps by its shares, shape (N, T)."""
    return items.site_share @ drivers.site_ramp


def draw_arrivals(items: Items, rate: Floats, seed: int) -> Arrivals:
    """Arrivals of every item and day: Poisson around the rate times the week's frailty.

    Args:
        items: N items.
        rate: Expected arrivals, shape (N, T).
        seed: Of the draw.
    """
    rng = stream(seed, "arrivals")
    n, t = rate.shape
    frailty = rng.gamma(FRAILTY_SHAPE, 1 / FRAILTY_SHAPE, (n, t // 7 + 1))
    counts = rng.poisson(rate * np.repeat(frailty, 7, axis=1)[:, :t])
    item, day = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices((n, t)))
    logs = rng.normal(items.log_size[item], items.size_spread[item])
    edges = items.site_share.cumsum(axis=1)
    site = (rng.random(len(item))[:, None] > edges[item]).sum(axis=1)
    return Arrivals(
        item=item,
        day=day,
        site=np.minimum(site, edges.shape[1] - 1),
        units=whole_packs(np.exp(logs), items.pack[item]),
    )


def daily_totals(arrivals: Arrivals, values: Floats, shape: tuple[int, int]) -> Floats:
    """Sum of ``values``, shape (A,), by item and day, shape (N, T)."""
    cell = arrivals.item * shape[1] + arrivals.day
    sums = np.bincount(cell, values, minlength=shape[0] * shape[1])
    return sums.astype(float).reshape(shape)
