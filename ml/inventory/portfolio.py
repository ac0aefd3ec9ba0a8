"""Levels of many items by marginal value: one fill of all together at the least value of stock.

What a unit of stock of one item brings is known from its paths: units served at once, and the
value that lies in stock for it. All items climb their curves at the same price of a unit served, so
no exchange between two of them could serve as much with less (Everett 1963; for spare parts,
Sherbrooke 2004, chapter 2). Items then differ in their own chance to be short.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.inventory.lead_time_demand import mean_above
from ml.panel import Floats, Ints

MOST_POINTS = 256  # that are tried of an item
LOT_POSITIONS = 32  # at which a lot is looked at
_NOISE = 1e-12  # of the demand: what sums lose to rounding


@dataclass(frozen=True, slots=True)
class ItemDemand:
    """Demand of one item along its paths, and what its orders look like."""

    until_receipt: Floats  # (S,) until an order placed now arrives [units]
    protected: Floats  # (S,) over the interval that ends one review later [units]
    review_days: float  # days between two reviews
    unit_cost: float  # [currency], or 1 where none is known
    lot: float = 0.0  # smallest order; up to 1 = what was used is ordered [units]
    ceiling: float = float("inf")  # largest reorder point [units]
    whole_units: bool = True  # whether levels are whole


@dataclass(frozen=True, slots=True)
class MarginalCurve:
    """The levels of one item that can be best at some price, the first one its floor."""

    item_id: str  # the item
    points: Floats  # (K,) reorder points, ascending [units]
    served: Floats  # (K,) units served at once [units/day]
    value: Floats  # (K,) mean value of the stock on hand [currency]
    demand: float  # what is asked for [units/day]
    # what the item's own target comes to: units a day that it serves, and value in stock
    usual: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Division:
    """The levels of some items, and what they come to together."""

    points: dict[str, float]  # reorder point by item [units]
    fill: float  # expected share of the units that is served at once; 1 without demand
    value: float  # mean value of the stock on hand [currency]


def marginal_curve(item_id: str, item: ItemDemand, floor: float) -> MarginalCurve:
    """The curve of one item from a floor on, without the levels that are best at no price.

    With inventory position y after a review, (D_P - y)+ - (D_L - y)+ of the units between two
    receipts are late, and before and after the first of them (y - D_L)+ and (y - D_P)+ lie in
    stock, of which the mean counts. Orders in lots leave y anywhere from the reorder point to a
    lot above it (uniform: Hadley and Whitin 1963, section 4-3). The floor is the reorder point that
    is given in any case [units].
    """
    candidates = _candidates(item, floor)
    served, on_hand = expected_service(item, candidates)
    value = on_hand * item.unit_cost
    corners = _concave_corners(value, served)
    demand = float((item.protected - item.until_receipt).mean()) / item.review_days
    return MarginalCurve(item_id, candidates[corners], served[corners], value[corners], demand)


def expected_service(item: ItemDemand, points: Floats) -> tuple[Floats, Floats]:
    """Units served at once a day, and mean units on hand, at reorder points of shape (K,)."""
    position = points[:, None]
    if item.lot > 1.0:
        steps = int(min(item.lot, LOT_POSITIONS))
        position = position + np.arange(1, steps + 1) / steps * item.lot
    ends, begins = (
        mean_above(np.sort(one), position) for one in (item.protected, item.until_receipt)
    )
    asked = float((item.protected - item.until_receipt).mean())
    middle = float((item.protected + item.until_receipt).mean()) / 2.0
    served = np.maximum(asked - (ends - begins).mean(axis=1), 0.0)
    on_hand = (position - middle + (ends + begins) / 2.0).mean(axis=1)
    return served / item.review_days, np.maximum(on_hand, 0.0)


def _candidates(item: ItemDemand, floor: float) -> Floats:
    """The floor, and the demands above it: between two of them nothing bends.

    Of many, some are taken, more closely where they are rare.
    """
    pooled = np.sort(np.concatenate([item.until_receipt, item.protected]))
    if item.whole_units:
        pooled = np.ceil(pooled - 1e-9)
    values = np.unique(pooled[(pooled > floor) & (pooled <= item.ceiling)])
    if len(values) > MOST_POINTS:
        half = MOST_POINTS // 2
        levels = np.concatenate(
            [np.linspace(0.0, 0.9, half), 1.0 - np.geomspace(0.1, 1.0 / len(pooled), half)]
        )
        places = np.ceil(levels * (len(pooled) - 1)).astype(int)
        values = np.unique(np.append(np.intersect1d(pooled[places], values), values[-1]))
    return np.concatenate([[floor], values])


def _concave_corners(value: Floats, served: Floats) -> list[int]:
    """Places of the upper concave hull of served over value, from the first to the best served."""
    corners = [0]
    for place in range(1, int(np.argmax(served)) + 1):
        while len(corners) > 1 and _is_below(value, served, corners[-2], corners[-1], place):
            corners.pop()
        if served[place] > served[corners[-1]]:
            corners.append(place)
    return corners


def _is_below(value: Floats, served: Floats, left: int, middle: int, right: int) -> bool:
    """Whether the middle one of three points is not above the line through the others."""
    rise, run = served[middle] - served[left], value[middle] - value[left]
    return bool(rise * (value[right] - value[left]) <= (served[right] - served[left]) * run)


def divide_fill(curves: Sequence[MarginalCurve], target: float) -> Division:
    """The levels with which all items together reach a fill at the least value of stock.

    Steps up the curves are taken in the order of units served for the value that they add, ties by
    the item, until the target is reached, a share of all units in (0, 1); the last one may lead
    above it by less than itself. Each item has one curve; their order changes nothing.
    """
    ordered = sorted(curves, key=lambda one: one.item_id)
    demand = sum(one.demand for one in ordered)
    lacking = target * demand - sum(float(one.served[0]) for one in ordered)
    items, places, units, prices = _steps(ordered)
    order = np.lexsort((places, items, without_noise(prices)))
    reached = np.cumsum(units[order])
    count = int(np.searchsorted(reached, lacking - _NOISE * demand))
    taken = order[: count + 1] if lacking > _NOISE * demand else order[:0]
    chosen = np.zeros(len(ordered), np.int64)
    np.maximum.at(chosen, items[taken], places[taken])
    levels = list(zip(ordered, chosen.tolist(), strict=True))
    served = sum(float(one.served[place]) for one, place in levels)
    return Division(
        points={one.item_id: float(one.points[place]) for one, place in levels},
        fill=served / demand if demand > 0.0 else 1.0,
        value=sum(float(one.value[place]) for one, place in levels),
    )


def _steps(curves: Sequence[MarginalCurve]) -> tuple[Ints, Ints, Floats, Floats]:
    """Of each step up a curve: item, place that it leads to, units a day, value for one of them."""
    counts = [len(one.points) - 1 for one in curves]
    items = np.repeat(np.arange(len(curves)), counts)
    places = np.concatenate([np.zeros(0, np.int64), *(np.arange(1, n + 1) for n in counts)])
    units, value = (
        np.concatenate([np.zeros(0), *(np.diff(part) for part in parts)])
        for parts in ([one.served for one in curves], [one.value for one in curves])
    )
    return items, places, units, value / units


def without_noise(prices: Floats) -> Floats:
    """Logarithms of prices >= 0, of which those are equal that differ by rounding alone."""
    logs = np.full(len(prices), -np.inf)
    np.log(prices, out=logs, where=prices > 0.0)
    return np.round(logs, 9)
