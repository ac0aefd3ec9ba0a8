"""Pure accuracy functions on arrays; no tables, no files.

All take quantile points: K values a distribution, ascending, that carry 1/K each.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pinball(actual: Floats, quantile: Floats, level: float) -> Floats:
    """Pinball loss of a quantile forecast, elementwise.

    >>> float(pinball(np.array(10.0), np.array(8.0), 0.9))  # too low by 2: 0.9 * 2
    1.8
    """
    error = actual - quantile
    return np.maximum(level * error, (level - 1) * error)


def quantile_of(points: Floats, level: float) -> Floats:
    """Quantile at ``level`` of distributions given by points (..., K).

    The smallest point whose cumulative share reaches the level, so counts stay counts.
    """
    count = points.shape[-1]
    return points[..., max(int(np.ceil(level * count - 1e-9)) - 1, 0)]


def crps(points: Floats, actual: Floats) -> Floats:
    """Continuous ranked probability score of distributions given by points (..., K).

    E|X - y| - E|X - X'| / 2, exact for the K-point distribution (Gneiting & Raftery 2007, eq. 21).
    """
    count = points.shape[-1]
    near = np.abs(points - actual[..., None]).mean(axis=-1)
    ranks = 2 * np.arange(1, count + 1) - count - 1
    ordered = np.sort(points, axis=-1)
    spread = 2 * (ordered * ranks).sum(axis=-1) / count**2
    return near - spread / 2


def covered(points: Floats, actual: Floats, level: float, uniforms: Floats) -> Floats:
    """Whether an actual lies below the quantile, randomised on ties, elementwise 0 or 1.

    For counts P(y <= q) exceeds the level even of a perfect quantile. So the probability
    integral transform is randomised, u in F(y-) + v P(y), v uniform (Czado, Gneiting & Held
    2009), and compared with the level.

    Args:
        points: (..., K).
        actual: (...).
        level: In (0, 1).
        uniforms: (...) uniform numbers v.
    """
    return (transform(points, actual, uniforms) < level).astype(float)


def transform(points: Floats, actual: Floats, uniforms: Floats) -> Floats:
    """Randomised probability integral transform, uniform for a perfect forecast.

    Points may have been kept as 32-bit numbers: all are compared as such, or 0.1 is not 0.1.
    """
    points, actual = points.astype(np.float32), actual.astype(np.float32)
    below = (points < actual[..., None]).mean(axis=-1)
    at = (points == actual[..., None]).mean(axis=-1)
    return below + uniforms * at


def mixture_points(points: Floats, weights: Floats) -> Floats:
    """Points of a weighted mixture of M distributions.

    Args:
        points: (M, ..., K), ascending or not, without NaN.
        weights: (M, ...) or broadcastable to it, >= 0, summing to 1 over M.

    Returns:
        (..., K) quantile points of the mixture at the levels (k + 1/2) / K.
    """
    count = points.shape[-1]
    atoms = np.moveaxis(points, 0, -2)
    shape = (*atoms.shape[:-2], atoms.shape[-2] * count)
    shares = np.broadcast_to(weights.reshape(weights.shape + (1,) * (points.ndim - weights.ndim)),
                             points.shape)  # fmt: skip
    shares = np.moveaxis(shares, 0, -2).reshape(shape) / count
    flat = atoms.reshape(shape)
    order = np.argsort(flat, axis=-1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=-1)
    cumulative = np.cumsum(np.take_along_axis(shares, order, axis=-1), axis=-1)
    levels = (np.arange(count) + 0.5) / count
    places = _first_reaching(cumulative, levels)
    return np.take_along_axis(ordered, places, axis=-1)


def _first_reaching(cumulative: Floats, levels: Floats) -> npt.NDArray[np.int64]:
    """Index of the first cumulative share that reaches each level, row by row."""
    rows = cumulative.reshape(-1, cumulative.shape[-1])
    # Rows are laid end to end at distances of 2, so that one search serves them all.
    offsets = 2.0 * np.arange(len(rows))[:, None]
    found = np.searchsorted((rows + offsets).ravel(), (levels - 1e-9 + offsets).ravel())
    found = found.reshape(len(rows), -1) - np.arange(len(rows))[:, None] * rows.shape[1]
    places = np.minimum(found, rows.shape[1] - 1)
    return places.reshape(*cumulative.shape[:-1], len(levels))
