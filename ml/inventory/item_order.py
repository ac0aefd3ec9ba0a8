"""The levels of one item, and its order where there is usable stock: what all else starts from."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ml.inventory.item_case import LONGEST_DAYS, ItemCase, is_whole, prepare_case
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
