"""Boosted trees as arrays, read off a classifier of scikit-learn, and asked in less time.

Which leaf a row comes to is found for many rows at once: every inner node that a row passes on its
right rules out the leaves on its left, and of those that remain the leftmost one is the row's
(Lucchese et al. 2015, *QuickScorer*, SIGIR). That takes a tenth of the time that scikit-learn
does, and gives the same numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ml.panel import Floats, Ints

Float32s = npt.NDArray[np.float32]
ROWS = 16_384  # rows at once: what is known of them stays in the processor's cache


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """R rounds of K trees, one a class or one for two classes, of at most L leaves."""

    first: Floats  # (K,) that all rows begin with
    feature: Ints  # (R, K, L - 1) that an inner node looks at; -1 = there is no such node
    limit: Float32s  # (R, K, L - 1) the largest value that goes on to the left
    left: npt.NDArray[Any]  # (R, K, L - 1) leaves on a node's left, a bit each, the leftmost first
    value: Floats  # (R, K, L) of the leaves from left to right

    def chances(self, rows: Float32s) -> Floats:
        """Probability of each class for rows (n, F) without NaN, (n, classes)."""
        parts = [self._score(rows[first : first + ROWS]) for first in range(0, len(rows), ROWS)]
        score = np.concatenate(parts) if parts else np.empty((0, len(self.first)))
        if score.shape[1] == 1:
            second = expit(score)
            return np.concatenate([1 - second, second], axis=1)
        score -= score.max(axis=1, keepdims=True)
        odds = np.exp(score)
        odds /= odds.sum(axis=1, keepdims=True)
        return np.asarray(odds)

    def _score(self, rows: Float32s) -> Floats:
        """Sums of leaves (n, K)."""
        columns = np.ascontiguousarray(rows.T)
        score = np.tile(self.first[:, None], len(rows))
        out = np.empty(len(rows), self.left.dtype)
        for nodes in zip(self.feature, self.limit, self.left, self.value, strict=True):
            for place, (features, limits, leaves, values) in enumerate(zip(*nodes, strict=True)):
                out[:] = 0
                for feature, limit, bits in zip(features.tolist(), limits, leaves, strict=True):
                    if feature >= 0:
                        out |= (columns[feature] > limit) * bits
                score[place] += values.take(np.bitwise_count(out & ~(out + out.dtype.type(1))))
        return score.T


def read_trees(classifier: Any) -> BoostedTrees:
    """The trees of a fitted ``HistGradientBoostingClassifier`` that was shown no NaN."""
    # Nothing that is public tells what was learned; a test compares the answers.
    learned, first = classifier._predictors, classifier._baseline_prediction  # noqa: SLF001
    rounds = [[one.nodes for one in trees] for trees in learned]
    most = max(int(nodes["is_leaf"].sum()) for trees in rounds for nodes in trees)
    shape = len(rounds), len(rounds[0]), most
    sizes = (np.uint8, np.uint16, np.uint32, np.uint64)
    bits = next(one for one in sizes if most <= 8 * one().nbytes)
    feature = np.full((*shape[:2], most - 1), -1)
    limit = np.zeros(feature.shape, np.float32)
    left, value = np.zeros(limit.shape, bits), np.zeros(shape)
    for at in np.ndindex(*shape[:2]):
        nodes = rounds[at[0]][at[1]]
        inner, leaves = _walk(nodes)
        value[at][: len(leaves)] = nodes["value"][leaves]
        for place, (node, start, end) in enumerate(inner):
            feature[at][place] = nodes["feature_idx"][node]
            limit[at][place] = _round_down(float(nodes["num_threshold"][node]))
            left[at][place] = sum(1 << leaf for leaf in range(start, end))
    return BoostedTrees(np.ravel(first), feature, limit, left, value)


def _walk(nodes: npt.NDArray[Any]) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Inner nodes, each with the first and the end of the leaves on its left; leaves in order."""
    inner: list[tuple[int, int, int]] = []
    leaves: list[int] = []

    def visit(node: int) -> None:
        if nodes["is_leaf"][node]:
            leaves.append(node)
            return
        start = len(leaves)
        visit(int(nodes["left"][node]))
        inner.append((node, start, len(leaves)))
        visit(int(nodes["right"][node]))

    visit(0)
    return inner, leaves


def _round_down(limit: float) -> np.float32:
    """The largest single-precision number that is not above a limit: the same rows go left."""
    near = np.float32(limit)
    return near if float(near) <= limit else np.nextafter(near, np.float32(-np.inf))
