"""Orders and parameters of ARIMA in a millisecond, where the search for the best ones starts.

Orders are ranked by the regressions of Hannan & Rissanen (1982), Biometrika 69, on lagged values
and lagged errors of a long autoregression. Parameters of an order are those of the least sum of
squared errors given what came before the first period (Box & Jenkins 1976, *Time Series Analysis*,
chapter 7, which finds them in the same way). From there the exact likelihood takes a handful of
steps to its top instead of two dozen.
"""

from itertools import product

import numpy as np

from ml.forecasters.base import Series

STEPS = 12  # most Gauss-Newton steps
HALVINGS = 6  # of a step that leads to more error, or out of what is stable
ENOUGH = 1e-6  # relative fall of the squared errors that ends them
EDGE = 0.98  # most modulus of an inverse root, to be clear of the border of what is stable
LEAST_VARIANCE = 1e-8  # of the errors; the series has a variance of 1


def estimate(values: Series, order: tuple[int, int, int], *, constant: bool) -> Series:
    """Constant if any, p autoregressive, q moving average parameters and the errors' variance.

    Of a series (T,), NaN = not observed: taken for the mean; and its order p, d, q. A constant goes
    without differences only.
    """
    p, d, q = order
    filled = np.where(np.isnan(values), np.nanmean(values), values)
    level = filled.mean() if constant else 0.0
    moved = np.diff(filled, n=d) if d else filled - level
    found = np.zeros(constant + p + q)
    errors, slopes = _errors(moved, found, p, q)
    squares = float(errors @ errors)
    for _ in range(STEPS if len(found) else 0):
        step, *_ = np.linalg.lstsq(slopes, -errors, rcond=None)
        before = squares
        for halving in range(HALVINGS):
            tried = found + step / 2**halving
            if not _is_stable(tried[constant:], p):
                continue
            own, own_slopes = _errors(moved, tried, p, q)
            if float(own @ own) < squares:
                found, errors, slopes, squares = tried, own, own_slopes, float(own @ own)
                break
        if before - squares <= ENOUGH * before:
            break
    if constant:
        found[0] += level * (1 - found[1 : 1 + p].sum())
    return np.append(found, max(squares / max(len(moved) - p, 1), LEAST_VARIANCE))


def _errors(moved: Series, found: Series, p: int, q: int) -> tuple[Series, Series]:
    """Errors (n,) of one period ahead, and their derivatives by the parameters (n, m).

    The first p periods count for nothing: what came before them is not known.
    """
    from scipy.signal import lfilter

    constant = len(found) - p - q
    ar, ma = found[constant : constant + p], np.append(1.0, found[constant + p :])
    errors = lfilter(np.append(1.0, -ar), ma, moved)
    errors -= lfilter([1.0], ma, np.full(len(moved), found[0])) if constant else 0.0
    causes = [np.ones(len(moved))] if constant else []
    causes += [_before(moved, lag) for lag in range(1, p + 1)]
    causes += [_before(errors, lag) for lag in range(1, q + 1)]
    if not causes:
        return errors, np.zeros((len(moved), 0))
    return errors[p:], -lfilter([1.0], ma, np.array(causes), axis=1).T[p:]


def _before(values: Series, lag: int) -> Series:
    """The values so many periods earlier, 0 before the first, (T,)."""
    return np.concatenate([np.zeros(lag), values[:-lag]])[: len(values)]


def _is_stable(found: Series, p: int) -> bool:
    """Whether all roots of both polynomials are clear of the unit circle."""
    roots = [np.roots(np.append(1.0, weights)) for weights in (-found[:p], found[p:])]
    return bool(np.all(np.abs(np.concatenate(roots)) < EDGE))


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
    columns = [_before(values, lag) for lag in range(1, most + 1)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(values), 0))


def _regress(values: Series, terms: list[Series], start: int) -> Series:
    """What least squares on terms (T, n) leave of a series from a period on."""
    design = np.hstack(terms)[start:]
    found, *_ = np.linalg.lstsq(design, values[start:], rcond=None)
    return np.asarray(values[start:] - design @ found)
