"""A world of known drivers: features whose effect on demand is planted. All synthetic."""

import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.outside import CLIMATE
from ml.frequency import Frequency, period_range
from ml.panel import Panel

FIRST = np.datetime64("2022-01-01")
DAYS = 900
REGION = "salvador_ba"


def wander_humidity(rng, days, before):
    """Slowly wandering humidity of so many days, and of so many before them.

    And the mean of the last 60 days on each of the former, in standard deviations.
    """
    slow = np.zeros(before + days)
    for t in range(1, len(slow)):
        slow[t] = 0.99 * slow[t - 1] + rng.normal()
    humidity = np.clip(75 + 2.0 * slow, 20, 100)
    load = np.convolve(humidity, np.ones(60) / 60, "valid")[-days:]
    return humidity, (load - load.mean()) / load.std()


def climate_table(days, series):
    """Values of each series on all days, each out a day later."""
    parts = []
    for name, values in series.items():
        count = len(days)
        columns = {
            "series": [name] * count,
            "region": [REGION] * count,
            "ref_date": days.astype("datetime64[us]"),
            "available_at": (days + 1).astype("datetime64[us]"),
            "value": values,
            "unit": ["%"] * count,
            "source": ["synthetic_sample"] * count,
            "preliminary": [False] * count,
            "estimated": [False] * count,
        }
        parts.append(pa.table(columns).cast(CLIMATE.schema))
    return pa.concat_tables(parts)


@pytest.fixture(scope="session")
def world():
    """Thirty parts whose rate follows humidity, and the humidity as published."""
    rng = np.random.default_rng(5)
    days = period_range(FIRST, FIRST + DAYS - 1, Frequency.DAILY)
    before = np.arange(FIRST - 100, FIRST + DAYS)
    humidity, driver = wander_humidity(rng, DAYS, 100)
    rates = np.geomspace(0.05, 0.6, 30)[:, None] * np.exp(0.5 * driver)
    values = rng.poisson(rates).astype(float)
    items = tuple(f"P-{i:02d}" for i in range(30))
    panel = Panel("demand", Frequency.DAILY, items, days, values, ("units",) * 30)
    rain = rng.gamma(0.4, 8.0, len(before))
    table = climate_table(before, {"humidity_percent": humidity, "precipitation_mm": rain})
    return panel, {"climate": table}, REGION
