"""Regressors of the families with one model a series, out of the panel's drivers.

One series of mostly zeros cannot tell a dozen drivers apart; its class can. So each group enters
as one regressor, shaped by the class, and the series only says how much of it applies.
"""

import numpy as np
import numpy.typing as npt

from ml.panel import Panel

Floats = npt.NDArray[np.float64]
MOST_LOG = 2.0  # a group never multiplies a rate by more than e to this
SPREAD = 0.5  # prior standard deviation of how much applies to a series; its mean is 1


def group_terms(panel: Panel, horizon: int) -> dict[str, Floats]:
    """Relative effect of each group that moves the one series of a panel, (T + H,) each.

    Demand: factor of the rate minus 1. Prices: expected rise in volatilities.
    """
    if panel.drivers is None:
        return {}
    index = panel.drivers.index(0, horizon)
    terms = index if panel.drivers.changes else np.expm1(np.clip(index, -MOST_LOG, MOST_LOG))
    return {
        group: terms[:, place]
        for place, group in enumerate(panel.drivers.groups)
        if np.ptp(terms[: len(panel.periods), place]) > 0
    }


def coefficients(values: Floats, terms: Floats, unit: float) -> Floats:
    """How much of each term a series shows, in its own units, shrunk to ``unit``, (G,).

    Bayesian linear regression with a normal prior around ``unit`` and the series' own variance
    as noise (Bishop 2006, eq. 3.53).

    Args:
        values: (T,) one series, NaN = not observed.
        terms: (T, G).
        unit: What one unit of a term is worth if the class is right: the level of demand, the
            volatility of a price.
    """
    seen = ~np.isnan(values)
    centred = terms[seen] - terms[seen].mean(axis=0)
    rest = values[seen] - values[seen].mean() - centred @ np.full(terms.shape[1], unit)
    penalty = max(float(rest.var()), 1e-12) / max((SPREAD * unit) ** 2, 1e-12)
    gram = centred.T @ centred + penalty * np.eye(terms.shape[1])
    return unit + np.asarray(np.linalg.solve(gram, centred.T @ rest))
