"""What each test is about, in numbers that people know: before, and in the last periods."""

from collections.abc import Callable, Mapping

import numpy as np

from ml.drift.windows import Windows
from ml.panel import Bools, Floats

Measure = Callable[[Floats, Bools], Floats]
"""Makes one number an item (N,) of values (N, T) in some periods (T,)."""


def measure_both(test: str, values: Floats, windows: Windows) -> tuple[Floats, Floats]:
    """A test's number of the history and of the last periods, (N,) each; NaN = there is none."""
    measure = MEASURES[test]
    history, recent = windows.outside[:, 0], windows.inside[:, 0]
    if test == "interval":
        return measure(values, history), _silence(values)
    return measure(values, history), measure(values, recent)


def _mean(values: Floats, periods: Bools) -> Floats:
    known = ~np.isnan(values[:, periods])
    total = np.nansum(values[:, periods], axis=1)
    return _over(total, known.sum(axis=1))


def _size(values: Floats, periods: Bools) -> Floats:
    own = np.nan_to_num(values[:, periods])
    return _over(own.sum(axis=1), (own > 0).sum(axis=1))


def _share(values: Floats, periods: Bools) -> Floats:
    own = values[:, periods]
    return _over((own > 0).sum(axis=1), (~np.isnan(own)).sum(axis=1))


def _interval(values: Floats, periods: Bools) -> Floats:
    own = values[:, periods]
    return _over((~np.isnan(own)).sum(axis=1), (own > 0).sum(axis=1))


def _observed(values: Floats, periods: Bools) -> Floats:
    return np.asarray((~np.isnan(values[:, periods])).mean(axis=1))


def _change(values: Floats, periods: Bools) -> Floats:
    return _mean(np.diff(values, axis=1, prepend=np.nan), periods)


def _spread(values: Floats, periods: Bools) -> Floats:
    return _mean(np.abs(np.diff(values, axis=1, prepend=np.nan)), periods)


def _silence(values: Floats) -> Floats:
    """Observed periods since the last demand, all where there was none."""
    later = np.cumsum((values > 0)[:, ::-1], axis=1)[:, ::-1] == 0
    return np.asarray((later & ~np.isnan(values)).sum(axis=1), np.float64)


def _over(total: Floats, count: Floats) -> Floats:
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


MEASURES: Mapping[str, Measure] = {
    "zero_share": _share,
    "rate": _mean,
    "interval": _interval,
    "size": _size,
    "level": _mean,
    "change": _change,
    "spread": _spread,
    "observed": _observed,
}
