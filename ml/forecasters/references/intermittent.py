"""TSB, SBA and ADIDA: smoothed means of intermittent demand, with a count distribution.

Sources: Teunter, Syntetos & Babai (2011), EJOR 214 (TSB); Syntetos & Boylan (2005), IJF 21 (SBA);
Nikolopoulos et al. (2011), JORS 62 (ADIDA). The methods give means only; the distribution around
them is negative binomial with the variance of the recent past, and each path has its own level.
"""

import numpy as np

from ml.forecasters.base import Series
from ml.forecasters.references.sampling import (
    ALPHA,
    PathRequest,
    draw_demand,
    observed,
    recent,
    vary_levels,
)
from ml.seeds import latin_uniforms


def tsb_mean(demand: Series, alpha: float, beta: float) -> float:
    """Mean demand a period by TSB: probability and size, the former updated every period.

    >>> tsb_mean(np.array([0.0, 4.0, 0.0, 0.0]), 0.5, 0.5)  # p: .25, .125, .5625, .28125, .140625
    0.5625
    """
    probability = float(np.mean(demand > 0))
    size = float(np.mean(demand[demand > 0])) if probability else 0.0
    for y in demand.tolist():
        if y > 0:
            probability += beta * (1 - probability)
            size += alpha * (y - size)
        else:
            probability -= beta * probability
    return probability * size


def sba_mean(demand: Series, alpha: float) -> float:
    """Mean demand a period by Croston's method with the Syntetos-Boylan correction.

    >>> sba_mean(np.array([0.0, 2.0, 0.0, 2.0]), 0.1)  # size 2, interval 2: 0.95 * 2 / 2
    0.95
    """
    when = np.flatnonzero(demand > 0)
    if not len(when):
        return 0.0
    size, interval = float(demand[when[0]]), float(when[0] + 1)
    for gap, y in zip(np.diff(when).tolist(), demand[when[1:]].tolist(), strict=True):
        size += alpha * (y - size)
        interval += alpha * (gap - interval)
    return (1 - alpha / 2) * size / interval


def adida_mean(demand: Series, alpha: float) -> float:
    """Mean demand a period by smoothing sums over buckets as long as the mean interval.

    >>> adida_mean(np.array([0.0, 2.0, 0.0, 2.0]), 0.1)  # two buckets of 2 periods, 2 units each
    1.0
    """
    events = int(np.sum(demand > 0))
    if not events:
        return 0.0
    length = max(1, round(len(demand) / events))
    whole = len(demand) // length * length
    if not whole:
        return float(np.mean(demand))
    sums = demand[-whole:].reshape(-1, length).sum(axis=1)
    level = float(sums[0])
    for total in sums[1:].tolist():
        level += alpha * (total - level)
    return level / length


def tsb(values: Series, request: PathRequest) -> Series:
    """TSB with a count distribution."""
    alpha = ALPHA[request.frequency]
    return _draw_around(tsb_mean(observed(values), alpha, alpha), values, request)


def sba(values: Series, request: PathRequest) -> Series:
    """SBA with a count distribution."""
    return _draw_around(sba_mean(observed(values), ALPHA[request.frequency]), values, request)


def adida(values: Series, request: PathRequest) -> Series:
    """ADIDA with a count distribution."""
    return _draw_around(adida_mean(observed(values), ALPHA[request.frequency]), values, request)


def _draw_around(mean: float, values: Series, request: PathRequest) -> Series:
    window = recent(values, request.frequency, times=4 / 3)
    variance = float(np.var(window, ddof=1)) if len(window) > 1 else mean
    uniforms = latin_uniforms(request.rng, *request.shape)
    drawn = draw_demand(mean, variance, uniforms, counts=request.is_count)
    return vary_levels(drawn, mean, variance, request)
