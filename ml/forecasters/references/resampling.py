"""Models that draw the item's own past: naive walks, empirical quantiles and the block bootstrap.

Sources: Hyndman & Athanasopoulos, *Forecasting: Principles and Practice*, 3rd ed., section 5.5,
for simulated paths of the naive methods; Willemain, Smart & Schwarz (2004), *A new approach to
forecasting intermittent demand for service parts inventories*, IJF 20, for resampling lead-time
demand; Porras & Dekker (2008), EJOR 184, for keeping neighbouring periods together.
"""

import numpy as np

from ml.forecasters.base import Series
from ml.forecasters.references.sampling import (
    RECENT,
    PathRequest,
    draw_empirical,
    draw_shares,
    observed,
    place_in_rows,
    recent,
    vary_levels,
)
from ml.frequency import Frequency
from ml.panel import carried_forward
from ml.seeds import latin_uniforms

VOLATILITY_WINDOW = 250  # trading days in about a year
PRICE_CHANGES = 1000  # about four years of trading days
BLOCK = {
    Frequency.DAILY: 7,
    Frequency.BUSINESS: 5,
    Frequency.WEEKLY: 4,
    Frequency.MONTHLY: 3,
}


def zero(values: Series, request: PathRequest) -> Series:
    """No demand at all: what the usual scores reward on intermittent series."""
    observed(values)
    return np.zeros(request.shape)


def naive(values: Series, request: PathRequest) -> Series:
    """The last value, plus a random walk.

    A price walks with Gaussian steps of the volatility of its last 250 changes; demand walks
    with its own past changes, centred.
    """
    seen = observed(values)
    if len(seen) == 1:
        return np.full(request.shape, seen[-1])
    changes = np.diff(seen)
    if request.kind == "price":
        volatility = np.sqrt(np.mean(changes[-VOLATILITY_WINDOW:] ** 2))
        steps = request.rng.normal(0.0, volatility, request.shape)
    else:
        steps = request.rng.choice(changes - changes.mean(), request.shape)
    return float(seen[-1]) + np.cumsum(steps, axis=1)


def seasonal_naive(values: Series, request: PathRequest) -> Series:
    """The value of one season ago, plus one seasonal change for every season ahead.

    Raises:
        ValueError: Less than a season of history, or no seasonal change was observed.
    """
    season = request.frequency.season_length
    if len(values) < season:
        raise ValueError(f"history is shorter than a season of {season} periods")
    changes = values[season:] - values[:-season]
    changes = changes[~np.isnan(changes)]
    if not len(changes):
        raise ValueError(f"no two observations {season} periods apart")
    last = values[-season:]
    if request.kind == "price":  # a holiday's price is the one before it
        last = carried_forward(values[None])[0, -season:]
    last = np.where(np.isnan(last), np.mean(observed(values)), last)
    ahead = np.arange(request.horizon)
    shape = (request.n_paths, ahead[-1] // season + 1, season)
    steps = request.rng.choice(changes - changes.mean(), shape)
    noise = np.cumsum(steps, axis=1).reshape(request.n_paths, -1)[:, : request.horizon]
    return last[ahead % season] + noise


def empirical(values: Series, request: PathRequest) -> Series:
    """The item's own recent values (demand), or its own recent changes, centred (prices).

    How often each value of demand comes is as unsure as so few values leave it, and so is the
    level: every path draws both.
    """
    uniforms = latin_uniforms(request.rng, *request.shape)
    if request.kind == "demand":
        pool = np.sort(recent(values, request.frequency))
        shares = draw_shares(request.rng, request.n_paths, np.ones(len(pool)))
        # Most of a spare part's values are equal: what lies before the last of each says as much.
        last = np.flatnonzero(np.append(np.diff(pool) > 0, True))
        first = np.append(0, last[:-1] + 1)
        until = np.cumsum(np.add.reduceat(shares, first, axis=1), axis=1)
        drawn = pool[last][place_in_rows(until, uniforms)]
        return vary_levels(drawn, pool.mean(), pool.var(), request)
    seen = observed(values)
    if len(seen) == 1:
        return np.full(request.shape, seen[-1])
    changes = np.diff(seen[-1 - PRICE_CHANGES :])
    steps = draw_empirical(changes - changes.mean(), uniforms)
    return float(seen[-1]) + np.cumsum(steps, axis=1)


def bootstrap(values: Series, request: PathRequest) -> Series:
    """Blocks of neighbouring periods of the last two windows, laid end to end.

    Blocks of days start on the weekday that they stand for. A period without an observation is
    filled with a value drawn from the others. A price makes its own past changes, centred. Of
    demand every path has its own favourite blocks and its own level.
    """
    pool = recent(values, request.frequency, times=2.0)
    window = values[-2 * RECENT[request.frequency] :]
    if np.isnan(window).all():
        window = pool
    if request.kind == "demand":
        drawn = _draw_blocks(window, pool, request)
        return vary_levels(drawn, pool.mean(), pool.var(), request)
    seen = observed(window)
    if len(seen) == 1:
        return np.full(request.shape, seen[-1])
    changes = np.diff(seen)
    changes = changes - changes.mean()
    return float(seen[-1]) + np.cumsum(_draw_blocks(changes, changes, request), axis=1)


def _draw_blocks(window: Series, pool: Series, request: PathRequest) -> Series:
    length = min(BLOCK[request.frequency], len(window))
    shape = (request.n_paths, -(-request.horizon // length))
    if request.frequency is Frequency.DAILY and length == BLOCK[request.frequency]:
        # The window ends where the forecast begins, so whole weeks back keep the weekday.
        starts = len(window) - length * np.arange(1, len(window) // length + 1)
        worth = 1.0
    else:
        starts = np.arange(len(window) - length + 1)
        worth = 1.0 / length  # they overlap
    if request.kind == "demand":
        shares = draw_shares(request.rng, request.n_paths, np.full(len(starts), worth))
        chosen = place_in_rows(np.cumsum(shares, axis=1), request.rng.random(shape))
    else:
        chosen = request.rng.integers(0, len(starts), shape)
    starts = starts[chosen]
    places = (starts[:, :, None] + np.arange(length)).reshape(request.n_paths, -1)
    drawn = window[places[:, : request.horizon]]
    holes = np.isnan(drawn)
    drawn[holes] = request.rng.choice(pool, int(holes.sum()))
    return drawn
