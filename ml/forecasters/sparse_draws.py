"""Demand of mostly empty periods around the means of a model that thinks in normal errors.

Prophet and ARIMA give a mean for each period, and what they do not know of their level. Normal
errors around a mean near zero are half below it; cut there, they have several times the mean and
hardly a zero. Instead a hurdle is drawn (Cragg 1971, Econometrica 39; Mullahy 1986, Journal of
Econometrics 33): whether there is demand, and how much. Both follow the model's mean: the chance of
none falls exponentially in it, as that of a Poisson process of orders, and the sizes are the
series' own over what was expected of them, so that their product is the mean.
"""

from dataclasses import asdict, dataclass

import numpy as np

from ml.forecasters.base import Series

SPARSE_LAW = "sparse_demand"  # of a saved model, beside what its library writes
SPARSE = 0.1  # share of observed periods without demand from which on a hurdle is drawn
LEAST_MEAN = 0.05  # share of the mean demand below which no mean falls
MOST_SIZES = 200  # ratios that are kept


@dataclass(frozen=True, slots=True)
class SparseDemand:
    """What a series' past says of the demand around a mean."""

    mean: float  # demand a period, mean of the past
    scale: float  # of a model's means, so that those of the past, not below zero, sum to the demand
    orders: float  # expected orders a period at the mean demand
    sizes: tuple[float, ...]  # demands over what was expected of a period with demand, mean 1
    doubt: float  # variance of the level of a path over its square

    @classmethod
    def load(cls, stored: dict[str, object]) -> "SparseDemand":
        """What :func:`asdict` gave, from JSON."""
        return cls(**stored)  # type: ignore[arg-type]


def measure_sparse(values: Series, fitted: Series) -> dict[str, object] | None:
    """A :class:`SparseDemand` for JSON; ``None`` of a series with few empty periods, or no demand.

    Of demand (T,), NaN = not observed, and its means (T,) by a model.
    """
    seen = ~np.isnan(values)
    demand = values[seen]
    mean, busy = float(demand.mean()), float((demand > 0).mean())
    if not 0 < busy <= 1 - SPARSE:
        return None
    means = np.maximum(fitted[seen], LEAST_MEAN * mean)
    scale = float(demand.sum() / means.sum())
    means = means * scale
    orders = -float(np.log1p(-busy))
    expected = means / -np.expm1(-orders * means / mean)
    ratios = np.sort((demand / expected)[demand > 0])
    if len(ratios) > MOST_SIZES:
        ratios = np.quantile(ratios, (np.arange(MOST_SIZES) + 0.5) / MOST_SIZES)
    sizes = tuple(float(ratio) for ratio in ratios / ratios.mean())
    # The standard error of a mean of so many periods.
    doubt = float(np.mean((demand - means) ** 2) / mean**2 / len(demand))
    return asdict(SparseDemand(mean, scale, orders, sizes, doubt))


def draw_sparse(
    law: SparseDemand, paths: Series, rng: np.random.Generator, *, counts: bool
) -> Series:
    """Demand (S, H) around the means (S, H) of a model's paths, each period's mean kept.

    What a path does not know of its level is in its means. Counts are rounded up and down by
    chance, which keeps the mean.
    """
    least = LEAST_MEAN * law.mean
    wanted = np.maximum(paths.mean(axis=0), least) * law.scale
    if law.doubt > 0:
        paths = paths * rng.gamma(1 / law.doubt, law.doubt, (len(paths), 1))
    means = np.maximum(paths, least)
    means = means * wanted / means.mean(axis=0)
    chances = -np.expm1(-law.orders * means / law.mean)
    busy = rng.random(paths.shape) < chances
    drawn = np.where(busy, means / chances * rng.choice(law.sizes, paths.shape), 0.0)
    return np.floor(drawn + rng.random(paths.shape)) if counts else drawn
