"""Paths out of bucket probabilities: marginals exactly as predicted, steps bound by a copula."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ml.forecasters.base import Forecast, is_count, valid_demand
from ml.forecasters.lstm_buckets import Buckets
from ml.frequency import Frequency
from ml.panel import Panel
from ml.seeds import generator

Floats = npt.NDArray[np.float64]

# Correlation between periods of one item, given the forecast: an unknown level is shared. Months
# were measured on car parts (.2 mends the upper quantiles of half-year totals); for shorter
# periods the same shared level is thinner by the ratio of their lengths.
SHARED_LEVEL = {
    Frequency.DAILY: 0.007,
    Frequency.BUSINESS: 0.007,
    Frequency.WEEKLY: 0.05,
    Frequency.MONTHLY: 0.2,
}


class Predicted(Protocol):
    """Bucket probabilities of some items; see :class:`ml.forecasters.lstm_adapter`."""

    @property
    def panel(self) -> Panel: ...  # noqa: D102
    @property
    def buckets(self) -> Buckets: ...  # noqa: D102
    @property
    def probabilities(self) -> npt.NDArray[np.float32]: ...  # noqa: D102
    @property
    def spreads(self) -> Floats: ...  # noqa: D102


def sample_items(
    predicted: Predicted, items: Sequence[str], horizon: int, *, seed: int, n_paths: int
) -> Forecast:
    """Paths of ``items``; see :class:`ml.forecasters.base.Fitted`."""
    panel = predicted.panel
    place = {item: row for row, item in enumerate(panel.items)}
    chosen = [item for item in panel.items if item in set(items)]
    paths = np.full((len(chosen), n_paths, horizon), np.nan, np.float32)
    failures = {}
    for number, item in enumerate(chosen):
        row = place[item]
        history = panel.values[row]
        if np.isnan(history).all():
            failures[item] = "no observed value"
            continue
        rng = generator(seed, "lstm", item)
        steps = predicted.probabilities[row, :horizon].astype(np.float64)
        if panel.is_demand:
            uniforms = shared_level(rng, n_paths, horizon, SHARED_LEVEL[panel.frequency])
            drawn = predicted.buckets.draw(steps, uniforms) * predicted.spreads[row]
            paths[number] = valid_demand(drawn, counts=is_count(history))
        else:
            uniforms = random_walk(rng, n_paths, horizon)
            moved = predicted.buckets.draw(steps, uniforms) * np.sqrt(np.arange(1, horizon + 1))
            last = history[~np.isnan(history)][-1]
            paths[number] = last + moved * predicted.spreads[row]
    return Forecast(tuple(chosen), paths, failures)


def shared_level(rng: np.random.Generator, n_paths: int, horizon: int, rho: float) -> Floats:
    """Even uniforms (S, H) whose columns share one factor: correlation ``rho`` between normals."""
    common = rng.standard_normal((n_paths, 1))
    own = rng.standard_normal((n_paths, horizon))
    return evenly(np.sqrt(rho) * common + np.sqrt(1 - rho) * own, rng)


def random_walk(rng: np.random.Generator, n_paths: int, horizon: int) -> Floats:
    """Even uniforms (S, H) whose columns follow each other as the levels of a random walk do."""
    return evenly(np.cumsum(rng.standard_normal((n_paths, horizon)), axis=1), rng)


def evenly(scores: Floats, rng: np.random.Generator) -> Floats:
    """Each column replaced by its ranks as uniforms, one in each of S equal strata."""
    ranks = np.argsort(np.argsort(scores, axis=0), axis=0)
    return (ranks + rng.random(scores.shape)) / len(scores)
