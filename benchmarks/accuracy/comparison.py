"""Who is ahead of whom, and by more than chance: paired differences over items and origins.

An item is hard or easy at every cutoff, and what shocks a market shocks all items of a cutoff.
Counting items alone tells who was ahead at these very cutoffs; that a shared shock of 5 to 20 %
could have put either ahead, it does not see: it is wrong about other times in up to 57 of 100
cases instead of 5. Clustered both ways it stays below 5, at the price of being three to five
times as wide where there are two cutoffs only; from four on it is half as wide again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.accuracy.cases import PEER, REFERENCE, SUMS, TAIL, Prediction
from benchmarks.accuracy.drawn_periods import OWN_PAST
from benchmarks.accuracy.measures import ItemLosses, total
from ml.panel import Floats
from ml.reporting.comparison import LEVEL, two_way_reach

Ratio = tuple[Floats, Floats]  # numerators and denominators, each (O, N): cutoffs and items


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the half widths of its 95 % intervals."""

    value: float
    over_items: float  # at these very cutoffs
    over_both: float  # over items and cutoffs; NaN of one cutoff

    @property
    def ends(self) -> dict[str, float]:
        """The figure and the ends of its intervals, by what their names end in."""
        return {
            "": self.value,
            " low": self.value - self.over_items,
            " high": self.value + self.over_items,
            " low both": self.value - self.over_both,
            " high both": self.value + self.over_both,
        }


def estimate(top: Floats, bottom: Floats) -> Estimate:
    """Ratio of the sums of ``top`` and ``bottom``, (O, N) each, with its intervals.

    A ratio is treated by its linear part (the delta method). All NaN where ``bottom`` sums to 0.
    """
    if not bottom.sum():
        return Estimate(np.nan, np.nan, np.nan)
    value = float(top.sum() / bottom.sum())
    parts = ((top - value * bottom) / bottom.sum()).T
    items = len(parts)
    variance = float(np.square(parts.sum(axis=1)).sum()) * items / max(items - 1, 1)
    over_items = float(stats.t.ppf((1 + LEVEL) / 2, items - 1)) * np.sqrt(variance)
    return Estimate(value, float(over_items), two_way_reach(parts, np.ones(parts.shape, bool)))


MOSTLY = 0.95  # a model that others stand in for on more items is no rival
WQL, MASE = "wql", "mase"
COMPARED = (WQL, MASE, *SUMS)  # a sum stands for the mean of its losses at ``TAIL``
Figures = dict[str, Any]
# Any of a model's predictions, and its losses at every cutoff.
Scored = tuple[Prediction, Sequence[ItemLosses]]


@dataclass(frozen=True, slots=True)
class Line:
    """One model's line of the table."""

    dataset: str  # name
    scope: str  # which items
    items: int  # how many
    origins: int  # how many cutoffs
    model: str  # name
    kind: str  # `ours`, `reference` or `peer`
    own: float  # share of the items that it forecast itself, at the latest cutoff
    figures: Mapping[str, Any]  # by name
    sums: tuple[int, int]  # periods of the first and second sum
    seconds: float | None  # time that it took, all cutoffs together


def lines(
    dataset: str, scope: str, sums: tuple[int, int], found: Mapping[str, Scored]
) -> list[Line]:
    """All models of one scope, least WQL first, each against the best reference and peer."""
    figures: dict[str, Figures] = {n: dict(total(losses)) for n, (_, losses) in found.items()}
    kinds = {name: prediction.kind for name, (prediction, _) in found.items()}
    parts = {name: _measured(losses) for name, (_, losses) in found.items()}
    for measure in COMPARED:
        known = {name: one[measure] for name, one in parts.items() if measure in one}
        for kind in (REFERENCE, PEER):
            rivals = [n for n in known if kinds[n] == kind and found[n][0].own > MOSTLY]
            _against(figures, known, _best(known, rivals), against(measure, kind))
    _savings(figures, {n: losses for n, (_, losses) in found.items() if SUMS[0] in parts[n]})
    order = sorted(found, key=lambda name: (figures[name][WQL], name))
    items, origins = len(next(iter(found.values()))[1][0].demand), len(found[order[0]][1])
    return [
        Line(dataset, scope, items, origins, name, kinds[name], found[name][0].own, figures[name],
             sums, found[name][0].seconds)
        for name in order
    ]  # fmt: skip


def against(measure: str, kind: str) -> str:
    """Name of the figure that compares a model with the best of a kind."""
    return f"{measure} against {kind}"


def saved(which: str, level: float) -> str:
    """Name of the figure that tells what is saved of the loss of the own past."""
    return f"{which} at {level:g} saved"


def _measured(losses: Sequence[ItemLosses]) -> dict[str, Ratio]:
    """What each compared figure is the ratio of, cell by cell."""
    error = _stacked(losses, "error")
    known = np.isfinite(error)
    found = {
        WQL: (_stacked(losses, "pinball"), _stacked(losses, "demand")),
        MASE: (np.where(known, error, 0.0), known.astype(np.float64)),
    }
    tails, sums = _stacked(losses, "sum_pinball"), _stacked(losses, "sum_demand")
    if np.isfinite(tails).all():
        found |= {
            which: (tails[:, :, place].mean(axis=2), sums[:, :, place])
            for place, which in enumerate(SUMS)
        }
    return found


def _stacked(losses: Sequence[ItemLosses], name: str) -> Floats:
    return np.stack([getattr(one, name) for one in losses])


def _best(parts: Mapping[str, Ratio], names: Sequence[str]) -> str | None:
    return min(names, key=lambda n: (parts[n][0].sum() / parts[n][1].sum(), n), default=None)


def _against(
    figures: Mapping[str, Figures], parts: Mapping[str, Ratio], rival: str | None, label: str
) -> None:
    for name in figures:
        found = None
        if rival is not None and name in parts:
            losses, demand = parts[name]
            found = estimate(losses - parts[rival][0], demand)
        figures[name] |= _ends(label, found) | {f"{label}: which": rival}


def _savings(figures: Mapping[str, Figures], losses: Mapping[str, Sequence[ItemLosses]]) -> None:
    """Share of the loss of the best window of the own past that each model saves, by column.

    The window is the best one for this very column, in hindsight.
    """
    tails = {name: _stacked(one, "sum_pinball") for name, one in losses.items()}
    for place, k in [(place, k) for place in range(len(SUMS)) for k in range(len(TAIL))]:
        parts = {name: one[:, :, place, k] for name, one in tails.items()}
        windows = [name for name in parts if name.startswith(OWN_PAST)]
        if not windows:
            continue
        past = parts[min(windows, key=lambda name: (parts[name].sum(), name))]
        for name, part in parts.items():
            figures[name] |= _ends(saved(SUMS[place], TAIL[k]), estimate(past - part, past))


def _ends(label: str, found: Estimate | None) -> Figures:
    if found is None:
        return {label: None}
    return {label + end: value for end, value in found.ends.items()}
