"""The price model: no opinion on the direction, a careful one on how far a price may go.

The median is the last close. Around it lies a mixture of three walks, which differ in how fast
volatility forgets; together they are right more often than any of them. Variances change from day
to day, by exponential weights or as GARCH with Student t shocks.

Sources: J.P. Morgan/Reuters (1996), *RiskMetrics Technical Document*, 4th ed., for the weights;
Bollerslev (1987), *A conditionally heteroskedastic time series model for speculative prices and
rates of return*, RES 69, for GARCH(1,1) with t shocks.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ml.forecasters.base import Series
from ml.forecasters.references.sampling import RECENT, PathRequest, draw_empirical, observed
from ml.panel import Ints
from ml.seeds import latin_uniforms

CHANGES = 2000  # about eight years of trading days: quiet and wild times
LEVEL = 20  # observations, a month of trading days
LOWEST_LEVEL = 0.1  # in typical prices: near zero, a relative change means nothing
MISTAKE = 100.0  # in typical changes; Brent's largest in forty years was of forty
GARCH_FROM = 500  # changes; four parameters take two years of days
EMPIRICAL_FROM = 60  # changes; fewer hold no rare ones
LONGEST_WAIT = 250  # periods
DECAY = 0.97  # of the weights: about a month and a half of trading days
QUIETEST, WILDEST = 0.05, 100.0  # bounds of a variance in mean squares; no price was near either
FEW = 100  # changes; from fewer, degrees of freedom are guesswork
USUAL_DEGREES = 5.0  # of freedom, for daily changes of most prices
DEGREES = (2.5, 100.0)  # below, the variance hangs on one shock; above, the law is Gaussian
PERCENT = 100.0  # GARCH is fitted to changes in percent, where its optimiser works well


def volatility(values: Series, request: PathRequest) -> Series:
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
        return np.full(request.shape, last)
    moves = count_changes(values, request.horizon, window=RECENT[request.frequency])
    changes, level = relative_changes(seen)
    upper = _draw_changes(changes, (request.n_paths + 1) // 2, int(moves[-1]), request.rng)
    # Each path has its mirror image: a skew or a trend of the past is no forecast.
    steps = np.concatenate([upper, -upper])[: request.n_paths]
    return last + level * np.cumsum(steps, axis=1)[:, moves - 1]


def relative_changes(seen: Series) -> tuple[Series, float]:
    """Changes (T - 1,) between prices (T,) over the level before each, and the level now.

    Prices are in order and not all equal; a mistake among them is cut to what a price might do.

    >>> changes, level = relative_changes(np.array([10.0, 11.0, 12.0]))  # level: 11, the median
    >>> changes.round(4).tolist(), level
    ([0.0909, 0.0909], 11.0)
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


def count_changes(values: Series, horizon: int, *, window: int) -> Ints:
    """How many changes a price (T,) makes until each period ahead that has a price, (H,).

    Holidays, the periods without an observation between others, bring no change; periods ahead
    hold as many of them as the last ``window`` did. Where the end of the history is missing for
    longer than any holiday, the price went on without being seen.

    >>> count_changes(np.array([1.0, np.nan, 2.0, np.nan, 3.0]), 5, window=5)  # 3 of 5 periods
    array([1, 2, 2, 3, 3])
    """
    places = np.flatnonzero(~np.isnan(values))[-window:]
    share = len(places) / (places[-1] - places[0] + 1)
    longest_holiday = int(np.max(np.diff(places), initial=1)) - 1
    missing = len(values) - 1 - int(places[-1])
    waited = 0 if missing <= longest_holiday else min(missing, LONGEST_WAIT)
    return 1 + np.round(share * (waited + np.arange(horizon))).astype(np.int64)


def _draw_changes(changes: Series, n_paths: int, moves: int, rng: np.random.Generator) -> Series:
    """Relative changes (S, M), the same number of paths from each part that history allows."""
    parts = [fit_exponential(changes).draw]
    fitted = fit_garch(changes) if len(changes) >= GARCH_FROM else None
    if fitted is not None:
        parts.append(fitted.draw)
    if len(changes) >= EMPIRICAL_FROM:
        centred = changes - changes.mean()
        parts.append(lambda uniforms: draw_empirical(centred, uniforms))
    counts = [len(share) for share in np.array_split(np.arange(n_paths), len(parts))]
    drawn = [
        part(latin_uniforms(rng, count, moves))
        for part, count in zip(parts, counts, strict=True)
        if count
    ]
    return np.concatenate(drawn)


@dataclass(frozen=True, slots=True)
class VarianceModel:
    """h' = constant + reaction * change² + memory * h, and the shocks that feed it."""

    constant: float  # variance that is always added [change²]
    reaction: float  # share of the last squared change
    memory: float  # share of the last variance
    degrees: float  # degrees of freedom of the t shocks, > 2
    shock: float  # standard deviation of the shocks; 1 unless variances are off on average
    following: float  # variance of the first change to come [change²]
    usual: float  # mean square of the changes [change²], to which variances stay in proportion

    def draw(self, uniforms: Series) -> Series:
        """Changes to come, (S, M), for these positions (S, M) of the shocks in (0, 1).

        Each path's own shocks feed its own variances, so that wild days follow each other.
        """
        unit = np.sqrt((self.degrees - 2) / self.degrees)  # t has the variance nu / (nu - 2)
        shocks = special.stdtrit(self.degrees, uniforms) * unit * self.shock
        changes = np.empty_like(shocks)
        variances = np.full(len(shocks), self.following)
        for step in range(shocks.shape[1]):
            variances = np.clip(variances, QUIETEST * self.usual, WILDEST * self.usual)
            changes[:, step] = np.sqrt(variances) * shocks[:, step]
            variances = (
                self.constant + self.reaction * changes[:, step] ** 2 + self.memory * variances
            )
        return changes


def fit_exponential(changes: Series) -> VarianceModel:
    """The variance as an exponentially weighted mean of squared changes (T,), not all zero."""
    from scipy import signal

    usual = float(np.mean(changes**2))
    # lfilter starts from the mean square: no change before the first is known.
    after, _ = signal.lfilter([1 - DECAY], [1, -DECAY], changes**2, zi=[DECAY * usual])
    before = np.maximum(np.concatenate([[usual], after[:-1]]), QUIETEST * usual)
    shocks = changes / np.sqrt(before)
    spread = float(np.sqrt(np.mean(shocks**2)))
    degrees = degrees_of_freedom(shocks / spread) if len(changes) >= FEW else USUAL_DEGREES
    return VarianceModel(0.0, 1 - DECAY, DECAY, degrees, spread, float(after[-1]), usual)


def fit_garch(changes: Series) -> VarianceModel | None:
    """GARCH(1,1) with t shocks by maximum likelihood; ``None`` where no maximum was found.

    It takes some hundreds of changes (T,), not all zero.
    """
    from arch import arch_model

    usual = float(np.mean(changes**2))
    percents = PERCENT * changes
    model = arch_model(percents, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    found = model.fit(disp="off", show_warning=False)
    constant, reaction, memory, degrees = (float(value) for value in found.params)
    if found.convergence_flag or not np.isfinite(found.params).all():
        return None
    last = float(found.conditional_volatility[-1]) ** 2
    following = constant + reaction * float(percents[-1]) ** 2 + memory * last
    return VarianceModel(
        constant / PERCENT**2, reaction, memory, float(np.clip(degrees, *DEGREES)), 1.0,
        following / PERCENT**2, usual,
    )  # fmt: skip


def degrees_of_freedom(shocks: Series) -> float:
    """Degrees of freedom of a t distribution by maximum likelihood, of shocks of mean square 1."""
    from scipy import optimize

    def loss(inverse: float) -> float:
        nu = 1 / inverse
        level = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - np.log(nu - 2) / 2
        tails = (nu + 1) / 2 * np.log1p(shocks**2 / (nu - 2))
        return float(np.sum(tails) - len(shocks) * level)

    # By the inverse, in which the likelihood is close to a parabola.
    bounds = (1 / DEGREES[1], 1 / DEGREES[0])
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return 1 / float(found.x)
