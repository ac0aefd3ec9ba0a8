"""Who is ahead of whom, and by more than chance: paired differences over items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.accuracy.measures import ItemLosses, tail_loss, total
from benchmarks.accuracy.own_past import OWN_PAST
from benchmarks.accuracy.predictions import PEER, REFERENCE, SUMS, TAIL, Prediction, summed_periods
from ml.panel import Floats
from ml.seeds import generator

MOSTLY = 0.95  # a model that others stand in for on more items is no rival
DRAWS = 2000  # of the bootstrap over items
INTERVAL = (0.025, 0.975)
WQL, SUMMED = "wql against", "sums against own past"
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One model's line of the table.

    Attributes:
        dataset: Name.
        scope: Which items.
        items: How many.
        model: Name.
        kind: ``ours``, ``reference`` or ``peer``.
        own: Share of the items that it forecast itself, at the latest cutoff.
        figures: By name.
        sums: Periods of the first and second sum.
        seconds: Time that it took, all cutoffs together.
    """

    dataset: str
    scope: str
    items: int
    model: str
    kind: str
    own: float
    figures: Mapping[str, Any]
    sums: tuple[int, int]
    seconds: float | None


def lines(
    dataset: str, scope: str, found: Mapping[str, tuple[Prediction, ItemLosses]]
) -> list[Line]:
    """All models of one scope, least WQL first, each against the best reference and peer.

    Args:
        dataset: Name.
        scope: Which items.
        found: By model any of its predictions, and its losses over all cutoffs.
    """
    losses = {name: one for name, (_, one) in found.items()}
    figures: dict[str, Figures] = {name: dict(total(one)) for name, one in losses.items()}
    kinds = {name: prediction.kind for name, (prediction, _) in found.items()}
    order = sorted(losses, key=lambda name: (figures[name]["wql"], name))
    demand = next(iter(losses.values())).demand
    weights = item_draws(len(demand))
    single = {name: one.pinball / one.demand.sum() for name, one in losses.items()}
    tails = {name: tail_loss(one) for name, one in losses.items()}
    tails = {name: one for name, one in tails.items() if np.isfinite(one).all()}
    for kind in (REFERENCE, PEER):
        rivals = [name for name in single if kinds[name] == kind and found[name][0].own > MOSTLY]
        rival = _best(single, rivals)
        _against(figures, single, rival, weights, demand, f"{WQL} {kind}")
    own = [name for name in tails if name.startswith(OWN_PAST)]
    _against(figures, tails, _best(tails, own), weights, None, SUMMED)
    _gains(figures, {name: losses[name] for name in tails}, own, weights)
    return [
        Line(dataset, scope, len(demand), name, kinds[name], found[name][0].own, figures[name],
             summed_periods(found[name][0].quantiles.shape[1]),
             found[name][0].seconds)
        for name in order
    ]  # fmt: skip


def _gains(
    figures: Mapping[str, Figures],
    losses: Mapping[str, ItemLosses],
    own: Sequence[str],
    weights: Floats,
) -> None:
    """Share of the loss of the best window of the own past that each model saves, by column.

    The window is the best one for this very column, in hindsight.
    """
    columns = [(place, k) for place in range(len(SUMS)) for k in range(len(TAIL))]
    for place, k in columns:
        parts = {name: one.sum_pinball[:, place, k] for name, one in losses.items()}
        rival = _best(parts, own)
        for name, part in parts.items():
            if rival is None:
                continue
            label = gain_label(SUMS[place], TAIL[k])
            drawn = 1 - (weights @ part) / (weights @ parts[rival])
            low, high = np.quantile(drawn, INTERVAL)
            value = 1 - part.sum() / parts[rival].sum()
            figures[name] |= {label: float(value), f"{label} low": float(low),
                              f"{label} high": float(high)}  # fmt: skip


def gain_label(which: str, level: float) -> str:
    """Name of the figure."""
    return f"{which} at {level:g} saved"


def item_draws(count: int) -> Floats:
    """How often each draw of the bootstrap takes each item, (draws, N)."""
    rng = generator(0, "items", str(count))
    return rng.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)


def paired(
    one: Floats, other: Floats, weights: Floats, demand: Floats | None
) -> tuple[float, float, float]:
    """Difference of two ratio figures, and the ends of its 95 % interval over items.

    Args:
        one: (N,) parts of a figure by item, which sum to it.
        other: Of the rival.
        weights: Draws of items.
        demand: (N,) whose sum the figures were divided by, to be drawn along; ``None`` leaves the
            divisor alone.
    """
    apart = one - other
    drawn = weights @ apart
    if demand is not None:
        drawn = drawn * demand.sum() / (weights @ demand)
    low, high = np.quantile(drawn, INTERVAL)
    return float(apart.sum()), float(low), float(high)


def _best(parts: Mapping[str, Floats], names: Sequence[str]) -> str | None:
    return min(names, key=lambda name: (parts[name].sum(), name), default=None)


def _against(
    figures: Mapping[str, Figures],
    parts: Mapping[str, Floats],
    rival: str | None,
    weights: Floats,
    demand: Floats | None,
    label: str,
) -> None:
    for name in figures:
        known = rival if name in parts else None
        ends: tuple[float | None, ...] = (None, None, None)
        if known is not None:
            ends = paired(parts[name], parts[known], weights, demand)
        for end, value in zip(("", " low", " high"), ends, strict=True):
            figures[name][label + end] = value
        figures[name][f"{label}: which"] = known
