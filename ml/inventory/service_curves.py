"""What a point of service costs: levels of each item by target and lead time, from its paths.

All lead times are drawn with the ranks of the item's own, so that a longer one is longer on every
path, and of one sample of demand each target is a point: curves never turn back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.contracts.base import Contract, check
from ml.contracts.service_curves import (
    LEAD_TIME_FACTORS,
    LEAD_TIMES,
    POLICY_GRID,
    SERVICE_CURVES,
    TARGETS,
)
from ml.inventory import ordering
from ml.inventory.item_case import (
    ItemCase,
    OrderContext,
    as_datetime,
    is_whole,
    is_within_reach,
    own_steps,
    vary_lead_time,
)
from ml.inventory.items import WHOLE_COMPANY, DemandSummary, ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand
from ml.inventory.stock import Stock


@dataclass(frozen=True, slots=True)
class LevelOutcome:
    """What a position filled up to one level at each review leads to; fields are columns."""

    stock_units: float  # mean stock between two receipts
    p_stockout: float  # chance to be short within an interval
    fill_rate: float | None  # share of units served at once; `None` without demand
    expected_backorder_units: float  # mean units owed at an interval's end


def expect_outcome(needs: LeadTimeDemand, level: float) -> LevelOutcome:
    """What to expect of a level, from (S,) demands until a receipt and until the next one.

    Stock falls from what is left at a receipt to what is left before the next one; its mean is
    taken as that of the two.
    """
    first, last = level - needs.until_receipt, level - needs.protected
    owed = np.maximum(-last, 0.0)
    asked = float((needs.protected - needs.until_receipt).mean())
    late = float((owed - np.maximum(-first, 0.0)).mean())
    stock = (np.maximum(first, 0.0) + np.maximum(last, 0.0)) / 2.0
    return LevelOutcome(
        stock_units=float(stock.mean()),
        p_stockout=float((last < 0.0).mean()),
        fill_rate=None if asked == 0.0 else min(max(1.0 - late / asked, 0.0), 1.0),
        expected_backorder_units=float(owed.mean()),
    )


def draw_service_curves(
    paths: npt.NDArray[np.generic],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    context: OrderContext,
) -> pa.Table:
    """Rows of SERVICE_CURVES of stocked items: four lead times by nine targets each.

    ``paths`` are (N, S, H), in the order of ``histories``. Items that are not stocked, or whose
    protection interval is beyond all reach, have no rows.
    """
    rows = []
    for case, demand in _stocked_cases(paths, histories, policies, context):
        scaled = [_with_lead_time(case.policy, factor=one) for one in LEAD_TIME_FACTORS]
        known, needs = vary_lead_time(case, demand, scaled)
        whole = is_whole(case, known)
        for factor, policy, need in zip(LEAD_TIME_FACTORS, scaled, needs, strict=True):
            for target in TARGETS:
                aimed = replace(policy, service_target=target)
                cells = _cells_of(replace(case, policy=aimed), need, whole_units=whole)
                rows.append(cells | {"lead_time_factor": factor})
    return _table(rows, SERVICE_CURVES)


def draw_policy_grid(
    paths: npt.NDArray[np.generic],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    context: OrderContext,
) -> pa.Table:
    """Rows of POLICY_GRID of stocked items: levels at their target for five lead times each."""
    rows = []
    for case, demand in _stocked_cases(paths, histories, policies, context):
        mean = case.policy.lead_time_days_mean
        supposed = [_with_lead_time(case.policy, factor=days / mean) for days in LEAD_TIMES]
        known, needs = vary_lead_time(case, demand, supposed)
        whole = is_whole(case, known)
        for days, policy, need in zip(LEAD_TIMES, supposed, needs, strict=True):
            cells = _cells_of(replace(case, policy=policy), need, whole_units=whole)
            rows.append(cells | {"lead_time_days_mean": days})
    return _table(rows, POLICY_GRID)


def _stocked_cases(
    paths: npt.NDArray[np.generic],
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


def _with_lead_time(policy: ItemPolicy, *, factor: float) -> ItemPolicy:
    mean, std = policy.lead_time_days_mean * factor, policy.lead_time_days_std * factor
    return replace(policy, lead_time_days_mean=mean, lead_time_days_std=std)


def _cells_of(case: ItemCase, needs: LeadTimeDemand, *, whole_units: bool) -> dict[str, object]:
    policy, context = case.policy, case.context
    levels = ordering.policy_levels(
        needs, policy, demand_class=case.history.demand_class, whole_units=whole_units
    )
    outcome = expect_outcome(needs, levels.reorder_point)
    value = None if policy.unit_cost is None else outcome.stock_units * policy.unit_cost
    return {
        "run_id": context.run_id,
        "item_id": policy.item_id,
        "location_id": WHOLE_COMPANY,
        "as_of": as_datetime(context.as_of),
        "lead_time_days_mean": policy.lead_time_days_mean,
        "service_target": policy.service_target,
        "service_metric": policy.service_metric,
        "reorder_point": levels.reorder_point,
        "order_up_to": levels.order_up_to,
        "stock_value": value,
        "currency": None if value is None else policy.currency,
        **{one.name: getattr(outcome, one.name) for one in fields(outcome)},
    }


def _table(rows: list[dict[str, object]], contract: Contract) -> pa.Table:
    table = pa.Table.from_pylist(rows, contract.schema)
    return check(table.sort_by([(key, "ascending") for key in contract.key]), contract)
