"""Forecasts drawn from single periods: the item's own past, and sums of what others say of periods.

The own past is the reference that stock keepers use. Every window of it is tried, so the best of
them is chosen with the answer in view: a bar that no honest choice could clear on purpose.

A model that says something of single periods only does not say what they share, so both ends are
tried: periods drawn independently, and all of them at one and the same level. The one that does
better is the model's, with the answer in view, which is to its favour.
"""

from dataclasses import replace

import numpy as np

from benchmarks.accuracy.cases import LEVELS, REFERENCE, SUM_LEVELS, Case, Prediction
from benchmarks.accuracy.measures import item_losses, tail_loss
from ml.panel import Floats
from ml.seeds import generator

OWN_PAST = "own "  # what the names begin with
PATHS = 1000
WINDOWS = {12: (12, 15, 18, 24, 36), 7: (28, 56, 91, 182, 364)}
DRAWS = 500


def own_past(case: Case) -> list[Prediction]:
    """One prediction a window, the whole history among them."""
    length = case.seen.shape[1]
    windows = [window for window in WINDOWS[case.season] if window < length]
    return [_drawn(case, window) for window in (*windows, length)]


def _drawn(case: Case, window: int) -> Prediction:
    found = [
        _item(row, window, case.sums, generator(0, "own past", item))
        for item, row in zip(case.items, case.seen, strict=True)
    ]
    single, means, sums = (np.stack(part) for part in zip(*found, strict=True))
    steps = np.ones((1, case.horizon, 1))
    name = str(window) if window < case.seen.shape[1] else "all"
    every = single[:, None, :] * steps
    return Prediction(OWN_PAST + name, REFERENCE, every, means * steps[..., 0], sums)


def _item(
    row: Floats, window: int, periods: tuple[int, int], rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Quantiles (L,) and mean (1,) of a period, quantiles (2, C) of sums of drawn periods."""
    seen = row[~np.isnan(row)][-window:]
    totals = np.cumsum(rng.choice(seen, (PATHS, max(periods))), axis=1)
    sums = [
        np.quantile(totals[:, steps - 1], SUM_LEVELS, method="inverted_cdf") for steps in periods
    ]
    single = np.quantile(seen, LEVELS, method="inverted_cdf")
    return single, seen.mean(keepdims=True), np.stack(sums)


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
