"""The ensemble that a backtest leads to, and at each origin what it would have been without it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ml.ensemble.calibration import (
    fit_spreads,
    measure_deviations,
    spread_by_step,
    stretch_points,
)
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble, Spreads
from ml.ensemble.mixture_score import FALLBACK, measure_distances
from ml.ensemble.weights import choose_weights, fit_weights, weights_for
from ml.evaluation.origins import BacktestPoints
from ml.evaluation.scores import mixture_points
from ml.panel import Floats


def add_ensemble(backtests: Sequence[BacktestPoints], kind: str) -> list[BacktestPoints]:
    """The same with the ensemble as one more model, latest first.

    Its weights at an origin are fitted on the other origins, and its spreads are those that older
    origins led to by then, so that it is not judged on what chose them. With one origin there is
    nothing else to fit weights on, and of origins less than a horizon apart the weights share what
    came true in both.
    """
    return _walk_origins(backtests, kind)[0]


def fit_ensemble(backtests: Sequence[BacktestPoints], kind: str) -> FittedEnsemble:
    """Weights and spreads of the forecast: what all origins led to; no spreads of prices.

    A panel holds few prices, whose one shared origin says next to nothing about coverage; their
    intervals come from each series' own past changes.
    """
    return FittedEnsemble(fit_weights(backtests, kind), _walk_origins(backtests, kind)[1])


def _walk_origins(
    backtests: Sequence[BacktestPoints], kind: str
) -> tuple[list[BacktestPoints], dict[str, list[float]]]:
    extended: list[BacktestPoints] = []
    spreads: dict[str, list[float]] = {}
    final: dict[str, list[float]] = {}
    if not backtests:
        return extended, final
    rows = measure_distances(backtests, kind)
    for place in range(len(backtests) - 1, -1, -1):
        backtest = backtests[place]
        others = rows if len(backtests) == 1 else rows.of(rows.origin != place)
        mixed, sums, means = _mix(backtest, choose_weights(others, backtest.models, kind), kind)
        points = _stretch(backtest, mixed, spreads)
        sums = _stretch(backtest, sums, spreads, summed=True)
        if kind == "demand":
            means = np.maximum(means + points.mean(axis=-1) - mixed.mean(axis=-1), 0.0)
            found = _deviations(backtest, mixed)
            final = fit_spreads(found, backtest.classes, spreads)
            if place:
                found[:, backtests[place - 1].length - backtest.length :] = np.nan
            # The next origin is judged by what had come true when it was made.
            spreads = fit_spreads(found, backtest.classes, spreads)
        extended.insert(0, _append_model(backtest, points, sums, means))
    return extended, final


def _deviations(backtest: BacktestPoints, mixed: Floats) -> Floats:
    """Distances of the actuals, (N, H); NaN of items that no model had a forecast of."""
    found = measure_deviations(mixed, backtest.actual, backtest.items)
    found[backtest.failed().all(axis=0)] = np.nan
    return found


def _mix(
    backtest: BacktestPoints, weights: Mapping[str, Mapping[str, float]], kind: str
) -> tuple[Floats, Floats, Floats]:
    """Points, points of sums and means of the mixture at one origin."""
    shares = np.zeros((len(backtest.models), len(backtest.items)))
    for row, name in enumerate(backtest.classes):
        for model, weight in weights_for(weights, name).items():
            shares[backtest.models.index(model), row] = weight
    shares[backtest.failed()] = 0.0
    alone = shares.sum(axis=0) == 0
    shares[backtest.models.index(FALLBACK[kind]), alone] = 1.0
    shares /= shares.sum(axis=0)
    points = mixture_points(np.nan_to_num(backtest.points), shares)
    sums = mixture_points(np.nan_to_num(backtest.cum_points), shares)
    return points, sums, np.einsum("mn,mnh->nh", shares, np.nan_to_num(backtest.means))


def _stretch(
    backtest: BacktestPoints, points: Floats, spreads: Spreads, *, summed: bool = False
) -> Floats:
    """Points stretched by what older origins led to; sums by the mean of their steps' spreads."""
    if not spreads:
        return points
    horizon = backtest.actual.shape[1]
    steps = np.stack([spread_by_step(spreads, name, horizon, horizon) for name in backtest.classes])
    if summed:
        whole = np.cumsum(steps, axis=1) / np.arange(1, horizon + 1)
        steps = np.take_along_axis(whole, backtest.cum_steps - 1, axis=1).round(4)
    return stretch_points(points, steps)


def _append_model(
    backtest: BacktestPoints, points: Floats, sums: Floats, means: Floats
) -> BacktestPoints:
    return replace(
        backtest,
        models=(*backtest.models, ENSEMBLE),
        points=np.concatenate([backtest.points, points[None]]).astype(np.float32),
        means=np.concatenate([backtest.means, means[None]]).astype(np.float32),
        cum_points=np.concatenate([backtest.cum_points, sums[None]]).astype(np.float32),
    )
