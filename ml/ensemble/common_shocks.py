"""How far all items of a panel miss their forecasts together: what a total is unsure of.

Items are forecast one by one, and the sum of thousands that know nothing of each other is almost
certain. In truth a strike, a price or a mild winter moves all of them. At each origin of the
backtest the total of all items missed its mean by some share; what is left of its square, once the
items' own variances are taken off, is due to what they have in common. Single periods show shocks
that pass and shocks that stay, the sum over the horizon shows nearly only those that stay; two
equations in two variances (moments of a two-way random effects model: Searle, Casella &
McCulloch 1992, *Variance Components*, chapter 4).

A backtest has two or three origins, each of which is one draw of what stays. So both variances are
drawn to a prior, which counts as much as three, and as the variance of what stays is known from so
few draws, its spread is that of a normal distribution whose 95 % quantile is Student's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from ml.ensemble.mixture import ENSEMBLE
from ml.evaluation.origins import SHARES, BacktestPoints
from ml.panel import Floats

# Standard deviations over the mean before anything was seen: totals of the open panels were missed
# by 1 to 7 % over their horizons.
PRIOR_PERIOD, PRIOR_HORIZON = 0.05, 0.07
PRIOR_ORIGINS = 3.0
SURE = 0.95
LEAST = 0.1  # of a prior variance: nothing in common is never proven


@dataclass(frozen=True, slots=True)
class CommonShocks:
    """Standard deviations over the mean of what all items have in common."""

    period: float  # in one period, and in no other
    horizon: float  # in all periods of the horizon

    def draw(self, n_paths: int, horizon: int, rng: np.random.Generator) -> Floats:
        """Factors (S, H) of mean 1 that multiply the paths of all items, lognormal."""
        passing, staying = np.log1p(self.period**2), np.log1p(self.horizon**2)
        logs = np.sqrt(passing) * rng.standard_normal((n_paths, horizon))
        logs += np.sqrt(staying) * rng.standard_normal((n_paths, 1))
        factors = np.exp(logs)
        return np.asarray(factors / factors.mean(axis=0))


def measure_shocks(backtests: Sequence[BacktestPoints]) -> CommonShocks:
    """Shocks by what the ensemble said at each origin, and what came true."""
    found = [excess for one in backtests if (excess := _measure_excess(one)) is not None]
    passing = staying = 0.0
    if found:
        of_periods, of_sums = np.mean(found, axis=0)
        length = backtests[0].actual.shape[1]
        if length > 1:
            passing = (of_periods - of_sums) / (1 - 1 / length)
        staying = of_sums - passing / length
    draws = len(found) + PRIOR_ORIGINS
    own = len(found) / draws
    return CommonShocks(
        period=_shrink(passing, PRIOR_PERIOD**2, own),
        horizon=_shrink(staying, PRIOR_HORIZON**2, own) * float(stdtrit(draws, SURE) / ndtri(SURE)),
    )


def _shrink(found: float, prior: float, own: float) -> float:
    return float(np.sqrt(max(own * found + (1 - own) * prior, LEAST * prior)))


def _measure_excess(backtest: BacktestPoints) -> tuple[float, float] | None:
    """Squared misses of totals over their means, less what items alone explain.

    Of single periods on average, and of their sum; ``None`` where no period of demand is known.
    """
    place = backtest.models.index(ENSEMBLE)
    points = backtest.points[place].astype(np.float64)
    sums = backtest.cum_points[place][:, 1].astype(np.float64)
    means = backtest.means[place].astype(np.float64)
    usable = np.isfinite(means).all(axis=1)
    known = ~np.isnan(backtest.actual) & usable[:, None]
    misses, expected, chance = (
        np.where(known, values, 0.0).sum(axis=0)
        for values in (np.nan_to_num(backtest.actual) - means, means, _variance(points))
    )
    seen = expected > 0
    whole = known.all(axis=1)
    total = means[whole].sum()
    if not seen.any() or total <= 0:
        return None
    of_periods = (misses[seen] ** 2 - chance[seen]) / expected[seen] ** 2
    miss = np.nan_to_num(backtest.actual)[whole].sum() - total
    of_sum = (miss**2 - _variance(sums)[whole].sum()) / total**2
    return float(of_periods.mean()), float(of_sum)


def _variance(points: Floats) -> Floats:
    """Variance of distributions given by points (..., K) of a backtest."""
    known = np.nan_to_num(points)
    mean = known @ SHARES
    return np.maximum(np.square(known) @ SHARES - mean**2, 0.0)
