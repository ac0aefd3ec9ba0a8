"""Synthetic markets and economy: dollar, Brent-like, PETR4-like, Selic, IPCA.

Daily log returns are a heavy-tailed draw (Student t) times a volatility whose logarithm is an
autoregression, so that quiet and wild weeks cluster; levels are pulled back weakly to a mean.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.business_calendar import (
    CARNIVAL_BEFORE_GOOD_FRIDAY,
    DECEMBER,
    good_fridays,
)
from pipelines.sample_data.streams import (
    Bools,
    Days,
    Floats,
    autoregressive,
    day_of_month,
    month_of,
    stream,
)

DEGREES_OF_FREEDOM = 5.0
VOLATILITY_PERSISTENCE, VOLATILITY_SPREAD = 0.975, 0.45
PULL = 0.004  # share of the distance to the mean level that a day closes
DOLLAR_DAYS = 60
CHRISTMAS = 25
COPOM_DAYS = 45  # between two decisions on the Selic


@dataclass(frozen=True, slots=True)
class Market:
    """A price: its mean level, daily volatility, and what it takes from Brent's return."""

    level: float
    volatility: float
    brent_share: float = 0.0


DOLLAR = Market(5.30, 0.0085)
BRENT = Market(78.0, 0.019)
PETR4 = Market(36.0, 0.014, brent_share=0.55)


def market_level(market: Market, days: int, rng: np.random.Generator, brent: Floats) -> Floats:
    """Level of a market on consecutive business days, shape (T,).

    Args:
        market: What to simulate.
        days: T.
        rng: Stream of the market.
        brent: Brent's log levels, shape (T,), of which ``brent_share`` enters.
    """
    log_volatility = VOLATILITY_SPREAD * autoregressive(
        rng.standard_normal(days), VOLATILITY_PERSISTENCE
    )
    unit = rng.standard_t(DEGREES_OF_FREEDOM, days) * np.sqrt(1 - 2 / DEGREES_OF_FREEDOM)
    returns = market.volatility * np.exp(log_volatility) * unit
    own = np.empty(days)
    distance = 0.0
    for t, step in enumerate(returns):
        distance = distance * (1 - PULL) + step
        own[t] = distance
    return market.level * np.exp(own + market.brent_share * brent)


def markets(days: Days, seed: int) -> dict[str, Floats]:
    """Dollar, Brent and PETR4 on the business days among ``days``, each of shape (B,)."""
    count = int(np.is_busday(days).sum())
    none = np.zeros(count)
    brent = market_level(BRENT, count, stream(seed, "brent"), none)
    log_brent = np.log(brent / BRENT.level)
    return {
        "usd_brl": market_level(DOLLAR, count, stream(seed, "usd_brl"), none).round(4),
        "brent": brent.round(2),
        "petr4": market_level(PETR4, count, stream(seed, "petr4"), log_brent).round(2),
    }


def dollar_rise(dollar: Floats, days: Days) -> Floats:
    """Rise of log USD/BRL over 60 days, in units of 5 %, 0 where it fell, shape (T - 60,)."""
    filled = dollar[np.maximum(np.cumsum(np.is_busday(days)) - 1, 0)]
    change = np.log(filled[DOLLAR_DAYS:] / filled[:-DOLLAR_DAYS])
    return np.maximum(change / 0.05, 0.0)


def selic_target(days: Days, seed: int) -> Floats:
    """Policy rate on each day, weekends too, in steps of .25 [% a year], shape (T,)."""
    rng = stream(seed, "selic")
    decisions = len(days) // COPOM_DAYS + 1
    steps = rng.choice([-0.5, -0.25, 0.0, 0.0, 0.25, 0.5], decisions)
    path = np.clip(12.0 + np.cumsum(steps), 6.0, 16.0)
    return np.repeat(path, COPOM_DAYS)[: len(days)]


def ipca_changes(months: int, seed: int) -> Floats:
    """Monthly change of consumer prices [% a month], shape (M,)."""
    wave = autoregressive(stream(seed, "ipca").standard_normal(months), 0.5)
    return (0.38 + 0.25 * wave).round(2)


def price_table(days: Days, levels: dict[str, Floats]) -> pd.DataFrame:
    """The prices file as a user brings it: one line a series and session of its exchange."""
    business = days[np.is_busday(days)]
    parts = []
    for series, key, unit, currency in (
        ("Brent", "brent", "USD/bbl", "USD"),
        ("PETR4", "petr4", "BRL", "BRL"),
    ):
        open_days = ~_closed(business, carnival=series == "PETR4")
        columns = {
            "Date": np.datetime_as_string(business[open_days]),
            "series": series,
            "Price": levels[key][-len(business) :][open_days],
            "unit": unit,
            "currency": currency,
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _closed(business: Days, *, carnival: bool) -> Bools:
    """Christmas, New Year and Good Friday; for B3 also Carnival Monday and Tuesday."""
    fridays = good_fridays(business)
    closed = np.isin(business, fridays)
    closed |= (month_of(business) == 1) & (day_of_month(business) == 1)
    closed |= (month_of(business) == DECEMBER) & (day_of_month(business) == CHRISTMAS)
    if carnival:
        monday = fridays - CARNIVAL_BEFORE_GOOD_FRIDAY
        closed |= np.isin(business, np.concatenate([monday, monday + 1]))
    return closed
