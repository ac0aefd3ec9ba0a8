"""Variances that change from day to day: exponential weights and GARCH, with Student t shocks.

Sources: J.P. Morgan/Reuters (1996), *RiskMetrics Technical Document*, 4th ed., for the weights;
Bollerslev (1987), *A conditionally heteroskedastic time series model for speculative prices and
rates of return*, RES 69, for GARCH(1,1) with t shocks.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, signal, special

from ml.forecasters.references.history import Series

DECAY = 0.97  # of the weights: about a month and a half of trading days
QUIETEST, WILDEST = 0.05, 100.0  # bounds of a variance in mean squares; no price was near either
FEW = 100  # changes; from fewer, degrees of freedom are guesswork
USUAL_DEGREES = 5.0  # of freedom, for daily changes of most prices
DEGREES = (2.5, 100.0)  # below, the variance hangs on one shock; above, the law is Gaussian
PERCENT = 100.0  # GARCH is fitted to changes in percent, where its optimiser works well


@dataclass(frozen=True, slots=True)
class VarianceModel:
    """The recursion h' = constant + reaction * change² + memory * h, and the shocks that feed it.

    Attributes:
        constant: Variance that is always added [change²].
        reaction: Share of the last squared change.
        memory: Share of the last variance.
        degrees: Degrees of freedom of the t shocks, > 2.
        shock: Standard deviation of the shocks; 1 unless variances are off on average.
        following: Variance of the first change to come [change²].
        usual: Mean square of the changes [change²], to which variances stay in proportion.
    """

    constant: float
    reaction: float
    memory: float
    degrees: float
    shock: float
    following: float
    usual: float

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


def exponential(changes: Series) -> VarianceModel:
    """The variance as an exponentially weighted mean of squared changes.

    Args:
        changes: Changes in order (T,), T >= 1, not all zero.
    """
    usual = float(np.mean(changes**2))
    # lfilter starts from the mean square: no change before the first is known.
    after, _ = signal.lfilter([1 - DECAY], [1, -DECAY], changes**2, zi=[DECAY * usual])
    before = np.maximum(np.concatenate([[usual], after[:-1]]), QUIETEST * usual)
    shocks = changes / np.sqrt(before)
    spread = float(np.sqrt(np.mean(shocks**2)))
    degrees = degrees_of_freedom(shocks / spread) if len(changes) >= FEW else USUAL_DEGREES
    return VarianceModel(0.0, 1 - DECAY, DECAY, degrees, spread, float(after[-1]), usual)


def garch(changes: Series) -> VarianceModel | None:
    """GARCH(1,1) with t shocks by maximum likelihood; ``None`` where no maximum was found.

    Args:
        changes: Changes in order (T,), some hundreds of them, not all zero.
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
    """Degrees of freedom of a t distribution of variance 1, by maximum likelihood.

    Args:
        shocks: Shocks of mean square 1.
    """

    def loss(inverse: float) -> float:
        nu = 1 / inverse
        level = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - np.log(nu - 2) / 2
        tails = (nu + 1) / 2 * np.log1p(shocks**2 / (nu - 2))
        return float(np.sum(tails) - len(shocks) * level)

    # By the inverse, in which the likelihood is close to a parabola.
    bounds = (1 / DEGREES[1], 1 / DEGREES[0])
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return 1 / float(found.x)
