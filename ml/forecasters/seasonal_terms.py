"""Seasonality as Fourier terms by least squares, kept only where it pays."""

import numpy as np
import numpy.typing as npt

from ml.frequency import Frequency

Floats = npt.NDArray[np.float64]
HARMONICS = {
    Frequency.DAILY: 3,  # of 7: the full weekday pattern
    Frequency.BUSINESS: 0,
    Frequency.WEEKLY: 2,
    Frequency.MONTHLY: 2,
}


def fourier_terms(steps: npt.NDArray[np.int64], frequency: Frequency) -> Floats:
    """Sines and cosines of the season at these positions of the panel, shape (len(steps), 2K)."""
    angles = 2 * np.pi * steps[:, None] / frequency.season_length
    orders = np.arange(1, HARMONICS[frequency] + 1)
    return np.hstack([np.sin(angles * orders), np.cos(angles * orders)])


def seasonal_coefficients(values: Floats, first: int, frequency: Frequency) -> Floats:
    """Coefficients of :func:`fourier_terms`, all zero where the season does not pay.

    It pays where the small-sample Akaike criterion (AICc) of a mean with Fourier terms is below
    that of a mean alone, and two seasons have been observed.

    Args:
        values: (T,) one series, NaN = not observed.
        first: Position of ``values[0]`` in the panel.
        frequency: Of the panel.
    """
    terms = fourier_terms(np.arange(first, first + len(values)), frequency)
    seen = ~np.isnan(values)
    n, k = int(seen.sum()), terms.shape[1]
    none = np.zeros(k)
    if k == 0 or n < max(2 * frequency.season_length, k + 4):
        return none
    design = np.column_stack([np.ones(n), terms[seen]])
    fitted, *_ = np.linalg.lstsq(design, values[seen], rcond=None)
    rest = values[seen] - design @ fitted
    plain = values[seen] - values[seen].mean()
    if _aicc(rest, k + 2) < _aicc(plain, 2):
        return np.asarray(fitted[1:], np.float64)
    return none


def _aicc(errors: Floats, parameters: int) -> float:
    n = len(errors)
    variance = max(float(np.mean(errors**2)), 1e-300)
    penalty = 2 * parameters * n / (n - parameters - 1)
    return n * float(np.log(variance)) + penalty
