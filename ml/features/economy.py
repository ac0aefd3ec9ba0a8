"""The national economy: dollar, policy rate, inflation and activity, as far as published."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ml.features.declarations import BY_NAME
from ml.features.known import Known, Observed
from ml.features.months import by_month, compounded, log_growth
from ml.features.windows import carried, change, rolling_deviation

Floats = npt.NDArray[np.float64]
LEAST_QUOTES = 15  # of the 20 to 22 in 30 days
YEAR = 12


def economy_features(known: Known) -> Mapping[str, Floats]:
    """All features of the economy on ``known.days``, each of shape (K,)."""
    days = known.days
    dollar = carried(known.daily("usd_brl"), BY_NAME["usd_brl"].carry)
    log_dollar = np.log(np.where(dollar > 0, dollar, np.nan))
    selic = carried(known.daily("selic"), BY_NAME["selic"].carry)
    ipca = by_month(known.of("ipca"), BY_NAME["ipca"].lag)
    activity = by_month(known.of("ibc_br"), BY_NAME["ibc_br_change_12m"].lag)
    release = BY_NAME["ipca"].carry
    return {
        "usd_brl": dollar,
        "usd_brl_change_30d": change(log_dollar, 30),
        "usd_brl_change_60d": change(log_dollar, 60),
        "usd_brl_volatility_30d": _volatility(known, log_dollar),
        "ipca": ipca.stand(ipca.values, days, release),
        "ipca_12m": ipca.stand(compounded(ipca.values, YEAR), days, release),
        "selic": selic,
        "selic_change_90d": change(selic, 90),
        "ibc_br_change_12m": activity.stand(log_growth(activity.values, YEAR), days, release),
    }


def _volatility(known: Known, log_dollar: Floats) -> Floats:
    """Deviation of the changes from quote to quote within 30 days, as long as quotes come."""
    deviation = rolling_deviation(_changes(known.of("usd_brl"), known), 30, LEAST_QUOTES)
    return np.where(np.isnan(log_dollar), np.nan, deviation)


def _changes(quotes: Observed, known: Known) -> Floats:
    """Log change since the quote before, on the days of the quotes, shape (K,)."""
    changes = np.full(len(known.days), np.nan)
    positive = quotes.values > 0
    days, values = quotes.days[positive], quotes.values[positive]
    if len(days):
        changes[(days[1:] - known.days[0]).astype(np.int64)] = np.diff(np.log(values))
    return changes
