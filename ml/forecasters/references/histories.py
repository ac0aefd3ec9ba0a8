"""What the histories of a panel tell of demand to come, at every period: the hurdle's regressors.

Rates and sizes are means with three memories, each drawn towards the next longer one and the
longest towards the panel's, so that a launch starts from what such items do and an old item from
its own record. Beside them stand the periods since the last demand (obsolescence), whether there
ever was one, and how young the item is.
"""

from dataclasses import dataclass

import numpy as np

from ml.frequency import Frequency
from ml.panel import Floats, Ints, Panel, in_portions

# Half-lives of the three memories [periods], the longest first.
MEMORIES = {
    Frequency.DAILY: (730.0, 180.0, 28.0),
    Frequency.BUSINESS: (500.0, 130.0, 20.0),
    Frequency.WEEKLY: (104.0, 26.0, 6.0),
    Frequency.MONTHLY: (36.0, 12.0, 3.0),
}
PRIOR = 2.0  # observations that the next longer memory counts for
MOST_ORIGINS = 12  # at which the past is asked what came of its states
LEAST_SEEN = 6  # periods before the first of them
RARE = 1e-4  # least probability of demand, and of none


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came in the periods after O origins, for N items; windows end where history does."""

    origins: Ints  # (O,) last period that is known
    ends: Ints  # (O,) end of the window, exclusive
    periods: Floats  # (N, O) observed periods in the window; 0 where nothing was seen before it
    events: Floats  # (N, O) periods with demand
    total: Floats  # (N, O) demand


def panel_rate(panel: Panel) -> float:
    """Share of observed periods with demand, away from 0 and 1."""
    parts = [(np.sum(one.values > 0), one.observed().sum()) for one in in_portions(panel)]
    sold, seen = (sum(part) for part in zip(*parts, strict=True))
    return float((sold + 1) / (seen + 2))


def panel_size(panel: Panel) -> float:
    """Geometric mean over items of the mean size of one demand; 1 where there is none."""
    events = np.sum(panel.values > 0, axis=1)
    sold = events > 0
    if not sold.any():
        return 1.0
    return float(np.exp(np.log(np.nansum(panel.values[sold], axis=1) / events[sold]).mean()))


def event_states(panel: Panel, rate: float, at: Ints, shares: Floats | None = None) -> Floats:
    """Regressors of the log-odds of demand after P periods at these places, (N, P, 7).

    ``rate`` is the panel's. An intercept, the log-odds by the longest memory, what the middle one
    adds to it and the short one to that, periods since the last demand, whether there was none yet,
    and youth. ``shares`` (N, T) say what each period counts; ``None`` = all alike.
    """
    seen, happened = panel.observed(), (panel.values > 0).astype(np.float64)
    counted = seen.astype(np.float64) if shares is None else seen * shares
    odds = []
    mean: float | Floats = rate
    for memory in MEMORIES[panel.frequency]:
        known = remember(counted, memory)
        mean = (remember(happened, memory) + PRIOR * mean) / (known + PRIOR)
        share = np.clip(mean[:, at], RARE, 1 - RARE)
        odds.append(np.log(share / (1 - share)))
    now, short = np.arange(seen.shape[1]), MEMORIES[panel.frequency][-1]
    age = np.maximum(now - np.argmax(seen, axis=1)[:, None] + 1, 1)
    last = np.maximum.accumulate(np.where(happened > 0, now, -1), axis=1)
    age, last = age[:, at], last[:, at]
    silent = np.where(last < 0, age, now[at] - last)
    return np.stack([
        np.ones(age.shape), odds[0], odds[1] - odds[0], odds[2] - odds[1],
        np.log1p(silent / short), last < 0, 1 / (1 + age / short),
    ], axis=2)  # fmt: skip


def size_states(panel: Panel, size: float, at: Ints) -> Floats:
    """Regressors of the log of the next demand's size over ``size``, the panel's, (N, P, 5).

    An intercept, the log of the mean size by the longest memory, what the others add to it as
    in :func:`event_states`, and whether there was no demand yet.
    """
    demand, happened = np.nan_to_num(panel.values), (panel.values > 0).astype(np.float64)
    logs = []
    mean: float | Floats = size
    for memory in MEMORIES[panel.frequency]:
        mean = (remember(demand, memory) + PRIOR * mean) / (remember(happened, memory) + PRIOR)
        logs.append(np.log(mean[:, at] / size))
    never = (np.cumsum(happened, axis=1) == 0)[:, at]
    steps = [np.ones(never.shape), logs[0], logs[1] - logs[0], logs[2] - logs[1], never]
    return np.stack(steps, axis=2)


def past_outcomes(panel: Panel, horizon: int, shares: Floats | None = None) -> Outcomes:
    """What came after up to ``MOST_ORIGINS`` origins, evenly spread over the later history.

    ``shares`` (N, T) say what each period counts; ``None`` = all alike.
    """
    length = panel.values.shape[1]
    reach = max(1, min(horizon, length // 4))
    last = length - 1 - max(1, reach // 2)
    first = max(LEAST_SEEN, length // 3)
    none = np.zeros(0)
    spread = np.linspace(first, last, MOST_ORIGINS) if first <= last else none
    origins = np.unique(spread.astype(np.int64))
    ends = np.minimum(origins + 1 + reach, length)
    observed = panel.observed()
    counted = observed if shares is None else observed * shares
    counts = [counted, panel.values > 0, np.nan_to_num(panel.values)]
    sums = [np.pad(np.cumsum(one, axis=1, dtype=np.float64), ((0, 0), (1, 0))) for one in counts]
    periods, events, total = (one[:, ends] - one[:, origins + 1] for one in sums)
    periods = np.where(sums[0][:, origins + 1] > 0, periods, 0.0)
    return Outcomes(origins, ends, periods, events, total)


def remember(values: Floats, half_life: float) -> Floats:
    """Sums over the past of each period, the present one in full and older ones fading, (N, T).

    >>> remember(np.array([[4.0, 0.0, 1.0]]), 1.0)  # 4; 4 / 2; 4 / 4 + 1
    array([[4., 2., 2.]])
    """
    kept = 0.5 ** (1 / half_life)
    sums, running = np.empty_like(values), np.zeros(len(values))
    for period in range(values.shape[1]):
        running = running * kept + values[:, period]
        sums[:, period] = running
    return sums
