"""How drivers move demand and prices: pooled regressions, one a demand class.

One part with three demands a year says nothing about storms; all parts of a class together do.
Demand is counted in typical sizes of each item, capped, so that one large order is no storm. The
drivers are the same for all items of a class, so class totals against their exposure hold all
that a Poisson regression can learn (Poisson sufficiency), whatever the number of items. Daily
changes of prices get a ridge regression on what was known before.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from ml.drivers.design import Design
from ml.panel import Bools, Floats, carried_forward

CAP = 2.0  # typical sizes that one period's demand counts for at most
OVERDISPERSION = 2.0  # of daily totals against Poisson, roughly; scales the prior's weight
PRIOR = 0.5  # standard deviation of an effect before anything is seen [log of the rate]
CLASS_PRIOR = 0.15  # and of a class's own deviation from the panel's effect
PRICE_PRIOR = 0.05  # the same of prices, which hardly follow anything [volatilities]
BEFORE = 1  # periods between a driver's value and the price change that it may explain
DEPENDENT = 1e-3  # share of a regressor that must be its own
ENDLESS = 12.0  # an effect beyond this has no maximum: nothing was ever asked for on such days
LEAST_DEMAND = 30.0  # typical sizes: below, no effect can be told from chance
SILENCE = 1e-3  # an item whose silence is less probable than this has left; it teaches nothing


@dataclass(frozen=True, slots=True)
class ClassTotals:
    """Demand of some items together."""

    demand: Floats  # (T,) in typical sizes
    exposure: Floats  # (T,) what constant rates would give, 0 where nothing was observed

    def plus(self, other: "ClassTotals") -> "ClassTotals":
        """Of both together."""
        return ClassTotals(self.demand + other.demand, self.exposure + other.exposure)


def count_typical_sizes(values: Floats) -> Floats:
    """Demand over each item's mean demand size, capped, (N, T); NaN stays."""
    sizes = np.where(values > 0, values, 0.0).sum(axis=1)
    events = np.maximum((values > 0).sum(axis=1), 1)
    size = np.where(sizes > 0, sizes / events, 1.0)
    return np.minimum(values / size[:, None], CAP)


def find_active(values: Floats) -> Bools:
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


def sum_counts(counts: Floats) -> ClassTotals:
    """Totals of :func:`count_typical_sizes` (N, T)."""
    seen = ~np.isnan(counts)
    rate = np.nansum(counts, axis=1) / np.maximum(seen.sum(axis=1), 1)
    return ClassTotals(np.nansum(counts, axis=0), rate @ seen)


def fit_rates(
    design: Design, columns: Bools, panel: ClassTotals, own: ClassTotals
) -> tuple[Floats, Floats]:
    """Effects of the drivers in ``columns`` (F,) on one class, shrunk to those on the panel.

    Returns:
        (F,) effects, 0 where not taking part; and (T + R,) the seasons' part of the log rate.
    """
    return draw_to_panel(design, columns, fit_panel(design, columns, panel), own)


def fit_panel(design: Design, columns: Bools, panel: ClassTotals) -> tuple[Floats, float]:
    """Coefficients of the seasons and of the drivers in ``columns`` on a panel; the constant."""
    return _fit_poisson(_regressors(design, columns)[: design.length], panel, PRIOR)


def draw_to_panel(
    design: Design, columns: Bools, panel: tuple[Floats, float], own: ClassTotals
) -> tuple[Floats, Floats]:
    """:func:`fit_rates` where the panel is fitted already, which its classes have in common."""
    shared, constant = panel
    history = _regressors(design, columns)[: design.length]
    moved = np.exp(history @ shared + constant)
    expected = ClassTotals(own.demand, own.exposure * moved)
    deviation, shift = _fit_poisson(history, expected, CLASS_PRIOR)
    both, base = shared + deviation, design.base[:, 1:]
    effects = np.zeros(len(design.features))
    effects[columns] = both[base.shape[1] :]
    return effects, base @ both[: base.shape[1]] + constant + shift


def _regressors(design: Design, columns: Bools) -> Floats:
    """Seasons without the constant, and the drivers in ``columns``, (T + R, B + F)."""
    return np.concatenate([design.base[:, 1:], design.values[:, columns]], axis=1)


def _fit_poisson(history: Floats, of: ClassTotals, prior: float) -> tuple[Floats, float]:
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


def estimate_effects(design: Design, of: ClassTotals) -> tuple[Floats, Floats]:
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
    kept = _find_independent(every)
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


def _find_independent(regressors: Floats) -> list[int]:
    """Columns that no combination of the columns before them gives, in their order."""
    kept: list[int] = []
    basis = np.zeros((len(regressors), 0))
    for column, own in enumerate(regressors.T):
        rest = own - basis @ (basis.T @ own)
        size = float(np.linalg.norm(rest))
        if size > DEPENDENT * max(float(np.linalg.norm(own)), 1e-12):
            basis = np.column_stack([basis, rest / size])
            kept.append(column)
    return kept


def standardise_changes(values: Floats) -> tuple[Floats, Floats]:
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


def lag_values(design: Design) -> Floats:
    """Past-only drivers moved to the price change that they may explain, (T + R, F)."""
    moved = design.values.copy()
    past = ~design.ahead()
    moved[BEFORE:, past] = design.values[:-BEFORE][:, past]
    moved[:BEFORE, past] = 0.0
    return moved


def fit_changes(design: Design, columns: Bools, changes: Floats) -> Floats:
    """Effects of the drivers in ``columns`` (F,) on the changes of all prices (N, T), (F,).

    They are 0 where a driver takes no part. Changes are those of :func:`standardise_changes`.
    """
    effects = np.zeros(len(design.features))
    regressors = lag_values(design)[: design.length][:, columns]
    if not columns.any():
        return effects
    live = np.isfinite(changes[:, : design.length])
    sums = np.where(live, changes[:, : design.length], 0.0).sum(axis=0)
    response = sums / np.maximum(live.sum(axis=0), 1)
    variance = float(response.var()) or 1.0
    penalty = variance / PRICE_PRIOR**2
    gram = regressors.T @ regressors + penalty * np.eye(regressors.shape[1])
    effects[columns] = np.linalg.solve(gram, regressors.T @ (response - response.mean()))
    return effects
