"""Regressors of the families with one model a series: outside drivers and the season.

One series of mostly zeros cannot tell a dozen drivers apart; its class can. So each group enters
as one regressor, shaped by the class, and the series only says how much of it applies. The season
enters as Fourier terms, kept only where they pay.
"""

import numpy as np

from ml.frequency import Frequency
from ml.panel import Floats, Ints, Panel

MOST_LOG = 2.0  # a group never multiplies a rate by more than e to this
SPREAD = 0.5  # prior standard deviation of how much applies to a series; its mean is 1
HARMONICS = {
    Frequency.DAILY: 3,  # of 7: the full weekday pattern
    Frequency.BUSINESS: 0,
    Frequency.WEEKLY: 2,
    Frequency.MONTHLY: 2,
}


def group_terms(panel: Panel, horizon: int) -> dict[str, Floats]:
    """Relative effect of each group that moves the one series of a panel, (T + H,) each.

    Demand: factor of the rate minus 1. Prices: expected rise in volatilities.
    """
    if panel.drivers is None:
        return {}
    index = panel.drivers.contribution_to(0, horizon)
    terms = index if panel.drivers.changes else np.expm1(np.clip(index, -MOST_LOG, MOST_LOG))
    return {
        group: terms[:, place]
        for place, group in enumerate(panel.drivers.groups)
        if np.ptp(terms[: len(panel.periods), place]) > 0
    }


def fit_coefficients(values: Floats, terms: Floats, unit: float) -> Floats:
    """How much of each term a series shows, in its own units, shrunk to ``unit``, (G,).

    Bayesian linear regression with a normal prior around ``unit`` and the series' own variance
    as noise (Bishop 2006, eq. 3.53). Of values (T,), NaN = not observed, and terms (T, G); ``unit``
    is what one of a term is worth if the class is right: the level of demand, the volatility of a
    price.
    """
    seen = ~np.isnan(values)
    centred = terms[seen] - terms[seen].mean(axis=0)
    rest = values[seen] - values[seen].mean() - centred @ np.full(terms.shape[1], unit)
    penalty = max(float(rest.var()), 1e-12) / max((SPREAD * unit) ** 2, 1e-12)
    gram = centred.T @ centred + penalty * np.eye(terms.shape[1])
    return unit + np.asarray(np.linalg.solve(gram, centred.T @ rest))


def fourier_terms(steps: Ints, frequency: Frequency) -> Floats:
    """Sines and cosines of the season at these positions of the panel, shape (len(steps), 2K)."""
    angles = 2 * np.pi * steps[:, None] / frequency.season_length
    orders = np.arange(1, HARMONICS[frequency] + 1)
    return np.hstack([np.sin(angles * orders), np.cos(angles * orders)])


def fit_season(values: Floats, first: int, frequency: Frequency) -> Floats:
    """Coefficients of :func:`fourier_terms`, all zero where the season does not pay.

    It pays where the small-sample Akaike criterion (AICc) of a mean with Fourier terms is below
    that of a mean alone, and two seasons have been observed. ``first`` is the position in the panel
    of the values (T,), NaN = not observed.
    """
    terms = fourier_terms(np.arange(first, first + len(values)), frequency)
    seen = ~np.isnan(values)
    n, k = int(seen.sum()), terms.shape[1]
    none = np.zeros(k)
    if k == 0 or n < max(2 * frequency.season_length, k + 4):
        return none
    design = np.column_stack([np.ones(n), terms[seen]])
    fitted, *_ = np.linalg.lstsq(design, values[seen], rcond=None)
    rest = values[seen] - design @ fitted
    plain = values[seen] - values[seen].mean()
    if _aicc(rest, k + 2) < _aicc(plain, 2):
        return np.asarray(fitted[1:], np.float64)
    return none


def _aicc(errors: Floats, parameters: int) -> float:
    n = len(errors)
    variance = max(float(np.mean(errors**2)), 1e-300)
    penalty = 2 * parameters * n / (n - parameters - 1)
    return n * float(np.log(variance)) + penalty
