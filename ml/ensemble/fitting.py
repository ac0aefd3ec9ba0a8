"""How the ensemble is fitted on a backtest, and what it would have been without each origin.

Its weights are those of the mixture with the least score, where that is proven to be better: proven
at each origin by what the others would have chosen. A mixture of demand must beat a mixture of the
references, and the best of them, by a paired test over items, one of prices the volatility around
the last close by a test over origins: the simpler model wins ties.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ml.ensemble.calibration import fit_spreads, measure_deviations, stretch_backtest
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.ensemble.mixture_score import (
    DEFAULT,
    FALLBACK,
    NEVER,
    PANEL,
    SHRINKAGE,
    ItemDistances,
    best_weights,
    measure_distances,
    score_alone,
)
from ml.evaluation.origins import BacktestPoints
from ml.evaluation.scores import mixture_points
from ml.forecasters.registry import REFERENCES
from ml.panel import Bools, Floats

FULL, REFERENCES_MIXED, BEST_REFERENCE = "all models", "references", "best reference"
PROVEN = 1.645  # standard errors over items that a mixture must be ahead: one-sided 5 %
LEAST_ORIGINS = 3  # that can prove anything about prices
SURE = 0.1  # two-sided: one in twenty mixtures of prices that are no better is taken


def fit_ensemble(backtests: Sequence[BacktestPoints], kind: str) -> FittedEnsemble:
    """Weights and spreads of the forecast: what all origins led to; no spreads of prices.

    A panel holds few prices, whose one shared origin says next to nothing about coverage; their
    intervals come from each series' own past changes.
    """
    return FittedEnsemble(fit_weights(backtests, kind), _walk_origins(backtests, kind)[1])


def add_ensemble(backtests: Sequence[BacktestPoints], kind: str) -> list[BacktestPoints]:
    """The same with the ensemble as one more model, latest first.

    Its weights at an origin are fitted on the other origins, and its spreads are those that older
    origins led to by then, so that it is not judged on what chose them. With one origin there is
    nothing else to fit weights on, and of origins less than a horizon apart the weights share what
    came true in both.
    """
    return _walk_origins(backtests, kind)[0]


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
        weights = choose_weights(others, backtest.models, kind)
        mixed, mixed_sums, means = _mix(backtest, weights, kind)
        points, sums = stretch_backtest(backtest, mixed, mixed_sums, spreads)
        if kind == "demand":
            means = np.maximum(means + points.mean(axis=-1) - mixed.mean(axis=-1), 0.0)
            # Items that no model has a forecast of say nothing of the spread.
            known = np.where(
                np.all(backtest.failed().T, axis=1, keepdims=True), np.nan, backtest.actual
            )
            deviations = measure_deviations(mixed, known, backtest.items)
            final = fit_spreads(deviations, backtest.classes, spreads)
            if place:
                deviations[:, backtests[place - 1].length - backtest.length :] = np.nan
            # The next origin is judged by what had come true when it was made.
            spreads = fit_spreads(deviations, backtest.classes, spreads)
        found = replace(
            backtest,
            models=(*backtest.models, ENSEMBLE),
            points=np.concatenate([backtest.points, points[None]]).astype(np.float32),
            means=np.concatenate([backtest.means, means[None]]).astype(np.float32),
            cum_points=np.concatenate([backtest.cum_points, sums[None]]).astype(np.float32),
        )
        extended.insert(0, found)
    return extended, final


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


def fit_weights(backtests: Sequence[BacktestPoints], kind: str) -> dict[str, dict[str, float]]:
    """Weights by demand class, and under ``*`` for the panel as a whole; of no origin, too."""
    if not backtests:
        return {PANEL: dict(DEFAULT[kind])}
    return choose_weights(measure_distances(backtests, kind), backtests[0].models, kind)


def choose_weights(
    rows: ItemDistances, models: Sequence[str], kind: str
) -> dict[str, dict[str, float]]:
    """The same from the distances of M models, those of some origins for instance."""
    if not len(rows.near):
        return {PANEL: dict(DEFAULT[kind])}
    prove = prove_demand if kind == "demand" else prove_prices
    chosen = prove(rows, best_weights(rows, models, kind), models)
    return {
        name: {m: round(float(w), 6) for m, w in zip(models, weights, strict=True) if w > 0}
        for name, weights in chosen.items()
    }


def weights_for(
    weights: Mapping[str, Mapping[str, float]], demand_class: str
) -> Mapping[str, float]:
    """The weights that serve a class."""
    return weights.get(demand_class, weights[PANEL])


def prove_demand(
    rows: ItemDistances, found: Mapping[str, Floats], models: Sequence[str]
) -> dict[str, Floats]:
    """The weights of all models where they are surely better than plainer ones, else the latter.

    The plainer ones are a mixture of the references or the best of them alone, whichever does
    better at origins that did not choose it. One origin proves nothing. A class with less to go by
    than its panel counts for goes the panel's way.
    """
    references = np.array([m in REFERENCES["demand"] and m not in NEVER for m in models])
    if len(np.unique(rows.origin)) < 2 or not (rows.working() & references).any():
        return dict(found)
    fewer, names = _select_models(rows, models, references)
    scores = {
        FULL: score_elsewhere(rows, models, "demand"),
        REFERENCES_MIXED: score_elsewhere(fewer, names, "demand"),
        BEST_REFERENCE: _score_reference_elsewhere(rows, references),
    }
    mixed = {name: np.zeros(len(models)) for name in found}
    for name, weights in best_weights(fewer, names, "demand").items():
        mixed[name][references] = weights
    panel = _pick_winner(rows, scores)
    chosen = {}
    for name, weights in found.items():
        own = np.ones(len(rows.classes), bool) if name == PANEL else rows.classes == name
        of_own = rows.of(own)
        enough = own.sum() >= SHRINKAGE
        winner = _pick_winner(of_own, {k: v[own] for k, v in scores.items()}) if enough else panel
        best = _best_reference(of_own if enough else rows, references)
        candidates = {FULL: weights, REFERENCES_MIXED: mixed[name],
                      BEST_REFERENCE: np.eye(len(models))[best]}  # fmt: skip
        chosen[name] = candidates[winner]
    return chosen


def _pick_winner(rows: ItemDistances, scores: Mapping[str, Floats]) -> str:
    """Which of the three stands, by their scores (R,) at origins that did not choose them.

    All models must be below the others by a paired test over items.
    """
    means = {name: np.average(score, weights=rows.trust) for name, score in scores.items()}
    plain = min((BEST_REFERENCE, REFERENCES_MIXED), key=lambda name: means[name])
    apart = scores[FULL] - scores[plain]
    mean = float(np.average(apart, weights=rows.trust))
    # Origins of one item are drawn together: its errors resemble each other.
    _, places = np.unique(rows.item, return_inverse=True)
    beyond = np.bincount(places, rows.trust * (apart - mean))
    error = float(np.sqrt(np.square(beyond).sum()) / np.bincount(places, rows.trust).sum())
    return FULL if mean < -PROVEN * error else plain


def _select_models(
    rows: ItemDistances, models: Sequence[str], kept: Bools
) -> tuple[ItemDistances, tuple[str, ...]]:
    """The rows as if there were no other models, and the names of those."""
    fewer = replace(rows, near=rows.near[:, kept], between=rows.between[:, kept][:, :, kept],
                    failed=rows.failed[:, kept])  # fmt: skip
    return fewer, tuple(model for model, keep in zip(models, kept, strict=True) if keep)


def _score_reference_elsewhere(rows: ItemDistances, references: Bools) -> Floats:
    """Score of each row with the reference that all origins but its own would choose, (R,)."""
    scores = np.empty(len(rows.near))
    for origin in np.unique(rows.origin):
        others = rows.of(rows.origin != origin)
        for name in set(rows.classes[rows.origin == origin]):
            same = others.classes == name
            enough = same.sum() >= SHRINKAGE
            best = _best_reference(others.of(same) if enough else others, references)
            here = (rows.origin == origin) & (rows.classes == name)
            own = rows.of(here)
            scores[here] = own.near[:, best] - own.between[:, best, best] / 2
    return scores


def _best_reference(rows: ItemDistances, references: Bools) -> int:
    """Position of the reference with the least score on these rows, if one works, that works."""
    works = rows.working() & references
    usable = works if works.any() else references
    return int(np.argmin(np.where(usable, score_alone(rows.means()), np.inf)))


def prove_prices(
    rows: ItemDistances, found: Mapping[str, Floats], models: Sequence[str]
) -> dict[str, Floats]:
    """The weights, or the volatility around the last close where they are not surely better.

    A test of Diebold and Mariano on the mean scores of origins, which lie one horizon apart, with
    the correction of Harvey, Leybourne and Newbold (1997) for few of them.
    """
    from statsmodels.tsa.stattools import diebold_mariano_test

    plain = np.array([DEFAULT["price"].get(model, 0.0) for model in models])
    origins = np.unique(rows.origin)
    if len(origins) < LEAST_ORIGINS:
        return dict.fromkeys(found, plain)
    alone = rows.scores(np.tile(plain, (len(rows.near), 1)))
    scores = np.array([[loss[rows.origin == one].mean() for one in origins]
                       for loss in (score_elsewhere(rows, models, "price"), alone)])  # fmt: skip
    if np.ptp(scores[0] - scores[1]) == 0:
        return dict.fromkeys(found, plain)
    test = diebold_mariano_test(
        np.zeros(len(origins)), *scores, lags=0, criterion=lambda _, loss: loss, harvey_adj=True
    )
    better = scores[0].mean() < scores[1].mean() and test.pvalue < SURE
    return dict(found) if better else dict.fromkeys(found, plain)


def score_elsewhere(rows: ItemDistances, models: Sequence[str], kind: str) -> Floats:
    """Score of each row with the weights that all origins but its own would choose, (R,)."""
    elsewhere = {
        origin: best_weights(rows.of(rows.origin != origin), models, kind)
        for origin in np.unique(rows.origin).tolist()
    }
    weights = [
        elsewhere[origin].get(name, elsewhere[origin][PANEL])
        for origin, name in zip(rows.origin.tolist(), rows.classes.tolist(), strict=True)
    ]
    return rows.scores(np.stack(weights))
