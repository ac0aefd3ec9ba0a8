"""Weather of one city: what is measured against the city itself, for fixed limits never fire.

In Salvador rain passed 50 mm on 5 of 1,460 days and no day was hotter than 35 deg C.
"""

from collections.abc import Mapping

import numpy as np

from ml.features.declarations import BY_NAME
from ml.features.point_in_time import KnownTable
from ml.features.windows import any_of, exceeds, fading_sum, rolling_mean
from ml.panel import Floats

MEASURED = (
    "temperature_avg_c",
    "temperature_max_c",
    "humidity_percent",
    "precipitation_mm",
    "wind_max_kmh",
)
STORM, HEAT, HUMID, DROUGHT, DISRUPTION = 0.98, 0.98, 0.9, 0.05, 0.95  # quantiles of the city
STORM_FADES = BY_NAME["storm_load"].persistence
RAIN_DAYS = 30
STULL_HUMIDITY = (5.0, 99.0)  # [%] range that the formula was fitted to


def climate_features(known: KnownTable) -> Mapping[str, Floats]:
    """All features of the weather on ``known.days``, each of shape (K,)."""
    measured = {name: known.daily(name) for name in MEASURED}
    rain, humid = measured["precipitation_mm"], measured["humidity_percent"]
    storm = exceeds(rain, STORM)
    # One of rain and wind alone where the other is not measured.
    given = [x for x in (rain, measured["wind_max_kmh"]) if not np.isnan(x).all()]
    rain_30d = RAIN_DAYS * _known_today(rolling_mean(rain, RAIN_DAYS), rain)
    loads = {
        f"humidity_load_{days}d": _known_today(rolling_mean(humid, days), humid)
        for days in (30, 60, 90)
    }
    return {
        **measured,
        **loads,
        "wet_bulb_c": wet_bulb(measured["temperature_avg_c"], humid),
        "is_storm": storm,
        "storm_load": fading_sum(storm, STORM_FADES),
        "is_heat": exceeds(measured["temperature_max_c"], HEAT),
        "is_high_humidity": exceeds(humid, HUMID),
        "rain_30d": rain_30d,
        "is_drought": exceeds(-rain_30d, 1 - DROUGHT),  # below its own quantile
        "field_work_disruption": any_of([exceeds(x, DISRUPTION) for x in given or [rain]]),
    }


def wet_bulb(temperature: Floats, humidity: Floats) -> Floats:
    """Wet-bulb temperature at sea-level pressure [deg C], to about 1 K.

    Of air of -20 to 50 deg C and a relative humidity [%]; beyond 5 to 99 that limit is taken.

    Source:
        Stull (2011), J. Appl. Meteorol. Climatol. 50, 2267-2269, eq. 1. Its example: 20 deg C
        and 50 % give 13.7 deg C. doi:10.1175/JAMC-D-11-0143.1
    """
    percent = np.clip(humidity, *STULL_HUMIDITY)
    return (
        temperature * np.arctan(0.151977 * np.sqrt(percent + 8.313659))
        + np.arctan(temperature + percent)
        - np.arctan(percent - 1.676331)
        + 0.00391838 * percent**1.5 * np.arctan(0.023101 * percent)
        - 4.686035
    )


def _known_today(windowed: Floats, values: Floats) -> Floats:
    """A window's value up to the last day that is known, NaN after it."""
    known = np.flatnonzero(~np.isnan(values))
    end = known[-1] + 1 if len(known) else 0
    return np.where(np.arange(len(values)) < end, windowed, np.nan)
