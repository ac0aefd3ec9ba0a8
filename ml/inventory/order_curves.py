"""What each size of an item's order brings: the curve that joint orders and budgets divide over.

A unit counts by the chance that it is asked for until the receipt of the next order but one: within
the protection interval and one review period more. Its sum over the units of an order is
E[min(D, y + q)] - E[min(D, y)] of the demand D, the inventory position y and the order q, which is
concave in q: no unit is worth more than the one before it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ml.inventory import labels
from ml.inventory.item_case import (
    ItemCase,
    OrderContext,
    high_demand,
    is_within_reach,
    own_steps,
    prepare_case,
)
from ml.inventory.item_order import ItemOrder, size_item
from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.lead_time_demand import (
    demand_over,
    mean_above,
    protection_periods,
    time_to_exceed,
)
from ml.inventory.ordering import largest_order, order_step, size_order
from ml.inventory.service import DAYS_A_YEAR
from ml.inventory.stock import Stock
from ml.panel import Floats

MOST_SIZES = 256  # of an item below its own order, and as many above it
_NOISE = 1e-9  # units


@dataclass(frozen=True, slots=True)
class EarlyOrder:
    """What becomes of an item that orders before its reorder point is reached."""

    place: int  # of the size that fills it up, among the sizes of its curve
    chance: float  # that the reorder point is reached by the next review
    cost: float  # of holding what comes early until it would have come [currency]


@dataclass(frozen=True, slots=True)
class OrderCurve:
    """The sizes that the order of one item can have."""

    item_id: str  # the item
    supplier: str | None  # who delivers
    currency: str | None  # of its cost
    unit_cost: float  # [currency]
    sizes: Floats  # (K,) ascending from 0, all that lots and limits allow [units]
    used: Floats  # (K,) units of the order that are expected to be asked for
    alone: int  # place of the order that the item has by itself
    weight: float  # of its criticality
    stockout_cost: float | None  # cost of one unit short [currency]
    early: EarlyOrder | None  # `None` where it orders now, or is full

    def value_at(self, place: int) -> float:
        """Value of the order at a place [currency]."""
        return float(self.sizes[place]) * self.unit_cost


def order_curves(
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    stocks: Mapping[str, Stock],
    context: OrderContext,
) -> list[OrderCurve]:
    """Curves of the items whose cost is known and whose stock is usable, out of (S, H) paths.

    Their orders by themselves are those of :func:`ml.inventory.recommendations.recommend`.
    """
    curves = []
    for history, demand in zip(histories, paths, strict=True):
        policy, stock = policies[history.item_id], stocks[history.item_id]
        sound = policy.unit_cost is not None and stock.is_usable and policy.is_stocked
        if sound and is_within_reach(policy, context):
            case = ItemCase(context, policy, history, stock)
            curves.append(_curve(case, demand[:, : own_steps(policy, context, demand.shape[1])]))
    return curves


def _curve(case: ItemCase, demand: npt.NDArray[np.generic]) -> OrderCurve:
    policy, item = case.policy, size_item(case, demand)
    later = _demand_until_next(case, demand)
    stock = item.case.stock
    position = stock.position_within(policy.protection_days + policy.review_period_days)
    alone = 0.0 if item.order is None else item.order.order_qty_alone
    full, sizes = _sizes(item, alone, float(later[-1]) - position)
    above = mean_above(later, position + sizes)
    return OrderCurve(
        item_id=policy.item_id,
        supplier=policy.supplier,
        currency=policy.currency,
        unit_cost=policy.unit_cost or 0.0,
        sizes=sizes,
        used=mean_above(later, np.array([position])) - above,
        alone=int(np.searchsorted(sizes, alone - _NOISE)),
        weight=labels.criticality_weight(policy),
        stockout_cost=policy.stockout_cost,
        early=_early(item, full, sizes),
    )


def _demand_until_next(case: ItemCase, demand: npt.NDArray[np.generic]) -> Floats:
    """Demand over the protection interval and one review period more, (S,) ascending."""
    longer = replace(case.policy, review_period_days=2.0 * case.policy.review_period_days)
    needed = protection_periods(longer, case.context.frequency)
    return prepare_case(replace(case, policy=longer), demand, needed)[2].ordered


def _sizes(item: ItemOrder, alone: float, wanted: float) -> tuple[float, Floats]:
    """The order that fills the item up, and the sizes to look at: up to the need of any path.

    What is added makes no stock in excess, see :func:`ml.inventory.item_case.high_demand`, and is
    nothing for an item that is to be used up, or of which it is not known what is on order already.
    """
    policy, levels, stock = item.case.policy, item.levels, item.case.stock
    step = order_step(policy, whole_units=item.whole_units)
    if not policy.has_cycle_stock or stock.on_order is None:
        most = full = alone
    else:
        most, _ = largest_order(levels, policy, item.position, step)
        due = replace(levels, reorder_point=max(levels.reorder_point, item.position))
        full = size_order(due, policy, item.position, whole_units=item.whole_units).order_qty_alone
    first = max(levels.order_lot, step)
    below = _multiples(first, alone, step)
    free = max(levels.order_up_to, high_demand(item.paths, item.case.days)) - stock.position
    above = _multiples(
        max(first, alone + step), min(wanted + step, most, max(free, full, alone)), step
    )
    return full, np.unique(np.concatenate([[0.0, alone, full], below, above]).round(9))


def _multiples(first: float, last: float, step: float) -> Floats:
    """Sizes from the first to the last in steps, evenly thinned where they are many."""
    if last < first - _NOISE or last <= 0.0:
        return np.empty(0)
    if step == 0.0:
        step = (last - first) / MOST_SIZES or 1.0
    count = math.floor((last - first) / step + _NOISE)
    steps = np.arange(0, count + 1, math.ceil((count + 1) / MOST_SIZES), dtype=np.float64)
    return first + step * steps


def _early(item: ItemOrder, full: float, sizes: Floats) -> EarlyOrder | None:
    """What ordering before the reorder point costs, where it is not reached and there is room.

    Without it the item orders at the first review at which the reorder point is reached; on each
    path the reviews until then are what the units lie longer for, up to the end of the paths.
    """
    policy, days = item.case.policy, item.case.days
    slack = item.position - item.levels.reorder_point
    if full == 0.0 or slack <= 0.0:
        return None
    review = policy.review_period_days / days
    n_paths = len(item.paths.demand)
    reached = demand_over(item.paths, np.full(n_paths, review)) >= slack
    waits = time_to_exceed(item.paths, np.nextafter(slack, -np.inf))
    reviews = np.maximum(np.ceil(np.minimum(waits, item.paths.horizon) / review), 1.0)
    held = full * (policy.unit_cost or 0.0) * policy.holding_rate / DAYS_A_YEAR
    early_days = float(reviews.mean()) * policy.review_period_days
    place = int(np.searchsorted(sizes, full - _NOISE))
    return EarlyOrder(place, float(reached.mean()), held * early_days)
