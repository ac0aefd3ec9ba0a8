"""The mixture with the least CRPS on a backtest, for the panel and for each class.

The score of a mixture is quadratic in its weights,

    CRPS(sum w_m F_m, y) = sum_m w_m E|X_m - y| - 1/2 sum_mk w_m w_k E|X_m - X_k|,

and convex on the simplex, so the best weights are found exactly. CRPS is twice the pinball loss
averaged over all levels. Items of one panel share storms and strikes, so a few origins say less
than their number of items: hopeless models are left out, each class is shrunk to the panel, and
the weights are pulled a little to a default.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ml.ensemble.distances import Distances, Rows, shrink

Floats = npt.NDArray[np.float64]
PANEL = "*"  # the key of the weights that serve a class which was not tried
NEVER = ("zero",)  # judged with the others, but no part of a forecast: quiet months would choose it
SLACK = 0.02  # in units of the item's scale: scores this close to the best are not hopeless
MOST_FAILURES = 0.05  # a model that fails on more of a class does not belong there
SMALL = 0.02  # a share below this is not worth a model
DEFAULT = {"demand": {"empirical": 0.5, "tsb": 0.5}, "price": {"volatility": 1.0}}
HOPELESS = 1.25  # a model whose score alone exceeds the best one's so many times is left out
# Pull to equal shares of the others (demand), to the volatility model around the last close
# (prices: few series, few origins).
PULL = {"demand": 0.01, "price": 1.0}


def best_weights(rows: Rows, models: Sequence[str], kind: str) -> dict[str, Floats]:
    """Best weights of the panel and of each class, (M,) each.

    Args:
        rows: Distances of the models.
        models: M names.
        kind: ``demand`` or ``price``.
    """
    panel = rows.means()
    works = rows.failed.mean(axis=0) <= MOST_FAILURES
    found = {PANEL: _best(panel, models, kind, works)}
    for name in sorted(set(rows.classes)):
        own = rows.of(rows.classes == name)
        works = own.failed.mean(axis=0) <= MOST_FAILURES
        found[str(name)] = _best(shrink(own.means(), panel), models, kind, works)
    return found


def _best(
    distances: Distances, models: Sequence[str], kind: str, works: npt.NDArray[np.bool_]
) -> Floats:
    """The weights on the simplex with the least score.

    Models that do not work on the class, hopeless ones and ``NEVER`` are at 0.
    """
    alone = distances.alone()
    candidates = works & np.array([model not in NEVER for model in models])
    if not candidates.any():
        candidates = np.array([model in DEFAULT[kind] for model in models])
    kept = candidates & (alone <= HOPELESS * alone[candidates].min() + SLACK)
    kept |= np.array([model in DEFAULT[kind] for model in models])
    near, between = distances.near[kept], distances.between[np.ix_(kept, kept)]
    anchor = np.full(len(near), 1 / len(near))
    if kind == "price":
        anchor = np.asarray([DEFAULT[kind].get(m, 0.0) for m, keep in zip(models, kept, strict=True)
                             if keep])  # fmt: skip
    found = _least(near, between, anchor, PULL[kind])
    weights = np.zeros(len(models))
    weights[kept] = np.where(found < SMALL, 0.0, found)
    return weights / weights.sum()


def _least(near: Floats, between: Floats, anchor: Floats, pull: float) -> Floats:
    size = len(near)
    unit = float(near.min()) or 1.0

    def score(w: Floats) -> float:
        quadratic = w @ between @ w / 2
        return float((near @ w - quadratic) / unit + pull * np.sum((w - anchor) ** 2))

    def slope(w: Floats) -> Floats:
        return (near - between @ w) / unit + 2 * pull * (w - anchor)

    found = minimize(
        score,
        np.full(size, 1 / size),
        jac=slope,
        bounds=[(0.0, 1.0)] * size,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-12},
    )
    return np.asarray(found.x, np.float64)
