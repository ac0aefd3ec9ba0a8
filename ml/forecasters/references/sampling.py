"""Makes a forecaster of a function that samples one series, and what such functions share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import special

from ml.forecasters.base import Fitted, Series, is_count
from ml.frequency import Frequency
from ml.panel import Ints, Panel
from ml.seeds import generator, latin_uniforms

# About a year and a half of months, a year of weeks or days, two years of trading days.
RECENT = {
    Frequency.DAILY: 364,
    Frequency.BUSINESS: 500,
    Frequency.WEEKLY: 52,
    Frequency.MONTHLY: 18,
}
ALPHA = {
    Frequency.DAILY: 0.02,
    Frequency.BUSINESS: 0.02,
    Frequency.WEEKLY: 0.05,
    Frequency.MONTHLY: 0.1,
}  # smoothing constants of levels
# Most variance of a level over its mean squared: of a part hardly ever asked for, two in three
# paths would else have no demand at all.
MOST_UNSURE = 0.3
WILD = 1_000.0  # beyond it one accident rules the variance, and a table of counts has no end
FEW = 24  # values that are sooner counted than searched for
LARGE = 200.0  # above this mean a rounded gamma is the same as a negative binomial


@dataclass(frozen=True, slots=True)
class PathRequest:
    """What a sampler is asked for, and what it knows of a series beside its values."""

    kind: str  # `demand` or `price`
    frequency: Frequency  # of the panel
    horizon: int  # periods ahead H
    n_paths: int  # paths S
    rng: np.random.Generator  # generator that belongs to model and item
    is_count: bool  # whether every observed value is a whole number

    @property
    def shape(self) -> tuple[int, int]:
        """Paths and horizon, (S, H)."""
        return self.n_paths, self.horizon


Sampler = Callable[[Series, PathRequest], Series]
"""Values (T,) with NaN -> paths (S, H); a ``ValueError`` refuses the series."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A model without training: what it needs is the history itself."""

    name: str
    sampler: Sampler

    def fit(
        self,
        panel: Panel,
        *,
        learn_from: Sequence[str] | None = None,  # noqa: ARG002 - interface
        start: Fitted | None = None,  # noqa: ARG002 - interface
    ) -> "FittedReference":
        """See :class:`ml.forecasters.base.Forecaster`."""
        return FittedReference(self, panel)

    def load(self, folder: Path, panel: Panel) -> "FittedReference":  # noqa: ARG002 - interface
        """See :class:`ml.forecasters.base.Forecaster`."""
        return self.fit(panel)


@dataclass(frozen=True, slots=True)
class FittedReference:
    """The history of a panel, and how to draw its continuation."""

    config: Reference
    panel: Panel
    failures: Mapping[str, str] = field(default_factory=dict)

    def draw(self, panel: Panel, shape: tuple[int, int], seed: int) -> Series:
        """See :class:`ml.forecasters.base.Fitted`."""
        (values,), (n_paths, horizon) = panel.values, shape
        rng = generator(seed, self.config.name, *panel.items)
        counts = is_count(values)
        request = PathRequest(panel.kind, panel.frequency, horizon, n_paths, rng, counts)
        return self.config.sampler(values, request)

    def save(self, folder: Path) -> None:
        """See :class:`ml.forecasters.base.Fitted`: nothing was learned."""


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


def draw_empirical(pool: Series, uniforms: Series) -> Series:
    """Values out of ``pool`` at these positions in (0, 1) of its sorted order."""
    ordered = np.sort(pool)
    return ordered[np.minimum((uniforms * len(ordered)).astype(np.int64), len(ordered) - 1)]


def draw_shares(rng: np.random.Generator, n_paths: int, weights: Series) -> Series:
    """How likely each path takes each of n past values, (S, n): Dirichlet with these weights.

    The Bayesian bootstrap of Rubin (1981), *Annals of Statistics* 9: a path's level is as unsure
    as a mean of so many values is, and over paths each value keeps its share.
    """
    shape = n_paths, len(weights)
    if (weights == 1).all():  # exponentials: of the same bits in a quarter of the time
        drawn = rng.standard_exponential(shape)
    else:
        drawn = rng.gamma(weights, size=shape)
    drawn += 1e-300
    drawn /= drawn.sum(axis=1, keepdims=True)
    return drawn


def place_in_rows(cumulative: Series, uniforms: Series) -> Ints:
    """Which of n values each uniform of a path (S, H) stands for, given its shares added up (S, n).

    Few values are counted; of many, rows are laid end to end at distances of 2, so that one search
    serves them all.
    """
    paths, count = cumulative.shape
    if count <= FEW:
        few = np.zeros(uniforms.shape, np.uint8)
        for upper in cumulative.T[:-1]:
            few += uniforms > upper[:, None]
        return few.astype(np.int64)
    apart = 2.0 * np.arange(paths)[:, None]
    found = np.searchsorted((cumulative + apart).ravel(), (uniforms + apart).ravel())
    places = found.reshape(uniforms.shape) - np.arange(paths)[:, None] * count
    return np.minimum(places, count - 1)


def unsure_level(request: PathRequest) -> float:
    """Variance of the level that a path keeps, over that of a period.

    A smoothing constant alpha is that of a level which walks: in its steady state the level is
    known with alpha times the variance of a period and walks with alpha² / (1 - alpha) of it
    (Harvey 1989, *Forecasting, Structural Time Series Models and the Kalman Filter*, chapter
    4); the mean of H steps of a walk has H / 3 times the variance of one.

    >>> months = PathRequest("demand", Frequency.MONTHLY, 12, 5, np.random.default_rng(0), True)
    >>> round(unsure_level(months), 4)  # 0.1 + 0.01 / 0.9 * 12 / 3
    0.1444
    """
    alpha = ALPHA[request.frequency]
    return alpha + alpha**2 / (1 - alpha) * request.horizon / 3


def vary_levels(drawn: Series, mean: float, variance: float, request: PathRequest) -> Series:
    """Paths (S, H) times a level of their own, from a gamma with mean 1.

    ``mean`` and ``variance`` are those of a period. Counts are rounded up as often as keeps the
    mean.
    """
    if mean <= 0 or variance <= 0:
        return drawn
    spread = min(unsure_level(request) * variance / mean**2, MOST_UNSURE)
    place = latin_uniforms(request.rng, request.n_paths, 1)
    varied = drawn * special.gammaincinv(1 / spread, place) * spread
    if not request.is_count:
        return np.asarray(varied)
    whole = np.floor(varied)
    return np.asarray(whole + (request.rng.random(varied.shape) < varied - whole))


def draw_demand(mean: float, variance: float, uniforms: Series, *, counts: bool) -> Series:
    """Demand with this mean and variance at the given positions in (0, 1) of its distribution.

    Counts are negative binomial where the variance exceeds the mean, else Poisson; other
    quantities are gamma. A negative binomial with mean m and variance v has n = m²/(v-m) and
    p = m/v. Uniforms may have any shape.
    """
    if mean <= 0:
        return np.zeros_like(uniforms)
    if not counts or mean > LARGE or variance > WILD * mean:
        spread = max(variance, 1e-12 * mean**2)
        return np.asarray(special.gammaincinv(mean**2 / spread, uniforms) * spread / mean)
    top = int(mean + 8 * np.sqrt(max(variance, mean)) + 8)
    while _chance_until(np.array([top]), mean, variance)[0] < 1 - 1e-7:
        top *= 2
    chances = _chance_until(np.arange(top + 1), mean, variance)
    return np.searchsorted(chances, uniforms).astype(np.float64)


def _chance_until(numbers: Ints, mean: float, variance: float) -> Series:
    """Chance of so many or fewer, of a negative binomial or Poisson count."""
    if variance > mean * 1.001:
        size, chance = mean**2 / (variance - mean), mean / variance
        return np.asarray(special.betainc(size, numbers + 1.0, chance))
    return np.asarray(special.pdtr(numbers, mean))
