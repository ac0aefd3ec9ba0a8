"""Buckets: a distribution over anything as probabilities of a few ranges of values.

The LSTM predicts one probability a bucket; a draw picks a bucket and then a value among those
seen in it. Zero demand has a bucket of its own, so intermittence needs no special care.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Where the non-zero values are cut: evenly in the body, finer where stock is decided.
CUTS = (*np.linspace(0.0, 0.9, 12)[1:], 0.95, 0.98, 0.995)
POINTS = 64  # values kept a bucket
WILD = 10.0  # demand beyond so many times the panel's 99.5 % quantile is drawn for no other item


@dataclass(frozen=True, slots=True)
class Buckets:
    """Ranges of values.

    Attributes:
        edges: (B - 1,) upper ends of all buckets but the last, ascending; a value belongs to the
            first bucket whose edge it does not exceed.
        points: (B, POINTS) quantiles of the values seen in each bucket, ascending.
    """

    edges: Floats
    points: Floats

    @property
    def count(self) -> int:
        """Number of buckets B."""
        return len(self.points)

    def of(self, values: Floats) -> npt.NDArray[np.int64]:
        """Bucket of each value; NaN must be masked by the caller."""
        return np.searchsorted(self.edges, values, side="left")

    def draw(self, probabilities: Floats, uniforms: Floats) -> Floats:
        """Values at given positions in (0, 1) of the distributions.

        Args:
            probabilities: (H, B), rows summing to 1.
            uniforms: (S, H).

        Returns:
            (S, H) values, ascending in the uniforms of each column.
        """
        drawn = np.empty_like(uniforms)
        for step, weights in enumerate(probabilities):
            upper = np.cumsum(weights)
            upper /= upper[-1]
            bucket = np.searchsorted(upper, uniforms[:, step], side="right")
            bucket = np.minimum(bucket, self.count - 1)
            below = upper[bucket] - weights[bucket]
            inside = (uniforms[:, step] - below) / np.maximum(weights[bucket], 1e-12)
            place = np.clip((inside * POINTS).astype(np.int64), 0, POINTS - 1)
            drawn[:, step] = self.points[bucket, place]
        return drawn

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"edges": self.edges.tolist(), "points": self.points.tolist()}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Buckets":
        """What :meth:`to_json` wrote."""
        return cls(np.asarray(plain["edges"], float), np.asarray(plain["points"], float))


def learn_buckets(values: Floats, *, zero: bool) -> Buckets:
    """Buckets for these values.

    Args:
        values: All values seen, without NaN.
        zero: Whether zero has a bucket of its own (demand).
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
    return Buckets(edges, points)
