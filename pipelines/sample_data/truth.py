"""The truth of a sample: what was asked for and why, before anything was lost or mistyped."""

from dataclasses import dataclass

import numpy as np

from ml.frequency import weekday
from pipelines.sample_data import supply
from pipelines.sample_data.demand import (
    Arrivals,
    Drivers,
    daily_totals,
    draw_arrivals,
    expected_rate,
    item_ramp,
)
from pipelines.sample_data.items import Items, draw_items
from pipelines.sample_data.lifecycle import Lifecycle, draw_lifecycle
from pipelines.sample_data.streams import Bools, Days, Floats, Ints
from pipelines.sample_data.world import World

FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Truth:
    """N items over T days.

    Attributes:
        days: The T days.
        items: The items with their true parameters.
        life: Launches, declines, supersessions and level shifts.
        drivers: Calendar, storm, humidity, each of shape (T,), and the sites' 5G ramps.
        rate: Expected arrivals [1/day], shape (N, T); 0 before the launch.
        arrivals: The single demands.
        lead_time: Lead time of an order placed on each day [days], shape (N, T).
        stock: What stock could serve, and what was left.
    """

    days: Days
    items: Items
    life: Lifecycle
    drivers: Drivers
    rate: Floats
    arrivals: Arrivals
    lead_time: Ints
    stock: supply.Stock

    @property
    def launched(self) -> Bools:
        """Whether the item exists on the day, shape (N, T)."""
        launched: Bools = np.arange(len(self.days)) >= self.life.launch[:, None]
        return launched

    @property
    def demand(self) -> Floats:
        """Clean true demand [units/day], shape (N, T); NaN before the launch."""
        units = daily_totals(self.arrivals, self.arrivals.units, self.rate.shape)
        return np.where(self.launched, units, np.nan)

    @property
    def counts(self) -> Floats:
        """Arrivals that happened, shape (N, T)."""
        return daily_totals(self.arrivals, np.ones(len(self.arrivals.item)), self.rate.shape)

    @property
    def expected(self) -> Floats:
        """Expected demand [units/day], shape (N, T)."""
        expected: Floats = self.rate * self.items.size_moments()[0][:, None]
        return expected

    @property
    def lost(self) -> Floats:
        """Demand that stock could not serve [units/day], shape (N, T)."""
        lost: Floats = np.nan_to_num(self.demand) - self.stock.served
        return lost

    @property
    def ramp(self) -> Floats:
        """The 5G ramp that each item sees, 0 to 1, shape (N, T)."""
        return item_ramp(self.items, self.drivers)


def draw_truth(world: World, n_items: int) -> Truth:
    """Draw items, their demand and their stock in a given world."""
    days, seed = world.days, world.seed
    drivers = world.drivers()
    items, life = draw_lifecycle(draw_items(n_items, seed), len(days), seed)
    rate = expected_rate(items, life, drivers)
    arrivals = draw_arrivals(items, rate, seed)
    lead = supply.lead_times(items, world.dollar_rise, seed)
    point, order = supply.reorder_points(items, rate, lead)
    stock = supply.simulate_stock(
        daily_totals(arrivals, arrivals.units, rate.shape),
        point,
        order,
        lead,
        multiple=items.pack,
        workday=weekday(days) <= FRIDAY,
    )
    return Truth(days, items, life, drivers, rate, arrivals, lead, stock)
