"""Whether a mixture is surely better than the plain model that it would replace.

Judged at each origin by what the others would have chosen. A mixture of demand must beat a mixture
of the references, and the best of them, by a paired test over items, one of prices the volatility
around the last close by a test over origins: the simpler model wins ties.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ml.ensemble.distances import SHRINKAGE, Rows
from ml.ensemble.least_score import DEFAULT, MOST_FAILURES, NEVER, PANEL, best_weights
from ml.forecasters.registry import REFERENCES

Floats = npt.NDArray[np.float64]
FULL, REFERENCES_MIXED, BEST_REFERENCE = "all models", "references", "best reference"
PROVEN = 1.645  # standard errors over items that a mixture must be ahead: one-sided 5 %
LEAST_ORIGINS = 3  # that can prove anything about prices
SURE = 0.1  # two-sided: one in twenty mixtures of prices that are no better is taken


def against_references(
    rows: Rows, found: Mapping[str, Floats], models: Sequence[str]
) -> dict[str, Floats]:
    """The weights of all models where they are surely better than plainer ones, else the latter.

    The plainer ones are a mixture of the references or the best of them alone, whichever does
    better at origins that did not choose it. One origin judges nothing. A class with less to go by
    than its panel counts for goes the panel's way.
    """
    references = np.array([m in REFERENCES["demand"] and m not in NEVER for m in models])
    works = (rows.failed.mean(axis=0) <= MOST_FAILURES) & references
    if len(np.unique(rows.origin)) < 2 or not works.any():
        return dict(found)
    plain = _spread_out(best_weights(*_only_these(rows, models, references), "demand"), references)
    tried = {
        FULL: mixture_elsewhere(rows, models, "demand"),
        REFERENCES_MIXED: mixture_elsewhere(*_only_these(rows, models, references), "demand"),
        BEST_REFERENCE: _reference_elsewhere(rows, references),
    }
    panel = _winner(rows, tried)
    decided = {}
    for name, weights in found.items():
        own = np.ones(len(rows.classes), bool) if name == PANEL else rows.classes == name
        of_own = rows.of(own)
        enough = own.sum() >= SHRINKAGE
        winner = _winner(of_own, {k: v[own] for k, v in tried.items()}) if enough else panel
        alone = _best_reference(of_own if enough else rows, references)
        candidates = {FULL: weights, REFERENCES_MIXED: plain[name],
                      BEST_REFERENCE: _only(alone, models)}  # fmt: skip
        decided[name] = candidates[winner]
    return decided


def _winner(rows: Rows, tried: Mapping[str, Floats]) -> str:
    """Which of the three stands, by their scores (R,) at origins that did not choose them."""
    means = {name: np.average(score, weights=rows.trust) for name, score in tried.items()}
    plain = min((BEST_REFERENCE, REFERENCES_MIXED), key=lambda name: means[name])
    return FULL if _surely_less(rows, tried[FULL], tried[plain]) else plain


def _surely_less(rows: Rows, one: Floats, other: Floats) -> bool:
    """Whether a score (R,) is below another one by a paired test over items."""
    apart = one - other
    _, places = np.unique(rows.item, return_inverse=True)
    trust = np.bincount(places, rows.trust)
    mean = float(np.average(apart, weights=rows.trust))
    # Origins of one item are drawn together: its errors resemble each other.
    beyond = np.bincount(places, rows.trust * (apart - mean))
    error = float(np.sqrt(np.square(beyond).sum()) / trust.sum())
    return mean < -PROVEN * error


def _only_these(
    rows: Rows, models: Sequence[str], kept: npt.NDArray[np.bool_]
) -> tuple[Rows, tuple[str, ...]]:
    """The rows as if there were no other models, and the names of those."""
    fewer = replace(rows, near=rows.near[:, kept], between=rows.between[:, kept][:, :, kept],
                    failed=rows.failed[:, kept])  # fmt: skip
    return fewer, tuple(model for model, keep in zip(models, kept, strict=True) if keep)


def _spread_out(found: Mapping[str, Floats], kept: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """Weights of some models as weights of all."""
    whole = {name: np.zeros(len(kept)) for name in found}
    for name, weights in found.items():
        whole[name][kept] = weights
    return whole


def _reference_elsewhere(rows: Rows, references: npt.NDArray[np.bool_]) -> Floats:
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


def _best_reference(rows: Rows, references: npt.NDArray[np.bool_]) -> int:
    """Position of the reference with the least score on these rows, if one works, that works."""
    works = (rows.failed.mean(axis=0) <= MOST_FAILURES) & references
    usable = works if works.any() else references
    return int(np.argmin(np.where(usable, rows.means().alone(), np.inf)))
