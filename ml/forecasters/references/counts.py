"""Draws of a quantity with a given mean and variance: counts, or continuous where not whole."""

import numpy as np
from scipy import stats

from ml.forecasters.references.history import Series

WILD = 1_000.0  # beyond it one accident rules the variance, and a table of counts has no end
LARGE = 2_000.0  # above this mean a rounded gamma is the same as a negative binomial


def draw_demand(mean: float, variance: float, uniforms: Series, *, counts: bool) -> Series:
    """Demand with this mean and variance at the given positions in (0, 1) of its distribution.

    Counts are negative binomial where the variance exceeds the mean, else Poisson; other
    quantities are gamma. A negative binomial with mean m and variance v has n = m²/(v-m) and
    p = m/v.

    Args:
        mean: Mean demand of a period [units], >= 0.
        variance: Its variance [units²], >= 0.
        uniforms: Any shape.
        counts: Whether the item is demanded in whole units.
    """
    if mean <= 0:
        return np.zeros_like(uniforms)
    if not counts or mean > LARGE or variance > WILD * mean:
        spread = max(variance, 1e-12 * mean**2)
        return stats.gamma.ppf(uniforms, mean**2 / spread, scale=spread / mean)
    if variance > mean * 1.001:
        law = stats.nbinom(mean**2 / (variance - mean), mean / variance)
    else:
        law = stats.poisson(mean)
    top = int(law.ppf(1 - 1e-7)) + 1
    cumulative = law.cdf(np.arange(top + 1))
    return np.searchsorted(cumulative, uniforms).astype(np.float64)
