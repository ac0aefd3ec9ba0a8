"""Cumulative demand of models that say something of single periods only.

What periods share is not said, so both ends are tried: periods drawn independently, and all of them
at one and the same level. The one that does better is a model's, with the answer in view, which is
to its favour.
"""

from dataclasses import replace

import numpy as np

from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.measures import item_losses, tail_loss
from benchmarks.accuracy.predictions import LEVELS, SUM_LEVELS, Prediction
from ml.panel import Floats
from ml.seeds import generator

DRAWS = 500


def with_sums(case: Case, prediction: Prediction) -> Prediction:
    """The prediction with the better of both ways to add its periods up."""
    if prediction.sums is not None:
        return prediction
    rules = (independent, together)
    tried = [replace(prediction, sums=rule(prediction, case.sums)) for rule in rules]
    return min(tried, key=lambda one: tail_loss(item_losses(case, one)))


def together(prediction: Prediction, periods: tuple[int, int]) -> Floats:
    """Quantiles (N, 2, C) of sums whose periods are all at the same level."""
    places = [LEVELS.index(level) for level in SUM_LEVELS]
    sums = np.cumsum(prediction.quantiles[:, :, places], axis=1)
    return np.asarray(sums[:, [steps - 1 for steps in periods]])


def independent(prediction: Prediction, periods: tuple[int, int]) -> Floats:
    """Quantiles (N, 2, C) of sums of periods that are drawn each on its own.

    Between its quantiles a period's distribution is taken to be even; beyond the outermost ones it
    ends there.
    """
    count = max(periods)
    found = []
    for number, item in enumerate(prediction.quantiles[:, :count]):
        levels = generator(0, "sums", prediction.model, str(number)).random((DRAWS, count))
        drawn = [np.interp(levels[:, step], LEVELS, item[step]) for step in range(count)]
        totals = np.cumsum(np.stack(drawn, axis=1), axis=1)[:, [steps - 1 for steps in periods]]
        found.append(np.quantile(totals, SUM_LEVELS, axis=0).T)
    return np.stack(found)
