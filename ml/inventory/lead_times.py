"""The random lead time, and how many periods of forecast a policy needs because of it."""

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from scipy.special import gammaincinv

from ml.frequency import Frequency
from ml.inventory.policies import ItemPolicy
from ml.panel import Floats
from ml.settings import PolicySettings

LEAD_TIME_LEVEL = 0.99  # of the lead time that the forecast has to reach
_ROUNDING = 1e-9  # periods: (7.0 + 1.4) / 1.4 is 6.000000000000001 and not seven periods


def lead_time_quantile(policy: ItemPolicy, level: float) -> float:
    """Quantile of the lead time [days]: gamma of the policy's mean and std, constant at std 0."""
    mean, std = policy.lead_time_days_mean, policy.lead_time_days_std
    if std == 0.0:
        return mean
    shape = (mean / std) ** 2
    return float(gammaincinv(shape, level)) * mean / shape


def protection_periods(policy: ItemPolicy, frequency: Frequency) -> int:
    """Periods of forecast that the policy needs: review period plus 99 % quantile of lead time.

    >>> fixed = ItemPolicy("A", 14, 0, 7, 0.95)
    >>> protection_periods(fixed, Frequency.WEEKLY), protection_periods(fixed, Frequency.DAILY)
    (3, 21)
    """
    days = policy.review_period_days + lead_time_quantile(policy, LEAD_TIME_LEVEL)
    return max(1, math.ceil(days / frequency.days - _ROUNDING))


def longest_protection(
    policies: Iterable[ItemPolicy], frequency: Frequency, settings: PolicySettings
) -> int:
    """Periods to forecast so that every item below ``max_protection_days`` has its interval.

    An item that needs more gets a row without quantities; it does not lengthen the others' work.
    """
    limit = math.floor(settings.max_protection_days / frequency.days)
    needed = (protection_periods(policy, frequency) for policy in policies)
    return max((periods for periods in needed if periods <= limit), default=1)


def draw_lead_times(
    policy: ItemPolicy, n_paths: int, rng: np.random.Generator, *, longest: float
) -> Floats:
    """One lead time a path, shape (n_paths,) [days].

    The draws are the mid-quantiles of ``n_paths`` equal strata in random order: the distribution
    is met almost exactly however few the paths, and equal seeds give the same ranks to every
    mean, so that a longer lead time is longer on each path.

    Args:
        policy: Mean and standard deviation; std 0 = constant.
        n_paths: S, number of paths.
        rng: Source of the order.
        longest: Draws are clipped here [days], the end of the forecast. By the choice of
            :func:`protection_periods` that touches no more than the last 1 % of them.
    """
    order = rng.permutation(n_paths)  # drawn in any case, so that later draws stay the same
    mean, std = policy.lead_time_days_mean, policy.lead_time_days_std
    if std == 0.0:
        return np.full(n_paths, min(mean, longest))
    return np.minimum(_strata((mean / std) ** 2, n_paths)[order] * mean, longest)


@lru_cache(maxsize=256)
def _strata(shape: float, n_paths: int) -> Floats:
    levels = (np.arange(n_paths) + 0.5) / n_paths
    return gammaincinv(shape, levels) / shape
