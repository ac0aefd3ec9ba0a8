"""Replenishment recommendations: from sample paths, policies and stock to the contract's rows.

A row is a dictionary of contract columns. Results whose fields bear the names of columns (levels,
order, risk, decision) fill them by themselves.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import check
from ml.contracts.recommendations import REASON_TEXT_LENGTH, RECOMMENDATIONS, join_flags
from ml.frequency import Frequency, period_end
from ml.inventory import labels, ordering
from ml.inventory.decisions import Decision, Situation, amount, decide
from ml.inventory.items import WHOLE_COMPANY, DemandSummary, ItemPolicy, Stock, read_stock
from ml.inventory.lead_time_demand import (
    ItemPaths,
    LeadTimeDemand,
    demand_over_lead_time,
    draw_lead_times,
    mean_demand,
    prepare_paths,
    protection_periods,
    sample_quantile,
)
from ml.inventory.risk import Risk, days_of_cover, days_to_reorder, stockout_risk
from ml.seeds import generator
from ml.settings import PolicySettings

Cells = dict[str, Any]
LTD_LEVELS = (50, 80, 90, 95, 99)
EXCESS_DAYS = 180.0
EXCESS_LEVEL = 0.95
RESULTS = (ItemPolicy, DemandSummary, Stock, Decision, ordering.Levels, ordering.Order, Risk)
FILLED_BY = {
    kind: tuple(name for name in RECOMMENDATIONS.names if hasattr(kind, name)) for kind in RESULTS
}
"""The columns that a result fills by itself: its fields and properties of that name."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One item on its way to a row."""

    run_id: str  # the run
    as_of: np.datetime64  # start of the last period that the forecast saw
    frequency: Frequency  # of the panel
    policy: ItemPolicy  # the item's parameters
    history: DemandSummary  # its demand so far, and the model behind its paths
    stock: Stock  # its stock, usable or not

    @property
    def decided_on(self) -> np.datetime64:
        """Last day of the period ``as_of``; the paths begin on the day after."""
        return _last_day(self.as_of, self.frequency)

    @property
    def idle_months(self) -> float | None:
        """Months since the last demand; ``None`` = never any."""
        return labels.months_between(self.history.last_demand, self.decided_on)

    def day_after(self, days: float | None) -> Any:
        """The day in which so many days from now fall; the first day is 0.0 up to below 1.0."""
        if days is None or math.isinf(days):
            return None
        return _moment(self.decided_on + 1 + math.floor(days))


def recommend(
    paths: npt.NDArray[np.generic],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
    stock: pa.Table | None,
    *,
    frequency: Frequency,
    as_of: np.datetime64,
    run_id: str,
    settings: PolicySettings,
) -> pa.Table:
    """Recommend for each item what to order, from its cumulative demand along sample paths.

    The lead time is drawn for each path from a gamma distribution; quantiles are taken of the
    demand over review period plus lead time, never of single periods. Draws are seeded by
    ``settings.seed`` and the item's id alone, so chunks and order of the items change nothing.
    Lead times beyond the end of the forecast are clipped there, at most the longest 1 %; an item
    whose protection interval needs more periods than H gets a row without quantities.

    Args:
        paths: (N, S, H) sample paths of demand per period after ``as_of``, finite, >= 0.
        histories: N summaries, in the order of the paths, each item once.
        policies: Parameters of each item, see :func:`ml.inventory.items.resolve_policies`.
        stock: Table in the ``inventory`` contract; ``None`` = policies only, no quantities.
        frequency: Of the periods.
        as_of: Start of the last period that the forecast saw.
        run_id: Names the run.
        settings: Where the seed comes from.

    Returns:
        One row an item in the ``recommendations`` contract, sorted by its key, without
        ``priority_rank``: see :func:`rank`.

    Raises:
        ValueError: Arguments that do not fit each other, or paths that are no demand.
    """
    _check_arguments(paths, histories, policies)
    wanted = [policies[one.item_id] for one in histories]
    stocks = read_stock(stock, wanted, _last_day(as_of, frequency))
    cases = [
        _Case(run_id, as_of, frequency, policy, history, stocks[history.item_id])
        for history, policy in zip(histories, wanted, strict=True)
    ]
    return _table(
        [_fill_row(case, demand, settings.seed) for case, demand in zip(cases, paths, strict=True)]
    )


def insufficient(
    reasons: Mapping[str, str],
    policies: Mapping[str, ItemPolicy],
    *,
    frequency: Frequency,
    as_of: np.datetime64,
    run_id: str,
) -> pa.Table:
    """Rows of mode ``insufficient``, sorted by key, for the items that were refused a forecast.

    ``reasons`` say why, in words, by item. The policies are echoed; an item without one has none.
    """
    rows = []
    for item, reason in reasons.items():
        policy = policies.get(item)
        flags = [*(policy.flags if policy else ()), "no_forecast"]
        row = _policy_cells(policy) if policy else {}
        row |= _identity(run_id, as_of, frequency, item, WHOLE_COMPANY)
        row |= _decision_cells(Decision("review", "no_forecast", reason), "insufficient")
        rows.append(row | {"confidence": "low", "quality_flags": join_flags(flags)})
    return _table(rows)


def rank(table: pa.Table) -> pa.Table:
    """Fill ``priority_rank`` of a run: 1 for the highest score, ties by item; no score, no rank."""
    keys = [("priority_score", "descending"), *((key, "ascending") for key in RECOMMENDATIONS.key)]
    order = pc.sort_indices(table, sort_keys=keys).to_numpy()  # rows without score come last
    ranks = np.empty(table.num_rows, dtype=np.int64)
    ranks[order] = np.arange(1, table.num_rows + 1)
    unscored = pc.is_null(table["priority_score"]).to_numpy()
    place = table.schema.get_field_index("priority_rank")
    filled = pa.array(ranks, pa.int64(), mask=unscored)
    return table.set_column(place, RECOMMENDATIONS.schema.field("priority_rank"), filled)


def _check_arguments(
    paths: npt.NDArray[np.generic],
    histories: Sequence[DemandSummary],
    policies: Mapping[str, ItemPolicy],
) -> None:
    items = [one.item_id for one in histories]
    if paths.ndim != 3 or len(paths) != len(items) or 0 in paths.shape[1:]:
        raise ValueError(f"paths must be ({len(items)}, S, H) with S, H >= 1, got {paths.shape}")
    if len(set(items)) < len(items):
        raise ValueError(f"each item once: {len(items)} histories of {len(set(items))} items")
    lacking = [item for item in items if item not in policies]
    if lacking:
        raise ValueError(
            f"no policy for {len(lacking)} of {len(items)} items, first {lacking[0]!r}"
        )
    if paths.size and not (np.isfinite(paths).all() and paths.min() >= 0):
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


def _fill_row(case: _Case, demand: npt.NDArray[np.generic], seed: int) -> Cells:
    """The cells of one item's row, from the (S, H) sample paths of its demand."""
    policy, frequency = case.policy, case.frequency
    rng = generator(seed, "lead_time", policy.item_id)
    needed, horizon = protection_periods(policy, frequency), demand.shape[1]
    if needed > horizon:
        text = f"Protection interval needs {needed} periods of forecast, there are {horizon}."
        decision = Decision("review", "horizon_too_short", text)
        return _common_cells(case, "insufficient", decision, ["horizon_too_short"])
    longest = horizon * frequency.days - policy.review_period_days
    lead_days = draw_lead_times(policy, len(demand), rng, longest=longest)
    paths = prepare_paths(demand, rng)
    needs = demand_over_lead_time(paths, policy, lead_days / frequency.days, frequency)
    whole = case.history.whole_units
    whole = paths.are_counts if whole is None else whole
    levels = ordering.policy_levels(
        needs.ordered, policy, demand_class=case.history.demand_class, whole_units=whole
    )
    cells = _demand_cells(paths, needs, frequency.days) | _columns_of(levels)
    if not case.stock.is_usable:
        return cells | _common_cells(case, "policy_only", _ask_for_stock(case, levels))
    order = ordering.size_order(levels, policy, case.stock.position, whole_units=whole)
    return cells | _stock_cells(case, paths, needs, levels, order)


def _ask_for_stock(case: _Case, levels: ordering.Levels) -> Decision:
    point = f"Reorder point {amount(levels.reorder_point)}, up to {amount(levels.order_up_to)}"
    if "stale_inventory_error" in case.stock.flags:
        text = f"Stock of {case.stock.snapshot_at:%Y-%m-%d} is too old for an order. {point}."
        return Decision("set_parameters", "stale_inventory", text)
    text = f"No counted stock with its date. {point}."
    return Decision("set_parameters", "parameter_missing", text)


def _stock_cells(
    case: _Case,
    paths: ItemPaths,
    needs: LeadTimeDemand,
    levels: ordering.Levels,
    order: ordering.Order,
) -> Cells:
    """The cells that take usable stock: order, risk, cover, excess and the decision."""
    policy, stock, days = case.policy, case.stock, case.frequency.days
    risk = stockout_risk(needs, stock, order.order_qty)
    months = min(paths.horizon, max(1, round(EXCESS_DAYS / days)))
    high = sample_quantile(np.sort(paths.cumulative[:, months]), EXCESS_LEVEL)
    excess = ordering.excess_over_need(stock.position, levels, high)
    reorder_in = 0.0 if order.net_requirement_qty > 0.0 else None
    if policy.is_stocked and reorder_in is None:
        slack = stock.position - levels.reorder_point
        reorder_in = days_to_reorder(paths, slack, days, at_level=levels.policy == "RsS")
    expected = float(needs.ordered.mean())
    situation = Situation(
        policy, case.history, stock, levels, order, risk, excess, reorder_in, expected
    )
    conflict = ["order_limits_conflict"] if ordering.limits_conflict(levels, policy) else []
    arrival = math.ceil(policy.lead_time_days_mean) - 1 if order.order_qty > 0.0 else None
    return {
        **_common_cells(case, "full", decide(situation), conflict),
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


def _columns_of(*results: Any) -> Cells:
    """What results have under the name of a column."""
    return {name: getattr(one, name) for one in results for name in FILLED_BY[type(one)]}


def _common_cells(
    case: _Case, mode: str, decision: Decision, extra_flags: Sequence[str] = ()
) -> Cells:
    """The cells that every row has, whatever could be computed."""
    history, policy, stock = case.history, case.policy, case.stock
    flags = {*policy.flags, *stock.flags, *extra_flags, *labels.trust_flags(history, policy)}
    return {
        **_identity(case.run_id, case.as_of, case.frequency, history.item_id, stock.location_id),
        **_decision_cells(decision, mode),
        **_policy_cells(policy),
        **_position_cells(stock),
        **_columns_of(history),
        "adi": _finite(history.adi),
        "cv2": _finite(history.cv2),
        "months_since_demand": case.idle_months,
        "confidence": labels.confidence(history, flags, mode),
        "quality_flags": join_flags(flags),
    }


def _identity(
    run_id: str, as_of: np.datetime64, frequency: Frequency, item_id: str, location_id: str
) -> Cells:
    return {
        "run_id": run_id,
        "item_id": item_id,
        "location_id": location_id,
        "as_of": _moment(as_of),
        "data_cutoff": _moment(_last_day(as_of, frequency)),
        "frequency": frequency.value,
    }


def _decision_cells(decision: Decision, mode: str) -> Cells:
    text = decision.reason_text[:REASON_TEXT_LENGTH]
    return _columns_of(decision) | {"mode": mode, "reason_text": text}


def _policy_cells(policy: ItemPolicy) -> Cells:
    """The parameters, so that a row explains itself; the currency belongs to amounts."""
    return _columns_of(policy) | {
        "currency": None,
        "service_metric": "csl",
        "tau_nominal": policy.service_target,
        "item_status": policy.status,
    }


def _position_cells(stock: Stock) -> Cells:
    """The stock as counted, usable or not."""
    counted = {"inventory_snapshot_at": stock.snapshot_at, "on_order": stock.on_order}
    if stock.on_hand is None:
        return counted
    position = {"on_order": stock.arriving, "inventory_position": stock.position}
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
        "ltd_method": "sample_paths",
    }


def _cover_cells(case: _Case, median: float, low: float, end: float) -> Cells:
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


def _last_day(as_of: np.datetime64, frequency: Frequency) -> np.datetime64:
    return period_end(as_of.astype("datetime64[D]"), frequency)


def _moment(day: np.datetime64) -> Any:
    return day.astype("datetime64[us]").item()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
