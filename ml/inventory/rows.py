"""The parts of a recommendation row, each a dictionary of contract columns."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.contracts.recommendations import REASON_TEXT_LENGTH, join_flags
from ml.frequency import Frequency, period_end
from ml.inventory.cumulative import ItemPaths, mean_demand, sample_quantile
from ml.inventory.decisions import Decision
from ml.inventory.facts import DemandFacts
from ml.inventory.labels import alert_level, confidence, months_between
from ml.inventory.ordering import Levels, Order
from ml.inventory.policies import ItemPolicy
from ml.inventory.risk import Cover, Interval, Risk
from ml.inventory.stock import Stock

Cells = dict[str, Any]
LTD_LEVELS = (50, 80, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Occasion:
    """When and by which run the recommendations are made.

    Attributes:
        run_id: The run.
        as_of: Start of the last period that the forecast saw.
        frequency: Of the panel.
    """

    run_id: str
    as_of: np.datetime64
    frequency: Frequency

    @property
    def decided_on(self) -> np.datetime64:
        """Last day of the period ``as_of``; the paths begin on the day after."""
        return period_end(self.as_of.astype("datetime64[D]"), self.frequency)

    def day_after(self, days: float | None) -> Any:
        """The day in which so many days from now fall; the first day is 0.0 up to below 1.0."""
        return None if days is None else _moment(self.decided_on + 1 + math.floor(days))


def _moment(day: np.datetime64) -> Any:
    return day.astype("datetime64[us]").item()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def identity_cells(occasion: Occasion, item_id: str, location_id: str) -> Cells:
    """Which row it is."""
    return {
        "run_id": occasion.run_id,
        "item_id": item_id,
        "location_id": location_id,
        "as_of": _moment(occasion.as_of),
        "data_cutoff": _moment(occasion.decided_on),
        "frequency": occasion.frequency.value,
    }


def decision_cells(decision: Decision, mode: str) -> Cells:
    """What to do and why."""
    return {
        "mode": mode,
        "action": decision.action,
        "reason_code": decision.reason_code,
        "reason_text": decision.reason_text[:REASON_TEXT_LENGTH],
    }


def policy_cells(policy: ItemPolicy) -> Cells:
    """The parameters, so that a row explains itself."""
    return {
        "review_period_days": policy.review_period_days,
        "lead_time_days_mean": policy.lead_time_days_mean,
        "lead_time_days_std": policy.lead_time_days_std,
        "protection_days": policy.protection_days,
        "service_metric": "csl",
        "service_target": policy.service_target,
        "target_source": policy.target_source,
        "tau_nominal": policy.service_target,
        "criticality": policy.criticality,
        "item_status": policy.status,
    }


def position_cells(stock: Stock) -> Cells:
    """The stock as counted, usable or not."""
    cells: Cells = {"inventory_snapshot_at": stock.snapshot_at, "on_order": stock.on_order}
    if stock.on_hand is None:
        return cells
    return cells | {
        "on_hand": stock.on_hand,
        "on_order": stock.arriving,
        "backorders": stock.backorders,
        "reserved": stock.reserved,
        "inventory_position": stock.position,
    }


def trust_cells(facts: DemandFacts, occasion: Occasion, flags: set[str], mode: str) -> Cells:
    """Class of the demand, and how far the row can be relied on."""
    return {
        "demand_class": facts.demand_class,
        "adi": _finite(facts.adi),
        "cv2": _finite(facts.cv2),
        "months_since_demand": months_between(facts.last_demand, occasion.decided_on),
        "model_id": facts.model_id,
        "model_role": facts.model_role,
        "n_obs": facts.n_obs,
        "n_nonzero": facts.n_nonzero,
        "backtest_csl": facts.backtest_csl,
        "backtest_n": facts.backtest_n,
        "confidence": confidence(facts, flags, mode),
        "quality_flags": join_flags(flags),
    }


def demand_cells(interval: Interval) -> Cells:
    """Cumulative demand over the protection interval."""
    ordered = interval.ordered
    quantiles = {f"ltd_p{q}": sample_quantile(ordered, q / 100) for q in LTD_LEVELS}
    return quantiles | {
        "ltd_mean": float(ordered.mean()),
        "ltd_std": float(ordered.std()),
        "ltd_p_zero": float((ordered == 0.0).mean()),
        "ltd_method": "sample_paths",
    }


def outlook_cells(paths: ItemPaths, days_a_period: float) -> Cells:
    """Mean demand of the next days, as far as the horizon reaches."""
    return {
        f"demand_next_{days}d_mean": mean_demand(paths, days / days_a_period) for days in (30, 90)
    }


def level_cells(levels: Levels) -> Cells:
    """The policy's levels."""
    return {
        "policy": levels.policy,
        "reorder_point": levels.reorder_point,
        "order_up_to": levels.order_up_to,
        "safety_stock": levels.safety_stock,
        "order_lot": levels.lot,
    }


def order_cells(order: Order, policy: ItemPolicy, occasion: Occasion) -> Cells:
    """The order, its value and its expected receipt."""
    arrival = math.ceil(policy.lead_time_days_mean) - 1 if order.quantity > 0.0 else None
    cost = policy.unit_cost
    return {
        "order_qty": order.quantity,
        "net_requirement_qty": order.net_requirement,
        "binding_constraint": order.constraint,
        "expected_receipt_date": occasion.day_after(arrival),
        "order_value": None if cost is None else order.quantity * cost,
        "currency": policy.currency,
    }


def risk_cells(risk: Risk) -> Cells:
    """Chances of running short."""
    return {
        "p_stockout_before_receipt": risk.before_receipt,
        "p_stockout_no_order": risk.no_order,
        "p_stockout_with_order": risk.with_order,
        "expected_backorder_units": risk.backorder_units,
        "expected_fill_rate_with_order": risk.fill_rate,
    }


def cover_cells(cover: Cover, occasion: Occasion) -> Cells:
    """Days until short, and the urgency that follows."""
    return {
        "days_of_cover_p50": cover.median,
        "days_of_cover_p10": cover.low,
        "stockout_date_p50": occasion.day_after(cover.median) if cover.median_reached else None,
        "stockout_date_p10": occasion.day_after(cover.low) if cover.low_reached else None,
        "cover_censored": not cover.median_reached,
        "days_to_rupture": cover.median,
        "alert_level": alert_level(cover.median, is_capped=not cover.median_reached),
    }
