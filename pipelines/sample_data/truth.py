"""The truth of a sample: what was asked for and why, before anything was lost or mistyped.

Demand comes as arrivals around an expected rate, each asking for some units at some site.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_data.items import (
    FAMILIES,
    Items,
    Lifecycle,
    draw_items,
    draw_lifecycle,
    whole_packs,
)
from pipelines.sample_data.streams import Bools, Days, Floats, Ints, stream
from pipelines.sample_data.supply import StockHistory, draw_lead_times, plan_orders, simulate_stock
from pipelines.sample_data.world import DemandDrivers, World

FRAILTY_SHAPE = 3.0  # weekly Gamma(3, 1/3): mean 1, so that arrivals are negative binomial
HUMIDITY_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Every single demand, in the order of item, day and arrival; arrays of shape (A,)."""

    item: Ints
    day: Ints
    site: Ints
    units: Floats


@dataclass(frozen=True, slots=True)
class Truth:
    """N items over T days."""

    days: Days  # the T days
    items: Items  # the items with their true parameters
    life: Lifecycle  # launches, declines, supersessions and level shifts
    drivers: DemandDrivers  # calendar, storm, humidity, each of shape (T,), and the sites' 5G ramps
    rate: Floats  # expected arrivals [1/day], shape (N, T); 0 before the launch
    arrivals: Arrivals  # the single demands
    lead_time: Ints  # lead time of an order placed on each day [days], shape (N, T)
    stock: StockHistory  # what stock could serve, and what was left

    @property
    def launched(self) -> Bools:
        """Whether the item exists on the day, shape (N, T)."""
        return np.arange(len(self.days)) >= self.life.launch[:, None]

    @property
    def demand(self) -> Floats:
        """Clean true demand [units/day], shape (N, T); NaN before the launch."""
        return np.where(self.launched, add_up(self.arrivals, self.rate.shape), np.nan)

    @property
    def expected(self) -> Floats:
        """Expected demand [units/day], shape (N, T)."""
        return self.rate * self.items.size_moments()[0][:, None]

    @property
    def lost(self) -> Floats:
        """Demand that stock could not serve [units/day], shape (N, T)."""
        return np.nan_to_num(self.demand) - self.stock.served


def draw_truth(world: World, n_items: int) -> Truth:
    """Draw items, their demand and their stock in a given world."""
    days, seed = world.days, world.seed
    drivers = world.drivers()
    items, life = draw_lifecycle(draw_items(n_items, seed), len(days), seed)
    rate = expected_rate(items, life, drivers)
    arrivals = draw_arrivals(items, rate, seed)
    lead = draw_lead_times(items, world.dollar_rise, seed)
    point, order = plan_orders(items, rate, lead)
    demand, workday = add_up(arrivals, rate.shape), np.is_busday(days)
    stock = simulate_stock(demand, point, order, lead, multiple=items.pack, workday=workday)
    return Truth(days, items, life, drivers, rate, arrivals, lead, stock)


def expected_rate(items: Items, life: Lifecycle, drivers: DemandDrivers) -> Floats:
    """Expected arrivals of each item and day, 0 before the launch [1/day], shape (N, T)."""
    effects = FAMILIES[["storm", "humidity", "fiveg"]].to_numpy()[items.family]
    log_rate = np.log(items.rate)[:, None] + life.log_factor + drivers.log_calendar
    log_rate += effects[:, :1] * drivers.storm
    log_rate += HUMIDITY_WEIGHT * effects[:, 1:2] * drivers.humidity
    log_rate += effects[:, 2:] * (items.site_share @ drivers.site_ramp)
    rate: Floats = np.exp(log_rate)
    rate[np.arange(rate.shape[1]) < life.launch[:, None]] = 0.0
    return rate


def draw_arrivals(items: Items, rate: Floats, seed: int) -> Arrivals:
    """Arrivals of every item and day: Poisson around the rate (N, T) times the week's frailty."""
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


def add_up(arrivals: Arrivals, shape: tuple[int, ...]) -> Floats:
    """Units of the arrivals by item and day, shape (N, T)."""
    n, t = shape
    sums = np.bincount(arrivals.item * t + arrivals.day, arrivals.units, minlength=n * t)
    return sums.astype(float).reshape(n, t)
