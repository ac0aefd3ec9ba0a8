"""Whether a mixture is surely better than the plain model that it would replace.

Judged at each origin by weights that were fitted on the others. A mixture of demand must beat the
best reference model by a paired test over items, one of prices the volatility around the last close
by a test over origins: the simpler model wins ties.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ml.ensemble.distances import SHRINKAGE, Rows
from ml.ensemble.least_score import DEFAULT, MOST_FAILURES, NEVER, PANEL, best_weights
from ml.forecasters.registry import REFERENCES

Floats = npt.NDArray[np.float64]
PROVEN = 1.645  # standard errors over items that a mixture must be ahead: one-sided 5 %
LEAST_ORIGINS = 3  # that can prove anything about prices
SURE = 0.1  # two-sided: one in twenty mixtures of prices that are no better is taken


def against_references(
    rows: Rows, found: Mapping[str, Floats], models: Sequence[str]
) -> dict[str, Floats]:
    """The weights, or the best reference alone where mixtures are not surely better than it.

    Judged at each origin by weights that were fitted on the others; one origin judges nothing. A
    class with less to go by than its panel counts for goes the panel's way.
    """
    if len(np.unique(rows.origin)) < 2:
        return dict(found)
    mixture = mixture_elsewhere(rows, models, "demand")
    panel = _challenged(rows, mixture, found[PANEL], models)
    decided = {PANEL: panel}
    for name in (one for one in found if one != PANEL):
        own = rows.classes == name
        if own.sum() >= SHRINKAGE:
            decided[name] = _challenged(rows.of(own), mixture[own], found[name], models)
        else:
            decided[name] = found[name] if panel is found[PANEL] else panel
    return decided


def _challenged(rows: Rows, mixture: Floats, weights: Floats, models: Sequence[str]) -> Floats:
    """The weights if the mixture (R,) beats the best reference by a paired test, else that."""
    best = _best_reference(rows, models)
    if best is None:
        return weights
    only = _only(best, models)
    apart = mixture - _alone(rows, only)
    _, places = np.unique(rows.item, return_inverse=True)
    trust = np.bincount(places, rows.trust)
    mean = float(np.average(apart, weights=rows.trust))
    # Origins of one item are drawn together: its errors resemble each other.
    beyond = np.bincount(places, rows.trust * (apart - mean))
    error = float(np.sqrt(np.square(beyond).sum()) / trust.sum())
    return weights if mean < -PROVEN * error else only


def against_last_close(
    rows: Rows, found: Mapping[str, Floats], models: Sequence[str]
) -> dict[str, Floats]:
    """The weights, or the volatility around the last close where they are not surely better.

    A test of Diebold and Mariano on the mean scores of origins, which lie one horizon apart, with
    the correction of Harvey, Leybourne and Newbold (1997) for few of them.
    """
    from statsmodels.tsa.stattools import diebold_mariano_test

    only = _only(models.index(next(iter(DEFAULT["price"]))), models)
    plain = dict.fromkeys(found, only)
    origins = np.unique(rows.origin)
    if len(origins) < LEAST_ORIGINS:
        return plain
    mixture, alone = mixture_elsewhere(rows, models, "price"), _alone(rows, only)
    scores = np.array([[loss[rows.origin == one].mean() for one in origins]
                       for loss in (mixture, alone)])  # fmt: skip
    if np.ptp(scores[0] - scores[1]) == 0:
        return plain
    told = diebold_mariano_test(
        np.zeros(len(origins)), *scores, lags=0, criterion=_as_it_is, harvey_adj=True
    )
    better = scores[0].mean() < scores[1].mean() and told.pvalue < SURE
    return dict(found) if better else plain


def _as_it_is(_actual: Floats, loss: Floats) -> Floats:
    """The test's measure of a forecast that is a loss already."""
    return loss


def mixture_elsewhere(rows: Rows, models: Sequence[str], kind: str) -> Floats:
    """Score of each row with the weights that all origins but its own would choose, (R,)."""
    elsewhere = {
        int(origin): best_weights(rows.of(rows.origin != origin), models, kind)
        for origin in np.unique(rows.origin)
    }
    judged = [
        elsewhere[int(origin)].get(str(name), elsewhere[int(origin)][PANEL])
        for origin, name in zip(rows.origin, rows.classes, strict=True)
    ]
    return rows.scores(np.stack(judged))


def _only(place: int, models: Sequence[str]) -> Floats:
    """All weight on one model, (M,)."""
    only = np.zeros(len(models))
    only[place] = 1.0
    return only


def _alone(rows: Rows, only: Floats) -> Floats:
    """Score of one model in each row, (R,)."""
    return rows.scores(np.tile(only, (len(rows.near), 1)))


def _best_reference(rows: Rows, models: Sequence[str]) -> int | None:
    """Position of the reference model with the least score that works on these rows."""
    works = rows.failed.mean(axis=0) <= MOST_FAILURES
    usable = works & np.array([m in REFERENCES["demand"] and m not in NEVER for m in models])
    if not usable.any():
        return None
    return int(np.argmin(np.where(usable, rows.means().alone(), np.inf)))
