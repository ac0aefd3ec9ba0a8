"""The hurdle: whether there is demand, and how much, with priors learned from the whole panel.

Every period has demand with a probability that depends on the item's record (its rates over three
memories, the time since its last demand, its age), by a regression on what came of such records
at earlier origins of the panel. So an item that was never sold gets the rate of those that were
unsold so far, a launch that of launches, and one that has fallen silent that of the silent. Sizes
are the item's own and, the fewer it has, those that items of that size had. Each path draws
its own level of both, with the variance that levels had around their expectation. Days are
put together: chances are learned from spells as long as the horizon, and spread over weekdays and
holidays by the shares that they have in the panel and, as far as it tells, in the item's own past.

Sources: Cragg (1971), Econometrica 39, for the hurdle; West & Harrison (1997), *Bayesian
Forecasting and Dynamic Models*, 2nd ed., chapter 6, for discounting; Efron & Morris (1973), JASA
68, for empirical Bayes; Prestwich et al. (2014), IJF 30, for obsolescence by the time since the
last demand.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy import special

from ml.durable import staged
from ml.forecasters.base import Fitted, Series, find_rows, is_count, save_items
from ml.forecasters.references import level_regression as levels
from ml.forecasters.references.day_shares import DayShares, measure_shares
from ml.forecasters.references.histories import (
    MEMORIES,
    Outcomes,
    event_states,
    panel_rate,
    panel_size,
    past_outcomes,
    size_states,
)
from ml.forecasters.references.sampling import draw_empirical, observed
from ml.frequency import periods_after, weekday
from ml.panel import Bools, Floats, Panel
from ml.seeds import generator, latin_uniforms

EVENT_DEFAULT = np.array([0.0, 1.0, 0.7, 0.3, 0.0, 0.0, 0.0])  # of `event_states`
SIZE_DEFAULT = np.array([0.0, 1.0, 0.7, 0.3, 0.0])  # of `size_states`
RIDGE = 10.0
FADING = 1 / 3  # of the history, in which an origin loses half its weight
MOST_SIZES = 4.0  # sizes in a window that count
OWN_SIZES = 4.0  # own demands at which own sizes and others' are drawn equally often
ALIKE = 300  # sizes of others, of items next in size, that one is drawn from
SURE = 0.99  # no busy day of an item is likelier to have demand, unless its average day is
TOGETHER = 1024  # items that are told what to expect at once, to bound memory
LEARNED = "hurdle.npz"


@dataclass(frozen=True, slots=True)
class Hurdles:
    """What was learned of the N items of a panel."""

    chances: Floats  # (N,) probability that an average period has demand
    sizes: Floats  # (N,) mean size of a demand
    days: DayShares  # of both over that
    chance_shared: float  # correlation between periods of whether there is demand
    size_shared: float  # variance of an item's level of sizes over its expectation
    pool_sizes: Floats  # (n,) expected sizes at earlier origins, ascending
    pool_ratios: Floats  # (n,) what came over that


@dataclass(frozen=True, slots=True)
class Hurdle:
    """Settings of the model."""

    horizon: int  # periods whose outcomes it learns from
    name: ClassVar[str] = "hurdle"

    def fit(
        self,
        panel: Panel,
        *,
        learn_from: Sequence[str] | None = None,
        start: Fitted | None = None,  # noqa: ARG002 - interface
    ) -> "FittedHurdle":
        """See :class:`ml.forecasters.base.Forecaster`.

        A panel without any demand to learn from is a failure of all its items.
        """
        chosen = set(panel.items if learn_from is None else learn_from)
        teaches = np.array([item in chosen for item in panel.items], bool)
        if not (panel.values[teaches] > 0).any():
            return FittedHurdle(panel, dict.fromkeys(panel.items, "no demand to learn from"))
        return FittedHurdle(panel, {}, _learn(panel, teaches, self.horizon))

    def load(self, folder: Path, panel: Panel) -> "FittedHurdle":
        """See :class:`ml.forecasters.base.Forecaster`."""
        rows, failures = find_rows(folder, panel.items)
        if failures:
            return FittedHurdle(panel, failures)
        every = _open(folder / LEARNED, (folder / LEARNED).stat().st_mtime_ns)
        own = replace(
            every, chances=every.chances[rows], sizes=every.sizes[rows], days=every.days.rows(rows)
        )
        return FittedHurdle(panel, {}, own)


@dataclass(frozen=True, slots=True)
class FittedHurdle:
    """Chances and sizes of the items of a panel."""

    panel: Panel  # the items, with their history
    failures: Mapping[str, str]  # items without a forecast, with reasons: all or none
    learned: Hurdles | None = None  # of the items in the panel's order

    def draw(self, panel: Panel, shape: tuple[int, int], seed: int) -> Floats:
        """See :class:`ml.forecasters.base.Fitted`."""
        (item,), (values,), known = panel.items, panel.values, self.learned
        if known is None:
            raise ValueError("no demand to learn from")
        row = bisect_left(self.panel.items, item)  # they are sorted
        rng = generator(seed, Hurdle.name, item)
        seen = observed(values)
        first, second = latin_uniforms(rng, shape[0], 2).T[:, :, None]
        level = _beta_quantile(first, known.chances[row], known.chance_shared)
        ahead = periods_after(panel.cutoff, shape[1], panel.frequency)
        days = known.days.rows([row])
        chance = _spread_chances(level, known.chances[row], days.on(ahead)[0])
        happens = latin_uniforms(rng, *shape) < chance
        memory = MEMORIES[panel.frequency][1]
        path, step = np.nonzero(happens)  # sizes are worked out of these alone
        sizes = _draw_sizes(known, row, seen, memory, rng.random((3, *shape))[:, path, step])
        sizes = sizes * days.sizes[0, weekday(ahead)][step]
        sizes = sizes * _gamma_quantile(second, known.size_shared)[path, 0]
        if is_count(values):  # rounded up as often as keeps the mean
            whole = np.floor(sizes)
            sizes = np.maximum(whole + (rng.random(shape)[path, step] < sizes - whole), 1.0)
        drawn = np.zeros(shape)
        drawn[path, step] = sizes
        return drawn

    def save(self, folder: Path) -> None:
        """See :class:`ml.forecasters.base.Fitted`."""
        save_items(folder, self.panel.items, self.failures, {})
        if self.learned is not None:
            with staged(folder / LEARNED) as path:
                known = asdict(self.learned)
                days = {f"days_{name}": part for name, part in known.pop("days").items()}
                np.savez(path, allow_pickle=False, **known, **days)


@lru_cache(maxsize=4)
def _open(path: Path, changed: int) -> Hurdles:
    """What was learned of all items, of a file as it was when it last ``changed``."""
    del changed
    with np.load(path, allow_pickle=False) as stored:
        days = DayShares(*(stored[f"days_{name}"] for name in DayShares.__slots__))
        return Hurdles(
            stored["chances"], stored["sizes"], days, float(stored["chance_shared"]),
            float(stored["size_shared"]), stored["pool_sizes"], stored["pool_ratios"],
        )  # fmt: skip


def _learn(panel: Panel, teaches: Bools, horizon: int) -> Hurdles:
    """Regressions on the outcomes of items that teach, and what they expect of all now."""
    teachers = panel.rows(np.flatnonzero(teaches).tolist())
    rate, size = panel_rate(teachers), panel_size(teachers)
    days, taught = measure_shares(panel, teaches), np.flatnonzero(teaches).tolist()
    shares = days.rows(taught).on(panel.periods)
    outcomes = past_outcomes(teachers, horizon, shares)
    events = event_states(teachers, rate, outcomes.origins, shares)
    sizes = size_states(teachers, size, outcomes.origins)
    weights = np.broadcast_to(_origin_weights(outcomes, panel), outcomes.events.shape)
    known = outcomes.periods > 0
    past = events[known]
    happened, periods = outcomes.events[known], outcomes.periods[known]
    effects = levels.fit_logistic(
        past, weights[known] * happened, weights[known] * periods, EVENT_DEFAULT, RIDGE
    )
    chance_shared = levels.shared_chance(happened, periods, levels.logistic(past @ effects))
    sold = known & (outcomes.events > 0)
    past = sizes[sold]
    count, mean = outcomes.events[sold], outcomes.total[sold] / outcomes.events[sold]
    trust = weights[sold] * np.minimum(count, MOST_SIZES)
    moved = levels.fit_sizes(past, mean / size, trust, SIZE_DEFAULT, RIDGE)
    at, ratios, spread = _pool_ratios(teachers, outcomes, size * levels.exponential(sizes @ moved))
    ahead = size * levels.exponential(past @ moved)
    every = range(len(panel.items))
    parts = [every[first : first + TOGETHER] for first in range(0, len(every), TOGETHER)]
    found = [_expect(panel.rows(own), days.rows(own), (rate, size), effects, moved)
             for own in parts]  # fmt: skip
    chances, expected = (np.concatenate(part) for part in zip(*found, strict=True))
    return Hurdles(
        chances=chances,
        sizes=expected,
        days=days,
        chance_shared=chance_shared,
        size_shared=levels.shared_size(mean / ahead, count, spread),
        pool_sizes=at,
        pool_ratios=ratios,
    )


def _expect(
    panel: Panel, days: DayShares, usual: tuple[float, float], effects: Floats, moved: Floats
) -> tuple[Floats, Floats]:
    """Chance of demand and its size after the end of a panel, (N,) each, by both regressions.

    ``usual`` are the rate and the size of the panel that they were fitted on.
    """
    rate, size = usual
    last = np.array([panel.values.shape[1] - 1])
    events = event_states(panel, rate, last, days.on(panel.periods))[:, 0]
    sizes = size_states(panel, size, last)[:, 0]
    return levels.logistic(events @ effects), size * levels.exponential(sizes @ moved)


def _origin_weights(outcomes: Outcomes, panel: Panel) -> Floats:
    """Weights (O,) of origins: the latest most, and less where windows overlap."""
    if not len(outcomes.origins):
        return np.zeros(0)
    length, lengths = panel.values.shape[1], outcomes.ends - outcomes.origins - 1
    overlap = max(1.0, lengths.sum() / (outcomes.ends[-1] - outcomes.origins[0] - 1))
    return np.asarray(0.5 ** ((length - outcomes.origins) / (length * FADING)) / overlap)


def _draw_sizes(known: Hurdles, row: int, seen: Series, memory: float, uniforms: Floats) -> Floats:
    """Sizes (n,) of the item's own and of items alike, each with the mean that is expected.

    ``seen`` is what was observed, ``uniforms`` (3, n).
    """
    expected = known.sizes[row]
    middle = int(np.searchsorted(known.pool_sizes, expected))
    start = int(np.clip(middle - ALIKE // 2, 0, max(len(known.pool_sizes) - ALIKE, 0)))
    alike = known.pool_ratios[start : start + ALIKE]
    drawn = draw_empirical(alike / alike.mean(), uniforms[0])
    fading = 0.5 ** (np.arange(len(seen))[::-1] / memory)
    own, weight = seen[seen > 0], fading[seen > 0]
    total = weight.sum()
    if total:
        places = np.searchsorted(np.cumsum(weight / total), uniforms[1]).clip(max=len(own) - 1)
        mine = (own / (own @ weight / total))[places]
        drawn = np.where(uniforms[2] < total / (total + OWN_SIZES), mine, drawn)
    return np.asarray(drawn * expected)


def _pool_ratios(
    panel: Panel, outcomes: Outcomes, expected: Floats
) -> tuple[Floats, Floats, float]:
    """Sizes expected at the origins, ascending, what came over them, and its variance in a window.

    Of sizes (N, O) that were expected there. Where nothing came there is one ratio of 1.
    """
    places, found, squares, free = [np.ones(1)], [np.ones(1)], 0.0, 0.0
    for at, (origin, end) in enumerate(zip(outcomes.origins, outcomes.ends, strict=True)):
        window, level = panel.values[:, origin + 1 : end], expected[:, at]
        rows, steps = np.nonzero(window > 0)
        places.append(level[rows])
        found.append(np.minimum(window[rows, steps] / level[rows], levels.WILD))
        count = outcomes.events[:, at]
        mean = outcomes.total[:, at] / np.maximum(count, 1) / level
        squares += float(((found[-1] - mean[rows]) ** 2).sum())
        free += float(np.maximum(count - 1, 0).sum())
    if len(places) > 1 and sum(map(len, places)) > 1:
        places, found = places[1:], found[1:]
    sizes, ratios = np.concatenate(places), np.concatenate(found)
    order = np.argsort(sizes, kind="stable")
    return sizes[order], ratios[order], squares / free if free else 0.2


def _spread_chances(level: Floats, mean: float, shares: Floats) -> Floats:
    """Probabilities (S, H) of demand by the levels (S, 1) of paths and the shares (H,) of periods.

    Around ``mean`` levels stray as correlated periods do; where orders are f times as many as
    elsewhere, a period is without demand with q^f instead of q.
    """
    ahead = np.minimum(mean * shares, max(mean, SURE))
    return np.asarray(1 - (1 - level) ** (np.log1p(-ahead) / np.log1p(-mean)))


def _beta_quantile(uniforms: Floats, mean: float, correlation: float) -> Floats:
    """Probabilities around a mean that bind periods to each other by this correlation."""
    if correlation < 1e-3:
        return np.full_like(uniforms, mean)
    total = 1 / correlation - 1
    return np.asarray(special.betaincinv(mean * total, (1 - mean) * total, uniforms))


def _gamma_quantile(uniforms: Floats, variance: float) -> Floats:
    """Factors with mean 1 and this variance."""
    if variance < 1e-3:
        return np.ones_like(uniforms)
    return np.asarray(special.gammaincinv(1 / variance, uniforms) * variance)
