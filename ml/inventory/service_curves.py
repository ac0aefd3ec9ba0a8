"""What a point of service costs: levels of each item by target and lead time, from its paths.

All lead times are drawn with the ranks of the item's own, so that a longer one is longer on every
path, and of one sample of demand each target is a point: curves never turn back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

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
from ml.inventory.lead_time_demand import LeadTimeDemand, mean_above
from ml.inventory.stock import Stock
from ml.panel import Floats


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
    rows = []
    for case, demand in _stocked_cases(paths, histories, policies, context):
        scaled = [_with_lead_time(case.policy, factor=one) for one in LEAD_TIME_FACTORS]
        known, needs = vary_lead_time(case, demand, scaled)
        whole = is_whole(case, known)
        for factor, policy, need in zip(LEAD_TIME_FACTORS, scaled, needs, strict=True):
            aimed = [replace(policy, service_target=target) for target in TARGETS]
            found = _rows_of(case, aimed, need, whole_units=whole)
            rows += [row | {"lead_time_factor": factor} for row in found]
    return _table(rows, SERVICE_CURVES)


def draw_policy_grid(
    paths: Sequence[npt.NDArray[np.generic]],
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
            (row,) = _rows_of(case, [policy], need, whole_units=whole)
            rows.append(row | {"lead_time_days_mean": days})
    return _table(rows, POLICY_GRID)


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


def _with_lead_time(policy: ItemPolicy, *, factor: float) -> ItemPolicy:
    mean, std = policy.lead_time_days_mean * factor, policy.lead_time_days_std * factor
    sample = tuple(days * factor for days in policy.lead_time_sample)
    return replace(
        policy, lead_time_days_mean=mean, lead_time_days_std=std, lead_time_sample=sample
    )


def _rows_of(
    case: ItemCase, policies: Sequence[ItemPolicy], needs: LeadTimeDemand, *, whole_units: bool
) -> list[dict[str, object]]:
    """A row for each of several policies of one item and lead time."""
    levels = [
        ordering.policy_levels(
            needs, one, demand_class=case.history.demand_class, whole_units=whole_units
        )
        for one in policies
    ]
    expected = expect_outcomes(needs, np.array([one.reorder_point for one in levels]))
    outcomes = {
        name: [None if np.isnan(value) else value for value in values.tolist()]
        for name, values in expected.items()
    }
    cost = case.policy.unit_cost
    constant = {
        "run_id": case.context.run_id,
        "item_id": case.policy.item_id,
        "location_id": WHOLE_COMPANY,
        "as_of": as_datetime(case.context.as_of),
        "currency": None if cost is None else case.policy.currency,
    }
    return [
        constant
        | {
            "lead_time_days_mean": policy.lead_time_days_mean,
            "service_target": policy.service_target,
            "service_metric": policy.service_metric,
            "reorder_point": level.reorder_point,
            "order_up_to": level.order_up_to,
            "stock_value": None if cost is None else float(expected["stock_units"][place]) * cost,
            **{name: values[place] for name, values in outcomes.items()},
        }
        for place, (policy, level) in enumerate(zip(policies, levels, strict=True))
    ]


def _table(rows: list[dict[str, object]], contract: Contract) -> pa.Table:
    table = pa.Table.from_pylist(rows, contract.schema)
    return check(table.sort_by([(key, "ascending") for key in contract.key]), contract)
