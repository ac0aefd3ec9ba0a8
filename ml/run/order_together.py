"""Orders sized together: curves of all sizes in workers, one division over the items, before rows.

It is a second pass over the paths that the forecast stage saved, as that of
:mod:`ml.run.portfolio`; only suppliers that ask anything of an order, or a budget, take it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.beside_orders import JOINT_ORDERS
from ml.durable import staged
from ml.errors import first_few
from ml.frequency import as_datetime
from ml.inventory.joint_orders import SupplierTerms, join_orders, joint_order_rows, usable_terms
from ml.inventory.order_budget import (
    Budget,
    count_outside,
    give_orders,
    name_currency,
    read_budget,
    spend_budget,
)
from ml.inventory.order_curves import OrderCurve, order_curves
from ml.inventory.stock import read_stock
from ml.run.inputs import RunInputs
from ml.run.model_store import say
from ml.run.parallel import run_tasks
from ml.run.plan import PanelPlan
from ml.run.recommend import RecommendTask, order_context, recommend_tasks, summarise_demand
from ml.run.request import RunRequest
from ml.run.saved_paths import SavedPaths, read_paths
from ml.simulation.study import AchievedService


@dataclass(frozen=True, slots=True)
class SizesTask:
    """Some items to find the sizes of orders of."""

    chunk: RecommendTask  # what they will be recommended from
    suppliers: frozenset[str] | None  # only items of these; `None` = all


def order_together(
    plan: PanelPlan,
    saved: SavedPaths,
    achieved: AchievedService,
    inputs: RunInputs,
    request: RunRequest,
    work: Path,
) -> tuple[PanelPlan, dict[str, list[Path]]]:
    """The plan of a demand panel with the orders that are sized together, and files of what came.

    They are the plan itself and nothing where no supplier asks anything and there is no budget.
    Otherwise lines say what came of it, and one file holds the rows of JOINT_ORDERS.

    Raises:
        ConfigError: The budget names no currency, and costs are in several.
    """
    wanted = {item: plan.policies[item] for item in plan.wanted}
    terms, remarks = usable_terms(inputs.suppliers, wanted)
    for line in remarks:
        say(line, about="suppliers")
    budget = budget_of(plan, request)
    if budget is not None and inputs.inventory is None:
        say("there is no stock file, hence no order to spend it on", about="budget")
    if inputs.inventory is None or not (terms or budget):
        return plan, {}
    context = order_context(plan, inputs, request)
    asked = None if budget is not None else frozenset(one.supplier for one in terms)
    chunks = recommend_tasks(plan, saved, achieved, None, inputs, request, work)
    found = run_tasks(
        find_sizes, (SizesTask(chunk, asked) for chunk in chunks), jobs=request.jobs,
        label="sizing orders together", total=len(plan.order_chunks), light=True,
    )  # fmt: skip
    curves = sorted((one for part in found for one in part), key=lambda one: one.item_id)
    places, added = join_orders(curves, terms)
    dropped = list[str]()
    if budget is not None:
        joined, least = places, {one.supplier: one.min_order_value or 0.0 for one in terms}
        places, dropped = spend_budget(curves, joined, budget, least)
        _tell(curves, joined, places, budget, count_outside(wanted.values(), budget))
        if dropped:
            say(
                f"of {first_few(dropped)} nothing is ordered: what is left for them is below "
                "their min_order_value",
                about="budget",
            )
    rows = joint_order_rows(curves, places, terms, added, as_datetime(context.as_of))
    short = [row["supplier"] for row in rows.to_pylist() if row["is_below_minimum"]]
    given = give_orders(plan.policies, curves, places, [*short, *dropped])
    return replace(plan, policies=given), {JOINT_ORDERS.name: _keep(rows, terms, work / plan.name)}


def budget_of(plan: PanelPlan, request: RunRequest) -> Budget | None:
    """What the orders of a demand panel may cost, in the currency of their costs.

    Raises:
        ConfigError: The budget names no currency, and costs are in several.
    """
    budget = read_budget(request.settings.budget)
    if budget is None or not plan.panel.is_demand:
        return None
    return name_currency(budget, [plan.policies[item] for item in plan.wanted])


def _keep(rows: pa.Table, terms: Sequence[SupplierTerms], folder: Path) -> list[Path]:
    if not terms:
        return []
    path = folder / f"{JOINT_ORDERS.name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with staged(path) as beside:
        pq.write_table(rows, beside, compression="zstd")
    return [path]


def find_sizes(task: SizesTask) -> list[OrderCurve]:
    """The curves of one chunk."""
    chunk = task.chunk
    wanted = [
        item
        for item in chunk.panel.items
        if task.suppliers is None or chunk.policies[item].supplier in task.suppliers
    ]
    known = read_paths(chunk.saved, wanted)
    policies = [chunk.policies[item] for item in known.items]
    stocks = read_stock(chunk.stock, chunk.open_orders, policies, chunk.context.decision_day)
    histories = summarise_demand(chunk, known)
    return order_curves(known.paths, histories, chunk.policies, stocks, chunk.context)


def _tell(
    curves: Sequence[OrderCurve],
    joined: Sequence[int],
    places: Sequence[int],
    budget: Budget,
    outside: int,
) -> None:
    """What the budget comes to, and what it leaves out."""
    ours = [(curve, before, after) for curve, before, after in zip(curves, joined, places,
                                                                   strict=True)
            if curve.currency == budget.currency and before]  # fmt: skip
    asked = sum(curve.value_at(before) for curve, before, _ in ours)
    spent = sum(curve.value_at(after) for curve, _, after in ours)
    cut = sum(after < before for _, before, after in ours)
    unit = budget.currency or "units of cost"
    say(
        f"{spent:,.0f} of {budget.amount:,.0f} {unit} are spent on {len(ours)} orders, which come "
        f"to {asked:,.0f} without a limit; {cut} of them are cut. {outside} items without a cost "
        "or of another currency are outside the budget",
        about="budget",
    )
