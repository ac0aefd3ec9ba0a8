"""Champion and challenger: whether newly trained models may replace those in use.

The challenger has to be surely better over all origins that neither has seen, no worse on the
recent ones nor on the older ones alone, harm no class of items, and keep the coverage of its
intervals. A season that flatters the newest data does not promote, nor does an old hold-out that
nothing new can beat reject for ever.

Both are compared on the same items at the same origins, which neither has seen: their scores are
those of backtests. What the champion could not forecast wins the challenger nothing; what the
challenger cannot forecast and the champion can, loses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.evaluation.origins import BacktestPoints
from ml.evaluation.scores import measure_losses
from ml.panel import Bools, Floats
from ml.reporting.comparison import Loss, compare, score_cells

LEAST_ORIGINS = 3  # that count; fewer cannot tell what all items share at one
LEAST_OF_A_CLASS = 5  # items that make a class worth a veto of its own
MOST_HARM = 0.05  # share by which the loss of a class may seem larger
NOMINAL, TOLERANCE = 0.8, 0.04  # coverage of the 80 % interval, and how far it may be off


@dataclass(frozen=True, slots=True)
class ScoredModels:
    """What a set of models lost on N items at G origins."""

    items: tuple[str, ...]  # N
    classes: tuple[str, ...]  # N demand classes
    cutoffs: tuple[np.datetime64, ...]  # G last periods that the forecasts start after
    losses: Floats  # (N, G), NaN = no forecast, or nothing came true
    covered: Floats  # (N, G) share of actuals in the 80 % interval, randomised for counts


@dataclass(frozen=True, slots=True)
class PromotionVerdict:
    """Whether the challenger takes the champion's place, and why."""

    promoted: bool
    saved: tuple[float, float, float]  # share of the champion's loss, and its 95 % interval
    saved_recent: float  # the same of recent origins alone
    saved_older: float  # of older ones
    harmed: tuple[str, ...]  # classes
    coverage: tuple[float, float]  # of the challenger and of the champion
    origins: int  # that counted
    reasons: tuple[str, ...]  # against it; empty where it is promoted

    @property
    def sentence(self) -> str:
        """All of it in words."""
        if not self.origins:
            return f"The models in use stay: {'; '.join(self.reasons)}."
        value, low, high = (100 * share for share in self.saved)
        figures = (
            f"the new ones save {value:.1f} % of the loss ({low:.1f} to {high:.1f} %) at "
            f"{self.origins} origins, {100 * self.saved_recent:.1f} % at the recent and "
            f"{100 * self.saved_older:.1f} % at the older ones, and cover "
            f"{100 * self.coverage[0]:.0f} % instead of {100 * self.coverage[1]:.0f} %"
        )
        if self.promoted:
            return f"The new models take over: {figures}."
        return f"The models in use stay: {'; '.join(self.reasons)} ({figures})."


def score_models(points: Sequence[BacktestPoints], model: str) -> ScoredModels:
    """Scores of one model from what it said of the same items, in one order, at each origin."""
    losses = [measure_losses(one, model) for one in points]
    score, count = score_cells(points, losses)
    inside = [(one.transform >= 0.1) & (one.transform < 0.9) for one in losses]
    known = [~np.isnan(one.transform) for one in losses]
    covered = np.stack([
        np.divide((hit & there).sum(axis=1), there.sum(axis=1), where=there.any(axis=1),
                  out=np.full(len(there), np.nan))
        for hit, there in zip(inside, known, strict=True)
    ], axis=1)  # fmt: skip
    return ScoredModels(
        items=points[0].items, classes=points[0].classes,
        cutoffs=tuple(one.cutoff for one in points),
        losses=np.where(count > 0, score, np.nan), covered=covered,
    )  # fmt: skip


def decide_promotion(
    challenger: ScoredModels, champion: ScoredModels, recent_since: np.datetime64
) -> PromotionVerdict:
    """Whether the challenger may take the champion's place.

    A challenger that is as good as the champion is promoted in at most 2.5 % of cases: that is how
    often the interval, clustered by item and by origin, lies above 0 by chance. Origins from the
    cutoff ``recent_since`` on are the recent ones.
    """
    ours, theirs, recent, reasons = _align(challenger, champion, recent_since)
    if reasons:
        nothing = (np.nan,) * 3
        return PromotionVerdict(
            False, nothing, np.nan, np.nan, (), (np.nan, np.nan), 0, tuple(reasons)
        )
    both = ~np.isnan(ours.losses) & ~np.isnan(theirs.losses)
    mine, best = _loss(ours, both), _loss(theirs, both)
    saved = compare(mine, best, share=True)
    parts = [compare(_some(mine, part), _some(best, part), share=True)[0]
             for part in (recent, ~recent)]  # fmt: skip
    lost = int((np.isnan(ours.losses) & ~np.isnan(theirs.losses)).sum())
    harmed = _harmed(mine, best, ours.classes)
    coverage = (_mean_of(ours.covered, both), _mean_of(theirs.covered, both))
    checks = {
        f"{lost} forecasts are missing that the models in use make": lost == 0,
        "the new ones are not surely better": saved[1] > 0,
        "they are worse at the recent origins": parts[0] > 0,
        "they are worse at the older origins": parts[1] > 0,
        f"they harm {', '.join(harmed)}": not harmed,
        f"their 80 % intervals cover {coverage[0]:.0%}": _keeps_coverage(*coverage),
    }
    against = tuple(reason for reason, passed in checks.items() if not passed)
    return PromotionVerdict(
        promoted=not against, saved=saved, saved_recent=parts[0], saved_older=parts[1],
        harmed=harmed, coverage=coverage, origins=int(both.any(axis=0).sum()), reasons=against,
    )  # fmt: skip


def _align(
    challenger: ScoredModels, champion: ScoredModels, recent_since: np.datetime64
) -> tuple[ScoredModels, ScoredModels, Bools, list[str]]:
    """Both on the same items at the origins that count, which of these are recent, or why none."""
    items = sorted(set(challenger.items) & set(champion.items))
    fair = sorted(set(challenger.cutoffs) & set(champion.cutoffs))
    recent = np.array([cutoff >= recent_since for cutoff in fair], bool)
    ours, theirs = (_pick(one, items, fair) for one in (challenger, champion))
    reasons = []
    if len(fair) < LEAST_ORIGINS or recent.all() or not recent.any():
        reasons.append(
            f"{int(recent.sum())} recent and {int((~recent).sum())} older origins can be compared, "
            f"and it takes {LEAST_ORIGINS} in all and one of each"
        )
    if not items:
        reasons.append("there is no item that both have forecast")
    return ours, theirs, recent, reasons


def _pick(
    one: ScoredModels, items: Sequence[str], cutoffs: Sequence[np.datetime64]
) -> ScoredModels:
    place = {name: row for row, name in enumerate(one.items)}
    rows = [place[name] for name in items]
    columns = [one.cutoffs.index(cutoff) for cutoff in cutoffs]
    return ScoredModels(
        items=tuple(items),
        classes=tuple(one.classes[row] for row in rows),
        cutoffs=tuple(cutoffs),
        losses=one.losses[np.ix_(rows, columns)],
        covered=one.covered[np.ix_(rows, columns)],
    )


def _loss(one: ScoredModels, both: Bools) -> Loss:
    return np.where(both, one.losses, 0.0), both.astype(np.float64)


def _some(loss: Loss, columns: Bools) -> Loss:
    return loss[0][:, columns], loss[1][:, columns]


def _harmed(mine: Loss, best: Loss, classes: Sequence[str]) -> tuple[str, ...]:
    """Classes whose loss is surely larger, or seems larger by more than a little."""
    found = []
    for name in sorted(set(classes)):
        rows = np.array([own == name for own in classes])
        own, other = ((loss[rows], count[rows]) for loss, count in (mine, best))
        if rows.sum() < LEAST_OF_A_CLASS or not other[0].sum():
            continue
        value, _, high = compare(own, other, share=True)
        if value < -MOST_HARM or high < 0:
            found.append(name)
    return tuple(found)


def _keeps_coverage(challenger: float, champion: float) -> bool:
    """Whether it is near the nominal one, or nearer than that of the models in use."""
    off = abs(challenger - NOMINAL)
    return bool(off <= TOLERANCE or off < abs(champion - NOMINAL))


def _mean_of(covered: Floats, both: Bools) -> float:
    known = covered[both & ~np.isnan(covered)]
    return float(known.mean()) if len(known) else float("nan")
