"""What a point of service costs: levels of each item by target and lead time, from its paths.

All lead times are drawn with the ranks of the item's own, so that a longer one is longer on every
path, and of one sample of demand each target is a point: curves never turn back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.contracts.base import Contract, check
from ml.contracts.beside_orders import (
    LEAD_TIME_FACTORS,
    LEAD_TIMES,
    POLICY_GRID,
    SERVICE_CURVES,
    TARGETS,
)
from ml.frequency import as_datetime
from ml.inventory.item_case import (
    ItemCase,
    OrderContext,
    is_whole,
    is_within_reach,
    own_steps,
    vary_lead_time,
)
from ml.inventory.items import WHOLE_COMPANY, DemandSummary, ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand, mean_above
from ml.inventory.ordering import fill_levels
from ml.inventory.service import choose_points
from ml.inventory.stock import Stock
from ml.panel import Floats

Block = dict[str, Any]
"""Columns of an item: a value for each of some rows, or one for all of them."""


def expect_outcomes(needs: LeadTimeDemand, levels: Floats) -> dict[str, Floats]:
    """What to expect of (K,) levels that a position is filled up to at each review, by column.

    From (S,) demands until a receipt and until the next one. Stock falls from what is left at a
    receipt to what is left before the next one; its mean is taken as that of the two. The share of
    units that is served at once is not a number without demand.
    """
    owed = mean_above(needs.ordered, levels)
    before = mean_above(np.sort(needs.until_receipt), levels)
    middle = float((needs.until_receipt + needs.protected).mean()) / 2.0
    asked = float((needs.protected - needs.until_receipt).mean())
    late = np.maximum(owed - before, 0.0)
    covered = np.searchsorted(needs.ordered, levels, side="right") / len(needs.ordered)
    return {
        "stock_units": np.maximum(levels - middle + (owed + before) / 2.0, 0.0),
        "p_stockout": 1.0 - covered,
        "fill_rate": np.clip(1.0 - late / asked, 0.0, 1.0) if asked else np.full(len(late), np.nan),
        "expected_backorder_units": owed,
    }


def draw_service_curves(
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    context: OrderContext,
) -> pa.Table:
    """Rows of SERVICE_CURVES of stocked items: four lead times by nine targets each.

    ``paths`` are N of (S, H), in the order of ``histories``. Items that are not stocked, or whose
    protection interval is beyond all reach, have no rows.
    """
    factors, targets = {one: one for one in LEAD_TIME_FACTORS}, np.array(TARGETS)
    blocks = list[Block]()
    for case, demand in _stocked_cases(paths, histories, policies, context):
        blocks += _vary(case, demand, "lead_time_factor", factors, targets)
    return _table(blocks, SERVICE_CURVES)


def draw_policy_grid(
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    context: OrderContext,
) -> pa.Table:
    """Rows of POLICY_GRID of stocked items: levels at their target for five lead times each."""
    blocks = list[Block]()
    for case, demand in _stocked_cases(paths, histories, policies, context):
        factors = {days: days / case.policy.lead_time_days_mean for days in LEAD_TIMES}
        target = np.array([case.policy.service_target])
        blocks += _vary(case, demand, "lead_time_days_mean", factors, target)
    return _table(blocks, POLICY_GRID)


def _stocked_cases(
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    context: OrderContext,
) -> Iterator[tuple[ItemCase, npt.NDArray[np.generic]]]:
    """Each item that has levels, without its stock, and its own part of the paths.

    A point that was given to it is for one target and one lead time, none of which is asked about.
    """
    for history, demand in zip(histories, paths, strict=True):
        policy = replace(policies[history.item_id], given_point=None)
        if policy.is_stocked and is_within_reach(policy, context):
            case = ItemCase(context, policy, history, Stock())
            yield case, demand[:, : own_steps(policy, context, demand.shape[1])]


def _vary(
    case: ItemCase,
    demand: npt.NDArray[np.generic],
    name: str,
    factors: Mapping[float, float],
    targets: Floats,
) -> Iterator[Block]:
    """Columns of one item for each factor of its lead time, which the column ``name`` tells."""
    scaled = [_with_lead_time(case.policy, factor=one) for one in factors.values()]
    known, needs = vary_lead_time(case, demand, scaled)
    whole = is_whole(case, known)
    for value, policy, need in zip(factors, scaled, needs, strict=True):
        yield _columns_of(case, policy, need, targets, whole_units=whole) | {name: value}


def _with_lead_time(policy: ItemPolicy, *, factor: float) -> ItemPolicy:
    mean, std = policy.lead_time_days_mean * factor, policy.lead_time_days_std * factor
    sample = tuple(days * factor for days in policy.lead_time_sample)
    return replace(
        policy, lead_time_days_mean=mean, lead_time_days_std=std, lead_time_sample=sample
    )


def _columns_of(
    case: ItemCase, policy: ItemPolicy, needs: LeadTimeDemand, targets: Floats, *, whole_units: bool
) -> Block:
    """Columns of one item and lead time, for (K,) targets."""
    units, _ = choose_points(needs, policy, targets)
    points, ends = fill_levels(units, policy, whole_units=whole_units)
    expected = expect_outcomes(needs, points)
    cost = policy.unit_cost
    return {
        "run_id": case.context.run_id,
        "item_id": policy.item_id,
        "location_id": WHOLE_COMPANY,
        "as_of": as_datetime(case.context.as_of),
        "currency": None if cost is None else policy.currency,
        "lead_time_days_mean": policy.lead_time_days_mean,
        "service_target": targets,
        "service_metric": policy.service_metric,
        "reorder_point": points,
        "order_up_to": ends,
        "stock_value": None if cost is None else expected["stock_units"] * cost,
        **expected,
    }


def _table(blocks: Sequence[Block], contract: Contract) -> pa.Table:
    """Rows of blocks of columns, sorted; what is not a number is not known."""
    counts = [len(one["service_target"]) for one in blocks]
    arrays = []
    for field in contract.schema:
        values = list[Any]()
        for block, count in zip(blocks, counts, strict=True):
            own = block[field.name]
            values += own.tolist() if isinstance(own, np.ndarray) else [own] * count
        arrays.append(pa.array(values, field.type, from_pandas=True))
    table = pa.Table.from_arrays(arrays, schema=contract.schema)
    return check(table.sort_by([(key, "ascending") for key in contract.key]), contract)
