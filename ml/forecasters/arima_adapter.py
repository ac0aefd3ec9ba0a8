"""ARIMA: orders from quick regressions, the best few fitted in full, errors resampled.

Differencing is decided by the test of Kwiatkowski et al. (1992), Journal of Econometrics 54. Orders
are ranked by the regressions of Hannan & Rissanen (1982), Biometrika 69, on lagged values and
lagged errors of a long autoregression; the leading ones compete by the exact likelihood (AICc). A
search that fits each candidate in full takes four times as long, and was worse on two of three
panels at early origins (WQL of hospital .116, now .112; auto .601, now .551; 40 series of tourism
.178, now .179).
"""

import warnings
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
from pmdarima.arima import ndiffs
from statsmodels.tsa.arima_process import arma2ma
from statsmodels.tsa.statespace.sarimax import SARIMAX

from ml.forecasters.base import Series, is_count
from ml.forecasters.regressors import (
    fit_coefficients,
    fit_season,
    fourier_terms,
    group_terms,
)
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
                order, trend = SPARSE_FORM
            elif start is not None and "order" in start:
                order, trend = tuple(start["order"]), start["trend"]
            else:
                order, trend = self._search_order(rest)
            found = self._fit(rest, (order, trend))
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
        fits = {}
        for order in forms:
            found = self._fit(values, (order, trend))
            if np.isfinite(found.aicc):
                fits[order] = float(found.aicc)
        return (min(fits, key=lambda order: fits[order]) if fits else (0, d, 1)), trend

    def _fit(self, values: Series, form: Form) -> Any:
        order, trend = form
        model = SARIMAX(values, order=order, trend=trend)
        return model.fit(disp=False, maxiter=self.iterations, method="lbfgs")

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
            filtered = state.filter(model["params"])
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


def rank_orders(values: Series, most: int) -> list[tuple[int, int]]:
    """Orders (p, q) of a stationary series (T,) without a mean, the least AICc first.

    Each is a regression on p lagged values and q lagged errors, all over the same periods. Errors
    are those of an autoregression of 10 log10(T) lags, of a quarter of the history where that is
    less.
    """
    reach = min(round(10 * np.log10(len(values))), len(values) // 4)
    errors = np.concatenate([np.zeros(reach), _regress(values, [_lags(values, reach)], reach)])
    start = reach + most
    count, scores = len(values) - start, {}
    for p, q in product(range(most + 1), repeat=2):
        free = count - p - q - 2
        if free > 0:
            rest = _regress(values, [_lags(values, p), _lags(errors, q)], start)
            variance = max(float(np.mean(rest**2)), 1e-300)
            scores[p, q] = count * np.log(variance) + 2 * (p + q + 1) * count / free
    return sorted(scores, key=lambda order: (scores[order], order))


def _lags(values: Series, most: int) -> Series:
    """The values 1 to ``most`` periods earlier, 0 before the first, (T, most)."""
    columns = [np.concatenate([np.zeros(lag), values[:-lag]]) for lag in range(1, most + 1)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(values), 0))


def _regress(values: Series, terms: list[Series], start: int) -> Series:
    """What least squares on terms (T, n) leave of a series from a period on."""
    design = np.hstack(terms)[start:]
    found, *_ = np.linalg.lstsq(design, values[start:], rcond=None)
    return np.asarray(values[start:] - design @ found)


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
