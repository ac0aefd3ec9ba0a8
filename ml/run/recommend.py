"""The recommendation stage: from the paths that the forecast stage saved to rows, in chunks.

No model takes part, so new stock alone costs seconds. What a run that died left is used again where
it is whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.beside_orders import POLICY_GRID, SERVICE_CURVES, TRANSFERS
from ml.contracts.changes import CHANGES
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.durable import link_new, remove_all, staged
from ml.evaluation.demand_class import demand_pattern
from ml.forecasters.base import is_count
from ml.inventory.item_case import OrderContext
from ml.inventory.items import DemandSummary, ItemPolicy, divide_rows
from ml.inventory.locations import (
    Locations,
    add_terms_at_locations,
    learn_at_locations,
    location_cases,
    resolve_locations,
)
from ml.inventory.recommendations import recommend, recommend_cases
from ml.inventory.service_curves import draw_policy_grid, draw_service_curves
from ml.inventory.terms import yearly_demand
from ml.inventory.transfers import propose_transfers
from ml.panel import Panel
from ml.run.changes import Before, Supply, name_gone, trace_changes
from ml.run.inputs import RunInputs
from ml.run.model_store import finish_part, read_part, read_parts, say, start_part
from ml.run.parallel import run_tasks
from ml.run.plan import PanelPlan, decision_day, fingerprint
from ml.run.request import RunRequest
from ml.run.saved_paths import ItemPathSet, SavedPaths, read_paths
from ml.simulation.study import AchievedService

RECENT = 64  # periods of history that stock counted before their end is brought forward by


@dataclass(frozen=True, slots=True)
class RecommendTask:
    """Some items to recommend for."""

    panel: Panel  # the items, until `as_of`
    saved: SavedPaths  # where their paths are
    policies: Mapping[str, ItemPolicy]  # parameters of each item
    achieved: AchievedService  # what levels achieved in the backtest
    stock: pa.Table | None  # in the INVENTORY contract, `None` without a stock file
    open_orders: pa.Table | None  # in the OPEN_ORDERS contract, `None` without such a file
    context: OrderContext  # what holds for all items
    has_stock: bool  # whether there is a stock file at all
    before: Before | None  # what the last version recommended; `None` = nothing is known
    folder: Path  # where the rows go
    locations: Locations | None = None  # of those that can be told apart; `None` = none can
    transfer_cost: float = 0.0  # of moving an item between two of them once [its currency]
    # what the curves of each item are made of, see `_name_curves`
    names: Mapping[str, str] = field(default_factory=dict)
    # of items whose curves an earlier run drew of the same, the part that holds them
    curves: Mapping[str, Path] = field(default_factory=dict)


def recommend_panel(
    plan: PanelPlan,
    saved: SavedPaths,
    achieved: AchievedService,
    before: Before | None,
    inputs: RunInputs,
    request: RunRequest,
    work: Path,
) -> dict[str, list[Path]]:
    """Recommend for the wanted items of a demand panel.

    Files of rows of RECOMMENDATIONS and what goes with them, by dataset, in the order of their ids.

    ``saved`` holds the paths of all of them that could be forecast; ``achieved`` what levels by
    such paths achieved in the backtest; ``before`` what the last version recommended; ``work`` what
    is finished, of this run and of one that died on the same inputs.
    """
    context = order_context(plan, inputs, request)
    if context.decision_day > context.cutoff:
        days = (context.decision_day - context.cutoff).astype(int)
        say(
            f"{plan.name}: orders are decided on {context.decision_day}, {days} days after the "
            "data end; stock counted earlier is brought to that day"
        )
    tasks = recommend_tasks(plan, saved, achieved, before, inputs, request, work)
    total = len(plan.order_chunks)
    done = run_tasks(recommend_chunk, tasks, jobs=request.jobs, label="recommending", total=total,
                     light=True)  # fmt: skip
    used = set(done)
    if request.items is None:
        for part in _curves_folder(saved).glob("*"):
            if part not in used:
                remove_all(part)
    files = {
        one.name: [
            path
            for number in range(total)
            if (path := _folder_of(plan, number, work) / f"{one.name}.parquet").exists()
        ]
        for one in (RECOMMENDATIONS, SERVICE_CURVES, POLICY_GRID, CHANGES, TRANSFERS)
    }
    if before is not None and request.items is None:
        refused = {one.item_id for one in saved.refusals}
        files[CHANGES.name].append(work / plan.name / "gone.parquet")
        with staged(files[CHANGES.name][-1]) as path:
            pq.write_table(name_gone(before, set(plan.wanted) - refused, context), path)
    if moves := sum(pq.read_metadata(path).num_rows for path in files[TRANSFERS.name]):
        say(f"{plan.name}: {moves} transfers between locations are proposed, see transfers")
    return files


def recommend_tasks(
    plan: PanelPlan,
    saved: SavedPaths,
    achieved: AchievedService,
    before: Before | None,
    inputs: RunInputs,
    request: RunRequest,
    work: Path,
) -> Iterator[RecommendTask]:
    """What the workers are to do, see :func:`recommend_panel`; one task a chunk of items."""
    context = order_context(plan, inputs, request)
    chunks, locations = plan.order_chunks, locate_items(plan, inputs, request)
    drawn = _find_curves(plan, saved)
    parts = zip(
        chunks,
        divide_rows(inputs.inventory, chunks),
        divide_rows(inputs.open_orders, chunks),
        (None for _ in chunks) if locations is None else locations.divide(chunks),
        strict=True,
    )
    for number, (items, stock, orders, places) in enumerate(parts):
        names = _name_curves(saved, plan.policies, context, items)
        yield RecommendTask(
            panel=plan.panel.select(items),
            # What a task carries does not grow with the file.
            saved=saved.select(items),
            policies={item: plan.policies[item] for item in items},
            achieved=achieved,
            stock=stock,
            open_orders=orders,
            context=context,
            has_stock=inputs.inventory is not None,
            before=before,
            folder=_folder_of(plan, number, work),
            locations=places,
            transfer_cost=request.settings.transfer_cost,
            names=names,
            curves={item: drawn[name] for item, name in names.items() if name in drawn},
        )


def _folder_of(plan: PanelPlan, number: int, work: Path) -> Path:
    """Where the rows of a chunk go."""
    return work / plan.name / f"{RECOMMENDATIONS.name}-{number:06d}"


def order_context(plan: PanelPlan, inputs: RunInputs, request: RunRequest) -> OrderContext:
    """What holds for the recommendations of all items of a demand panel, the day among it."""
    panel = plan.panel
    return OrderContext(
        frequency=panel.frequency,
        as_of=panel.cutoff,
        seed=plan.seed,
        decided_on=decision_day(panel, inputs, request),
        horizon=plan.horizon,
    )


def locate_items(plan: PanelPlan, inputs: RunInputs, request: RunRequest) -> Locations | None:
    """What the items of a demand panel are recommended from, location by location."""
    if inputs.sites is None or inputs.stock_by_location is None:
        return None
    orders = inputs.open_orders
    own = {item: one for item, one in inputs.sites.sites.items() if item in plan.policies}
    stated = resolve_locations(
        replace(inputs.sites, sites=own),
        inputs.stock_by_location,
        inputs.inventory,
        inputs.items,
        plan.panel.frequency,
        request.settings.policy,
        () if orders is None else frozenset(orders["item_id"].to_pylist()),
    )
    day = decision_day(plan.panel, inputs, request)
    learned = learn_at_locations(stated, inputs.receipts, day)
    rates = dict(zip(plan.panel.items, yearly_demand(plan.panel).tolist(), strict=True))
    return add_terms_at_locations(learned, plan.policies, rates, day)


def recommend_chunk(task: RecommendTask) -> Path:
    """Write the rows of one chunk, unless a run that died had done so already.

    Returns:
        Where the curves of its items are kept.
    """
    curves = _curves_folder(task.saved) / fingerprint(task.names)
    if read_part(task.folder) is not None:
        return curves
    start_part(task.folder)
    known = read_paths(task.saved, task.panel.items)
    if known.items:
        histories = summarise_demand(task, known)
        about = (known.paths, histories, task.policies)
        tables = {
            RECOMMENDATIONS: recommend(
                *about, task.stock, task.context, open_orders=task.open_orders
            )
        }
        if not task.has_stock:
            tables[POLICY_GRID] = draw_policy_grid(*about, task.context)
        if task.before is not None:
            now = Supply(task.policies, task.stock, task.open_orders)
            rates = dict(zip(task.panel.items, yearly_demand(task.panel).tolist(), strict=True))
            tables[CHANGES] = trace_changes(
                known.paths, histories, now, task.context, tables[RECOMMENDATIONS], task.before,
                rates,
            )  # fmt: skip
        if task.locations is not None and task.locations.sites:
            made_from = (known.paths, histories, task.locations, task.context)
            apart = recommend_cases(location_cases(*made_from))
            tables[TRANSFERS] = propose_transfers(apart, *made_from, task.transfer_cost)
            both = pa.concat_tables([tables[RECOMMENDATIONS], apart])
            tables[RECOMMENDATIONS] = both.sort_by([(k, "ascending") for k in RECOMMENDATIONS.key])
        for contract, table in tables.items():
            with staged(task.folder / f"{contract.name}.parquet", flush_name=False) as path:
                pq.write_table(table, path, compression="zstd")
        kept = _keep_curves(task, curves, known, histories)
        link_new(kept, task.folder / kept.name)
    finish_part(task.folder)
    return curves


def _keep_curves(
    task: RecommendTask, part: Path, known: ItemPathSet, histories: Sequence[DemandSummary]
) -> Path:
    """A file of SERVICE_CURVES; rows that were made of the very same before are taken from there.

    Stock has no part in them, and they are more than half of the work.
    """
    path = part / f"{SERVICE_CURVES.name}.parquet"
    if read_part(part) is not None:
        return path
    # what another run kept it may have removed meanwhile
    there = {
        item: file for item, other in task.curves.items() if (file := other / path.name).exists()
    }
    left = [row for row, item in enumerate(known.items) if item not in there]
    paths, own = [known.paths[row] for row in left], [histories[row] for row in left]
    tables = [draw_service_curves(paths, own, task.policies, task.context)]
    for file in dict.fromkeys(there.values()):
        chosen = pc.field("item_id").isin([i for i in known.items if there.get(i) == file])
        tables.append(pq.read_table(file, schema=SERVICE_CURVES.schema, filters=chosen))
    table = pa.concat_tables(tables).sort_by([(key, "ascending") for key in SERVICE_CURVES.key])
    start_part(part)
    with staged(path, flush_name=False) as beside:
        pq.write_table(table, beside, compression="zstd")
    finish_part(part, names={item: task.names[item] for item in known.items})
    return path


def _find_curves(plan: PanelPlan, saved: SavedPaths) -> dict[str, Path]:
    """Parts with curves, by what these are made of: here, and where the run goes on from."""
    folders = [own := _curves_folder(saved)]
    if plan.state is not None:
        folders.append(plan.search.folder(plan.state.dataset_id) / SERVICE_CURVES.name)
    return {
        made_of: folder / name
        for folder in reversed(folders)
        for name, facts in read_parts(folder, is_ours=folder == own).items()
        for made_of in facts.get("names", {}).values()
    }


def _curves_folder(saved: SavedPaths) -> Path:
    return saved.folder.parent.with_name(SERVICE_CURVES.name)


def _name_curves(
    saved: SavedPaths,
    policies: Mapping[str, ItemPolicy],
    context: OrderContext,
    items: Sequence[str],
) -> dict[str, str]:
    """Names of all that the curves of items are made of.

    Points and orders that items were given together have no part in them, and flags neither.
    """
    common = (saved.folder.name, repr(context))
    none: dict[str, Any] = {"given_point": None, "given_order": None, "given_by": "none"}
    return {
        item: fingerprint(
            common, item, saved.names.get(item), repr(replace(policies[item], **none, flags=()))
        )
        for item in items
    }


def summarise_demand(task: RecommendTask, known: ItemPathSet) -> list[DemandSummary]:
    """What is known of the demand of the items with paths, in their order."""
    rows = {item: row for row, item in enumerate(task.panel.items)}
    facts = zip(known.items, known.models, known.reasons, strict=True)
    return [_summarise(task, rows[item], model, reason) for item, model, reason in facts]


def _summarise(task: RecommendTask, row: int, model: str, reason: str | None) -> DemandSummary:
    panel, values = task.panel, task.panel.values[row]
    pattern = demand_pattern(values, panel.frequency)
    policy = task.policies[panel.items[row]]
    service, cycles = task.achieved.at(pattern.name, policy.service_target)
    more = task.achieved.raise_at(pattern.name, policy.service_target)
    if policy.given_point is not None or policy.target_source == "newsvendor":  # not tried
        service, cycles, more = None, 0, 0.0
    demanded = np.flatnonzero(np.nan_to_num(values) > 0)
    return DemandSummary(
        item_id=panel.items[row],
        demand_class=pattern.name,
        adi=pattern.adi,
        cv2=pattern.cv2,
        n_obs=pattern.n_obs,
        n_nonzero=pattern.n_nonzero,
        last_demand=panel.periods[demanded[-1]] if len(demanded) else None,
        model_id=model,
        model_role="champion" if reason is None else "fallback",
        level_raise=more,
        backtest_csl=service,
        backtest_n=cycles,
        whole_units=is_count(values),
        recent=tuple(values[-RECENT:].tolist()),
    )
