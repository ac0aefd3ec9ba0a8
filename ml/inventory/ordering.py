"""Reorder point, order-up-to level and order quantity from the demand over the interval."""

import math
from dataclasses import dataclass

from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand
from ml.inventory.service import choose_point

SLOW_CLASSES = frozenset({"intermittent", "lumpy", "no_demand", "too_few", "new"})
_ROUNDING = 1e-9  # orders: 3 packs of 0.1 are 0.30000000000000004


@dataclass(frozen=True, slots=True)
class Levels:
    """What a policy compares the inventory position with [units]; fields are columns."""

    # `RsS` where orders come in lots, `base_stock` for slow movers, `RS` for the rest,
    # `do_not_stock`
    policy: str
    reorder_point: float  # s: a position at or below it calls for an order
    order_up_to: float  # S: what the order fills up to
    safety_stock: float | None  # s less the mean demand; `None` where nothing is stocked
    order_lot: float  # smallest order
    # share of intervals that the service asks to be covered; min_stock and max_stock aside
    tau_nominal: float | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What to order now [units], before and after the constraints, and which of them decided."""

    net_requirement_qty: float
    order_qty: float
    binding_constraint: str = "none"
    largest: float = math.inf  # order that the limits allow


def smallest_order(policy: ItemPolicy, *, whole_units: bool) -> float:
    """Smallest order that ``moq`` and ``order_multiple`` allow [units]; 0 = any quantity."""
    step = _order_step(policy, whole_units=whole_units)
    return _round_up(max(policy.moq, step), step)


def policy_levels(
    needs: LeadTimeDemand, policy: ItemPolicy, *, demand_class: str | None, whole_units: bool
) -> Levels:
    """Levels of one item from a sample of its demand over the protection interval.

    The reorder point is what the service asks for, see :mod:`ml.inventory.service`: with a periodic
    review, what is ordered now is all that can arrive within review period plus lead time. It is
    at least ``min_stock``; nothing goes above ``max_stock``. A lot on top is cycle stock; an item
    that is phased out gets none. The class of the demand decides the policy's name alone;
    ``whole_units`` rounds the levels up.
    """
    lot = smallest_order(policy, whole_units=whole_units)
    if not policy.is_stocked:
        return Levels("do_not_stock", 0.0, 0.0, None, lot)
    wanted = choose_point(needs, policy)
    point = max(wanted.units, policy.min_stock)
    if whole_units:
        point = float(math.ceil(point - _ROUNDING))
    in_lots = lot > 1.0 and policy.status != "phase_out"
    name = "RsS" if in_lots else "base_stock" if demand_class in SLOW_CLASSES else "RS"
    point = min(point, policy.max_stock)
    return Levels(
        policy=name,
        reorder_point=point,
        order_up_to=min(point + lot if in_lots else point, policy.max_stock),
        safety_stock=point - float(needs.ordered.mean()),
        order_lot=lot,
        tau_nominal=wanted.level,
    )


def limits_conflict(levels: Levels, policy: ItemPolicy) -> bool:
    """Whether not even the smallest order is within ``max_order_qty`` and ``max_stock``."""
    return levels.order_lot > min(policy.max_order_qty, policy.max_stock)


def size_order(levels: Levels, policy: ItemPolicy, position: float, *, whole_units: bool) -> Order:
    """Order for an inventory position: the need, at least ``moq``, in multiples, at most the max.

    Rounding goes up, so an order may end above ``order_up_to`` by less than one multiple, but not
    above ``max_stock``; the largest order is rounded down. No quantity satisfies limits that
    conflict: that order is 0. With ``whole_units`` it is one of whole units where no multiple says
    so.
    """
    net = max(0.0, levels.order_up_to - position)
    if levels.policy == "do_not_stock" or position > levels.reorder_point or net == 0.0:
        return Order(0.0, 0.0)
    step = _order_step(policy, whole_units=whole_units)
    quantity = _round_up(max(net, policy.moq), step)
    room = policy.max_stock - position
    most, limit = min((policy.max_order_qty, "max_order"), (room, "max_stock"))
    if step > 0.0 and math.isfinite(most):
        most = math.floor(most / step + _ROUNDING) * step
    if quantity > most:
        return Order(net, 0.0 if levels.order_lot > most else most, limit, most)
    if policy.moq > net:
        return Order(net, quantity, "moq", most)
    by_multiple = policy.order_multiple > 0.0 and quantity > _round_up(net, float(whole_units))
    return Order(net, quantity, "multiple" if by_multiple else "none", most)


def excess_over_need(position: float, levels: Levels, high_demand: float) -> float:
    """Units of the position that neither the policy nor a high demand of the next months explains.

    What is below ``order_up_to`` is wanted, however slow.
    """
    return max(0.0, position - max(levels.order_up_to, high_demand))


def _order_step(policy: ItemPolicy, *, whole_units: bool) -> float:
    return policy.order_multiple or (1.0 if whole_units else 0.0)


def _round_up(quantity: float, step: float) -> float:
    return math.ceil(quantity / step - _ROUNDING) * step if step > 0.0 else quantity
