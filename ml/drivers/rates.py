"""How drivers move the rate of demand: a pooled Poisson regression by demand class.

One part with three demands a year says nothing about storms; all parts of a class together do.
Demand is counted in typical sizes of each item, capped, so that one large order is no storm. The
drivers are the same for all items of a class, so class totals against their exposure hold all
that the regression can learn (Poisson sufficiency), whatever the number of items.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.drivers.design import Design

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
CAP = 2.0  # typical sizes that one period's demand counts for at most
OVERDISPERSION = 2.0  # of daily totals against Poisson, roughly; scales the prior's weight
PRIOR = 0.5  # standard deviation of an effect before anything is seen [log of the rate]
CLASS_PRIOR = 0.15  # and of a class's own deviation from the panel's effect
DEPENDENT = 1e-3  # share of a regressor that must be its own
ENDLESS = 12.0  # an effect beyond this has no maximum: nothing was ever asked for on such days
LEAST_DEMAND = 30.0  # typical sizes: below, no effect can be told from chance
SILENCE = 1e-3  # an item whose silence is less probable than this has left; it teaches nothing


@dataclass(frozen=True, slots=True)
class Totals:
    """Demand of some items together.

    Attributes:
        demand: (T,) in typical sizes.
        exposure: (T,) what constant rates would give, 0 where nothing was observed.
    """

    demand: Floats
    exposure: Floats


def typical_counts(values: Floats) -> Floats:
    """Demand over each item's mean demand size, capped, (N, T); NaN stays."""
    sizes = np.where(values > 0, values, 0.0).sum(axis=1)
    events = np.maximum((values > 0).sum(axis=1), 1)
    size = np.where(sizes > 0, sizes / events, 1.0)
    return np.minimum(values / size[:, None], CAP)


def alive(values: Floats) -> Bools:
    """Items that have not left: their last silence could well be chance, (N,).

    With a share p of periods with demand, k silent periods at the end have probability
    (1 - p)^k.
    """
    seen = ~np.isnan(values)
    demanded = np.nan_to_num(values) > 0
    last = values.shape[1] - 1 - np.argmax(demanded[:, ::-1], axis=1)
    share = demanded.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    silent = (seen & (np.arange(values.shape[1]) > last[:, None])).sum(axis=1)
    probable = (1 - share) ** silent >= SILENCE
    return np.asarray(probable & demanded.any(axis=1))


def totals(counts: Floats) -> Totals:
    """Class totals of :func:`typical_counts` (N, T)."""
    seen = ~np.isnan(counts)
    rate = np.nansum(counts, axis=1) / np.maximum(seen.sum(axis=1), 1)
    return Totals(np.nansum(counts, axis=0), rate @ seen)


def fit(design: Design, columns: Bools, panel: Totals, own: Totals) -> tuple[Floats, Floats]:
    """Effects of some drivers on one class, shrunk to those on the panel.

    Args:
        design: T periods of history, and more.
        columns: (F,) drivers that take part.
        panel: Totals of all items.
        own: Totals of the class.

    Returns:
        (F,) effects, 0 where not taking part; and (T + R,) the seasons' part of the log rate.
    """
    base = design.base[:, 1:]
    regressors = np.concatenate([base, design.values[:, columns]], axis=1)
    history = regressors[: design.length]
    shared, constant = _ridge(history, panel, PRIOR)
    moved = np.exp(history @ shared + constant)
    deviation, shift = _ridge(history, Totals(own.demand, own.exposure * moved), CLASS_PRIOR)
    both = shared + deviation
    effects = np.zeros(len(design.features))
    effects[columns] = both[base.shape[1] :]
    return effects, base @ both[: base.shape[1]] + constant + shift


def _ridge(history: Floats, of: Totals, prior: float) -> tuple[Floats, float]:
    """Coefficients of a Poisson regression with a normal prior, and the constant."""
    from sklearn.linear_model import PoissonRegressor

    seen = of.exposure > 0
    weight = of.exposure[seen]
    if not history.shape[1] or not of.demand[seen].sum():
        return np.zeros(history.shape[1]), 0.0
    penalty = OVERDISPERSION / (prior**2 * weight.sum())
    model = PoissonRegressor(alpha=penalty, solver="newton-cholesky", max_iter=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence: a poor fit shows in the gain
        model.fit(history[seen], of.demand[seen] / weight, sample_weight=weight)
    return np.asarray(model.coef_, np.float64), float(model.intercept_)


def effects_with_errors(design: Design, of: Totals) -> tuple[Floats, Floats]:
    """Effects of all drivers together and their standard errors, (F,) each.

    NaN for a driver that cannot be told apart from seasons or other drivers (in weeks that start
    on a Monday, Carnival and the days after it are one), or of which nothing can be said.
    Errors are Newey and West's (1987), which allow for storms and strikes that last: lags of two
    weeks, or two periods.
    """
    import statsmodels.api as sm

    start = design.base.shape[1]
    effects = np.full(len(design.features), np.nan)
    errors = effects.copy()
    seen = of.exposure[: design.length] > 0
    every = np.concatenate([design.base, design.values], axis=1)[: design.length][seen]
    kept = _independent(every)
    lags = max(2, int(14 / design.frequency.days))
    if of.demand[seen].sum() < LEAST_DEMAND or len(every) <= 2 * len(kept):
        return effects, errors
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = sm.GLM(
                of.demand[seen], every[:, kept], family=sm.families.Poisson(),
                offset=np.log(of.exposure[seen]),
            )  # fmt: skip
            found = model.fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    except (ValueError, np.linalg.LinAlgError):
        return effects, errors
    sure = np.isfinite(found.params) & np.isfinite(found.bse) & (np.abs(found.params) < ENDLESS)
    for place, column in enumerate(kept):
        if column >= start and sure[place]:
            effects[column - start], errors[column - start] = found.params[place], found.bse[place]
    return effects, errors


def _independent(regressors: Floats) -> list[int]:
    """Columns that no combination of the columns before them gives, in their order."""
    kept: list[int] = []
    basis = np.zeros((len(regressors), 0))
    for column in range(regressors.shape[1]):
        own = regressors[:, column]
        rest = own - basis @ (basis.T @ own)
        size = float(np.linalg.norm(rest))
        if size > DEPENDENT * max(float(np.linalg.norm(own)), 1e-12):
            basis = np.column_stack([basis, rest / size])
            kept.append(column)
    return kept
