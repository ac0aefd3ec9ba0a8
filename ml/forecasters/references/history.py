"""Small readings of one series that several reference models share."""

import numpy as np
import numpy.typing as npt

from ml.frequency import Frequency

Series = npt.NDArray[np.float64]

# About a year and a half of months, a year of weeks or days, two years of trading days.
RECENT = {
    Frequency.DAILY: 364,
    Frequency.BUSINESS: 500,
    Frequency.WEEKLY: 52,
    Frequency.MONTHLY: 18,
}


def observed(values: Series) -> Series:
    """The observed values in order.

    Raises:
        ValueError: There is none.
    """
    seen = values[~np.isnan(values)]
    if not len(seen):
        raise ValueError("no observed value")
    return seen


def recent(values: Series, frequency: Frequency, *, times: float = 1.0) -> Series:
    """The observed values of the recent window; of all history where the window holds none."""
    window = values[-round(RECENT[frequency] * times) :]
    seen = window[~np.isnan(window)]
    return seen if len(seen) else observed(values)


def differences(values: Series, lag: int) -> Series:
    """Observed changes over ``lag`` periods.

    Raises:
        ValueError: No two values are ``lag`` periods apart.
    """
    changes = values[lag:] - values[:-lag] if len(values) > lag else np.empty(0)
    changes = changes[~np.isnan(changes)]
    if not len(changes):
        raise ValueError(f"no two observations {lag} periods apart")
    return changes


def last_observed(values: Series) -> float:
    """The last observed value."""
    return float(observed(values)[-1])


def draw(pool: Series, uniforms: Series) -> Series:
    """Values out of ``pool`` at these positions in (0, 1) of its sorted order."""
    ordered = np.sort(pool)
    return ordered[np.minimum((uniforms * len(ordered)).astype(np.int64), len(ordered) - 1)]


def carried_forward(values: Series) -> Series:
    """Each value carried over periods without one; NaN before the first."""
    places = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    return values[places]
