"""Quoted prices by session: returns and volatility. A price may be negative (WTI once was)."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ml.features.declarations import BY_NAME
from ml.features.known import Known, Observed
from ml.features.windows import carried, rolling_deviation

Floats = npt.NDArray[np.float64]
RETURN_SESSIONS, VOLATILITY_SESSIONS = 20, 60
LONGEST = 2.0  # days a session, on average, of what still counts as daily quotes
QUOTES = {"brent": "Brent", "petr4": "PETR4", "usd_brl": "USD/BRL"}


def price_features(known: Known) -> Mapping[str, Floats]:
    """All features of prices on ``known.days``, each of shape (K,)."""
    features = {}
    for prefix, series in QUOTES.items():
        quotes = _quotes(known, series)
        for name, values in (
            (f"{prefix}_return_{RETURN_SESSIONS}d", returns(quotes, RETURN_SESSIONS)),
            (f"{prefix}_volatility_{VOLATILITY_SESSIONS}d", _volatility(quotes)),
        ):
            if name in BY_NAME:
                features[name] = _on_days(values, quotes, known, BY_NAME[name].carry)
    return features


def returns(quotes: Observed, sessions: int) -> Floats:
    """Return over so many sessions on each day of a quote, shape (n,).

    The log of the ratio where both prices are positive; else the difference over the median
    size of all known prices, which a log return resembles near that size. NaN where the
    sessions span more than ``LONGEST`` days each: a hole, or prices by the week or month.
    """
    found = np.full(len(quotes.values), np.nan)
    now, before = quotes.values[sessions:], quotes.values[:-sessions]
    if not len(now):
        return found
    positive = (now > 0) & (before > 0)
    ratio = np.divide(now, before, out=np.ones_like(now), where=positive)
    scale = float(np.median(np.abs(quotes.values))) or 1.0
    found[sessions:] = np.where(positive, np.log(ratio), (now - before) / scale)
    span = (quotes.days[sessions:] - quotes.days[:-sessions]).astype(np.float64)
    found[sessions:][span > max(LONGEST * sessions, 7.0)] = np.nan
    return found


def _volatility(quotes: Observed) -> Floats:
    least = int(0.8 * VOLATILITY_SESSIONS)
    return rolling_deviation(returns(quotes, 1), VOLATILITY_SESSIONS, least)


def _quotes(known: Known, series: str) -> Observed:
    """A series by its name, in another case where the user's file writes it so."""
    same = [name for name in sorted(known.series) if name.casefold() == series.casefold()]
    return known.of(series if series in same or not same else same[0])


def _on_days(values: Floats, quotes: Observed, known: Known, carry: int) -> Floats:
    on_days = np.full(len(known.days), np.nan)
    if len(quotes.days):
        on_days[(quotes.days - known.days[0]).astype(np.int64)] = values
    return carried(on_days, carry)
