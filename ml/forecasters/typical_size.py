"""What the items of a panel have in common in the size of a demand, as was known at each period.

Pooled models measure demand in each item's own size, so that large and small items learn from each
other. Few demands tell little of that size, so it is drawn to what the items have in common, in
logarithms and by as much as their sizes are alike: the empirical Bayes estimate of normal means
(Efron & Morris 1973, JASA 68). Items counted in metres beside items counted in pieces have little
in common, and parts that are asked for by ones and twos much.

Small counts are best told by their number, and stay as they are. Items that are asked for by many
among them are counted in twos, threes or hundreds: each number of theirs is too rare for a model of
the panel to tell it from other large ones, and it would expect what is large for the others.
"""

from dataclasses import dataclass, replace

import numpy as np

from ml.panel import Floats, Ints, Panel

SMALL_COUNT = 20.0  # see `are_small_counts`
STEPS = 10.0  # units that the mean size of an item's demand has at least, among small counts
MOST_PULL = 20.0  # demands that the typical size is worth at most, where all items are alike
TOGETHER = 256  # items that are looked at at once, to bound memory


@dataclass(frozen=True, slots=True)
class TypicalSize:
    """What the items of a panel have in common in the size of a demand until each period."""

    log: Floats  # (T,) mean of the logs of the items' mean sizes; 0 before the first demand
    pull: Floats  # (T,) demands that it is worth where an item's own size is measured
    counts: bool = False  # whether demand is counted, see :func:`are_small_counts`

    def at(self, period: int) -> "TypicalSize":
        """The same at one period, for items (N,)."""
        return replace(self, log=self.log[period], pull=self.pull[period])

    def find_units(self, sizes: Floats) -> Floats:
        """What demand of items of these mean sizes is measured in: the size, or whole numbers."""
        return np.maximum(np.floor(sizes / STEPS), 1.0) if self.counts else sizes

    def divide(self, values: Floats, units: Floats) -> Floats:
        """Demand in units; counts stay whole, and demand stays demand."""
        scaled = values / units
        if not self.counts:
            return scaled
        return np.where(scaled > 0, np.maximum(np.rint(scaled), 1.0), scaled)

    def draw(self, count: Ints, mean: Floats) -> Floats:
        """Mean sizes of items, drawn to the typical one, (N, T) or (N,).

        Args:
            count: Demands that each is known from.
            mean: Their mean size; of no demands, anything.
        """
        own = np.log(np.where(count > 0, mean, 1.0))
        return np.asarray(np.exp((count * own + self.pull * self.log) / (count + self.pull)))

    def share(self, count: Ints) -> Floats:
        """How much of sizes known from ``count`` demands is the typical one, 0 to 1."""
        return np.asarray(self.pull / (count + self.pull))


def are_small_counts(panel: Panel) -> bool:
    """Whether nine in ten demands of a panel are whole and at most ``SMALL_COUNT``.

    Then a bucket is best a count; larger ones are measured in sizes of the item.
    """
    sizes = panel.values[panel.values > 0]
    whole = bool(np.all(sizes == np.round(sizes)))
    return not len(sizes) or (whole and bool(np.quantile(sizes, 0.9) <= SMALL_COUNT))


def learn_typical(panel: Panel) -> TypicalSize | None:
    """TypicalSize of a panel of demand; ``None`` of prices."""
    if not panel.is_demand:
        return None
    return replace(measure_typical(panel.values), counts=are_small_counts(panel))


def measure_typical(values: Floats) -> TypicalSize:
    """TypicalSize of items (N, T).

    Its pull is the variance of log sizes within items over that between items, both by the method
    of moments. Within items one demand of variance 1 counts beforehand.
    """
    total = np.zeros((7, values.shape[1]))
    for first in range(0, len(values), TOGETHER):
        total += _add_up(values[first : first + TOGETHER])
    items = np.maximum(total[0], 1)
    more, strays, middle, square, uncertain, log = total[1:]
    within = (1 + strays) / (1 + more)
    between = square / items - (middle / items) ** 2 - within * uncertain / items
    return TypicalSize(log / items, within / np.maximum(between, within / MOST_PULL))


def _add_up(values: Floats) -> Floats:
    """Sums over items (n, T) until each period, of those that had demand by then, (7, T).

    Number; demands after the first; squares of logs around each item's mean log; mean logs; their
    squares; one over the demands; logs of mean sizes.
    """
    asked = values > 0
    sizes = np.where(asked, values, 0.0)
    logs = np.log(np.where(asked, values, 1.0))
    count = np.cumsum(asked, axis=1)
    some, times = count > 0, np.maximum(count, 1)
    middle = np.cumsum(logs, axis=1) / times
    strays = np.maximum(np.cumsum(logs**2, axis=1) - times * middle**2, 0.0)
    mean = np.log(np.where(some, np.cumsum(sizes, axis=1) / times, 1.0))
    sums = (some, count - some, strays, middle, middle**2, some / times, mean)
    return np.stack([one.sum(axis=0) for one in sums])
