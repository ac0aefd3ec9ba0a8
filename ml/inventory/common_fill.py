"""One fill of many items: which of them share it, what their units cost, what each is given.

Items of one criticality and currency share a fill where one is set for them. Criticality A and
insurance spares are never given less than their own service target asks for, and no item less than
its ``min_stock`` or more than its ``max_stock``; all others are free, down to nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.contracts.demand import CRITICALITIES
from ml.errors import ConfigError
from ml.inventory.item_case import ItemCase, OrderContext, is_within_reach, own_steps
from ml.inventory.item_order import size_item
from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.ordering import cycle_lot
from ml.inventory.portfolio import (
    Division,
    ItemDemand,
    MarginalCurve,
    divide_fill,
    expected_service,
    marginal_curve,
)
from ml.inventory.stock import Stock

OTHERS = "*"
_TARGET = re.compile(r"(?:(\w+)\s*=\s*)?(\d*\.?\d+)")


class Share(NamedTuple):
    """Items that reach a fill together."""

    criticality: str  # `*` = all that have no fill of their own
    currency: str | None  # of their unit costs; `None` where none is known


@dataclass(frozen=True, slots=True)
class UnitCost:
    """What a unit of an item counts."""

    share: Share  # items that it is compared with
    amount: float  # [currency]
    is_assumed: bool  # whether its own is not known


def fill_targets(text: str) -> dict[str, float]:
    """Fills by criticality out of ``A=.98,B=.95,.90``; the bare one, ``*``, is for all others.

    Raises:
        ConfigError: It is not written so, or a fill is not between 0 and 1.

    >>> fill_targets("A=.98, .9")
    {'A': 0.98, '*': 0.9}
    """
    targets: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        found = _TARGET.fullmatch(part)
        name = (found and found[1]) or OTHERS
        known = name == OTHERS or name in CRITICALITIES
        if found is None or not known or name in targets or not 0.0 < float(found[2]) < 1.0:
            raise ConfigError(
                f"--portfolio-fill, PORTFOLIO_FILL: '{part}' of '{text}': write one fill as .95, "
                f"or one for each criticality as A=.98,B=.95,.90. Criticalities are "
                f"{', '.join(CRITICALITIES)}, fills lie between 0 and 1."
            )
        targets[name] = float(found[2])
    return targets


def cost_units(policies: Iterable[ItemPolicy], targets: Mapping[str, float]) -> dict[str, UnitCost]:
    """What units count, of the stocked items that share a fill.

    Costs that are not known count as the median of those of the commonest currency, and as 1 where
    none is known.
    """
    stocked = [one for one in policies if one.is_replenished]
    known = [one for one in stocked if one.unit_cost is not None]
    counts = Counter(one.currency for one in known)
    common = min(counts, key=lambda name: (-counts[name], name or ""), default=None)
    middle = median([one.unit_cost or 0.0 for one in known if one.currency == common] or [1.0])
    costs = {}
    for one in stocked:
        name = one.criticality if one.criticality in targets else OTHERS
        if name is not None and name in targets:
            is_assumed = one.unit_cost is None
            share = Share(name, common if is_assumed else one.currency)
            amount = middle if one.unit_cost is None else one.unit_cost
            costs[one.item_id] = UnitCost(share, amount, is_assumed)
    return costs


def item_curves(
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    costs: Mapping[str, UnitCost],
    context: OrderContext,
) -> list[MarginalCurve]:
    """What more stock of each item brings that shares a fill, out of (S, H) paths.

    Demand is that of :func:`ml.inventory.recommendations.recommend`, path by path.
    """
    curves = []
    for history, demand in zip(histories, paths, strict=True):
        policy = policies[history.item_id]
        if history.item_id in costs and is_within_reach(policy, context):
            case = ItemCase(context, policy, history, Stock())
            own = demand[:, : own_steps(policy, context, demand.shape[1])]
            curves.append(_curve(case, own, costs[history.item_id].amount))
    return curves


def _curve(case: ItemCase, demand: npt.NDArray[np.generic], unit_cost: float) -> MarginalCurve:
    policy = case.policy
    sized = size_item(case, demand)
    needs, levels = sized.needs, sized.levels
    most = policy.max_stock
    if levels.shelf_life_qty is not None:
        most = min(most, levels.shelf_life_qty)
    item = ItemDemand(
        needs.until_receipt, needs.protected, policy.review_period_days, unit_cost,
        lot=cycle_lot(policy, whole_units=sized.whole_units),
        ceiling=most, whole_units=sized.whole_units,
    )  # fmt: skip
    floor = levels.reorder_point if policy.is_critical else min(policy.min_stock, most)
    served, on_hand = expected_service(item, np.array([levels.reorder_point]))
    usual = (float(served[0]), float(on_hand[0]) * unit_cost)
    return replace(marginal_curve(policy.item_id, item, floor), usual=usual)


def divide_shares(
    curves: Iterable[MarginalCurve], costs: Mapping[str, UnitCost], targets: Mapping[str, float]
) -> dict[Share, Division]:
    """The division of each share's fill over its items."""
    shares: dict[Share, list[MarginalCurve]] = {}
    for one in curves:
        shares.setdefault(costs[one.item_id].share, []).append(one)
    in_order = sorted(shares, key=lambda share: (share.criticality, share.currency or ""))
    return {share: divide_fill(shares[share], targets[share.criticality]) for share in in_order}


def give_points(
    policies: Mapping[str, ItemPolicy],
    costs: Mapping[str, UnitCost],
    divisions: Iterable[Division],
) -> dict[str, ItemPolicy]:
    """The policies, those of the items that share a fill with the points that they are given."""
    given = dict(policies)
    for division in divisions:
        for item, point in division.points.items():
            flags = ("unit_cost_assumed",) if costs[item].is_assumed else ()
            given[item] = replace(
                given[item], given_point=point, target_source="portfolio",
                flags=(*given[item].flags, *flags),
            )  # fmt: skip
    return given
