"""Whether a model is better than the best reference by more than chance."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ml.ensemble.least_score import NEVER
from ml.evaluation.losses import losses
from ml.evaluation.points import BacktestPoints
from ml.forecasters.registry import REFERENCES
from ml.panel import Floats
from ml.seeds import generator

DRAWS = 1000  # of the bootstrap over items
INTERVAL = (0.025, 0.975)
Difference = tuple[str | None, str, dict[str, float], int]
"""Class (``None`` = all), model, the figures by name, and the number of actuals behind them."""


def differences(backtests: Sequence[BacktestPoints], kind: str) -> Iterator[Difference]:
    """Scaled CRPS of each model less that of the best reference of the class, all origins.

    Figures are ``vs_reference`` and the ends of its 95 % interval, by a bootstrap that draws items
    with all their origins. What items share at one origin widens it no further: few origins say
    little about that.
    """
    if not backtests:
        return
    found = {model: _sums(backtests, model) for model in backtests[0].models}
    classes = np.asarray(backtests[0].classes)
    groups: dict[str | None, Floats] = {None: np.ones(len(classes), bool)}
    if kind == "demand":
        groups |= {str(name): classes == name for name in sorted(set(classes))}
    for name, rows in groups.items():
        of_group = {model: (loss[rows], count[rows]) for model, (loss, count) in found.items()}
        for model, (figures, count) in _against_best(of_group, kind).items():
            yield name, model, figures, count


def _sums(backtests: Sequence[BacktestPoints], model: str) -> tuple[Floats, Floats]:
    """Sum of scaled CRPS and number of actuals of each item over all origins, (N,) each."""
    scaled = [losses(one, model).crps / one.scale[:, None] for one in backtests]
    whole = np.concatenate(scaled, axis=1)
    return np.nansum(whole, axis=1), (~np.isnan(whole)).sum(axis=1).astype(np.float64)


def _against_best(
    found: Mapping[str, tuple[Floats, Floats]], kind: str
) -> dict[str, tuple[dict[str, float], int]]:
    usable = {model: one for model, one in found.items() if one[1].sum()}
    rivals = [model for model in usable if model in REFERENCES[kind] and model not in NEVER]
    most = max((usable[model][1].sum() for model in rivals), default=0.0)
    # A reference that failed on some items was judged on the others only.
    rivals = [model for model in rivals if usable[model][1].sum() == most]
    if not rivals:
        return {}
    best = min(rivals, key=lambda model: (_mean(usable[model]), model))
    items = len(usable[best][0])
    rng = generator(0, "paired", str(items))
    draws = rng.multinomial(items, np.full(items, 1 / items), DRAWS).astype(np.float64)
    result = {}
    for model, (loss, count) in usable.items():
        both = (count > 0) & (usable[best][1] > 0)
        if not both.any():
            continue
        apart = _ratio(draws[:, both], loss[both], count[both])
        apart -= _ratio(draws[:, both], usable[best][0][both], usable[best][1][both])
        known = apart[np.isfinite(apart)]
        low, high = np.quantile(known, INTERVAL) if len(known) else (np.nan, np.nan)
        value = loss[both].sum() / count[both].sum()
        value -= usable[best][0][both].sum() / usable[best][1][both].sum()
        figures = {"vs_reference": float(value), "vs_reference_low": float(low),
                   "vs_reference_high": float(high)}  # fmt: skip
        result[model] = (figures, int(count[both].sum()))
    return result


def _ratio(draws: Floats, loss: Floats, count: Floats) -> Floats:
    """Mean loss of each draw of items; NaN where it took none."""
    drawn = draws @ count
    return np.where(drawn > 0, draws @ loss, np.nan) / np.where(drawn > 0, drawn, 1.0)


def _mean(sums: tuple[Floats, Floats]) -> float:
    return float(sums[0].sum() / sums[1].sum())
