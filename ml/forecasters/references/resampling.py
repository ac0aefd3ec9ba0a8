"""Models that draw the item's own past: empirical quantiles and the block bootstrap.

Sources: Willemain, Smart & Schwarz (2004), *A new approach to forecasting intermittent demand for
service parts inventories*, IJF 20, for resampling lead-time demand; Porras & Dekker (2008), EJOR
184, for keeping neighbouring periods together.
"""

import numpy as np

from ml.forecasters.base import SeriesContext
from ml.forecasters.references.history import RECENT, Series, draw, observed, recent
from ml.frequency import Frequency
from ml.seeds import latin_uniforms

PRICE_CHANGES = 1000  # about four years of trading days
BLOCK = {
    Frequency.DAILY: 7,
    Frequency.BUSINESS: 5,
    Frequency.WEEKLY: 4,
    Frequency.MONTHLY: 3,
}


def empirical(
    values: Series, context: SeriesContext, horizon: int, n_paths: int, rng: np.random.Generator
) -> Series:
    """The item's own recent values (demand), or its own recent changes, centred (prices)."""
    uniforms = latin_uniforms(rng, n_paths, horizon)
    if context.kind == "demand":
        return draw(recent(values, context.frequency), uniforms)
    seen = observed(values)
    if len(seen) == 1:
        return np.full((n_paths, horizon), seen[-1])
    changes = np.diff(seen[-1 - PRICE_CHANGES :])
    return float(seen[-1]) + np.cumsum(draw(changes - changes.mean(), uniforms), axis=1)


def bootstrap(
    values: Series, context: SeriesContext, horizon: int, n_paths: int, rng: np.random.Generator
) -> Series:
    """Blocks of neighbouring periods of the last two windows, laid end to end.

    Blocks of days start on the weekday that they stand for. A period without an observation is
    filled with a value drawn from the others.
    """
    pool = recent(values, context.frequency, times=2.0)
    window = values[-2 * RECENT[context.frequency] :]
    if np.isnan(window).all():
        window = pool
    if context.kind == "price":
        return _walk(window, context, horizon, n_paths, rng)
    return _blocks(window, pool, context.frequency, horizon, n_paths, rng)


def _walk(
    window: Series, context: SeriesContext, horizon: int, n_paths: int, rng: np.random.Generator
) -> Series:
    seen = observed(window)
    if len(seen) == 1:
        return np.full((n_paths, horizon), seen[-1])
    changes = np.diff(seen)
    changes = changes - changes.mean()
    steps = _blocks(changes, changes, context.frequency, horizon, n_paths, rng)
    return float(seen[-1]) + np.cumsum(steps, axis=1)


def _blocks(
    window: Series,
    pool: Series,
    frequency: Frequency,
    horizon: int,
    n_paths: int,
    rng: np.random.Generator,
) -> Series:
    length = min(BLOCK[frequency], len(window))
    count = -(-horizon // length)
    if frequency is Frequency.DAILY and length == BLOCK[frequency]:
        # The window ends where the forecast begins, so whole weeks back keep the weekday.
        weeks = len(window) // length
        starts = len(window) - length * rng.integers(1, weeks + 1, (n_paths, count))
    else:
        starts = rng.integers(0, len(window) - length + 1, (n_paths, count))
    places = (starts[:, :, None] + np.arange(length)).reshape(n_paths, -1)[:, :horizon]
    drawn = window[places]
    holes = np.isnan(drawn)
    drawn[holes] = rng.choice(pool, int(holes.sum()))
    return drawn
