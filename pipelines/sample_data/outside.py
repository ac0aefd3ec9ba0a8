"""The outside series in the shape in which they are published: with lags and revisions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ml.contracts.outside import AS_PUBLISHED_KEY
from pipelines.sample_data.economy import ipca_changes, selic_target
from pipelines.sample_data.rollout import state_accesses
from pipelines.sample_data.streams import Days, Floats, stream

SOURCE = "synthetic_sample"
CLIMATE_UNITS = {
    "temperature_avg_c": "deg C",
    "temperature_max_c": "deg C",
    "humidity_percent": "%",
    "precipitation_mm": "mm",
    "wind_max_kmh": "km/h",
}
FIRST_LOOK_DAYS, FINAL_DAYS = 1, 6  # a reanalysis is first estimated, then final
FIRST_LOOK_NOISE = 0.03
IPCA_DAY = 10  # of the following month [days after its first]
ACCESSES_DAYS, RESTATED_DAYS, RESTATED_NOISE = 48, 79, 0.004  # after the month's end


def climate_table(
    weather: dict[str, dict[str, Floats]], days: Days, last: np.datetime64, seed: int
) -> pd.DataFrame:
    """Weather of all cities: a preliminary value after one day, the final one after six."""
    rng = stream(seed, "climate first look")
    parts = []
    for city, series in weather.items():
        for name, values in series.items():
            unit = CLIMATE_UNITS[name]
            noise = 1 + FIRST_LOOK_NOISE * rng.standard_normal(len(values))
            upper = 100.0 if unit == "%" else np.inf
            first = np.minimum((values * noise).round(1), upper)
            rows = {"series": name, "region": city, "unit": unit}
            parts.append(_rows(rows, days, first, days + FIRST_LOOK_DAYS, preliminary=True))
            parts.append(_rows(rows, days, values, days + FINAL_DAYS))
    return _published(parts, last)


def economic_table(dollar: Floats, days: Days, last: np.datetime64, seed: int) -> pd.DataFrame:
    """USD/BRL on business days, the Selic target every day, the IPCA once a month."""
    business = days[np.is_busday(days)]
    months = _months(days)
    release = _next_month(months) + IPCA_DAY
    rows = {"region": None}
    parts = [
        _rows({"series": "usd_brl", "unit": "BRL/USD", **rows}, business, dollar, business),
        _rows(
            {"series": "selic", "unit": "% a year", **rows}, days, selic_target(days, seed), days
        ),
        _rows(
            {"series": "ipca", "unit": "% a month", **rows},
            months,
            ipca_changes(len(months), seed),
            release,
        ),
    ]
    return _published(parts, last)


def anatel_table(days: Days, last: np.datetime64, seed: int) -> pd.DataFrame:
    """5G accesses by state and month, seven weeks late, restated once a month later."""
    months = _months(days)
    rng = stream(seed, "5G first count")
    parts = []
    for state, accesses in state_accesses(months, seed).items():
        rows = {"series": "fiveg_accesses", "region": state, "unit": "accesses"}
        first = accesses * (1 - np.abs(rng.normal(0, RESTATED_NOISE, len(months))))
        end = _next_month(months)
        parts.append(_rows(rows, months, first.round(), end + ACCESSES_DAYS, preliminary=True))
        parts.append(_rows(rows, months, accesses, end + RESTATED_DAYS))
    return _published(parts, last)


def _rows(
    fixed: Mapping[str, str | None],
    ref: Days,
    values: Floats,
    available: Days,
    *,
    preliminary: bool = False,
) -> pd.DataFrame:
    columns = {
        "series": fixed["series"],
        "region": pd.Series([fixed["region"]] * len(ref), dtype=object),
        "ref_date": ref.astype("datetime64[us]"),
        "available_at": available.astype("datetime64[us]"),
        "value": values,
        "unit": fixed["unit"],
        "source": SOURCE,
        "preliminary": preliminary,
    }
    return pd.DataFrame(columns)


def _published(parts: list[pd.DataFrame], last: np.datetime64) -> pd.DataFrame:
    """What could be known on the last day, in the order of the key."""
    rows = pd.concat(parts, ignore_index=True)
    known = rows[rows["available_at"] <= pd.Timestamp(last)]
    return known.sort_values(list(AS_PUBLISHED_KEY), ignore_index=True)


def _months(days: Days) -> Days:
    """The first days of the months that begin in the window."""
    starts = np.unique(days.astype("datetime64[M]")).astype("datetime64[D]")
    return starts[starts >= days[0]]


def _next_month(months: Days) -> Days:
    return (months.astype("datetime64[M]") + 1).astype("datetime64[D]")
