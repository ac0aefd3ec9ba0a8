"""What surrounds the items: weather, markets and the 5G roll-out, from a year before the demand."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data import economy, outside, weather
from pipelines.sample_data.business_calendar import annual_sine, calendar_factor
from pipelines.sample_data.demand import Drivers
from pipelines.sample_data.rollout import site_ramps
from pipelines.sample_data.streams import Days, Floats, day_numbers

LEAD_IN_DAYS = 365  # of the outside series before the first day of demand


@dataclass(frozen=True, slots=True)
class World:
    """Outside series on the days of demand and the year before them.

    Attributes:
        all_days: Days with the year before, shape (365 + T,).
        cities: Weather by city and series, each of shape (365 + T,).
        levels: Dollar, Brent and PETR4 on the business days among them.
        seed: Of what is still to be drawn.
    """

    all_days: Days
    cities: dict[str, dict[str, Floats]]
    levels: dict[str, Floats]
    seed: int

    @property
    def days(self) -> Days:
        """The days of demand, shape (T,)."""
        return self.all_days[LEAD_IN_DAYS:]

    @property
    def dollar_rise(self) -> Floats:
        """Rise of the dollar over 60 days, see :func:`economy.dollar_rise`, shape (T,)."""
        rise = economy.dollar_rise(self.levels["usd_brl"], self.all_days)
        return rise[-len(self.days) :]

    def drivers(self) -> Drivers:
        """What moves all items on the days of demand."""
        home = self.cities[weather.HOME_CITY]
        humid = home["humidity_percent"][LEAD_IN_DAYS - weather.HUMIDITY_DAYS + 1 :]
        return Drivers(
            log_calendar=np.log(calendar_factor(self.days)) + annual_sine(self.days),
            storm=weather.storm_series(home["precipitation_mm"][LEAD_IN_DAYS:]),
            humidity=weather.humidity_load(humid),
            site_ramp=site_ramps(self.days, self.seed),
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """``climate``, ``economic`` and ``anatel_5g``, as far as published by the last day."""
        last, seed = self.all_days[-1], self.seed
        dollar = self.levels["usd_brl"]
        return {
            "climate": outside.climate_table(self.cities, self.all_days, last, seed),
            "economic": outside.economic_table(dollar, self.all_days, last, seed),
            "anatel_5g": outside.anatel_table(self.all_days, last, seed),
        }


def draw_world(first: np.datetime64, days: int, seed: int) -> World:
    """The world of ``days`` days from ``first``; it does not depend on the items."""
    all_days = day_numbers(first.astype("datetime64[D]") - LEAD_IN_DAYS, LEAD_IN_DAYS + days)
    cities = {city.name: weather.city_weather(city, all_days, seed) for city in weather.CITIES}
    return World(all_days, cities, economy.markets(all_days, seed), seed)
