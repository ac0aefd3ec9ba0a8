"""Exponential smoothing with trend and season: a few hundred recursions side by side, averaged.

Level, trend and season each move by a gain times the one-step error (Hyndman, Koehler, Ord &
Snyder 2008, *Forecasting with Exponential Smoothing*, chapter 2): no trend, the slope of history or
half of it as a steady drift (half is theta), or a local trend that is damped; seasons that add
or multiply; errors whose spread is steady, or grows with the root of the level, or with the level.
Spread does not enter the recursions, so each serves all three.

The best of so many forms is mostly luck. Each is weighted by its likelihood, of recent errors more
than of old ones, and drawn towards few parameters by the correction of Akaike's criterion for short
series (Burnham & Anderson 2002, *Model Selection and Multimodel Inference*, section 2.9). Errors of
real series are neither independent nor normal, so the likelihood counts for a part only (a tempered
posterior: Grünwald 2012, ALT). Every path follows one form by those odds from its own last level,
trend and season on: what is not known of them is in the spread of the forecast.
"""

from dataclasses import dataclass, replace

import numpy as np

from ml.forecasters.base import Series
from ml.forecasters.references.sampling import PathRequest
from ml.forecasters.references.smoothing import (
    LEAST_TREND,
    PRIOR_PERIODS,
    line_through,
    shrink_indices,
    smooth_history,
)
from ml.panel import Floats, Ints

GAINS = (0.0, 0.03, 0.1, 0.2, 0.35, 0.6, 0.9)  # of the level
DRIFTS = ((0.5, 1), (1.0, 3))  # share of the slope (half is theta), and parameters it costs
TRENDS = ((0.05, 0.98), (0.2, 0.98), (0.1, 0.9), (0.3, 0.9))  # gain over the level's, damping
SEASON_GAINS = (0.0, 0.1, 0.3)  # over what the level leaves
POWERS = np.array([0.0, 0.5, 1.0])  # of the mean that the spread grows with
# The share of the likelihood, the price of a parameter and the rate of a prior on the level's gain
# were chosen at early origins of hospital, tourism and auto together.
TRUST = 0.25
PRICE = 1.5
CALM = 10.0
# A forecast gains by a calm level, but its spread must own that the level may be quicker.
PACE_TRUST, WARY = 0.5, 5.0
MEMORY = 24  # half-life of an error in periods, two seasons where those are longer
SMALLEST = 0.05  # share of the mean below which no spread falls, nor an index
WIDE = 0.02  # squared relative spread from which on a draw is gamma: normal ones fall below zero
WIDEST = 25.0


@dataclass(frozen=True, slots=True)
class Forms:
    """G recursions, (G,) each."""

    gain: Floats  # share of an error that moves the level
    trend_gain: Floats  # share that moves the trend
    damping: Floats  # share of the trend that is left after a period
    season_gain: Floats  # share that moves the season's index
    drift: Floats  # steady trend as a share of the slope of the line through the history
    parameters: Ints  # how many are chosen beside the level's gain

    def pick(self, rows: Ints) -> "Forms":
        """Those at these positions, again and again where so asked."""
        return Forms(*(getattr(self, name)[rows] for name in Forms.__slots__))


@dataclass(slots=True)
class State:
    """Where G recursions, or S paths, stand; moved in place."""

    level: Floats  # (G,)
    trend: Floats  # (G,) growth a period
    season: Floats  # (m, G) indices, by place in the season
    ratio: bool  # whether indices multiply the level rather than add to it

    def expect(self, forms: Forms, place: int) -> tuple[Floats, Floats]:
        """Level before the season, and value, that come next, (G,) each."""
        base = self.level + forms.damping * self.trend
        index = self.season[place]
        return base, base * index if self.ratio else base + index

    def learn(self, forms: Forms, place: int, base: Floats, error: Floats, least: float) -> None:
        """Move by an error of what was expected; no gain falls below ``least``, a running mean's.

        Indices that multiply move by the error relative to the level (ETS(·,·,M)).
        """
        index = self.season[place]
        own = error / np.maximum(index, SMALLEST) if self.ratio else error
        moved = forms.season_gain * (1 - forms.gain) * error
        if self.ratio:
            moved = np.maximum(index + moved / np.maximum(base, 1e-3), SMALLEST) - index
        self.season[place] = index + moved
        self.level = base + np.maximum(forms.gain, least) * own
        self.trend = forms.damping * self.trend + forms.trend_gain * own


@dataclass(frozen=True, slots=True)
class Smoothed:
    """G recursions run over a history."""

    state: State  # after the last period
    variance: Floats  # (P, G) of an error over the mean to each of the powers P
    score: Floats  # (P, G) logarithm of the odds, but for a constant
    pace: Floats  # (G,) the same of the gain by which a path's level moves
    count: int  # observations


def lay_out_forms() -> tuple[Forms, Floats]:
    """All recursions, and the logarithm of their odds before anything is seen, (G,).

    Forms of the same parameters share their odds, so that a finer grid does not weigh more.
    """
    trends = [(0.0, 0.0, 0.0, 0)]
    trends += [(0.0, 1.0, share, cost) for share, cost in DRIFTS]
    trends += [(gain, damping, 0.0, 2 if damping > 0.95 else 3) for gain, damping in TRENDS]
    rows = [
        (gain, gain * own, damping, season, drift, count + (season > 0))
        for gain in GAINS
        for own, damping, drift, count in trends
        for season in SEASON_GAINS
        if gain > 0 or own == 0  # a trend moves with the level or not at all
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    forms = Forms(*columns)
    kinds = [(drift, count - (season > 0), season > 0) for *_, season, drift, count in rows]
    alike = np.array([kinds.count(kind) for kind in kinds])
    return forms, -CALM * forms.gain - np.log(alike)


FORMS, PRIOR = lay_out_forms()


def ets(values: Series, request: PathRequest) -> Series:
    """Paths (S, H) of recursions drawn by their odds.

    Raises:
        ValueError: See ``smooth_history``.
    """
    season = request.frequency.season_length
    history = smooth_history(values, "ets", season)
    unit = float(np.nanmean(history))
    history = history / unit
    poisson = 1 / unit if request.is_count else None  # variance over the squared mean
    indices, weight = shrink_indices(history, season)
    runs = [smooth(history, indices, weight, poisson, ratio=True)]
    if weight > 0:  # without a season, adding and multiplying are the same
        runs.append(smooth(history, indices - 1, weight, poisson, ratio=False))
    scores = np.stack([run.score for run in runs])
    drawn = draw_by_odds(scores.ravel(), request.n_paths, request.rng)
    kinds, powers, rows = np.unravel_index(drawn, scores.shape)
    paths = np.empty(request.shape)
    for kind, run in enumerate(runs):
        own = np.flatnonzero(kinds == kind)
        if len(own):
            paths[own] = continue_paths(run, powers[own], rows[own], len(history), request)
    return paths * unit


def smooth(
    history: Series, indices: Series, weight: float, poisson: float | None, *, ratio: bool
) -> Smoothed:
    """All recursions over a history (T,) of mean 1; NaN = not observed, which changes nothing.

    They start from seasonal indices (m,), which multiply or add; ``weight`` of their variance is
    real, which is how many parameters they cost. ``poisson`` is the variance that counts would
    have, worth ``PRIOR_PERIODS`` periods.
    """
    length, season = len(history), len(indices)
    past = indices[np.arange(length) % season]
    state = _start(history / past if ratio else history - past, indices, ratio=ratio)
    errors = np.full((length, len(PRIOR)), np.nan)
    fits = np.empty_like(errors)
    seen = ~np.isnan(history)
    count = 0
    for step, value in enumerate(history):
        base, fits[step] = state.expect(FORMS, step % season)
        if seen[step]:
            errors[step] = value - fits[step]
            count += 1
            state.learn(FORMS, step % season, base, errors[step], 1 / (count + 2))
        else:
            state.level, state.trend = base, FORMS.damping * state.trend
    spent = FORMS.parameters + 1 + weight * (season - 1)
    variance, fit = _measure_spread(errors[seen], np.maximum(fits[seen], SMALLEST), season)
    price = PRICE * FORMS.parameters * count / np.maximum(count - spent - 1, 1)
    score = TRUST * fit - price + PRIOR
    pace = PACE_TRUST * fit.max(axis=0) - price + PRIOR + (CALM - WARY) * FORMS.gain
    if weight == 0:
        score[:, FORMS.season_gain > 0] = -np.inf
        pace[FORMS.season_gain > 0] = -np.inf
    if poisson is not None:
        variance = (variance * count + PRIOR_PERIODS * poisson) / (count + PRIOR_PERIODS)
    # On the data that was fitted errors are smaller than they will be; see ``error_variance``.
    variance = variance * (1 + spent / count) ** 0.5 * count / np.maximum(count - spent, 1)
    return Smoothed(state, variance, score, pace, count)


def _start(flat: Series, indices: Series, *, ratio: bool) -> State:
    """A level of the first season without a trend, a line's with a drift; first trends are 0."""
    slope, start = line_through(flat) if (~np.isnan(flat)).sum() >= LEAST_TREND else (0.0, 1.0)
    first = flat[~np.isnan(flat)][: len(indices)].mean()
    trend = FORMS.drift * slope
    level = np.where(FORMS.drift > 0, start - trend, first)
    return State(level, trend, np.tile(indices[:, None], (1, len(level))), ratio)


def _measure_spread(errors: Floats, fits: Floats, season: int) -> tuple[Floats, Floats]:
    """Variance of errors (n, G) over the mean to each power, and log-likelihood, (P, G) both.

    An error weighs half as much every ``MEMORY`` periods, and every two seasons.
    """
    weights = 0.5 ** (np.arange(len(errors))[::-1] / max(MEMORY, 2 * season))
    logs = weights @ np.log(fits)
    shares = weights / weights.sum()
    # 1e-10: a series without errors has none
    variance = np.stack([shares @ (errors / fits**power) ** 2 for power in POWERS]) + 1e-10
    return variance, -weights.sum() / 2 * np.log(variance) - np.outer(POWERS, logs)


def continue_paths(
    run: Smoothed, powers: Ints, rows: Ints, length: int, request: PathRequest
) -> Series:
    """Paths (n, H) by the recursions at ``rows`` with spreads by ``powers``, from T on."""
    rng, count = request.rng, len(rows)
    quick = FORMS.gain[draw_by_odds(run.pace, count, rng)]
    forms = replace(FORMS.pick(rows), gain=quick)
    season = len(run.state.season)
    state = State(run.state.level[rows], run.state.trend[rows], run.state.season[:, rows],
                  run.state.ratio)  # fmt: skip
    freedom = max(run.count - 3, 3)  # the variance itself is measured on so many errors
    spread = np.sqrt(run.variance[powers, rows] * freedom / rng.chisquare(freedom, count))
    power = POWERS[powers]
    paths = np.empty((count, request.horizon))
    for step in range(request.horizon):
        place = (length + step) % season
        base, mean = state.expect(forms, place)
        floored = np.maximum(mean, SMALLEST)
        error = draw_errors(floored, spread * floored**power, rng)
        paths[:, step] = mean + error
        state.learn(forms, place, base, error, 1 / (run.count + step + 3))
    return paths


def draw_by_odds(score: Series, count: int, rng: np.random.Generator) -> Ints:
    """Positions (count,) in proportion to the exponential of a score, evenly, in random order."""
    odds = np.cumsum(np.exp(score - score.max()))
    even = (np.arange(count) + 0.5) / count * odds[-1]
    return rng.permutation(np.searchsorted(odds, even))


def draw_errors(means: Series, spreads: Series, rng: np.random.Generator) -> Series:
    """Errors (n,) of mean 0: normal where they are small beside the mean, else gamma."""
    errors = rng.standard_normal(len(means)) * spreads
    squares = (spreads / means) ** 2
    wide = squares > WIDE
    shape = 1 / np.minimum(squares[wide], WIDEST)
    errors[wide] = (rng.gamma(shape) / shape - 1) * means[wide]
    return errors
