"""The price model: no opinion on the direction, a careful one on how far a price may go.

The median is the last close. Around it lies a mixture of three walks, which differ in how fast
volatility forgets; together they are right more often than any of them.
"""

import numpy as np
import numpy.typing as npt

from ml.forecasters.base import SeriesContext
from ml.forecasters.references.history import RECENT, Series, draw, observed
from ml.forecasters.references.variance import exponential, garch
from ml.seeds import latin_uniforms

CHANGES = 2000  # about eight years of trading days: quiet and wild times
LEVEL = 20  # observations, a month of trading days
LOWEST_LEVEL = 0.1  # in typical prices: near zero, a relative change means nothing
MISTAKE = 100.0  # in typical changes; Brent's largest in forty years was of forty
GARCH_FROM = 500  # changes; four parameters take two years of days
EMPIRICAL_FROM = 60  # changes; fewer hold no rare ones
LONGEST_WAIT = 250  # periods


def volatility(
    values: Series, context: SeriesContext, horizon: int, n_paths: int, rng: np.random.Generator
) -> Series:
    """The last close plus a mixture of walks, as many above it as below.

    Equal parts are walks with exponentially weighted variance, with GARCH(1,1) variance, and with
    the changes of the last 2,000 observations, centred, in any order. Changes are relative to the
    median price of the 20 observations before, so that they carry over between levels and prices
    below zero are no exception. Short histories have fewer parts.

    Raises:
        ValueError: No value was observed.
    """
    seen = observed(values)[-CHANGES - 1 :]
    last = float(seen[-1])
    if len(seen) == 1 or np.ptp(seen) == 0:
        return np.full((n_paths, horizon), last)
    moves = moves_until(values, horizon, window=RECENT[context.frequency])
    changes, level = relative_changes(seen)
    upper = _changes_to_come(changes, (n_paths + 1) // 2, int(moves[-1]), rng)
    # Each path has its mirror image: a skew or a trend of the past is no forecast.
    steps = np.concatenate([upper, -upper])[:n_paths]
    return last + level * np.cumsum(steps, axis=1)[:, moves - 1]


def relative_changes(seen: Series) -> tuple[Series, float]:
    """Changes between observations over the price level before each, and the level now.

    >>> changes, level = relative_changes(np.array([10.0, 11.0, 12.0]))  # level: 11, the median
    >>> changes.round(4).tolist(), level
    ([0.0909, 0.0909], 11.0)

    Args:
        seen: Observed prices in order (T,), not all equal.

    Returns:
        Changes (T - 1,), a mistake among the prices cut to what a price might do; the level.
    """
    width = min(LEVEL, len(seen))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(seen, width), axis=1)
    # Before the first whole window the level is that of the first.
    levels = np.concatenate([np.full(width - 1, medians[0]), medians])
    levels = np.maximum(np.abs(levels), LOWEST_LEVEL * _typical(seen))
    changes = np.diff(seen) / levels[:-1]
    most = MISTAKE * _typical(changes)
    return np.clip(changes, -most, most), float(levels[-1])


def _typical(values: Series) -> float:
    """Median size of those that are not zero."""
    sizes = np.abs(values)
    return float(np.median(sizes[sizes > 0]))


def moves_until(values: Series, horizon: int, *, window: int) -> npt.NDArray[np.int64]:
    """How many changes a price makes until each period ahead that has a price, (H,).

    Holidays, the periods without an observation between others, bring no change; periods ahead
    hold as many of them as recent ones did. Where the end of the history is missing for longer
    than any holiday, the price went on without being seen.

    >>> moves_until(np.array([1.0, np.nan, 2.0, np.nan, 3.0]), 5, window=5)  # 3 of 5 periods
    array([1, 2, 2, 3, 3])

    Args:
        values: (T,) with NaN, at least one observed.
        horizon: Periods ahead.
        window: Recent observations that tell how often there is one.
    """
    places = np.flatnonzero(~np.isnan(values))[-window:]
    share = len(places) / (places[-1] - places[0] + 1)
    longest_holiday = int(np.max(np.diff(places), initial=1)) - 1
    missing = len(values) - 1 - int(places[-1])
    waited = 0 if missing <= longest_holiday else min(missing, LONGEST_WAIT)
    return 1 + np.round(share * (waited + np.arange(horizon))).astype(np.int64)


def _changes_to_come(changes: Series, n_paths: int, moves: int, rng: np.random.Generator) -> Series:
    """Relative changes (S, M), the same number of paths from each part that history allows."""
    parts = [exponential(changes).draw]
    fitted = garch(changes) if len(changes) >= GARCH_FROM else None
    if fitted is not None:
        parts.append(fitted.draw)
    if len(changes) >= EMPIRICAL_FROM:
        centred = changes - changes.mean()
        parts.append(lambda uniforms: draw(centred, uniforms))
    counts = [len(share) for share in np.array_split(np.arange(n_paths), len(parts))]
    drawn = [
        part(latin_uniforms(rng, count, moves))
        for part, count in zip(parts, counts, strict=True)
        if count
    ]
    return np.concatenate(drawn)
