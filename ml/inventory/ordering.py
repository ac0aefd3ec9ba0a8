"""Reorder point, order-up-to level and order quantity from the demand over the interval."""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand, mean_above
from ml.inventory.service import choose_points
from ml.panel import Floats

SLOW_CLASSES = frozenset({"intermittent", "lumpy", "no_demand", "too_few", "new"})
MOST_EXPIRED = 0.1
"""Share of what an order fills up to that may be expected to expire: with one unit in ten, those
that are used cost at most 1 / (1 - .1), a ninth, more."""
_ROUNDING = 1e-9  # orders: 3 packs of 0.1 are 0.30000000000000004


@dataclass(frozen=True, slots=True)
class Levels:
    """What a policy compares the inventory position with [units]; fields are columns."""

    # `sQ` where each order is of economic lots, `RsS` where orders come in lots, `newsvendor` for
    # a last buy, `base_stock` for slow movers, `RS` for the rest, `do_not_stock`
    policy: str
    reorder_point: float  # s: a position at or below it calls for an order
    order_up_to: float  # S: what the order fills up to
    safety_stock: float | None  # s less the mean demand; `None` where nothing is stocked
    order_lot: float  # smallest order
    # share of intervals that the service asks to be covered; min_stock and max_stock aside
    tau_nominal: float | None = None
    # largest order_up_to of which enough is used before it expires; `None` = no such bound
    shelf_life_qty: float | None = None
    uncut: Self | None = None  # the levels without that bound, where it cuts them


@dataclass(frozen=True, slots=True)
class Order:
    """What to order now [units], before and after the constraints, and which of them decided."""

    net_requirement_qty: float
    order_qty: float
    binding_constraint: str = "none"
    largest: float = math.inf  # order that the limits allow
    # order of the item alone, before it was sized together with others
    order_qty_alone: float = 0.0


def smallest_order(policy: ItemPolicy, *, whole_units: bool) -> float:
    """Smallest order that ``moq`` and ``order_multiple`` allow [units]; 0 = any quantity."""
    step = order_step(policy, whole_units=whole_units)
    return _round_up(max(policy.moq, step), step)


def cycle_lot(policy: ItemPolicy, *, whole_units: bool) -> float:
    """Units that a reorder point is filled up beyond: the smallest order, or the economic lot.

    The economic lot is brought to the nearest multiple, and left aside where no order may be that
    large; an item that is to be used up has none, and what comes in any quantity needs none.
    """
    if not policy.has_cycle_stock:
        return 0.0
    least = smallest_order(policy, whole_units=whole_units)
    step, economic = order_step(policy, whole_units=whole_units), policy.economic_lot
    if step > 0.0:
        economic = round(economic / step) * step
    lot = economic if least < economic <= min(policy.max_order_qty, policy.max_stock) else least
    return lot if lot > 1.0 else 0.0


def policy_levels(
    needs: LeadTimeDemand, policy: ItemPolicy, *, demand_class: str | None, whole_units: bool
) -> Levels:
    """Levels of one item from a sample of its demand over the protection interval.

    The reorder point is what the service asks for, see :mod:`ml.inventory.service`: with a periodic
    review, what is ordered now is all that can arrive within review period plus lead time. It is
    at least ``min_stock``; nothing goes above ``max_stock``. A lot on top is cycle stock, see
    :func:`cycle_lot`. The class of the demand decides the policy's name alone;
    ``whole_units`` rounds the levels up.
    """
    lot = smallest_order(policy, whole_units=whole_units)
    if not policy.is_stocked:
        return Levels("do_not_stock", 0.0, 0.0, None, lot)
    units, levels = choose_points(needs, policy, np.array([policy.service_target]))
    points, ends = fill_levels(units, policy, whole_units=whole_units)
    cycle = cycle_lot(policy, whole_units=whole_units)
    return Levels(
        policy=_name_policy(policy, lot, cycle, demand_class),
        reorder_point=(point := float(points[0])),
        order_up_to=float(ends[0]),
        safety_stock=point - float(needs.ordered.mean()),
        order_lot=lot,
        tau_nominal=float(levels[0]),
    )


def fill_levels(units: Floats, policy: ItemPolicy, *, whole_units: bool) -> tuple[Floats, Floats]:
    """Reorder points and levels to fill up to by what service asks for, (K,) [units]."""
    points = np.maximum(units, policy.min_stock)
    if whole_units:
        points = np.ceil(points - _ROUNDING) + 0.0  # no zero below zero
    points = np.minimum(points, policy.max_stock)
    return points, np.minimum(points + cycle_lot(policy, whole_units=whole_units), policy.max_stock)


def largest_before_expiry(ordered: Floats, *, whole_units: bool) -> float:
    """Largest stock S of which at most a share w is expected to expire: E[(S - D)+] <= w S.

    ``ordered`` is a sample of the demand D until what is ordered now expires, ascending [units].
    First in is first out, so that what is left of S by then is what expires; its share never falls
    as S grows. w is :data:`MOST_EXPIRED`.
    """
    points = np.unique(np.append(ordered, 0.0))
    left = points - float(ordered.mean()) + mean_above(ordered, points) - MOST_EXPIRED * points
    last = int(np.flatnonzero(left <= _ROUNDING)[-1])
    slope = np.searchsorted(ordered, points[last], side="right") / len(ordered) - MOST_EXPIRED
    most = float(points[last] - min(left[last], 0.0) / slope)
    return float(math.floor(most + _ROUNDING)) if whole_units else most


def bound_levels(levels: Levels, most: float) -> Levels:
    """The levels, none of them above ``most``, which is what shelf life allows [units]."""
    if levels.policy == "do_not_stock" or levels.order_up_to <= most:
        return replace(levels, shelf_life_qty=most)
    point = min(levels.reorder_point, most)
    safety = levels.safety_stock
    return replace(
        levels,
        reorder_point=point,
        order_up_to=most,
        safety_stock=None if safety is None else safety - (levels.reorder_point - point),
        shelf_life_qty=most,
        uncut=levels,
    )


def _name_policy(policy: ItemPolicy, lot: float, cycle: float, demand_class: str | None) -> str:
    if policy.status == "last_buy" and policy.needed_until is not None:
        return "newsvendor"
    if cycle > 0.0:
        return "sQ" if policy.is_fixed_lot and cycle > lot else "RsS"
    return "base_stock" if demand_class in SLOW_CLASSES else "RS"


def limits_conflict(levels: Levels, policy: ItemPolicy) -> bool:
    """Whether not even the smallest order is within what may be ordered or held."""
    return levels.order_lot > min(policy.max_order_qty, policy.max_stock, _kept(levels))


def size_order(levels: Levels, policy: ItemPolicy, position: float, *, whole_units: bool) -> Order:
    """Order for an inventory position: the need, at least ``moq``, in multiples, at most the max.

    An order in multiples ends at or below ``order_up_to`` where that is above the reorder point:
    the lot on top is what packs bring anyway, and is not to be bought twice. Where no such order
    is allowed it is rounded up, by less than one multiple, but not above ``max_stock``; the largest
    order is rounded down. No quantity satisfies limits that conflict: that order is 0. With
    ``whole_units`` it is one of whole units where no multiple says so. Orders of fixed lots
    (``sQ``) are as many as bring the position above the reorder point. An order that was sized
    together with others stands beside the one of the item alone.
    """
    alone = _size_alone(levels, policy, position, whole_units=whole_units)
    alone = replace(alone, order_qty_alone=alone.order_qty)
    if policy.given_order is None:
        return alone
    return replace(alone, order_qty=policy.given_order, binding_constraint=policy.given_by)


def _size_alone(levels: Levels, policy: ItemPolicy, position: float, *, whole_units: bool) -> Order:
    net = max(0.0, levels.order_up_to - position)
    if levels.policy == "do_not_stock" or position > levels.reorder_point or net == 0.0:
        return Order(0.0, 0.0)
    step = order_step(policy, whole_units=whole_units)
    quantity = _round_up(max(net, policy.moq), step)
    within = math.floor(net / step + _ROUNDING) * step if step > 0.0 else net
    if within >= max(policy.moq, step) and position + within > levels.reorder_point + _ROUNDING:
        quantity = within
    if levels.policy == "sQ":
        lot = cycle_lot(policy, whole_units=whole_units)
        quantity = (math.floor((levels.reorder_point - position) / lot + _ROUNDING) + 1.0) * lot
    most, limit = largest_order(levels, policy, position, step)
    if quantity > most:
        return Order(net, 0.0 if levels.order_lot > most else most, limit, most)
    if levels.policy == "sQ":
        return Order(net, quantity, "economic_lot", most)
    if policy.moq > net:
        return Order(net, quantity, "moq", most)
    by_multiple = policy.order_multiple > 0.0 and quantity != _round_up(net, float(whole_units))
    otherwise = "none" if levels.uncut is None else "shelf_life"
    return Order(net, quantity, "multiple" if by_multiple else otherwise, most)


def largest_order(
    levels: Levels, policy: ItemPolicy, position: float, step: float
) -> tuple[float, str]:
    """The largest order that the limits allow, in multiples of ``step``, and which limit it is."""
    most, limit = min(
        (policy.max_order_qty, "max_order"),
        (policy.max_stock - position, "max_stock"),
        (_kept(levels) - position, "shelf_life"),
    )
    if step > 0.0 and math.isfinite(most):
        most = math.floor(most / step + _ROUNDING) * step
    return most, limit


def excess_over_need(position: float, levels: Levels, high_demand: float) -> float:
    """Units of the position that neither the policy nor a high demand of the next months explains.

    What is below ``order_up_to`` is wanted, however slow.
    """
    return max(0.0, position - max(levels.order_up_to, high_demand))


def order_step(policy: ItemPolicy, *, whole_units: bool) -> float:
    """What orders are multiples of [units]; 0 = any quantity."""
    return policy.order_multiple or (1.0 if whole_units else 0.0)


def _kept(levels: Levels) -> float:
    """The most that shelf life allows to hold [units]."""
    return math.inf if levels.shelf_life_qty is None else levels.shelf_life_qty


def _round_up(quantity: float, step: float) -> float:
    return math.ceil(quantity / step - _ROUNDING) * step if step > 0.0 else quantity
