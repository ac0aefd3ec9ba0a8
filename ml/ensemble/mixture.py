"""The ensemble's paths: a mixture, each component lending as many paths as its weight says.

Mixing probabilities keeps whole paths, so sums over steps stay right. Averaged quantiles are
narrower and scored no better; where all models err to one side, the difference is what covers it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.forecasters.base import Forecast, Paths

ENSEMBLE = "ensemble"
ENSEMBLE_PATHS = 2000  # 1,000 cost .0005 of the WQL on car parts, 4,000 gain as much again
Spreads = Mapping[str, Sequence[float]]
"""By class, and under ``*`` for the panel: spread of the near, middle and far steps."""


@dataclass(frozen=True, slots=True)
class FittedEnsemble:
    """How the models of a panel are combined, as the backtest found it."""

    # share of each model by class, under `*` for the panel
    weights: Mapping[str, Mapping[str, float]]
    spreads: Spreads  # how far the mixture's intervals are stretched by class; empty for prices
    # the same of cumulative demand over the protection interval
    sum_spreads: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CombinedItem:
    """The ensemble's paths of one item, and how they came about."""

    paths: Paths | None  # (S, H), `None` when no model has any
    model: str  # `ensemble`, or the fallback that stands in for it
    reason: str | None  # why not every wanted model took part; `None` when all did


def combine_item(
    components: Mapping[str, Forecast],
    item: str,
    weights: Mapping[str, float],
    chain: tuple[str, ...],
) -> CombinedItem:
    """Combine the components of an item; those that have nothing of it have not been run for it.

    A component that failed hands its share to the others; when all wanted ones failed, the first
    of ``chain`` that has paths stands in.
    """
    wanted = {model: weight for model, weight in weights.items() if weight > 0}
    alive = {m: w for m, w in wanted.items() if components[m].has(item)}
    failed = {m: components[m].failures.get(item, "forecast not finite") for m in wanted
              if m not in alive}  # fmt: skip
    reason = "; ".join(f"{model}: {why}" for model, why in failed.items()) or None
    if alive:
        return CombinedItem(mix_paths(components, item, alive), ENSEMBLE, reason)
    for model in chain:
        if components[model].has(item):
            return CombinedItem(mix_paths(components, item, {model: 1.0}), model, reason)
    return CombinedItem(None, "none", reason)


def mix_paths(components: Mapping[str, Forecast], item: str, weights: Mapping[str, float]) -> Paths:
    """Paths of a mixture, (ENSEMBLE_PATHS, H).

    Each component's are thinned so that the distribution of its totals survives.
    """
    counts = shares_to_counts(weights, ENSEMBLE_PATHS)
    taken = []
    for model, count in counts.items():
        taken.append(thin_paths(components[model].of(item), count))
    return np.concatenate(taken)


def thin_paths(paths: Paths, count: int) -> Paths:
    """So many of the paths (S, H), evenly along the order of their totals."""
    order = np.argsort(paths.sum(axis=1), kind="stable")
    return paths[order[((np.arange(count) + 0.5) / count * len(paths)).astype(int)]]


def shares_to_counts(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers in proportion to the weights that add up to ``total`` (largest remainder).

    >>> shares_to_counts({"a": 0.5, "b": 0.25, "c": 0.25}, 10)
    {'a': 5, 'b': 3, 'c': 2}
    """
    whole = sum(weights.values())
    exact = {model: weight / whole * total for model, weight in weights.items()}
    counts = {model: int(share) for model, share in exact.items()}
    by_rest = sorted(exact, key=lambda model: (counts[model] - exact[model], model))
    for model in by_rest[: total - sum(counts.values())]:
        counts[model] += 1
    return {model: count for model, count in counts.items() if count}
