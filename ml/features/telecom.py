"""The 5G roll-out in one state, as the regulator had counted it."""

from collections.abc import Mapping

import numpy as np

from ml.features.declarations import BY_NAME, TELECOM_CARRY
from ml.features.point_in_time import KnownSeries, KnownTable
from ml.features.windows import Monthly, by_month, log_growth, stand, stands_since
from ml.panel import Floats

GROWTH_MONTHS = 3


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
