"""The national economy as far as published, quoted prices by session, and the 5G roll-out.

Prices give returns and volatility. A price may be negative (WTI once was).
"""

from collections.abc import Mapping

import numpy as np

from ml.features.declarations import BY_NAME, TELECOM_CARRY
from ml.features.point_in_time import KnownSeries, KnownTable
from ml.features.windows import (
    Monthly,
    by_month,
    carry,
    change,
    compound,
    log_growth,
    rolling_deviation,
    stand,
    stands_since,
)
from ml.panel import Floats

LEAST_QUOTES = 15  # of the 20 to 22 in 30 days
YEAR = 12
RETURN_SESSIONS, VOLATILITY_SESSIONS = 20, 60
LEAST_RETURNS = 48  # of 60
LONGEST = 2.0  # days a session, on average, of what still counts as daily quotes
GROWTH_MONTHS = 3  # of 5G accesses
QUOTES = {"brent": "Brent", "petr4": "PETR4", "usd_brl": "USD/BRL"}


def economy_features(known: KnownTable) -> Mapping[str, Floats]:
    """All features of the economy on ``known.days``, each of shape (K,)."""
    days = known.days
    dollar = carry(known.daily("usd_brl"), BY_NAME["usd_brl"].carry)
    log_dollar = np.log(np.where(dollar > 0, dollar, np.nan))
    selic = carry(known.daily("selic"), BY_NAME["selic"].carry)
    ipca = by_month(known.of("ipca"), BY_NAME["ipca"].lag)
    activity = by_month(known.of("ibc_br"), BY_NAME["ibc_br_change_12m"].lag)
    growth = log_growth(activity.values, YEAR)
    release = BY_NAME["ipca"].carry
    quotes = known.of("usd_brl")
    positive = quotes.values > 0
    steps = np.diff(np.log(quotes.values[positive]))
    volatility = rolling_deviation(
        known.on_days(quotes.days[positive][1:], steps), 30, LEAST_QUOTES
    )
    return {
        "usd_brl": dollar,
        "usd_brl_change_30d": change(log_dollar, 30),
        "usd_brl_change_60d": change(log_dollar, 60),
        "usd_brl_volatility_30d": np.where(np.isnan(log_dollar), np.nan, volatility),
        "ipca": stand(ipca.values, ipca.since, days, release),
        "ipca_12m": stand(compound(ipca.values, YEAR), ipca.since, days, release),
        "selic": selic,
        "selic_change_90d": change(selic, 90),
        "ibc_br_change_12m": stand(growth, activity.since, days, release),
    }


def price_features(known: KnownTable) -> Mapping[str, Floats]:
    """All features of prices on ``known.days``, each of shape (K,)."""
    features = {}
    for prefix, series in QUOTES.items():
        # The name may be in another case where the user's file writes it so.
        same = [name for name in sorted(known.series) if name.casefold() == series.casefold()]
        quotes = known.of(series if series in same or not same else same[0])
        daily = returns(quotes, 1)
        for name, values in (
            (f"{prefix}_return_{RETURN_SESSIONS}d", returns(quotes, RETURN_SESSIONS)),
            (
                f"{prefix}_volatility_{VOLATILITY_SESSIONS}d",
                rolling_deviation(daily, VOLATILITY_SESSIONS, LEAST_RETURNS),
            ),
        ):
            if name in BY_NAME:
                features[name] = carry(known.on_days(quotes.days, values), BY_NAME[name].carry)
    return features


def returns(quotes: KnownSeries, sessions: int) -> Floats:
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


def telecom_features(known: KnownTable) -> Mapping[str, Floats]:
    """All features of the roll-out on ``known.days``, each of shape (K,)."""
    lag = BY_NAME["fiveg_accesses"].lag
    everyone = by_month(known.of("mobile_accesses"), lag)
    fiveg = by_month(_from_zero(known), lag)
    stations = known.of("fiveg_stations")
    since = stands_since(stations, BY_NAME["fiveg_stations"].lag)
    monthly = {
        "fiveg_accesses": fiveg.values,
        "fiveg_growth_90d": log_growth(fiveg.values, GROWTH_MONTHS),
        "fiveg_share": _share(fiveg, everyone),
        "fiveg_adoption": adoption(fiveg.values),
    }
    features = {
        name: stand(x, fiveg.since, known.days, TELECOM_CARRY) for name, x in monthly.items()
    }
    features["fiveg_stations"] = stand(stations.values, since, known.days, TELECOM_CARRY)
    return features


def adoption(accesses: Floats) -> Floats:
    """Most accesses up to each month over the most of all months, shape (M,), in [0, 1].

    It never falls, whatever a restated count does; 0 throughout where there are none at all.
    """
    most = np.fmax.accumulate(accesses) if len(accesses) else accesses
    top = most[-1] if len(most) else 0.0
    share = most / top if top > 0 else 0.0 * most
    return np.where(np.isnan(accesses), np.nan, share)


def _from_zero(known: KnownTable) -> KnownSeries:
    """5G accesses, 0 in the months before their first of which the total of all is known."""
    fiveg, everyone = known.of("fiveg_accesses"), known.of("mobile_accesses")
    if not len(fiveg.days):
        return fiveg
    early = everyone.days < fiveg.days[0]
    return KnownSeries(
        np.concatenate([everyone.days[early], fiveg.days]),
        np.concatenate([np.zeros(early.sum()), fiveg.values]),
        np.concatenate([everyone.since[early], fiveg.since]),
    )


def _share(fiveg: Monthly, everyone: Monthly) -> Floats:
    """5G over all generations in the months of ``fiveg``, NaN where a count is missing."""
    total = np.full(len(fiveg.months), np.nan)
    both = np.isin(everyone.months, fiveg.months)
    total[np.isin(fiveg.months, everyone.months)] = everyone.values[both]
    return fiveg.values / np.where(total > 0, total, np.nan)
