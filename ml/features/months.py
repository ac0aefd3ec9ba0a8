"""Monthly series on a grid of months, each with the day from which it stands."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.features.known import Observed
from ml.features.windows import standing
from ml.frequency import Days

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Monthly:
    """A series by the month.

    Attributes:
        months: (M,) consecutive months, datetime64[M].
        values: (M,), NaN = none.
        since: (M,) days from which they stand; the month's own first where there is no value.
    """

    months: npt.NDArray[np.datetime64]
    values: Floats
    since: Days

    def stand(self, values: Floats, days: Days, carry: int) -> Floats:
        """Figures of these months, (M,), on the days on which they were the newest, (K,)."""
        return standing(values, self.since, days, carry)


def stands_since(observed: Observed, lag: int) -> Days:
    """Day from which each value stands: when it came out, but at most ``lag`` days after its own.

    History that was first fetched years later thus stands where it would have stood.
    """
    return np.minimum(observed.since, observed.days + lag)


def by_month(observed: Observed, lag: int) -> Monthly:
    """A series on consecutive months; of several values in a month the last one counts."""
    at = observed.days.astype("datetime64[M]")
    months = np.arange(at[0], at[-1] + 1) if len(at) else at
    values = np.full(len(months), np.nan)
    since = months.astype("datetime64[D]")
    position = (at - months[:1]).astype(np.int64) if len(at) else np.empty(0, np.int64)
    values[position] = observed.values
    since[position] = stands_since(observed, lag)
    return Monthly(months, values, since)


def log_growth(values: Floats, months: int) -> Floats:
    """Log of each value over the one so many months before; NaN unless both are positive."""
    growth = np.full(len(values), np.nan)
    now, before = values[months:], values[:-months]
    both = (now > 0) & (before > 0)  # NaN compares false
    growth[months:][both] = np.log(now[both] / before[both])
    return growth


def compounded(percent: Floats, months: int) -> Floats:
    """Monthly changes [%] compounded over the last so many months [%]; NaN if one is missing."""
    total = np.full(len(percent), np.nan)
    if len(percent) >= months:
        windows = np.lib.stride_tricks.sliding_window_view(percent, months)
        total[months - 1 :] = 100 * (np.prod(1 + windows / 100, axis=1) - 1)
    return total
