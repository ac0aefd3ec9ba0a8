"""The levels of one item, and its order where there is usable stock: what all else starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.inventory.item_case import (
    LONGEST_DAYS,
    ItemCase,
    is_whole,
    is_within_reach,
    own_steps,
    prepare_case,
    roll_stock,
)
from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import ItemPaths, LeadTimeDemand, protection_periods
from ml.inventory.ordering import (
    Levels,
    Order,
    bound_levels,
    largest_before_expiry,
    policy_levels,
    size_order,
)

HIGHEST_LEVEL = 0.999  # that a target is raised to: beyond it sample paths say nothing
SIZES = ("reorder_point", "order_qty", "order_qty_alone")
_SHOWN = tuple(one.name for one in fields(Levels) if one.name != "uncut")


@dataclass(frozen=True, slots=True)
class ItemOrder:
    """One item with its levels and its order."""

    case: ItemCase  # with its stock as it is on the day of the decision
    paths: ItemPaths  # demand from that day on
    needs: LeadTimeDemand  # demand over the protection interval
    levels: Levels  # what the inventory position is compared with
    whole_units: bool  # whether it comes in whole units
    order: Order | None  # `None` without usable stock

    @property
    def position(self) -> float:
        """Inventory position that counts: without what comes after the protection interval."""
        return self.case.stock.position_within(self.case.policy.protection_days)


def size_item(case: ItemCase, demand: npt.NDArray[np.generic]) -> ItemOrder:
    """Levels and order of one item out of the (S, H) paths of its demand after ``as_of``."""
    policy, kept = _calibrate(case), _used_in_time(case, demand)
    needed = protection_periods(policy, case.context.frequency)
    case, paths, needs = prepare_case(case, demand, needed)
    whole = is_whole(case, paths)
    levels = policy_levels(needs, policy, demand_class=case.history.demand_class, whole_units=whole)
    if kept is not None:
        levels = bound_levels(levels, largest_before_expiry(kept, whole_units=whole))
    found = ItemOrder(case, paths, needs, levels, whole, None)
    if not case.stock.is_usable:
        return found
    order = size_order(levels, policy, found.position, whole_units=whole)
    return replace(found, order=order)


def size_again(
    case: ItemCase, demand: npt.NDArray[np.generic], row: Mapping[str, Any] | None
) -> dict[str, float | None]:
    """The cells :data:`SIZES` of an item's row, from the (S, H) paths of its demand.

    ``row`` is one of RECOMMENDATIONS that differs in its stock alone, ``None`` = there is none. Its
    levels stand, and nothing is asked of the paths if they have no part in the stock either.
    """
    policy, context = case.policy, case.context
    if not is_within_reach(policy, context):
        return dict.fromkeys(SIZES)
    whole = case.history.whole_units
    if row is None or context.offset or whole is None:
        sized = size_item(case, demand[:, : own_steps(policy, context, demand.shape[1])])
        levels, order = sized.levels, sized.order
    else:
        levels, order = Levels(**{name: row[name] for name in _SHOWN}), None
        stock = roll_stock(case, np.zeros(1), whole=whole)
        if stock.is_usable:
            position = stock.position_within(policy.protection_days)
            order = size_order(levels, policy, position, whole_units=whole)
    sizes = (None, None) if order is None else (order.order_qty, order.order_qty_alone)
    return dict(zip(SIZES, (levels.reorder_point, *sizes), strict=True))


def _calibrate(case: ItemCase) -> ItemPolicy:
    """The policy with a cycle service raised by what levels were found to fall short of it."""
    policy, more = case.policy, case.history.level_raise
    if more <= 0.0 or policy.service_metric != "csl" or policy.target_source == "newsvendor":
        return policy
    target = policy.service_target  # one beyond that is given by hand, and stays
    return replace(policy, service_target=max(target, min(target + more, HIGHEST_LEVEL)))


def _used_in_time(
    case: ItemCase, demand: npt.NDArray[np.generic]
) -> npt.NDArray[np.float64] | None:
    """Demand until what is ordered now expires, (S,) ascending; ``None`` = it lasts for ever.

    That is the lead time and the shelf life after it. What ends beyond five years binds nothing.
    """
    days = case.policy.shelf_life_days
    if days is None:
        return None
    until = replace(case.policy, review_period_days=days, extra_days=0.0)
    needed = protection_periods(until, case.context.frequency)
    if needed * case.days > LONGEST_DAYS:
        return None
    return prepare_case(replace(case, policy=until), demand, needed)[2].ordered
