"""Models against the best reference: differences and skill, with intervals over items and origins.

Each is told against the reference that is best at the very thing, of the class and over all
origins: a straw man flatters, and "always zero" is no rival where most periods are zero.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import special

from ml.ensemble.mixture_score import NEVER
from ml.evaluation.origins import BacktestPoints
from ml.evaluation.scores import Losses
from ml.forecasters.registry import REFERENCES
from ml.panel import Bools, Floats

LEVEL = 0.95  # of intervals
Number = tuple[float, int]  # a value, and the actuals behind it
Loss = tuple[Floats, Floats]  # sums of losses and their counts of items at origins, (N, G) each
ENDS = ("", "_low", "_high")


def compare_with_best(
    backtests: Sequence[BacktestPoints],
    losses: Mapping[str, Sequence[Losses]],
    kind: str,
    rows: Bools,
) -> Iterator[tuple[str, dict[str, Number]]]:
    """Each model's metrics against the best reference, over some items (N,) and all origins.

    ``vs_reference`` is a difference of scaled CRPS, ``skill`` a share of the score that weights
    are chosen by, ``stock_skill`` one of the loss in the tail of cumulative demand.
    """
    measures = {"vs_reference": _crps, "skill": score_cells}
    if kind == "demand":
        measures["stock_skill"] = _tail
    for name, measure in measures.items():
        found = {model: measure(backtests, own) for model, own in losses.items()}
        of_rows = {model: (loss[rows], count[rows]) for model, (loss, count) in found.items()}
        best = _best_reference(of_rows, kind)
        if best is None:
            continue
        for model, one in of_rows.items():
            both = (one[1] > 0) & (best[1] > 0)
            if both.any():
                ends = compare(_only(one, both), _only(best, both), share=name != "vs_reference")
                count = int(one[1][both].sum())
                yield model, {name + end: (x, count) for end, x in zip(ENDS, ends, strict=True)}


def _crps(_: Sequence[BacktestPoints], own: Sequence[Losses]) -> Loss:
    """Scaled CRPS of periods."""
    counts = [(~np.isnan(one.scaled_crps)).sum(axis=1) for one in own]
    sums = [np.nansum(one.scaled_crps, axis=1) for one in own]
    return np.stack(sums, axis=1), np.stack(counts, axis=1).astype(np.float64)


def score_cells(backtests: Sequence[BacktestPoints], own: Sequence[Losses]) -> Loss:
    """What weights are chosen by: half periods, half sums; periods alone where sums mean nothing.

    A sum of n periods varies as the root of n.
    """
    sums, counts = _crps(backtests, own)
    score = sums / np.maximum(counts, 1)
    if backtests[0].classes[0] != "price":
        lengths = [np.sqrt(one.cum_steps[:, 0]) for one in backtests]
        cum = np.stack([one.cum_scaled_crps / n for one, n in zip(own, lengths, strict=True)], 1)
        score = np.where(np.isnan(cum), score, (score + np.nan_to_num(cum)) / 2)
    return score, (counts > 0).astype(np.float64)


def _tail(_: Sequence[BacktestPoints], own: Sequence[Losses]) -> Loss:
    """Pinball loss of cumulative demand over the protection interval, .8 to .99."""
    found = np.stack([one.tail_pinball for one in own], axis=1)
    return np.nan_to_num(found), (~np.isnan(found)).astype(np.float64)


def _best_reference(found: Mapping[str, Loss], kind: str) -> Loss | None:
    """That of the reference with the least mean loss; ``None`` where no reference is known."""
    rivals = [model for model in found if model in REFERENCES[kind] and model not in NEVER]
    most = max((found[model][1].sum() for model in rivals), default=0.0)
    # A reference that failed on some items was judged on the others only.
    whole = [model for model in rivals if most and found[model][1].sum() == most]
    means = {model: float(found[model][0].sum() / most) for model in whole}
    return found[min(whole, key=lambda model: (means[model], model))] if whole else None


def _only(loss: Loss, cells: Bools) -> Loss:
    return np.where(cells, loss[0], 0.0), np.where(cells, loss[1], 0.0)


def compare(mine: Loss, best: Loss, *, share: bool) -> tuple[float, float, float]:
    """Difference of mean losses, or share of the best one's loss that is saved, with its interval.

    A share is a ratio of sums, and treated by its linear part (the delta method).
    """
    if not share:
        value = float(mine[0].sum() / mine[1].sum() - best[0].sum() / best[1].sum())
        parts = mine[0] - mine[1] * (mine[0].sum() / mine[1].sum())
        parts = parts / mine[1].sum()
        parts -= (best[0] - best[1] * (best[0].sum() / best[1].sum())) / best[1].sum()
    else:
        whole = float(best[0].sum())
        if not whole:
            return np.nan, np.nan, np.nan
        value = 1 - float(mine[0].sum()) / whole
        parts = ((1 - value) * best[0] - mine[0]) / whole
    reach = two_way_reach(parts, mine[1] > 0)
    return value, value - reach, value + reach


def two_way_reach(parts: Floats, known: Bools) -> float:
    """Half the width of the interval of a sum of parts (N, G) of items at origins, mean 0.

    Clustered both ways (Cameron, Gelbach & Miller 2011, *Robust inference with multiway
    clustering*): what an item shares over origins, and what all items share at an origin. The
    two variances are added without taking off what they have in common, each with the quantile
    of Student's t for its own number of clusters: with two to six origins, that keeps the level
    where a shock is shared and where none is. NaN of one origin, which cannot tell what is shared.
    """
    squares = 0.0
    items, origins = int(known.any(axis=1).sum()), int(known.any(axis=0).sum())
    if origins < 2:
        return np.nan
    for axis, count in ((1, items), (0, origins)):
        if count > 1:
            variance = float(np.square(parts.sum(axis=axis)).sum()) * count / (count - 1)
            squares += float(special.stdtrit(count - 1, (1 + LEVEL) / 2)) ** 2 * variance
    return float(np.sqrt(squares))
