"""Two stages of boosted trees: whether there is demand, and then how much of it.

Histogram boosting of scikit-learn, after LightGBM (Ke et al. 2017, NeurIPS 30). Each stage
is a classifier, so together they say how likely every bucket is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.forecasters.boosted_trees import BoostedTrees, Float32s, read_trees
from ml.panel import Floats, Ints


@dataclass(frozen=True, slots=True)
class Boosting:
    """Settings of both stages."""

    any_trees: int = 80  # trees that tell whether there is demand
    # Trees a size. In units of the item most of its level is in the unit; of plain counts the
    # trees have all of it to tell.
    size_trees: int = 16
    count_trees: int = 32
    leaves: int = 8  # of a tree
    least_rows: int = 200  # of a leaf; fewer where there are few rows, see `fewest`
    fewest: int = 20  # of a leaf, at least
    learning_rate: float = 0.1
    share: float = 0.4  # of the features that each split may choose from
    bins: int = 64  # that a feature is cut into
    ridge: float = 1.0  # penalty on the squares of leaf values


@dataclass(frozen=True, slots=True)
class Stages:
    """Both stages as learned; `None` for a stage that has nothing to tell apart."""

    count: int  # buckets B; 0 is that of no demand
    chance: float  # share of rows with demand
    demand: BoostedTrees | None  # whether there is any
    sizes: Ints  # buckets with demand that were seen
    size: BoostedTrees | None  # which of these

    def predict(self, features: Float32s) -> Floats:
        """Probability of each bucket, (n, B)."""
        found = np.zeros((len(features), self.count))
        chance = np.full(len(features), self.chance)
        if self.demand is not None:
            chance = self.demand.chances(features)[:, 1]
        found[:, 0] = 1 - chance
        if self.size is not None:
            found[:, self.sizes] = chance[:, None] * self.size.chances(features)
        elif len(self.sizes):
            found[:, self.sizes[0]] = chance
        return found


def fit_stages(
    features: Float32s, buckets: Ints, count: int, boosting: Boosting, seed: int, *, plain: bool
) -> Stages:
    """Learn from rows (n, F) and the bucket (n,) of each, below ``count``; 0 is no demand.

    ``plain``: buckets are of plain counts, not of ratios to the item's own unit.
    """
    some = buckets > 0
    sizes = np.unique(buckets[some])
    chance = float(some.mean())
    demand = size = None
    if 0 < chance < 1:
        demand = _learn(boosting, boosting.any_trees, seed, features, some)
    if len(sizes) > 1:
        trees = boosting.count_trees if plain else boosting.size_trees
        size = _learn(boosting, trees, seed, features[some], buckets[some])
    return Stages(count, chance, demand, sizes, size)


def _learn(
    boosting: Boosting, trees: int, seed: int, features: Float32s, classes: npt.NDArray[Any]
) -> BoostedTrees:
    from sklearn.ensemble import HistGradientBoostingClassifier

    least = max(boosting.fewest, min(boosting.least_rows, len(classes) // 100))
    classifier = HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=boosting.learning_rate, max_leaf_nodes=boosting.leaves,
        min_samples_leaf=least, l2_regularization=boosting.ridge, max_bins=boosting.bins,
        max_features=boosting.share, early_stopping=False, random_state=seed,
    )  # fmt: skip
    return read_trees(classifier.fit(features, classes))
