"""Who is ahead of whom, and by more than chance: paired differences over items and origins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.accuracy.drawn_periods import OWN_PAST
from benchmarks.accuracy.intervals import Estimate, Ratio, estimate
from benchmarks.accuracy.measures import ItemLosses, total
from benchmarks.accuracy.predictions import PEER, REFERENCE, SUMS, TAIL, Prediction
from ml.panel import Floats

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
