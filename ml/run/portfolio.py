"""Levels of many items by one fill: their curves in workers, the division once, before any row.

It is a second pass over the paths that the forecast stage saved, so it takes no model either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml.forecasters.base import is_count
from ml.inventory.common_fill import (
    OTHERS,
    Share,
    UnitCost,
    cost_units,
    divide_shares,
    fill_targets,
    give_points,
    item_curves,
)
from ml.inventory.item_case import OrderContext
from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.portfolio import Division, MarginalCurve
from ml.panel import Panel
from ml.run.model_store import say
from ml.run.parallel import run_tasks
from ml.run.plan import PanelPlan
from ml.run.request import RunRequest
from ml.run.saved_paths import SavedPaths, read_paths


@dataclass(frozen=True, slots=True)
class CurveTask:
    """Some items to find curves of."""

    panel: Panel  # the items, until `as_of`
    saved: SavedPaths  # where their paths are
    policies: Mapping[str, ItemPolicy]  # parameters of each item
    costs: Mapping[str, UnitCost]  # of those that share a fill
    context: OrderContext  # what holds for all items


def divide_portfolio(
    plan: PanelPlan, saved: SavedPaths, context: OrderContext, request: RunRequest
) -> Mapping[str, ItemPolicy]:
    """Policies of a demand panel, with the points that a common fill gives the wanted items.

    They are those of the plan where no fill is set. A line for each share says what it comes to.
    """
    targets = fill_targets(request.settings.portfolio_fill)
    if not targets:
        return plan.policies
    costs = cost_units(plan.policies.values(), targets)
    tasks = (
        CurveTask(
            panel=plan.panel.select(items),
            saved=saved.select(items),
            policies={item: plan.policies[item] for item in items},
            costs={item: costs[item] for item in items if item in costs},
            context=context,
        )
        for items in plan.order_chunks
    )
    found = run_tasks(
        find_curves, tasks, jobs=request.jobs, label="dividing a common fill",
        total=len(plan.order_chunks), light=True,
    )  # fmt: skip
    curves = [one for part in found for one in part]
    divisions = divide_shares(curves, costs, targets)
    for share, division in divisions.items():
        own = [one for one in curves if one.item_id in division.points]
        _tell(share, division, own, targets[share.criticality])
    return give_points(plan.policies, costs, divisions.values())


def find_curves(task: CurveTask) -> list[MarginalCurve]:
    """The curves of one chunk."""
    known = read_paths(task.saved, task.panel.items)
    values = dict(zip(task.panel.items, task.panel.values, strict=True))
    histories = [DemandSummary(item, whole_units=is_count(values[item])) for item in known.items]
    return item_curves(known.paths, histories, task.policies, task.costs, task.context)


def _tell(share: Share, division: Division, curves: Sequence[MarginalCurve], target: float) -> None:
    """What the items of a share come to together, and what by their own targets."""
    demand = sum(one.demand for one in curves)
    served, value = (sum(one.usual[place] for one in curves) for place in (0, 1))
    who = "" if share.criticality == OTHERS else f" of criticality {share.criticality}"
    usual = served / demand if demand > 0.0 else 1.0
    unit = share.currency or "units of cost"
    say(
        f"{len(curves)} items{who} share a fill of {target:.1%}: {division.fill:.1%} expected of "
        f"{division.value:,.0f} {unit} in stock; by their own targets, {usual:.1%} of {value:,.0f}",
        about="portfolio",
    )
