"""Synthetic daily weather of five cities: seasons, persistence, wet days with heavy tails.

A latent unit-variance autoregression decides wet or dry, and raises humidity and lowers
temperature on wet days. Means, seasons and spreads are those of the five cities' climate; no
measured value is in it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import norm

from pipelines.sample_data.streams import Days, Floats, autoregressive, day_of_year, stream

HOME_CITY = "salvador_ba"
DAYS_A_YEAR = 365.25
STORM_QUANTILE = 0.98
STORM_KERNEL = (1.0, 0.7, 0.45, 0.25, 0.1)
HUMIDITY_DAYS = 60
RAIN_SHAPE = 0.45  # of the gamma law of wet-day rain: its spread is 1.5 times its mean
WETNESS_PERSISTENCE, DAY_PERSISTENCE, SLOW_PERSISTENCE = 0.4, 0.65, 0.985
SLOW_HUMIDITY = 2.0  # spread of the year-to-year swings of humidity [%]


def draw_weather(city: Mapping[str, Any], days: Days, seed: int) -> dict[str, Floats]:
    """Daily weather of one city of ``parameters.toml`` by series name, each of shape (T,)."""

    def season(name: str) -> Floats:
        mean, amplitude, peak = city[name]
        return mean + amplitude * np.cos(2 * np.pi * (day_of_year(days) - peak) / DAYS_A_YEAR)

    rng = stream(seed, f"weather {city['name']}")
    draws = rng.standard_normal((6, len(days)))
    wetness = autoregressive(draws[0], WETNESS_PERSISTENCE)
    own = autoregressive(draws[1:4], DAY_PERSISTENCE)
    slow = autoregressive(draws[4], SLOW_PERSISTENCE)
    temperature, humidity, wind, above = city["spreads"]
    mean = season("temperature") + temperature * (0.85 * own[0] - 0.5 * wetness)
    damp = season("humidity") + SLOW_HUMIDITY * slow
    damp = damp + humidity * (0.8 * own[1] + 0.6 * wetness)
    excess = np.maximum(city["maximum_above_mean"] + above * draws[5], 0.3)
    is_wet = wetness > norm.ppf(1 - np.clip(season("wet_share"), 0.02, 0.98))
    rain = 0.5 + rng.gamma(RAIN_SHAPE, np.maximum(season("wet_rain"), 0.8) / RAIN_SHAPE)
    return {
        "temperature_avg_c": mean.round(1),
        "temperature_max_c": (mean + excess).round(1),
        "humidity_percent": np.clip(damp, 25, 100).round(1),
        "precipitation_mm": np.where(is_wet, rain, 0.0).round(1),
        "wind_max_kmh": np.maximum(season("wind") + wind * own[2], 3).round(1),
    }


def storm_series(rain_mm: Floats) -> Floats:
    """Days of heavy rain (above its own 98 % quantile) and their fading effect, shape (T,).

    A day counts 1, .7, .45, .25 and .1 on itself and the four days after it.
    """
    heavy = (rain_mm > np.quantile(rain_mm, STORM_QUANTILE)).astype(float)
    return np.convolve(heavy, STORM_KERNEL)[: len(rain_mm)]


def humidity_load(humidity: Floats) -> Floats:
    """Standardised mean humidity of the last 60 days, mean 0 and variance 1, shape (T,).

    The daily relative humidity [%] starts 59 days before the first day wanted.
    """
    window = np.lib.stride_tricks.sliding_window_view(humidity, HUMIDITY_DAYS).mean(axis=1)
    return (window - window.mean()) / window.std()
