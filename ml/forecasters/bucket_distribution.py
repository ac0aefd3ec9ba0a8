"""What pooled models predict: probabilities of ranges of values, and paths drawn from them.

A model predicts one probability a bucket; a draw picks a bucket and then a value among those
seen in it. Zero demand has a bucket of its own, so intermittence needs no special care. Marginals
are exactly as predicted, steps are bound to each other by a copula. Nothing here needs a library
of models.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.durable import staged
from ml.forecasters.base import ITEMS, find_rows, save_items
from ml.mapped import write_array
from ml.panel import Floats, Ints, Panel
from ml.seeds import generator

# Where the non-zero values are cut: evenly in the body, finer where stock is decided.
PREDICTED = "predicted.npz"
BY_ITEM = ("probabilities", "spreads", "shared")  # a file each
CUTS = (*np.linspace(0.0, 0.9, 12)[1:], 0.95, 0.98, 0.995)
POINTS = 64  # values kept a bucket
WILD = 10.0  # demand beyond so many times the panel's 99.5 % quantile is drawn for no other item
FACTOR_SPREAD = 0.2  # standard deviation of the log of the factor that totals are kept by, at first


@dataclass(frozen=True, slots=True)
class Buckets:
    """Ranges of values."""

    # (B - 1,) upper ends of all buckets but the last, ascending; a value belongs to the first
    # bucket whose edge it does not exceed
    edges: Floats
    points: Floats  # (B, POINTS) quantiles of the values seen in each bucket, ascending

    @property
    def count(self) -> int:
        """Number of buckets B."""
        return len(self.points)

    def of(self, values: Floats) -> Ints:
        """Bucket of each value; NaN must be masked by the caller."""
        return np.searchsorted(self.edges, values, side="left")

    def draw(self, probabilities: Floats, uniforms: Floats) -> Floats:
        """Values at positions (S, H) in (0, 1) of distributions (H, B); they ascend with them."""
        upper = np.cumsum(probabilities, axis=1)
        upper /= upper[:, -1:]
        bucket = np.zeros(uniforms.shape, np.uint8)  # there are never more than `CUTS` and two
        for edge in upper.T[:-1]:  # a search at each step by itself takes ten times as long
            bucket += uniforms >= edge
        at = bucket + np.arange(0, probabilities.size, self.count)
        share, below = probabilities.take(at), (upper - probabilities).take(at)
        inside = (uniforms - below) / np.maximum(share, 1e-12)
        place = np.clip((inside * POINTS).astype(np.int64), 0, POINTS - 1)
        return np.asarray(self.points[bucket, place])


def learn_buckets(values: Floats, *, zero: bool, strange: Floats | None = None) -> Buckets:
    """Buckets for all values seen, without NaN; ``zero`` of demand has one of its own.

    So have ``strange`` values, in a unit that was not known yet, as far as they are beyond all
    others: the last bucket, which is none of those whose unit is known. A few are accidents, and
    count as the largest of the others.
    """
    body = values[values > 0] if zero else values
    if not len(body):
        body = np.ones(1)
    if zero:
        body = np.minimum(body, WILD * np.quantile(body, CUTS[-1], method="inverted_cdf"))
    inner = np.unique(np.quantile(body, CUTS, method="inverted_cdf"))
    inner = inner[inner < body.max()]
    edges = np.concatenate([[0.0], inner]) if zero else inner
    belongs = np.searchsorted(edges, body, side="left")
    first = 1 if zero else 0
    middle = (np.arange(POINTS) + 0.5) / POINTS
    points = np.zeros((len(edges) + 1, POINTS))
    for bucket in range(first, len(edges) + 1):
        inside = body[belongs == bucket]
        points[bucket] = np.quantile(inside, middle, method="inverted_cdf")
    if strange is not None:
        far = strange[strange > body.max()]
        if len(far) <= (1 - CUTS[-1]) * len(body):
            far = body.max(keepdims=True)
        edges = np.append(edges, body.max())
        points = np.vstack([points, np.quantile(far, middle, method="inverted_cdf")])
    return Buckets(edges, points)


def keep_total(
    buckets: Buckets, odds: Floats, truth: Floats, units: Floats, owners: Ints
) -> Buckets:
    """Buckets whose values are scaled so that what is predicted adds up to the demand that came.

    An item's unit is an estimate. Where it came out too large, what follows is small in it, and the
    other way round; a model that has learned ratios and not all of this says much the same ratios
    of every unit, so all units together come out too large, by 10 to 30 % where items have few
    demands of uneven size, and on the very rows that were learned from. How much of the factor is
    taken depends on how sure it is with items as clusters (the normal means of Efron & Morris
    1973, JASA 68).

    Of n rows that were learned from: odds (n, B) predicted, what came in units (n,) (accidents that
    no bucket holds count as the largest value), and the unit (n,) and the item (n,) of each.
    """
    came = np.minimum(truth, buckets.points.max()) * units
    said = odds @ buckets.points.mean(axis=1) * units
    factor = came.sum() / said.sum()
    left = np.bincount(owners, came - factor * said)
    trust = FACTOR_SPREAD**2 / (FACTOR_SPREAD**2 + left @ left / came.sum() ** 2)
    return replace(buckets, points=buckets.points * factor**trust)


@dataclass(frozen=True, slots=True)
class Distributions:
    """Predicted distributions of N items."""

    buckets: Buckets  # ranges of values
    probabilities: npt.NDArray[np.float32]  # (N, H, B)
    # (N, H) unit of the bucket values: the item's scale, or the window's volatility
    spreads: Floats
    shared: Floats  # (N,) correlation between the periods of each item, given the forecast

    def paths(
        self, row: int, panel: Panel, shape: tuple[int, int], rng: np.random.Generator
    ) -> Floats:
        """Paths (S, H) of the item at a position, the one series of ``panel``.

        Raises:
            ValueError: It has no observed value, or fewer steps were learned.
        """
        n_paths, horizon = shape
        learned = self.probabilities.shape[1]
        if horizon > learned:
            raise ValueError(f"{learned} steps were learned, not {horizon}")
        seen = panel.values[0][~np.isnan(panel.values[0])]
        if not len(seen):
            raise ValueError("no observed value")
        steps = self.probabilities[row, :horizon].astype(np.float64)
        units = self.spreads[row, :horizon]
        if panel.is_demand:
            rho = self.shared[row]
            common, own = rng.standard_normal((n_paths, 1)), rng.standard_normal(shape)
            uniforms = stratify(np.sqrt(rho) * common + np.sqrt(1 - rho) * own, rng)
            return self.buckets.draw(steps, uniforms) * units
        # Steps follow each other as the levels of a random walk do.
        uniforms = stratify(np.cumsum(rng.standard_normal(shape), axis=1), rng)
        moved = self.buckets.draw(steps, uniforms) * np.sqrt(np.arange(1, horizon + 1))
        return seen[-1] + moved * units

    def save(self, folder: Path) -> None:
        """Write arrays without objects, for :func:`load_distributions`."""
        for name in BY_ITEM:
            with staged(folder / f"{name}.npy") as file:
                write_array(file, getattr(self, name))
        with staged(folder / PREDICTED) as file:
            np.savez(file, edges=self.buckets.edges, points=self.buckets.points)


def load_distributions(folder: Path, rows: Sequence[int]) -> Distributions:
    """What was saved, of the items at these positions alone: no more is read of what is large."""
    own = list(rows)
    with np.load(folder / PREDICTED, allow_pickle=False) as stored:
        buckets = Buckets(stored["edges"], stored["points"])
    return Distributions(buckets, *(np.asarray(_look_into(folder, name)[own]) for name in BY_ITEM))


def _look_into(folder: Path, name: str) -> np.ndarray:
    return np.asanyarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))


def read_shared(folder: Path) -> float:
    """What the steps of any item have in common, as a model saved it that says one for all."""
    return float(_look_into(folder, "shared")[0])


@dataclass(frozen=True, slots=True)
class FittedBuckets:
    """What a pooled model predicts of each item of a panel: all that paths are drawn from."""

    name: str  # of the model
    panel: Panel  # the items, with their history
    failures: Mapping[str, str]  # items without a prediction, with reasons
    # of the items in the panel's order; `None` where nothing was learned
    predicted: Distributions | None = None
    # writes into a folder what else people may wish to look at; `None` once loaded
    save_more: Callable[[Path], None] | None = None
    folder: Path | None = None  # that it was loaded from

    def draw(self, panel: Panel, shape: tuple[int, int], seed: int) -> Floats:
        """See :class:`ml.forecasters.base.Fitted`."""
        if self.predicted is None:
            raise ValueError("not trained")
        (item,) = panel.items
        row = bisect_left(self.panel.items, item)  # they are sorted
        return self.predicted.paths(row, panel, shape, generator(seed, self.name, item))

    def save(self, folder: Path) -> None:
        """See :class:`ml.forecasters.base.Fitted`."""
        save_items(folder, self.panel.items, self.failures, {})
        if self.save_more is not None:
            self.save_more(folder)
        if self.predicted is not None:
            self.predicted.save(folder)


def load_fitted(name: str, folder: Path, panel: Panel) -> FittedBuckets:
    """What a model of this name saved in a folder, of the items of ``panel``."""
    if not (folder / ITEMS).exists():
        return FittedBuckets(name, panel, dict.fromkeys(panel.items, "not trained"))
    rows, failures = find_rows(folder, panel.items)
    if not (folder / PREDICTED).exists():
        return FittedBuckets(name, panel, {**dict.fromkeys(panel.items, "not trained"), **failures})
    predicted = load_distributions(folder, rows)
    return FittedBuckets(name, panel, failures, predicted, folder=folder)


def stratify(scores: Floats, rng: np.random.Generator) -> Floats:
    """Each column replaced by its ranks as uniforms, one in each of S equal strata."""
    order = np.argsort(np.ascontiguousarray(scores.T), axis=1)  # each column lies together
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(scores))[None], axis=1)
    return (ranks.T + rng.random(scores.shape)) / len(scores)
