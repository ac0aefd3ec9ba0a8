"""Weights of the ensemble: the mixture with the least score, where it is proven to be better.

See :mod:`ml.ensemble.least_score` for the score, :mod:`ml.ensemble.challenge` for the proof.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ml.ensemble.challenge import against_last_close, against_references
from ml.ensemble.distances import Rows, rows_of
from ml.ensemble.least_score import DEFAULT, PANEL, best_weights
from ml.evaluation.points import BacktestPoints

Floats = npt.NDArray[np.float64]


def fit_weights(backtests: Sequence[BacktestPoints], kind: str) -> dict[str, dict[str, float]]:
    """Weights by demand class, and under ``*`` for the panel as a whole.

    Args:
        backtests: One for each origin, all with the same models. May be empty.
        kind: ``demand`` or ``price``.
    """
    if not backtests:
        return {PANEL: dict(DEFAULT[kind])}
    return weights_of(rows_of(backtests, kind), backtests[0].models, kind)


def weights_of(rows: Rows, models: Sequence[str], kind: str) -> dict[str, dict[str, float]]:
    """The same from the distances of M models, those of some origins for instance."""
    if not len(rows.near):
        return {PANEL: dict(DEFAULT[kind])}
    found = best_weights(rows, models, kind)
    challenge = against_references if kind == "demand" else against_last_close
    return {
        name: _named(models, weights) for name, weights in challenge(rows, found, models).items()
    }


def weights_for(
    weights: Mapping[str, Mapping[str, float]], demand_class: str
) -> Mapping[str, float]:
    """The weights that serve a class."""
    return weights.get(demand_class, weights[PANEL])


def _named(models: Sequence[str], weights: Floats) -> dict[str, float]:
    return {
        model: round(float(weight), 6)
        for model, weight in zip(models, weights, strict=True)
        if weight > 0
    }
