"""Replenishment recommendations: from sample paths, policies and stock to the contract's rows.

A row is a dictionary of contract columns. Results whose fields bear the names of columns (levels,
order, risk, decision) fill them by themselves.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import check
from ml.contracts.recommendations import REASON_TEXT_LENGTH, RECOMMENDATIONS, join_flags
from ml.frequency import as_datetime
from ml.inventory import labels, ordering
from ml.inventory.decisions import Decision, Situation, amount, decide
from ml.inventory.item_case import ItemCase, OrderContext, high_demand, is_within_reach, own_steps
from ml.inventory.item_order import size_item
from ml.inventory.items import WHOLE_COMPANY, DemandSummary, ItemPolicy
from ml.inventory.lead_time_demand import (
    ItemPaths,
    LeadTimeDemand,
    mean_demand,
    protection_periods,
    sample_quantile,
)
from ml.inventory.risk import Risk, days_of_cover, days_to_reorder, stockout_risk
from ml.inventory.service import DAYS_A_YEAR
from ml.inventory.stock import Stock, read_stock

Cells = dict[str, Any]
LTD_LEVELS = (50, 80, 90, 95, 99)
RESULTS = (ItemPolicy, DemandSummary, Stock, Decision, ordering.Levels, ordering.Order, Risk)
FILLED_BY = {
    kind: tuple(name for name in RECOMMENDATIONS.names if hasattr(kind, name)) for kind in RESULTS
}
"""The columns that a result fills by itself: its fields and properties of that name."""


def recommend(
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    stock: pa.Table | None,
    context: OrderContext,
    *,
    open_orders: pa.Table | None = None,
) -> pa.Table:
    """Recommend for each item what to order, from its cumulative demand along sample paths.

    The lead time is drawn for each path from a gamma distribution; quantiles are taken of the
    demand over review period plus lead time, never of single periods, from the day of the decision
    on. Draws are seeded by ``settings.seed`` and the item's id alone, so chunks and order of the
    items change nothing. Paths that end before the protection interval, or before the half year
    that excess looks at, are continued, see :mod:`ml.inventory.horizon`; of drawn lead times the
    longest 1 % are clipped. A protection interval of over five years gives no quantities.

    Of N items, each once, in the order of their histories, ``paths`` are (S, H) of demand after
    ``as_of``, finite and >= 0. ``stock`` is a table in the ``inventory`` contract, without which
    there are policies only, no quantities; that of ``open_orders`` may lack, too. There is one row
    of RECOMMENDATIONS an item, sorted by key, without ``priority_rank``: see :func:`rank`.

    Raises:
        ValueError: Arguments that do not fit each other, or paths that are no demand.
    """
    _check_arguments(paths, histories, policies)
    wanted = [policies[one.item_id] for one in histories]
    stocks = read_stock(stock, open_orders, wanted, context.decision_day)
    cases = (
        ItemCase(context, policy, history, stocks[history.item_id])
        for policy, history in zip(wanted, histories, strict=True)
    )
    return recommend_cases(zip(cases, paths, strict=True))


def recommend_cases(cases: Iterable[tuple[ItemCase, npt.NDArray[np.generic]]]) -> pa.Table:
    """The same for cases, each with the (S, H) sample paths of its demand."""
    return _table([fill_row(case, demand) for case, demand in cases])


def insufficient(
    reasons: Mapping[str, str],
    policies: Mapping[str, ItemPolicy],
    context: OrderContext,
) -> pa.Table:
    """Rows of mode ``insufficient``, sorted by key, for the items that were refused a forecast.

    ``reasons`` say why, in words, by item. The policies are echoed; an item without one has none.
    """
    rows = []
    for item, reason in reasons.items():
        policy = policies.get(item)
        flags = [*(policy.flags if policy else ()), "no_forecast"]
        row = _policy_cells(policy) if policy else {}
        row |= _identity(context, item, WHOLE_COMPANY)
        row |= _decision_cells(Decision("review", "no_forecast", reason), "insufficient")
        rows.append(row | {"confidence": "low", "quality_flags": join_flags(flags)})
    return _table(rows)


def rank(table: pa.Table) -> pa.Table:
    """Fill ``priority_rank`` of a run: 1 for the highest score, ties by item; no score, no rank.

    Rows of single locations have none: they say of the same demand where it is.
    """
    keys = [("score", "descending"), *((key, "ascending") for key in RECOMMENDATIONS.key)]
    whole = pc.equal(table["location_id"], WHOLE_COMPANY)
    scores = pc.if_else(whole, table["priority_score"], pa.scalar(None, pa.float64()))
    # Rows without score come last.
    order = pc.sort_indices(table.append_column("score", scores), sort_keys=keys).to_numpy()
    ranks = np.empty(table.num_rows, dtype=np.int64)
    ranks[order] = np.arange(1, table.num_rows + 1)
    unscored = pc.is_null(scores).to_numpy()
    place = table.schema.get_field_index("priority_rank")
    filled = pa.array(ranks, pa.int64(), mask=unscored)
    return table.set_column(place, RECOMMENDATIONS.schema.field("priority_rank"), filled)


def _check_arguments(
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
) -> None:
    items = [one.item_id for one in histories]
    if len(paths) != len(items):
        raise ValueError(f"{len(items)} items have {len(paths)} sets of paths")
    wrong = [one.shape for one in paths if one.ndim != 2 or not one.size]
    if wrong:
        raise ValueError(f"paths must be (S, H) with S, H >= 1, got {wrong[0]}")
    if len(set(items)) < len(items):
        raise ValueError(f"each item once: {len(items)} histories of {len(set(items))} items")
    lacking = [item for item in items if item not in policies]
    if lacking:
        raise ValueError(
            f"no policy for {len(lacking)} of {len(items)} items, first {lacking[0]!r}"
        )
    if not all(np.isfinite(one).all() and one.min() >= 0 for one in paths):
        raise ValueError("paths must be finite and not negative: they are demand")


def _table(rows: Sequence[Cells]) -> pa.Table:
    unknown = {name for row in rows for name in row} - set(RECOMMENDATIONS.names)
    if unknown:
        raise ValueError(f"not columns of the contract: {sorted(unknown)}")
    table = pa.Table.from_pylist(
        [dict.fromkeys(RECOMMENDATIONS.names) | row for row in rows], RECOMMENDATIONS.schema
    )
    keys = [(key, "ascending") for key in RECOMMENDATIONS.key]
    return check(table.sort_by(keys), RECOMMENDATIONS)


def fill_row(case: ItemCase, demand: npt.NDArray[np.generic]) -> Cells:
    """The cells of one item's row, from the (S, H) sample paths of its demand."""
    policy, context = case.policy, case.context
    demand = demand[:, : own_steps(policy, context, demand.shape[1])]
    needed = protection_periods(policy, context.frequency)
    if not is_within_reach(policy, context):
        what = "lead time" if policy.extra_days <= 0.0 else "needed_until or lead time"
        text = f"Protection interval of {needed * case.days:.0f} days: correct its {what}."
        decision = Decision("review", "horizon_too_short", text)
        return _common_cells(case, "insufficient", decision, ["horizon_too_short"])
    is_extended = needed + context.offset > demand.shape[1]
    sized = size_item(case, demand)
    case, levels = sized.case, sized.levels
    cells = _demand_cells(sized.paths, sized.needs, case.days) | _columns_of(levels)
    cells |= _yearly_cells(sized.paths, case)
    if levels.uncut is not None and levels.uncut.reorder_point > levels.order_up_to:
        case = replace(case, flags=("shelf_life_below_need",))
    if is_extended:
        cells["ltd_method"] = "extended_paths"
        case = replace(case, flags=(*case.flags, "extended_beyond_forecast"))
    if sized.order is None:
        return cells | _common_cells(case, "policy_only", _ask_for_stock(case, levels))
    return cells | _stock_cells(case, sized.paths, sized.needs, levels, sized.order)


def _ask_for_stock(case: ItemCase, levels: ordering.Levels) -> Decision:
    point = f"Reorder point {amount(levels.reorder_point)}, up to {amount(levels.order_up_to)}"
    if "stale_inventory_error" in case.stock.flags:
        text = f"Stock of {case.stock.snapshot_at:%Y-%m-%d} is too old for an order. {point}."
        return Decision("set_parameters", "stale_inventory", text)
    text = f"No counted stock with its date. {point}."
    return Decision("set_parameters", "parameter_missing", text)


def _stock_cells(
    case: ItemCase,
    paths: ItemPaths,
    needs: LeadTimeDemand,
    levels: ordering.Levels,
    order: ordering.Order,
) -> Cells:
    """The cells that take usable stock: order, risk, cover, excess and the decision."""
    policy, stock, days = case.policy, case.stock, case.days
    risk = stockout_risk(paths, needs, stock, order.order_qty, days)
    excess = ordering.excess_over_need(stock.position, levels, high_demand(paths, days))
    reorder_in = 0.0 if order.net_requirement_qty > 0.0 else None
    if policy.is_stocked and reorder_in is None:
        slack = stock.position_within(policy.protection_days) - levels.reorder_point
        at_level = levels.order_up_to > levels.reorder_point
        reorder_in = days_to_reorder(paths, slack, days, at_level=at_level)
    expected = float(needs.ordered.mean())
    situation = Situation(
        policy, case.history, stock, levels, order, risk, excess, reorder_in, expected
    )
    arrival = math.ceil(policy.lead_time_days_mean) - 1 if order.order_qty > 0.0 else None
    return {
        **_common_cells(case, "full", decide(situation), _decision_flags(situation)),
        **_columns_of(order, risk),
        **_cover_cells(case, *days_of_cover(paths, needs, stock, days), paths.horizon * days),
        "order_by_date": case.day_after(reorder_in),
        "expected_receipt_date": case.day_after(arrival),
        "order_value": _value(order.order_qty, policy),
        "currency": policy.currency,
        "priority_score": labels.priority_score(policy, risk.p_stockout_no_order),
        "score_basis": "risk_x_criticality",
        "excess_qty": excess,
        "excess_value": _value(excess, policy),
        "slob_class": labels.slob_class(
            policy, case.history, excess=excess, idle_months=case.idle_months, days=days
        ),
    }


def _decision_flags(situation: Situation) -> list[str]:
    found = {
        "order_limits_conflict": ordering.limits_conflict(situation.levels, situation.policy),
        "insurance_undecided": situation.is_undecided,
    }
    return [flag for flag, is_so in found.items() if is_so]


def _columns_of(*results: Any) -> Cells:
    """What results have under the name of a column."""
    return {name: getattr(one, name) for one in results for name in FILLED_BY[type(one)]}


def _common_cells(
    case: ItemCase, mode: str, decision: Decision, extra_flags: Sequence[str] = ()
) -> Cells:
    """The cells that every row has, whatever could be computed."""
    history, policy, stock = case.history, case.policy, case.stock
    flags = {
        *policy.flags,
        *stock.flags,
        *case.flags,
        *extra_flags,
        *labels.trust_flags(history, policy),
    }
    return {
        **_identity(case.context, history.item_id, stock.location_id),
        **_decision_cells(decision, mode),
        **_policy_cells(policy),
        **_position_cells(stock, case.context.decision_day),
        **_columns_of(history),
        "adi": _finite(history.adi),
        "cv2": _finite(history.cv2),
        "months_since_demand": case.idle_months,
        "confidence": labels.confidence(history, flags, mode),
        "quality_flags": join_flags(flags),
    }


def _identity(context: OrderContext, item_id: str, location_id: str) -> Cells:
    return {
        "run_id": context.run_id,
        "item_id": item_id,
        "location_id": location_id,
        "as_of": as_datetime(context.as_of),
        "data_cutoff": as_datetime(context.cutoff),
        "decision_day": as_datetime(context.decision_day),
        "frequency": context.frequency.value,
    }


def _decision_cells(decision: Decision, mode: str) -> Cells:
    text = decision.reason_text[:REASON_TEXT_LENGTH]
    return _columns_of(decision) | {"mode": mode, "reason_text": text}


def _policy_cells(policy: ItemPolicy) -> Cells:
    """The parameters, so that a row explains itself; the currency belongs to amounts."""
    return _columns_of(policy) | {
        "currency": None if policy.unit_cost is None else policy.currency,
        "max_stock": policy.max_stock if math.isfinite(policy.max_stock) else None,
        "item_status": policy.status,
        "successor_item_id": policy.successor,
    }


def _position_cells(stock: Stock, decided_on: np.datetime64) -> Cells:
    """The stock as counted, usable or not, and what becomes of it until the decision."""
    counted = {"inventory_snapshot_at": stock.snapshot_at, "on_order": stock.on_order}
    if stock.on_hand is None:
        return counted
    position = {"on_order": stock.on_order or 0.0, "inventory_position": stock.position}
    if stock.due:
        first = decided_on + np.timedelta64(int(stock.due[0][0]), "D")
        position["next_receipt_date"] = as_datetime(first)
    return counted | _columns_of(stock) | position


def _demand_cells(paths: ItemPaths, needs: LeadTimeDemand, days_a_period: float) -> Cells:
    """Demand over the protection interval, and of the next days as far as the horizon reaches."""
    ordered = needs.ordered
    quantiles = {f"ltd_p{q}": sample_quantile(ordered, q / 100) for q in LTD_LEVELS}
    return quantiles | {
        "demand_next_30d_mean": mean_demand(paths, 30 / days_a_period),
        "demand_next_90d_mean": mean_demand(paths, 90 / days_a_period),
        "ltd_mean": float(ordered.mean()),
        "ltd_std": float(ordered.std()),
        "ltd_p_zero": float((ordered == 0.0).mean()),
        "xyz_class": labels.xyz_class(float(ordered.mean()), float(ordered.std())),
        "ltd_method": "sample_paths",
    }


def _yearly_cells(paths: ItemPaths, case: ItemCase) -> Cells:
    """Value of a year's demand at the rate that the paths come to within a year."""
    if case.policy.unit_cost is None:
        return {}
    year = DAYS_A_YEAR / case.days
    seen = min(float(paths.horizon), year)
    demand = (mean_demand(paths, seen) or 0.0) / seen * year
    return {"yearly_value": _value(demand, case.policy)}


def _cover_cells(case: ItemCase, median: float, low: float, end: float) -> Cells:
    """Days until short, capped at the end of the forecast, and the urgency that follows."""
    shown = min(median, end)
    return {
        "days_of_cover_p50": shown,
        "days_of_cover_p10": min(low, end),
        "stockout_date_p50": case.day_after(median),
        "stockout_date_p10": case.day_after(low),
        "cover_censored": math.isinf(median),
        "days_to_rupture": shown,
        "alert_level": labels.alert_level(shown, is_capped=math.isinf(median)),
    }


def _value(quantity: float, policy: ItemPolicy) -> float | None:
    return None if policy.unit_cost is None else quantity * policy.unit_cost


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
