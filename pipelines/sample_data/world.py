"""What surrounds the items: calendar, weather, markets and 5G, from a year before the demand."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from ml.features.holiday_calendar import JULY, carnival_days, holiday_days, month_of, year_end
from ml.frequency import weekday
from pipelines.sample_data import outside, weather
from pipelines.sample_data.streams import PARAMETERS, Days, Floats, day_of_year, stream

LEAD_IN_DAYS = 365  # of the outside series before the first day of demand

WEEKDAY_FACTORS = (1.0, 1.1, 1.15, 1.05, 1.0, 0.18, 0.06)
CARNIVAL_FACTOR, CATCH_UP_FACTOR = 0.15, 1.35
HOLIDAY_FACTOR, YEAR_END_FACTOR, JULY_FACTOR = 0.1, 0.5, 0.85
SINE_AMPLITUDE = 0.15
SITES = tuple(site["site_id"] for site in PARAMETERS["sites"])
JITTER_DAYS = 45.0
SCALES = (60.0, 120.0)  # [days]


@dataclass(frozen=True, slots=True)
class DemandDrivers:
    """What moves all items: log calendar factor with the sine, storm and humidity, all (T,)."""

    log_calendar: Floats
    storm: Floats
    humidity: Floats
    site_ramp: Floats  # (K, T)


@dataclass(frozen=True, slots=True)
class World:
    """Outside series on the days of demand and the year before them."""

    all_days: Days  # days with the year before, shape (365 + T,)
    cities: dict[str, dict[str, Floats]]  # weather by city and series, each of shape (365 + T,)
    levels: dict[str, Floats]  # dollar, Brent and PETR4 on the business days among them
    seed: int  # of what is still to be drawn

    @property
    def days(self) -> Days:
        """The days of demand, shape (T,)."""
        return self.all_days[LEAD_IN_DAYS:]

    @property
    def dollar_rise(self) -> Floats:
        """Rise of the dollar over 60 days, see :func:`outside.dollar_rise`, shape (T,)."""
        rise = outside.dollar_rise(self.levels["usd_brl"], self.all_days)
        return rise[-len(self.days) :]

    def drivers(self) -> DemandDrivers:
        """What moves all items on the days of demand."""
        home = self.cities[weather.HOME_CITY]
        humid = home["humidity_percent"][LEAD_IN_DAYS - weather.HUMIDITY_DAYS + 1 :]
        sine = SINE_AMPLITUDE * np.sin(2 * np.pi * day_of_year(self.days) / weather.DAYS_A_YEAR)
        return DemandDrivers(
            log_calendar=np.log(calendar_factor(self.days)) + sine,
            storm=weather.storm_series(home["precipitation_mm"][LEAD_IN_DAYS:]),
            humidity=weather.humidity_load(humid),
            site_ramp=site_ramps(self.days, self.seed),
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """``climate``, ``economic`` and ``anatel_5g``, as far as published by the last day."""
        dollar = self.levels["usd_brl"]
        return {
            "climate": outside.climate_table(self.cities, self.all_days, self.seed),
            "economic": outside.economic_table(dollar, self.all_days, self.seed),
            "anatel_5g": outside.anatel_table(self.all_days, self.seed),
        }


def draw_world(first: np.datetime64, days: int, seed: int) -> World:
    """The world of ``days`` days from ``first``; it does not depend on the items."""
    start = first.astype("datetime64[D]") - LEAD_IN_DAYS
    all_days = np.arange(start, start + LEAD_IN_DAYS + days)
    cities = {
        city["name"]: weather.draw_weather(city, all_days, seed) for city in PARAMETERS["cities"]
    }
    return World(all_days, cities, outside.draw_markets(all_days, seed), seed)


def calendar_factor(days: Days) -> Floats:
    """Multiplier of the rate on each day, the yearly sine apart, shape (T,)."""
    factor = np.asarray(WEEKDAY_FACTORS)[weekday(days)]
    carnival, catch_up = carnival_days(days)
    factor[carnival] *= CARNIVAL_FACTOR
    factor[catch_up] *= CATCH_UP_FACTOR
    factor[holiday_days(days)] *= HOLIDAY_FACTOR
    factor[year_end(days)] *= YEAR_END_FACTOR
    factor[month_of(days) == JULY] *= JULY_FACTOR
    return factor


def site_ramps(days: Days, seed: int) -> Floats:
    """How far 5G has come around each site, 0 to 1, shape (K, T)."""
    rng = stream(seed, "5G sites")
    ramps = []
    for site in PARAMETERS["sites"]:
        scale = rng.uniform(*SCALES)
        middle = rng.normal(outside.MIDDLE * scale, JITTER_DAYS)
        age = (days - np.datetime64(site["ramp_start"])).astype(float)
        ramps.append(expit((age - middle) / scale))
    return np.stack(ramps)
