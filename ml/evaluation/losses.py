"""Losses of one model at one origin, of which all metrics are made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.evaluation import scores
from ml.evaluation.points import BacktestPoints
from ml.panel import Floats
from ml.seeds import generator

DECILES = tuple(round(0.1 * k, 1) for k in range(1, 10))
TAIL = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Losses:
    """Everything that the metrics of one model at one origin are sums of.

    All arrays are (N, H), NaN where there is no actual or the model failed, except the last
    three, (N,): ``cum_crps`` is of the demand over the item's protection interval (as far as H
    reaches), ``cum_pinball`` and ``cum_actual`` are of steps 1 to H.
    """

    actual: Floats
    absolute: Floats
    squared: Floats
    signed: Floats
    pinball: Floats
    crps: Floats
    transform: Floats
    cum_actual: Floats
    cum_crps: Floats
    cum_pinball: Floats


def losses(backtest: BacktestPoints, model: str) -> Losses:
    """Losses of one model at one origin."""
    place = backtest.models.index(model)
    points = np.sort(backtest.points[place].astype(np.float64), axis=-1)
    own, sums = np.sort(backtest.cum_points[place].astype(np.float64), axis=-1).swapaxes(0, 1)
    actual = np.where(np.isnan(points[..., 0]), np.nan, backtest.actual)
    total = np.where(np.isnan(sums[..., 0]), np.nan, backtest.cum_actual[:, 1])
    median = scores.quantile_of(points, 0.5)
    mean = backtest.means[place]
    uniforms = np.stack(
        [generator(0, "coverage", item).random(actual.shape[1]) for item in backtest.items]
    )
    transform = scores.transform(points, actual, uniforms)
    return Losses(
        actual=actual,
        absolute=np.abs(actual - median),
        squared=(actual - mean) ** 2,
        signed=mean - actual,
        pinball=_mean_pinball(points, actual, DECILES),
        crps=scores.crps(points, actual),
        transform=np.where(np.isnan(actual), np.nan, transform),
        cum_actual=total,
        cum_crps=scores.crps(own, backtest.cum_actual[:, 0]),
        cum_pinball=_mean_pinball(sums, total, TAIL),
    )


def _mean_pinball(points: Floats, actual: Floats, levels: Sequence[float]) -> Floats:
    found = [scores.pinball(actual, scores.quantile_of(points, q), q) for q in levels]
    return np.mean(found, axis=0)
