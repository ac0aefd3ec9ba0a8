"""Outside tables for tests: rows as published, written down or drawn from fixed seeds."""

import numpy as np
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.outside import ANATEL_5G, CLIMATE, ECONOMIC, PRICES

CONTRACTS = {one.name: one for one in (CLIMATE, ECONOMIC, ANATEL_5G, PRICES)}
CITIES, STATES = ("salvador_ba", "recife_pe"), ("BA", "PE")


def published(table, *series):
    """A table out of (name, region, first day or days, values, lag or days) of its series.

    Values are on consecutive days from the first, or on the days given; a lag counts days.
    """
    parts = [_rows(*one, currency=table == "prices") for one in series]
    return check(pa.concat_tables(parts), CONTRACTS[table])


def _rows(name, region, days, values, lag, *, currency):
    values = np.asarray(values, float)
    if isinstance(days, str):
        days = np.datetime64(days, "D") + np.arange(len(values))
    days = np.asarray(days, "datetime64[D]")
    available = days + lag if isinstance(lag, int) else np.asarray(lag, "datetime64[D]")
    count = len(values)
    columns = {
        "series": pa.repeat(name, count),
        "region": pa.repeat(pa.scalar(region, pa.string()), count),
        "ref_date": pa.array(days.astype("datetime64[us]")),
        "available_at": pa.array(np.broadcast_to(available, count).astype("datetime64[us]")),
        "value": pa.array(values, mask=np.isnan(values)),
        "unit": pa.repeat("1", count),
        "source": pa.repeat(f"{region or 'national'} office", count),
        "preliminary": pa.repeat(pa.scalar(value=False), count),
        "estimated": pa.repeat(pa.scalar(value=False), count),
    }
    if currency:
        columns["currency"] = pa.repeat("USD", count)
    return pa.table(columns)


def months(first, count):
    """First days of so many months."""
    return (np.datetime64(first, "M") + np.arange(count)).astype("datetime64[D]")


def world(seed=5, first="2022-01-01", days=900):
    """All tables, every series of every feature, two regions; daily values come twice."""
    rng = np.random.default_rng(seed)
    start = np.datetime64(first, "D")
    weekdays = np.arange(start, start + days)[np.is_busday(np.arange(start, start + days))]
    monthly = months(first[:7], days // 31)

    def walk(level, count, step):
        return level * np.exp(np.cumsum(rng.normal(0, step, count)))

    weather = []
    for city in CITIES:
        for name, values in (
            ("temperature_avg_c", rng.normal(25, 2, days)),
            ("temperature_max_c", rng.normal(29, 2, days)),
            ("humidity_percent", rng.uniform(55, 95, days)),
            ("precipitation_mm", rng.gamma(0.3, 12, days)),
            ("wind_max_kmh", rng.gamma(9, 2, days)),
        ):
            looks = values * rng.uniform(0.97, 1.03, days)
            weather += [(name, city, first, looks, 1), (name, city, first, values, 6)]
    telecom = []
    for state in STATES:
        total = walk(5e6, len(monthly), 0.01)
        grown = 1e5 * np.exp(np.linspace(0, 3, len(monthly) - 6))
        telecom += [
            ("mobile_accesses", state, monthly, total, 80),
            ("fiveg_accesses", state, monthly[6:], grown * 0.98, 80),
            ("fiveg_accesses", state, monthly[6:], grown, 110),
            ("fiveg_stations", state, monthly[9:], np.arange(len(monthly) - 9.0), 20),
        ]
    economy = (
        ("usd_brl", None, weekdays, walk(5, len(weekdays), 0.01), 0),
        ("selic", None, first, np.repeat(rng.uniform(10, 14, days // 45 + 1), 45)[:days], 0),
        ("ipca", None, monthly, rng.normal(0.4, 0.2, len(monthly)), 40),
        ("ibc_br", None, monthly, walk(140, len(monthly), 0.01), 75),
        ("ibc_br", None, monthly, walk(141, len(monthly), 0.01), 105),
    )
    quotes = tuple(
        (name, None, weekdays, walk(60, len(weekdays), 0.02), lag)
        for name, lag in (("Brent", 7), ("PETR4", 0), ("USD/BRL", 0))
    )
    return {
        "climate": published("climate", *weather),
        "economic": published("economic", *economy),
        "anatel_5g": published("anatel_5g", *telecom),
        "prices": published("prices", *quotes),
    }
