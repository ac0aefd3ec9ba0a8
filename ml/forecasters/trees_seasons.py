"""Seasonal indices of many items at once, measured until an origin and drawn towards no season.

An index is demand over the level of its season, the level a line through the means of adjacent
seasons. What seasons of one item have in common beyond chance is kept (James & Stein; for
seasonal indices: Miller & Williams 2003, IJF 19); what all items have in common is the prior.
"""

from dataclasses import dataclass

import numpy as np

from ml.panel import Bools, Floats, Ints

MOST_BLOCKS = 26  # seasons back from the origin that are looked at
LEAST_BLOCKS = 2  # seasons; one cannot tell a season from chance
LEAST_INDEX = 0.05  # an index is never less: values are divided by it
LEAST_LINE = 0.2  # share of a season's mean that a falling line never goes below


@dataclass(frozen=True, slots=True)
class Seasons:
    """Indices of the phases after an origin."""

    index: Floats  # (N, L) factor of the first, second ... period after the origin; mean 1
    kept: Floats  # (N,) share of the item's own indices that was kept, 0 to 1
    common: Floats  # (L,) index that all items have in common, which their own are drawn to

    def rows(self, rows: slice) -> "Seasons":
        """Only these items."""
        return Seasons(self.index[rows], self.kept[rows], self.common)

    def of_sizes(self, recent: Floats) -> "Seasons":
        """Indices of the size of a demand, by the last values (N, T) of the items.

        Where most periods are without demand the season says when it comes, not how large it is.
        """
        seen = np.maximum(np.sum(~np.isnan(recent), axis=1), 1)
        trust = np.clip(2 * np.sum(recent > 0, axis=1) / seen - 1, 0.0, 1.0)
        return Seasons(1 + trust[:, None] * (self.index - 1), self.kept, self.common)

    def ahead(self, rows: Ints, steps: Ints) -> Floats:
        """Index of each row at so many steps ahead."""
        return self.index[rows, (steps - 1) % self.index.shape[1]]

    def until(self, length: int) -> Floats:
        """Index of each of so many periods until the origin, (N, length)."""
        return self.index[:, np.arange(-length, 0) % self.index.shape[1]]


def measure_seasons(history: Floats, season: int, common: Floats | None = None) -> Seasons:
    """Indices of items from their values until the origin, (N, T) with NaN = not observed.

    ``common``: what other items have in common; ``None`` = it is measured on these.
    """
    n_items, length = history.shape
    blocks = min(length // season, MOST_BLOCKS)
    if blocks < LEAST_BLOCKS:
        return Seasons(np.ones((n_items, season)), np.zeros(n_items), np.ones(season))
    ratio = _over_level(history[:, -blocks * season :].reshape(n_items, blocks, season))
    count = np.sum(~np.isnan(ratio), axis=1)  # (N, L)
    own = np.where(count > 0, np.nansum(ratio, axis=1) / np.maximum(count, 1), 1.0)
    rest = np.nan_to_num((ratio - own[:, None, :]) ** 2)
    degrees = np.maximum(count.sum(axis=1) - (count > 0).sum(axis=1), 1)
    chance = rest.sum(axis=(1, 2)) / degrees / np.maximum(count.mean(axis=1), 1)  # of a mean
    enough = count.min(axis=1) >= LEAST_BLOCKS
    common = _common_index(own, chance, enough) if common is None else common
    apart = ((own - common) ** 2).sum(axis=1) / max(season - 1, 1)
    share = np.where(enough, np.clip(1 - chance / np.maximum(apart, 1e-12), 0.0, 1.0), 0.0)
    index = np.maximum(common + share[:, None] * (own - common), LEAST_INDEX)
    return Seasons(index / index.mean(axis=1, keepdims=True), share, common)


def _over_level(values: Floats) -> Floats:
    """Demand of seasons (N, K, L) over their level; NaN where one is not known."""
    seen = ~np.isnan(values)
    full = np.where(seen, values, 0.0)
    season = values.shape[2]
    level = (full.sum(axis=2) / np.maximum(seen.sum(axis=2), 1))[:, :, None]
    usable = (seen.sum(axis=2) > season / 2)[:, :, None] & (level > 0) & seen
    inside = (np.arange(season) - (season - 1) / 2) / season
    line = level + np.gradient(level, axis=1) * inside
    line = np.maximum(line, LEAST_LINE * level)
    return np.where(usable, full / np.where(usable, line, 1.0), np.nan)


def _common_index(own: Floats, chance: Floats, enough: Bools) -> Floats:
    """What the items have in common, (L,), weighted by how precisely each knows its indices."""
    if not enough.any():
        return np.ones(own.shape[1])
    noise = chance[enough]
    spread = np.median(noise) + 1e-9
    weight = 1 / (noise + spread)
    weight /= weight.sum()
    mean = weight @ own[enough]
    error = (weight**2) @ ((own[enough] - mean) ** 2).mean(axis=1)
    apart = ((mean - 1) ** 2).sum() / max(own.shape[1] - 1, 1)
    return 1 + max(0.0, 1 - error / max(apart, 1e-12)) * (mean - 1)
