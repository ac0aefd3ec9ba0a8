"""ARIMA: orders from quick regressions, the best few compared in full, errors resampled.

Differencing is decided by the test of Kwiatkowski et al. (1992), Journal of Econometrics 54. Orders
are ranked by :func:`ml.forecasters.arima_search.rank_orders`; the leading ones compete by the exact
likelihood (AICc) at least squares estimates, and the best is fitted in full. A search that fits
each candidate in full was worse on two of three panels at early origins (WQL of hospital .116, by
ranks .112; auto .601, .551; 40 series of tourism .178, .179).
"""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pmdarima.arima import ndiffs
from statsmodels.tsa.arima_process import arma2ma
from statsmodels.tsa.statespace.sarimax import SARIMAX

from ml.forecasters.arima_search import estimate, rank_orders
from ml.forecasters.base import Series, is_count
from ml.forecasters.regressors import fit_coefficients, fit_season, fourier_terms, group_terms
from ml.forecasters.sparse_draws import SparseDemand, draw_sparse, measure_sparse
from ml.panel import Panel

Form = tuple[tuple[int, int, int], str | None]
"""Orders p, d, q, and the trend: a constant `c` or none."""

MIN_OBSERVATIONS = 8
MOSTLY_EMPTY = 0.5  # share of periods without demand from which on a series is sparse
# Its orders and trend: a mean with one autoregressive term. A search takes five times as long and
# finds differences that are not there (car parts at early origins: WQL 1.02, and .98 without it).
SPARSE_FORM: Form = ((1, 0, 0), "c")
LEADING = 2  # orders by quick regressions that are fitted in full
# Of the mean log likelihood a period: parameters move by a thousandth of their standard error.
ENOUGH = {"factr": 1e10, "pgtol": 1e-3}
BURN_IN = 3  # first residuals are those of the filter's start, not of the model


@dataclass(frozen=True, slots=True)
class ArimaModel:
    """Settings of ARIMA. Season enters as Fourier terms, which cost nothing at any length."""

    max_order: int = 2  # largest p and q
    max_difference: int = 1  # largest d
    iterations: int = 30  # most optimiser iterations a fit
    window: int = 730  # most recent periods that are fitted
    name: ClassVar[str] = "arima"

    def fit_one(self, panel: Panel, start: dict[str, Any] | None) -> dict[str, Any]:
        """See :class:`ml.forecasters.per_series.SeriesModel`; ``start`` lends its order."""
        values, first = _window(panel.values[0], self.window)
        seen = int(np.sum(~np.isnan(values)))
        if seen < MIN_OBSERVATIONS:
            raise ValueError(f"arima needs {MIN_OBSERVATIONS} observations, there are {seen}")
        if np.nanmin(values) == np.nanmax(values):
            return {"constant": float(np.nanmin(values))}
        is_sparse = panel.is_demand and float((values == 0).sum()) > MOSTLY_EMPTY * seen
        driven, applied = _fit_drivers(values, first, panel)
        values = values - driven
        season = fit_season(values, first, panel.frequency)
        steps = np.arange(first, len(panel.periods))
        rest = values - fourier_terms(steps, panel.frequency) @ season
        scale = float(np.nanstd(rest)) or 1.0
        rest = rest / scale
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # convergence: a poor fit shows in the backtest
            if is_sparse:
                form = SPARSE_FORM
            elif start is not None and "order" in start:
                form = tuple(start["order"]), start["trend"]
            else:
                form = self._search_order(rest)
            found = self._fit(rest, form)
        order, trend = form
        params, sparse = found.params, None
        if panel.is_demand:
            fitted = np.asarray(found.fittedvalues) * scale + driven
            fitted += fourier_terms(steps, panel.frequency) @ season
            sparse = measure_sparse(values + driven, fitted)
        return {
            "order": list(order),
            "trend": trend,
            "params": [float(value) for value in params],
            "season": [float(value) for value in season],
            "scale": scale,
            "drivers": applied,
            "sparse_demand": sparse,
        }

    def _search_order(self, values: Series) -> Form:
        """The form with the least AICc among the leading ones, and a smoothed level."""
        filled = np.where(np.isnan(values), np.nanmean(values), values)
        d = int(ndiffs(filled, test="kpss", max_d=self.max_difference))
        trend = None if d else "c"  # a drift seen in a few years is no forecast
        moved = np.diff(filled, n=d) if d else filled - filled.mean()
        leading = rank_orders(moved, self.max_order)[:LEADING]
        forms = dict.fromkeys([*((p, d, q) for p, q in leading), (0, d, 1)])
        fits = {order: _corrected_criterion(values, (order, trend)) for order in forms}
        return min(fits, key=lambda order: fits[order]), trend

    def _fit(self, values: Series, form: Form) -> Any:
        model, start = _model_of(values, form)
        # Neither smoothed states nor standard errors, which nobody reads.
        params = model.fit(
            start, disp=False, maxiter=self.iterations, method="lbfgs", return_params=True, **ENOUGH
        )
        return model.filter(params, cov_type="none")

    def sample_one(
        self, model: dict[str, Any], panel: Panel, shape: tuple[int, int], seed: int
    ) -> Series:
        """See :class:`ml.forecasters.per_series.SeriesModel`."""
        if "constant" in model:
            return np.full(shape, model["constant"])
        end, horizon = len(panel.periods), shape[1]
        values, first = _window(panel.values[0], self.window)
        season = fourier_terms(np.arange(first, end), panel.frequency) @ model["season"]
        driven = _sum_drivers(model["drivers"], panel, horizon)
        rest = values - driven[first:end] - season
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = SARIMAX(rest / model["scale"], order=model["order"], trend=model["trend"])
            filtered = state.filter(model["params"], cov_type="none")
            mean = np.asarray(filtered.forecast(horizon))
        errors = np.asarray(filtered.resid)
        errors = errors[min(BURN_IN + sum(model["order"]), len(errors) // 2) :]
        errors = errors[~np.isnan(errors)]
        errors = errors - errors.mean()
        rng = np.random.default_rng(seed)
        steps = rng.choice(errors, shape)
        carried = _accumulate(steps, filtered.polynomial_ar, filtered.polynomial_ma, model)
        ahead = fourier_terms(np.arange(end, end + horizon), panel.frequency) @ model["season"]
        ahead = ahead + driven[end:]
        if not model.get("sparse_demand"):
            return (mean + carried) * model["scale"] + ahead
        # What earlier errors of a path have left is doubt of its level; its own errors are none.
        means = (mean + carried - steps) * model["scale"] + ahead
        law = SparseDemand.load(model["sparse_demand"])
        return draw_sparse(law, means, rng, counts=is_count(panel.values))


def _model_of(values: Series, form: Form) -> tuple[SARIMAX, Series]:
    """A model of a series, and parameters close to the most likely ones."""
    order, trend = form
    return SARIMAX(values, order=order, trend=trend), estimate(values, order, constant=bool(trend))


def _corrected_criterion(values: Series, form: Form) -> float:
    """AICc by the exact likelihood, at parameters close to the most likely ones."""
    model, params = _model_of(values, form)
    count, free = int(np.sum(~np.isnan(values))) - form[0][1], len(params)
    criterion = -2 * float(model.loglike(params))
    criterion += 2 * free * count / max(count - free - 1, 1)
    return criterion if np.isfinite(criterion) else np.inf


def _fit_drivers(values: Series, first: int, panel: Panel) -> tuple[Series, dict[str, float]]:
    """What the drivers add to each value of a window, and how much of each group applies."""
    terms = group_terms(panel, 0)
    if not terms:
        return np.zeros(len(values)), {}
    matrix = np.stack(list(terms.values()), axis=1)[first:]
    matrix = matrix - matrix.mean(axis=0)
    unit = float(np.nanmean(values))
    if not panel.is_demand:
        unit = float(np.std(np.diff(values[~np.isnan(values)]))) or 1.0
    found = fit_coefficients(values, matrix, unit)
    applied = {group: float(value) for group, value in zip(terms, found, strict=True)}
    return _sum_drivers(applied, panel, 0)[first:], applied


def _sum_drivers(applied: dict[str, float], panel: Panel, horizon: int) -> Series:
    """Sum of the drivers' terms over history and horizon, (T + H,)."""
    terms = group_terms(panel, horizon) if applied else {}
    driven = np.zeros(len(panel.periods) + horizon)
    for group, value in applied.items():
        driven += value * terms[group]
    return driven


def _window(row: Series, window: int) -> tuple[Series, int]:
    start = max(0, len(row) - window)
    seen = np.flatnonzero(~np.isnan(row[start:]))
    first = start + (int(seen[0]) if len(seen) else 0)
    return row[first:], first


def _accumulate(steps: Series, ar: Series, ma: Series, model: dict[str, Any]) -> Series:
    """Errors carried forward by the model's moving-average form, shape (S, H)."""
    polynomial = np.asarray(ar)
    for _ in range(model["order"][1]):
        polynomial = np.convolve(polynomial, [1.0, -1.0])
    horizon = steps.shape[1]
    weights = arma2ma(polynomial, np.asarray(ma), lags=horizon)
    rows, columns = np.indices((horizon, horizon))
    carried = np.where(columns >= rows, weights[np.abs(columns - rows)], 0.0)
    return steps @ carried
