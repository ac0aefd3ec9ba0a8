"""Closes as if every dividend had been paid from the start: what an owner's returns are made of."""

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.datetime64]
Values = npt.NDArray[np.float64]


def adjusted_close(dates: Days, closes: Values, *, ex_dates: Days, dividends: Values) -> Values:
    """Adjust raw closes backward for dividends.

    All closes before an ex-date are multiplied by 1 - D / C, where D is the dividend and C the
    last close before the ex-date; the newest close stays as it is. This is the method of the
    Center for Research in Security Prices, which Yahoo's ``adjclose`` follows as well. It has to
    be made anew from raw closes whenever a dividend is paid: it changes back in time.

    Args:
        dates: (T,) sessions, ascending, each once.
        closes: (T,) raw closes [currency]; NaN = no close.
        ex_dates: (D,) first days without the right to a dividend, in any order.
        dividends: (D,) amounts [currency a share]; two of one day add up.

    Returns:
        (T,) adjusted closes [currency]; NaN where there is no close. At a dividend before the
        first close nothing is to be adjusted.

    Raises:
        ValueError: Shapes differ, dates are not ascending, a dividend is negative or not
            finite, or is not below the close before it.
    """
    _check(dates, closes, ex_dates, dividends)
    factors = np.ones(len(dates))
    sessions = np.flatnonzero(np.isfinite(closes))
    days, paid_on = np.unique(ex_dates.astype("datetime64[D]"), return_inverse=True)
    amounts = np.bincount(paid_on, weights=dividends, minlength=len(days))
    for day, amount in zip(days, amounts, strict=True):
        earlier = int(np.searchsorted(dates, day))
        before = sessions[: np.searchsorted(sessions, earlier)]
        if len(before):
            factors[:earlier] *= _factor(amount, closes[before[-1]], day)
    return closes * factors


def _factor(amount: float, close: float, day: np.datetime64) -> float:
    if not amount < close:
        raise ValueError(
            f"dividend {amount:g} of {day} is not below the close before it, {close:g}"
        )
    return float(1.0 - amount / close)


def _check(dates: Days, closes: Values, ex_dates: Days, dividends: Values) -> None:
    if dates.shape != closes.shape or ex_dates.shape != dividends.shape:
        raise ValueError("one close a date and one dividend an ex-date are needed")
    if np.any(dates[1:] <= dates[:-1]):
        raise ValueError("dates must be ascending, each once")
    if not np.all(np.isfinite(dividends) & (dividends >= 0)):
        raise ValueError("dividends must be finite and not negative")
