"""Synthetic markets, economy and 5G counts, and all outside series as they are published.

Daily log returns are a heavy-tailed draw (Student t) times a volatility whose logarithm is an
autoregression, so that quiet and wild weeks cluster; levels are pulled back weakly to a mean.
"""

import numpy as np
import pandas as pd
from scipy.special import expit

from ml.contracts.outside import AS_PUBLISHED_KEY
from ml.features.holiday_calendar import (
    CARNIVAL_BEFORE_EASTER,
    DECEMBER,
    GOOD_FRIDAY_BEFORE_EASTER,
    day_of_month,
    good_fridays,
    month_of,
)
from pipelines.sample_data.streams import PARAMETERS, Days, Floats, autoregressive, stream

SOURCE = "synthetic_sample"
DEGREES_OF_FREEDOM = 5.0
VOLATILITY_PERSISTENCE, VOLATILITY_SPREAD = 0.975, 0.45
PULL = 0.004  # share of the distance to the mean level that a day closes
LEVELS = {"brent": 78.0, "usd_brl": 5.30, "petr4": 36.0}
VOLATILITIES = {"brent": 0.019, "usd_brl": 0.0085, "petr4": 0.014}  # a day
DECIMALS = {"brent": 2, "usd_brl": 4, "petr4": 2}
BRENT_SHARE = 0.55  # of Brent's log level in PETR4's
DOLLAR_DAYS = 60
EXPOSED_DAYS = (20, 120)  # of the exposures: within the forecast, and beyond it
CHRISTMAS = 25
COPOM_DAYS = 45  # between two decisions on the Selic
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
MIDDLE = 2.0  # scales from the start of a ramp to its middle
STATE_SCALE = 330.0  # a whole state takes longer than one town [days]
ACCESSES_DAYS, RESTATED_DAYS, RESTATED_NOISE = 48, 79, 0.004  # after the month's end


def draw_markets(days: Days, seed: int) -> dict[str, Floats]:
    """Dollar, Brent and PETR4 on the business days among ``days``, each of shape (B,)."""
    count = int(np.is_busday(days).sum())
    levels = {}
    log_brent = np.zeros(count)
    for name in ("brent", "usd_brl", "petr4"):
        distance = _draw_distance(VOLATILITIES[name], count, stream(seed, name))
        share = BRENT_SHARE if name == "petr4" else 0.0
        levels[name] = LEVELS[name] * np.exp(distance + share * log_brent)
        if name == "brent":
            log_brent = np.log(levels[name] / LEVELS[name])
    return {name: levels[name].round(DECIMALS[name]) for name in levels}


def _draw_distance(volatility: float, days: int, rng: np.random.Generator) -> Floats:
    """Log distance of a market from its mean level on consecutive business days, (days,)."""
    innovations = rng.standard_normal(days)
    log_volatility = VOLATILITY_SPREAD * autoregressive(innovations, VOLATILITY_PERSISTENCE)
    unit = rng.standard_t(DEGREES_OF_FREEDOM, days) * np.sqrt(1 - 2 / DEGREES_OF_FREEDOM)
    returns = volatility * np.exp(log_volatility) * unit
    own = np.empty(days)
    distance = 0.0
    for t, step in enumerate(returns):
        distance = distance * (1 - PULL) + step
        own[t] = distance
    return own


def dollar_rise(dollar: Floats, days: Days) -> Floats:
    """Rise of log USD/BRL over 60 days, in units of 5 %, 0 where it fell, shape (T - 60,)."""
    filled = dollar[np.maximum(np.cumsum(np.is_busday(days)) - 1, 0)]
    change = np.log(filled[DOLLAR_DAYS:] / filled[:-DOLLAR_DAYS])
    return np.maximum(change / 0.05, 0.0)


def price_table(days: Days, levels: dict[str, Floats]) -> pd.DataFrame:
    """The prices file as a user brings it: one line a series and session of its exchange."""
    business = days[np.is_busday(days)]
    fridays = good_fridays(business)
    closed = np.isin(business, fridays)
    closed |= (month_of(business) == 1) & (day_of_month(business) == 1)
    closed |= (month_of(business) == DECEMBER) & (day_of_month(business) == CHRISTMAS)
    monday = fridays - (CARNIVAL_BEFORE_EASTER - GOOD_FRIDAY_BEFORE_EASTER)
    carnival = np.isin(business, np.concatenate([monday, monday + 1]))  # B3 alone
    parts = []
    for series, unit, currency in (("Brent", "USD/bbl", "USD"), ("PETR4", "BRL", "BRL")):
        is_open = ~(closed | carnival) if series == "PETR4" else ~closed
        columns = {
            "Date": np.datetime_as_string(business[is_open]),
            "series": series,
            "Price": levels[series.lower()][-len(business) :][is_open],
            "unit": unit,
            "currency": currency,
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def exposure_table(prices: pd.DataFrame) -> pd.DataFrame:
    """The file of exposures: fuel of generators, paid at the price of oil soon and too far ahead.

    A supplier offers a fixed price a little above the last one.
    """
    brent = prices[prices["series"] == "Brent"]
    last, price = np.datetime64(brent["Date"].iloc[-1]), brent["Price"].iloc[-1]
    due = np.datetime_as_string(last + np.array(EXPOSED_DAYS))
    return pd.DataFrame(
        {
            "series": "Brent",
            "exposure_id": [f"generators-{day[:7]}" for day in due],
            "volume": 400,
            "due_date": due,
            "hedged_share": 0.25,
            "currency": "USD",
            "budget_price": round(0.98 * price, 2),
            "fixed_quote": round(1.02 * price, 2),
            "supplier": "Supplier FUEL",
        }
    )


def climate_table(cities: dict[str, dict[str, Floats]], days: Days, seed: int) -> pd.DataFrame:
    """Weather of all cities: a preliminary value after one day, the final one after six."""
    rng = stream(seed, "climate first look")
    parts = []
    for city, series in cities.items():
        for name, values in series.items():
            unit = CLIMATE_UNITS[name]
            noise = 1 + FIRST_LOOK_NOISE * rng.standard_normal(len(values))
            first = np.minimum((values * noise).round(1), 100.0 if unit == "%" else np.inf)
            about = (name, city, unit)
            parts.append(_rows(about, days, first, days + FIRST_LOOK_DAYS, preliminary=True))
            parts.append(_rows(about, days, values, days + FINAL_DAYS))
    return _publish(parts, days[-1])


def economic_table(dollar: Floats, days: Days, seed: int) -> pd.DataFrame:
    """USD/BRL on business days, the Selic target every day, the IPCA once a month.

    The target [% a year] moves in steps of .25, the IPCA is a change [% a month].
    """
    business, months = days[np.is_busday(days)], _months(days)
    steps = [-0.5, -0.25, 0.0, 0.0, 0.25, 0.5]
    decisions = stream(seed, "selic").choice(steps, len(days) // COPOM_DAYS + 1)
    selic = np.repeat(np.clip(12.0 + np.cumsum(decisions), 6.0, 16.0), COPOM_DAYS)[: len(days)]
    wave = autoregressive(stream(seed, "ipca").standard_normal(len(months)), 0.5)
    ipca = (0.38 + 0.25 * wave).round(2)
    parts = [
        _rows(("usd_brl", None, "BRL/USD"), business, dollar, business),
        _rows(("selic", None, "% a year"), days, selic, days),
        _rows(("ipca", None, "% a month"), months, ipca, _next_month(months) + IPCA_DAY),
    ]
    return _publish(parts, days[-1])


def anatel_table(days: Days, seed: int) -> pd.DataFrame:
    """5G accesses by state and month, seven weeks late, restated once a month later."""
    months = _months(days)
    end = _next_month(months)
    true_count, first_count = stream(seed, "5G states"), stream(seed, "5G first count")
    parts = []
    for state in PARAMETERS["states"]:
        age = (months - np.datetime64(state["ramp_start"])).astype(float) + 30
        ramp = expit((age - MIDDLE * STATE_SCALE) / STATE_SCALE)
        noise = np.exp(true_count.normal(0, 0.01, len(months)))
        accesses = np.maximum.accumulate(state["accesses"] * ramp * noise).round()
        short = np.abs(first_count.normal(0, RESTATED_NOISE, len(months)))
        first = (accesses * (1 - short)).round()
        about = ("fiveg_accesses", state["name"], "accesses")
        parts.append(_rows(about, months, first, end + ACCESSES_DAYS, preliminary=True))
        parts.append(_rows(about, months, accesses, end + RESTATED_DAYS))
    return _publish(parts, days[-1])


def _rows(
    about: tuple[str, str | None, str],
    ref: Days,
    values: Floats,
    available: Days,
    *,
    preliminary: bool = False,
) -> pd.DataFrame:
    """Rows as published of one series: its name, region and unit, and what differs by day."""
    series, region, unit = about
    columns = {
        "series": series,
        "region": pd.Series([region] * len(ref), dtype=object),
        "ref_date": ref.astype("datetime64[us]"),
        "available_at": available.astype("datetime64[us]"),
        "value": values,
        "unit": unit,
        "source": SOURCE,
        "preliminary": preliminary,
        "estimated": False,
    }
    return pd.DataFrame(columns)


def _publish(parts: list[pd.DataFrame], last: np.datetime64) -> pd.DataFrame:
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
