"""How drivers move prices: a pooled ridge regression of daily changes on what was known before."""

import numpy as np
import numpy.typing as npt

from ml.drivers.design import Design
from ml.panel import carried_forward

Floats = npt.NDArray[np.float64]
PRIOR = 0.05  # standard deviation of an effect [volatilities]: prices hardly follow anything
BEFORE = 1  # periods between a driver's value and the change that it may explain


def standard_changes(values: Floats) -> tuple[Floats, Floats]:
    """Changes of each price over its own volatility; and the volatility, (N,).

    Changes are (N, T), 0 on holidays, NaN up to the first price.
    """
    filled = carried_forward(values)
    change = np.diff(filled, axis=1, prepend=filled[:, :1])
    known = np.isfinite(change)
    squares = np.where(known, change, 0.0) ** 2
    volatility = np.sqrt(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    volatility = np.where(volatility > 0, volatility, 1.0)
    return change / volatility[:, None], volatility


def lagged(design: Design) -> Floats:
    """Past-only drivers moved to the period that they may explain, (T + R, F)."""
    moved = design.values.copy()
    past = ~design.ahead()
    moved[BEFORE:, past] = design.values[:-BEFORE][:, past]
    moved[:BEFORE, past] = 0.0
    return moved


def fit(design: Design, columns: npt.NDArray[np.bool_], changes: Floats) -> Floats:
    """Effects of some drivers on the changes of all prices, (F,), 0 where not taking part.

    Args:
        design: T periods of history, and more.
        columns: (F,) drivers that take part.
        changes: (N, T) of :func:`standard_changes`.
    """
    effects = np.zeros(len(design.features))
    regressors = lagged(design)[: design.length][:, columns]
    if not columns.any():
        return effects
    live = np.isfinite(changes[:, : design.length])
    sums = np.where(live, changes[:, : design.length], 0.0).sum(axis=0)
    response = sums / np.maximum(live.sum(axis=0), 1)
    variance = float(response.var()) or 1.0
    penalty = variance / PRIOR**2
    gram = regressors.T @ regressors + penalty * np.eye(regressors.shape[1])
    effects[columns] = np.linalg.solve(gram, regressors.T @ (response - response.mean()))
    return effects
