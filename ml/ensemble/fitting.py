"""How the ensemble is fitted on a backtest, and what it would have been without each origin.

Weights of demand lie between a default mixture and the one with the least score, as far from the
default as origins prove that did not choose it. Those of prices are the best ones where they beat
the volatility around the last close by a test over origins, or that alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ml.ensemble.calibration import Deviations, fit_spreads, measure_deviations, stretch_backtest
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble, shares_to_counts
from ml.ensemble.mixture_score import (
    FALLBACK,
    PANEL,
    UNTRIED,
    ItemDistances,
    Means,
    best_weights,
    measure_distances,
)
from ml.ensemble.shrinkage import shrink_weights
from ml.evaluation.origins import BacktestPoints, add_models
from ml.evaluation.scores import mixture_points
from ml.panel import Floats

MILLION = 1_000_000
LEAST_ORIGINS = 3  # that can prove anything about prices
SURE = 0.1  # two-sided: one in twenty mixtures of prices that are no better is taken


def fit_ensemble(
    backtests: Sequence[BacktestPoints], kind: str, measured: Sequence[Means] | None = None
) -> tuple[FittedEnsemble, list[BacktestPoints]]:
    """Weights and spreads of the forecast, and what the ensemble said at each origin, latest first.

    Those of the forecast are what all origins led to; there are no spreads of prices: a panel holds
    few, whose one shared origin says next to nothing about coverage, and their intervals come from
    each series' own past changes.

    The ensemble is not judged on what chose it: its weights at an origin are fitted on the other
    origins (of prices, whether there is a mixture at all is as it is published: what all of them
    prove), and its spreads are those that older origins led to by then. With one origin there is
    nothing else to fit weights on, and of origins less than a horizon apart the weights share what
    came true in both. Backtests come latest first; ``measured`` goes to :func:`measure_distances`.
    """
    if not backtests:
        return FittedEnsemble({PANEL: dict(UNTRIED[kind])}, {}), []
    rows = measure_distances(backtests, kind, measured)
    weights = choose_weights(rows, backtests[0].models, kind, count_horizons(backtests))
    judged, deviations = _walk_origins(backtests, rows, kind)
    return FittedEnsemble(weights, *fit_spreads(deviations)), judged


def _walk_origins(
    backtests: Sequence[BacktestPoints], rows: ItemDistances, kind: str
) -> tuple[list[BacktestPoints], list[Deviations]]:
    """What the ensemble said at each origin, latest first, and how far it lay off there."""
    judged: list[BacktestPoints] = []
    deviations: list[Deviations] = []
    # Whether prices leave the last close is what all origins prove, as it is published.
    proven = None if kind == "demand" else beats_volatility(rows, backtests[0].models)
    for place in range(len(backtests) - 1, -1, -1):
        backtest = backtests[place]
        others = [one for one in backtests if one is not backtest] or backtests
        elsewhere = rows if len(backtests) == 1 else rows.of(rows.origin != place)
        horizons = count_horizons(others)
        weights = choose_weights(elsewhere, backtest.models, kind, horizons, proven=proven)
        # An origin is judged by what had come true when it was made.
        known = [
            found.hide(backtest.length - older.length, older.cum_steps[:, 0])
            for found, older in zip(deviations, backtests[:place:-1], strict=bool(deviations))
        ]
        said, mixed = _say(backtest, weights, known, kind)
        if kind == "demand":
            deviations.append(measure_deviations(backtest, *mixed))
        judged.insert(0, said)
    return judged, deviations


def judge_elsewhere(
    backtests: Sequence[BacktestPoints], others: Sequence[BacktestPoints], kind: str
) -> list[BacktestPoints]:
    """What the ensemble of some backtests says at other origins, judged as at its own.

    Its weights at an origin are fitted on all backtests but the one that shares most of what came
    true with it; its spreads are those that older origins had led to by then. Backtests come latest
    first, ``others`` are what the same models said at the other origins.
    """
    rows = measure_distances(backtests, kind)
    proven = None if kind == "demand" else beats_volatility(rows, backtests[0].models)
    _, deviations = _walk_origins(backtests, rows, kind)
    found = []
    for other in others:
        place = min(range(len(backtests)), key=lambda k: abs(backtests[k].length - other.length))
        rest = [one for one in backtests if one is not backtests[place]] or backtests
        elsewhere = rows if len(backtests) == 1 else rows.of(rows.origin != place)
        weights = choose_weights(elsewhere, other.models, kind, count_horizons(rest), proven=proven)
        known = [
            one.hide(other.length - older.length, older.cum_steps[:, 0])
            for one, older in zip(deviations, backtests[::-1], strict=bool(deviations))
            if older.length < other.length
        ]
        found.append(add_models(other, _say(other, weights, known, kind)[0]))
    return found


def _say(
    backtest: BacktestPoints,
    weights: Mapping[str, Mapping[str, float]],
    known: Sequence[Deviations],
    kind: str,
) -> tuple[BacktestPoints, tuple[Floats, Floats]]:
    """What the ensemble says of a backtest, and its points before they are stretched."""
    mixed, mixed_sums, means = _mix(backtest, weights, kind)
    points, sums = stretch_backtest(backtest, mixed, mixed_sums, fit_spreads(known))
    alone = replace(
        backtest,
        models=(ENSEMBLE,),
        points=points[None].astype(np.float32),
        means=means[None].astype(np.float32),
        cum_points=sums[None].astype(np.float32),
    )
    return alone, (mixed, mixed_sums)


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
    used = shares.any(axis=1)
    points, sums = (
        mixture_points(np.nan_to_num(one[used], copy=False), shares[used])
        for one in (backtest.points, backtest.cum_points)
    )
    return points, sums, np.einsum("mn,mnh->nh", shares, np.nan_to_num(backtest.means))


def fit_weights(backtests: Sequence[BacktestPoints], kind: str) -> dict[str, dict[str, float]]:
    """Weights by demand class, and under ``*`` for the panel as a whole; of no origin, too."""
    if not backtests:
        return {PANEL: dict(UNTRIED[kind])}
    rows = measure_distances(backtests, kind)
    return choose_weights(rows, backtests[0].models, kind, count_horizons(backtests))


def choose_weights(
    rows: ItemDistances,
    models: Sequence[str],
    kind: str,
    horizons: float,
    *,
    proven: bool | None = None,
) -> dict[str, dict[str, float]]:
    """The same from the distances of M models, at origins that span so many horizons.

    Weights of prices are the best ones where they are ``proven``, which these rows say where it is
    ``None``; else the volatility around the last close has all.
    """
    if not len(rows.near):
        return {PANEL: dict(UNTRIED[kind])}
    if kind == "demand":
        chosen = shrink_weights(rows, models, kind, horizons)
    else:
        sure = beats_volatility(rows, models) if proven is None else proven
        plain = np.array([UNTRIED["price"].get(model, 0.0) for model in models])
        best = best_weights(rows, models, "price")
        chosen = {name: weights if sure else plain for name, (weights, _) in best.items()}
    # In millionths that add up to 1, which weights rounded one by one do not.
    return {
        name: {
            model: count / MILLION
            for model, count in shares_to_counts(
                dict(zip(models, weights.tolist(), strict=True)), MILLION
            ).items()
        }
        for name, weights in chosen.items()
    }


def count_horizons(backtests: Sequence[BacktestPoints]) -> float:
    """How many horizons the origins of backtests span: two that overlap by half span 1.5."""
    lengths = [one.length for one in backtests]
    return (max(lengths) - min(lengths)) / backtests[0].actual.shape[1] + 1


def weights_for(
    weights: Mapping[str, Mapping[str, float]], demand_class: str
) -> Mapping[str, float]:
    """The weights that serve a class."""
    return weights.get(demand_class, weights[PANEL])


def beats_volatility(rows: ItemDistances, models: Sequence[str]) -> bool:
    """Whether mixtures of prices are surely better than the volatility around the last close.

    A test of Diebold and Mariano on the mean scores of origins, which lie one horizon apart, with
    the correction of Harvey, Leybourne and Newbold (1997) for few of them.
    """
    from statsmodels.tsa.stattools import diebold_mariano_test

    origins = np.unique(rows.origin)
    if len(origins) < LEAST_ORIGINS:
        return False
    plain = np.array([UNTRIED["price"].get(model, 0.0) for model in models])
    alone = rows.scores(np.tile(plain, (len(rows.near), 1)))
    scores = np.array([[loss[rows.origin == one].mean() for one in origins]
                       for loss in (score_elsewhere(rows, models, "price"), alone)])  # fmt: skip
    if np.ptp(scores[0] - scores[1]) == 0:
        return False
    test = diebold_mariano_test(
        np.zeros(len(origins)), *scores, lags=0, criterion=lambda _, loss: loss, harvey_adj=True
    )
    return bool(scores[0].mean() < scores[1].mean() and test.pvalue < SURE)


def score_elsewhere(rows: ItemDistances, models: Sequence[str], kind: str) -> Floats:
    """Score of each row with the weights that all origins but its own would choose, (R,)."""
    elsewhere = {
        origin: best_weights(rows.of(rows.origin != origin), models, kind)
        for origin in np.unique(rows.origin).tolist()
    }
    weights = [
        elsewhere[origin].get(name, elsewhere[origin][PANEL])[0]
        for origin, name in zip(rows.origin.tolist(), rows.classes.tolist(), strict=True)
    ]
    return rows.scores(np.stack(weights))
