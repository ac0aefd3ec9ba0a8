"""One item: from its sample paths to the cells of its recommendation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.frequency import Frequency
from ml.inventory import labels, ordering, rows
from ml.inventory.cumulative import ItemPaths, demand_over, item_paths, sample_quantile
from ml.inventory.decisions import Decision, Situation, amount, decide
from ml.inventory.facts import DemandFacts
from ml.inventory.lead_times import draw_lead_times, protection_periods
from ml.inventory.policies import ItemPolicy
from ml.inventory.risk import Interval, days_of_cover, days_to_reorder, stockout_risk
from ml.inventory.stock import Stock
from ml.seeds import generator

EXCESS_DAYS = 180.0
EXCESS_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class ItemCase:
    """One item on its way to a row.

    Attributes:
        occasion: When and by which run.
        facts: Of its demand and model.
        policy: Its parameters.
        stock: Its stock, usable or not.
    """

    occasion: rows.Occasion
    facts: DemandFacts
    policy: ItemPolicy
    stock: Stock

    def row(self, mode: str, decision: Decision, extra_flags: Sequence[str] = ()) -> rows.Cells:
        """The cells that every row has, whatever could be computed."""
        flags = {*self.policy.flags, *self.stock.flags, *extra_flags}
        flags.update(labels.trust_flags(self.facts, self.policy))
        return {
            **rows.identity_cells(self.occasion, self.facts.item_id, self.stock.location_id),
            **rows.decision_cells(decision, mode),
            **rows.policy_cells(self.policy),
            **rows.position_cells(self.stock),
            **rows.trust_cells(self.facts, self.occasion, flags, mode),
        }


def recommend_item(case: ItemCase, demand: npt.NDArray[np.generic], seed: int) -> rows.Cells:
    """The cells of one item's row.

    Args:
        case: The item.
        demand: (S, H) sample paths of its demand.
        seed: Of the run; the item's id is added to it.
    """
    rng = generator(seed, "lead_time", case.facts.item_id)
    frequency = case.occasion.frequency
    needed, horizon = protection_periods(case.policy, frequency), demand.shape[1]
    if needed > horizon:
        text = f"Protection interval needs {needed} periods of forecast, there are {horizon}."
        decision = Decision("review", "horizon_too_short", text)
        return case.row("insufficient", decision, ["horizon_too_short"])
    longest = horizon * frequency.days - case.policy.review_period_days
    lead_days = draw_lead_times(case.policy, len(demand), rng, longest=longest)
    paths = item_paths(demand, rng)
    interval = _interval(paths, case.policy, lead_days / frequency.days, frequency)
    whole = paths.are_counts if case.facts.whole_units is None else case.facts.whole_units
    levels = ordering.policy_levels(
        interval.ordered, case.policy, demand_class=case.facts.demand_class, whole_units=whole
    )
    known = {
        **rows.demand_cells(interval),
        **rows.outlook_cells(paths, frequency.days),
        **rows.level_cells(levels),
    }
    if not case.stock.is_usable:
        return case.row("policy_only", _missing_stock(case, levels)) | known
    return known | _full_row(case, paths, interval, levels, whole_units=whole)


def _interval(
    paths: ItemPaths,
    policy: ItemPolicy,
    lead_periods: npt.NDArray[np.float64],
    frequency: Frequency,
) -> Interval:
    review = policy.review_period_days / frequency.days
    protected = demand_over(paths, np.minimum(lead_periods + review, paths.horizon))
    until_receipt = demand_over(paths, lead_periods)
    return Interval(lead_periods, until_receipt, protected, np.sort(protected))


def _missing_stock(case: ItemCase, levels: ordering.Levels) -> Decision:
    point = f"Reorder point {amount(levels.reorder_point)}, up to {amount(levels.order_up_to)}"
    if "stale_inventory_error" in case.stock.flags:
        text = f"Stock of {case.stock.snapshot_at:%Y-%m-%d} is too old for an order. {point}."
        return Decision("set_parameters", "stale_inventory", text)
    text = f"No counted stock with its date. {point}."
    return Decision("set_parameters", "parameter_missing", text)


def _full_row(
    case: ItemCase,
    paths: ItemPaths,
    interval: Interval,
    levels: ordering.Levels,
    *,
    whole_units: bool,
) -> rows.Cells:
    policy, stock, days = case.policy, case.stock, case.occasion.frequency.days
    order = ordering.size_order(levels, policy, stock.position, whole_units=whole_units)
    risk = stockout_risk(interval, stock, order.quantity)
    high = sample_quantile(np.sort(paths.cumulative[:, _excess_periods(paths, days)]), EXCESS_LEVEL)
    excess = ordering.excess_over_need(stock.position, levels, high)
    reorder_in = _reorder_in_days(case, paths, levels, order)
    decision = decide(
        Situation(
            policy=policy,
            facts=case.facts,
            stock=stock,
            levels=levels,
            order=order,
            risk=risk,
            excess=excess,
            reorder_in_days=reorder_in,
            expected_demand=float(interval.ordered.mean()),
        )
    )
    conflict = ["order_limits_conflict"] if ordering.limits_conflict(levels, policy) else []
    return {
        **case.row("full", decision, conflict),
        **rows.order_cells(order, policy, case.occasion),
        **rows.risk_cells(risk),
        **rows.cover_cells(days_of_cover(paths, interval, stock, days), case.occasion),
        "order_by_date": case.occasion.day_after(reorder_in),
        "priority_score": labels.priority_score(policy, risk.no_order),
        "score_basis": "risk_x_criticality",
        **_excess_cells(case, excess),
    }


def _excess_periods(paths: ItemPaths, days_a_period: float) -> int:
    return min(paths.horizon, max(1, round(EXCESS_DAYS / days_a_period)))


def _excess_cells(case: ItemCase, excess: float) -> rows.Cells:
    cost, occasion = case.policy.unit_cost, case.occasion
    idle = labels.months_between(case.facts.last_demand, occasion.decided_on)
    return {
        "excess_qty": excess,
        "excess_value": None if cost is None else excess * cost,
        "slob_class": labels.slob_class(
            case.policy, case.facts, excess=excess, idle_months=idle, days=occasion.frequency.days
        ),
    }


def _reorder_in_days(
    case: ItemCase, paths: ItemPaths, levels: ordering.Levels, order: ordering.Order
) -> float | None:
    if not case.policy.is_stocked:
        return None
    if order.net_requirement > 0.0:
        return 0.0
    return days_to_reorder(
        paths,
        case.stock.position - levels.reorder_point,
        case.occasion.frequency.days,
        at_level=levels.policy == "RsS",
    )
