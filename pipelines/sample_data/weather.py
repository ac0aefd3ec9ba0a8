"""Synthetic daily weather of five cities: seasons, persistence, wet days with heavy tails.

A latent unit-variance autoregression decides wet or dry, and raises humidity and lowers
temperature on wet days. Means, seasons and spreads are those of the five cities' climate; no
measured value is in it.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_data.streams import Days, Floats, autoregressive, day_of_year, stream

HOME_CITY = "salvador_ba"
DAYS_A_YEAR = 365.25
STORM_QUANTILE = 0.98
STORM_KERNEL = (1.0, 0.7, 0.45, 0.25, 0.1)
HUMIDITY_DAYS = 60
RAIN_SHAPE = 0.45  # of the gamma law of wet-day rain: its spread is 1.5 times its mean
WETNESS_PERSISTENCE, DAY_PERSISTENCE, SLOW_PERSISTENCE = 0.4, 0.65, 0.985
SLOW_HUMIDITY = 2.0  # spread of the year-to-year swings of humidity [%]


@dataclass(frozen=True, slots=True)
class Wave:
    """A yearly wave: mean, half its height, and the day of the year of its peak."""

    mean: float
    amplitude: float
    peak: float

    def on(self, days: Days) -> Floats:
        """The wave on each day, shape (T,)."""
        phase = 2 * np.pi * (day_of_year(days) - self.peak) / DAYS_A_YEAR
        return self.mean + self.amplitude * np.cos(phase)


@dataclass(frozen=True, slots=True)
class CityClimate:
    """Climate of one city: seasons, and the day-to-day spread of what is not season."""

    name: str
    temperature: Wave  # [deg C]
    humidity: Wave  # [%]
    wind: Wave  # [km/h]
    wet_share: Wave  # share of days with rain
    wet_rain: Wave  # mean rain of a wet day [mm]
    spreads: tuple[float, float, float, float]  # temperature, humidity, wind, maximum above mean
    maximum_above_mean: float  # [deg C]


CITIES = (
    CityClimate("fortaleza_ce", Wave(26.9, 0.7, 315), Wave(76.3, 8.0, 100), Wave(20.8, 5.0, 270),
         Wave(0.56, 0.38, 80), Wave(5.4, 4.0, 80), (0.7, 4.0, 3.4, 0.7), 3.2),
    CityClimate("recife_pe", Wave(25.8, 1.4, 45), Wave(78.5, 4.0, 165), Wave(18.5, 2.0, 235),
         Wave(0.84, 0.07, 160), Wave(4.9, 2.4, 160), (0.7, 4.6, 3.2, 0.5), 2.5),
    CityClimate("rio_de_janeiro_rj", Wave(23.9, 3.4, 40), Wave(76.8, 1.8, 330),
         Wave(16.6, 1.6, 280), Wave(0.45, 0.18, 0), Wave(5.8, 2.5, 0), (2.1, 8.6, 4.2, 1.8), 4.6),
    CityClimate("salvador_ba", Wave(25.5, 1.5, 45), Wave(77.8, 1.6, 125), Wave(20.2, 1.8, 295),
         Wave(0.82, 0.04, 160), Wave(4.7, 1.6, 125), (0.8, 5.2, 3.8, 0.65), 2.05),
    CityClimate("sao_paulo_sp", Wave(19.6, 3.0, 30), Wave(77.7, 4.5, 50), Wave(19.1, 1.9, 320),
         Wave(0.50, 0.33, 10), Wave(6.0, 3.0, 5), (2.5, 9.0, 6.0, 1.9), 5.6),
)  # fmt: skip


def draw_weather(city: CityClimate, days: Days, seed: int) -> dict[str, Floats]:
    """Daily weather of one city by series name, each of shape (T,)."""
    rng = stream(seed, f"weather {city.name}")
    draws = rng.standard_normal((6, len(days)))
    wetness = autoregressive(draws[0], WETNESS_PERSISTENCE)
    own = autoregressive(draws[1:4], DAY_PERSISTENCE)
    slow = autoregressive(draws[4], SLOW_PERSISTENCE)
    temperature, humidity, wind, above = city.spreads
    mean = city.temperature.on(days) + temperature * (0.85 * own[0] - 0.5 * wetness)
    damp = city.humidity.on(days) + SLOW_HUMIDITY * slow
    damp = damp + humidity * (0.8 * own[1] + 0.6 * wetness)
    excess = np.maximum(city.maximum_above_mean + above * draws[5], 0.3)
    return {
        "temperature_avg_c": mean.round(1),
        "temperature_max_c": (mean + excess).round(1),
        "humidity_percent": np.clip(damp, 25, 100).round(1),
        "precipitation_mm": _draw_rain(city, days, wetness, rng),
        "wind_max_kmh": np.maximum(city.wind.on(days) + wind * own[2], 3).round(1),
    }


def _draw_rain(city: CityClimate, days: Days, wetness: Floats, rng: np.random.Generator) -> Floats:
    from scipy.stats import norm

    share = np.clip(city.wet_share.on(days), 0.02, 0.98)
    mean = np.maximum(city.wet_rain.on(days), 0.8)
    amounts = 0.5 + rng.gamma(RAIN_SHAPE, mean / RAIN_SHAPE)
    return np.where(wetness > norm.ppf(1 - share), amounts, 0.0).round(1)


def storm_series(rain_mm: Floats) -> Floats:
    """Days of heavy rain (above its own 98 % quantile) and their fading effect, shape (T,).

    A day counts 1, .7, .45, .25 and .1 on itself and the four days after it.
    """
    heavy = (rain_mm > np.quantile(rain_mm, STORM_QUANTILE)).astype(float)
    return np.convolve(heavy, STORM_KERNEL)[: len(rain_mm)]


def humidity_load(humidity: Floats) -> Floats:
    """Standardised mean humidity of the last 60 days.

    Args:
        humidity: Daily relative humidity [%], starting 59 days before the first day wanted.

    Returns:
        Shape (T,), mean 0 and variance 1 over the window.
    """
    window = np.lib.stride_tricks.sliding_window_view(humidity, HUMIDITY_DAYS).mean(axis=1)
    return (window - window.mean()) / window.std()
