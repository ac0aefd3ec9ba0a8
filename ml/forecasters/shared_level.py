"""Correlation between the periods of one item, learned from how forecasts came true.

What is not known of an item's level is not known in every period alike. So given the forecasts,
the periods of an item share one normal factor (the one-factor Gaussian copula: Joe 2014,
*Dependence Modeling with Copulas*, section 3.10), and sums spread wider than if each period were
drawn alone. The likelihood of what came true tells how much they share.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from ml.frequency import Frequency
from ml.panel import Floats, Ints

# What is taken for granted before anything is measured. Months were measured on car parts; for
# shorter periods the same shared level is thinner by the ratio of their lengths.
SHARED_LEVEL = {
    Frequency.DAILY: 0.007,
    Frequency.BUSINESS: 0.007,
    Frequency.WEEKLY: 0.05,
    Frequency.MONTHLY: 0.2,
}
LOADINGS = np.arange(0.0, 0.9, 0.05)  # square roots of the correlations that are tried
PRIOR_SPREAD = 0.15  # standard deviation of the loading around that of SHARED_LEVEL
MOST_ITEMS = 1500  # looked at; evenly spaced where there are more
# Items at one date share its surprises: more of them say no more than so many would.
MOST_EVIDENCE = 60
HOPELESS = 20.0  # logs below the best, which weighs nothing
NODES = 31  # of the integral over the factor
TOGETHER = 256  # items whose bounds are found at once


def learn_shared(
    probabilities: Floats, came: Ints, frequency: Frequency, dates: Ints | None = None
) -> float:
    """Correlation between periods, drawn to that of the frequency where little is known.

    Of forecasts (N, H, B) of buckets and the one that came true (N, H), -1 where not known.
    ``dates`` (N,) say when each forecast was made; ``None`` = all at once.
    """
    stride = find_stride(len(came))
    below, above = _bounds(probabilities[::stride], came[::stride])
    useful = (came[::stride] >= 0).sum(axis=1) >= 2
    times = 1 if dates is None else len(np.unique(dates[::stride][useful]))
    prior = -((LOADINGS - np.sqrt(SHARED_LEVEL[frequency])) ** 2) / (2 * PRIOR_SPREAD**2)
    if not useful.any():
        return SHARED_LEVEL[frequency]
    evidence = min(1.0, times * MOST_EVIDENCE / useful.sum())
    score = np.full(len(LOADINGS), -np.inf)
    for place, one in enumerate(LOADINGS):
        score[place] = prior[place] + evidence * _log_likelihood(below[useful], above[useful], one)
        if score[place] < score.max() - HOPELESS:  # larger ones are less likely still
            break
    weight = np.exp(score - score.max())
    return float((LOADINGS @ weight / weight.sum()) ** 2)


def find_stride(count: int) -> int:
    """Every which of so many forecasts is looked at."""
    return -(-count // MOST_ITEMS) or 1


def _bounds(probabilities: Floats, came: Ints) -> tuple[Floats, Floats]:
    """Normal scores between which what came true lies, both (N, H); all of them if not known.

    Some items at a time: what is in between is as large as all probabilities.
    """
    below, above = np.empty(came.shape), np.empty(came.shape)
    for first in range(0, len(came), TOGETHER):
        own = slice(first, first + TOGETHER)
        total = np.cumsum(probabilities[own], axis=2, dtype=np.float64)
        nothing = np.zeros((*came[own].shape, 1))
        total = np.concatenate([nothing, total / total[..., -1:]], axis=2)
        place, known = np.maximum(came[own], 0)[..., None], came[own] >= 0
        for bound, end, otherwise in ((below, 0, 0.0), (above, 1, 1.0)):
            reached = np.take_along_axis(total, place + end, axis=2)[..., 0]
            bound[own] = ndtri(np.where(known, reached, otherwise))
    return below, above


def _log_likelihood(below: Floats, above: Floats, loading: float) -> float:
    """Of items whose scores lie between bounds (N, H), with this loading on their factor."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    own = np.sqrt(1 - loading**2)
    logs = np.zeros((len(below), NODES))
    for low, high in zip(below.T, above.T, strict=True):
        upper = ndtr((high[:, None] - loading * nodes) / own)
        lower = ndtr((low[:, None] - loading * nodes) / own)
        logs += np.log(np.maximum(upper - lower, 1e-12))
    top = logs.max(axis=1, keepdims=True)
    return float(np.sum(np.log(np.exp(logs - top) @ (weights / weights.sum())) + top[:, 0]))
