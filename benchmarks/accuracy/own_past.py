"""The item's own recent periods, drawn at random: the reference that stock keepers use.

Every window is tried, so the best of them is chosen with the answer in view: a bar that no honest
choice could clear on purpose.
"""

import numpy as np

from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.predictions import LEVELS, REFERENCE, SUM_LEVELS, Prediction
from ml.panel import Floats
from ml.seeds import generator

OWN_PAST = "own "  # what the names begin with
PATHS = 1000
WINDOWS = {12: (12, 15, 18, 24, 36), 7: (28, 56, 91, 182, 364)}


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
