"""The replenishment recommendations: one row an item, with its closed vocabularies."""

from collections.abc import Iterable

import pyarrow as pa

from ml.contracts.base import Column, Contract
from ml.contracts.demand import CRITICALITIES, FREQUENCY, ITEM_ID, STATUSES
from ml.contracts.forecasts import AS_OF

MODES = ("full", "policy_only", "insufficient")
ACTIONS = (
    "order_now",
    "order_soon",
    "expedite",
    "hold",
    "reduce_or_cancel_po",
    "review_excess",
    "review",
    "set_parameters",
    "none",
)
REASONS = (
    "ip_below_rop",
    "rop_crossed_before_next_review",
    "stockout_risk_before_receipt",
    "po_exceeds_need",
    "cover_above_limit",
    "stock_sufficient",
    "no_demand_expected",
    "not_stocked",
    "phase_out_above_need",
    "on_order_unknown",
    "order_limits_conflict",
    "new_item",
    "parameter_missing",
    "stale_inventory",
    "horizon_too_short",
    "no_forecast",
)
CONSTRAINTS = ("none", "moq", "multiple", "max_order")
POLICIES = ("RS", "RsS", "base_stock", "do_not_stock")
SLOB_CLASSES = ("ok", "slow", "excess", "no_demand", "insurance")
CONFIDENCES = ("high", "medium", "low")
ALERT_LEVELS = ("normal", "medium", "high", "critical")
TARGET_SOURCES = ("item", "segment", "default")
MODEL_ROLES = ("champion", "fallback", "naive")
REASON_TEXT_LENGTH = 160
FLAGS = {
    "inventory_absent": "no usable stock of the item: policy only, no quantities",
    "on_hand_missing": "the stock row has no on_hand",
    "snapshot_missing": "the stock row does not say when it was counted",
    "stale_inventory": "stock counted more than one review period before the forecast starts",
    "stale_inventory_error": "more than two review periods: quantities are suppressed",
    "snapshot_after_cutoff": "stock counted more than one review period after the forecast starts",
    "on_order_assumed_zero": "on_order not given: an order might be placed twice",
    "on_order_eta_assumed": "what is on order is assumed to arrive one lead time from now",
    "lead_time_assumed": "no lead time given: the setting is used",
    "lead_time_std_assumed": "no spread of the lead time given: the setting's share of the mean",
    "service_target_invalid": "service_target is not between 0 and 1: the setting is used",
    "order_limits_conflict": "no multiple fits between the smallest and the largest order",
    "horizon_too_short": "the forecast ends before the protection interval does",
    "no_forecast": "the item was refused a forecast",
    "model_fallback": "the forecast is not of the model that was chosen for the item",
    "few_demands": "fewer than five periods with demand",
    "backtest_gap": "achieved service of the backtest is over 5 points below the target",
}


def join_flags(flags: Iterable[str]) -> str:
    """Flags as the one text of ``quality_flags``: sorted, each once, joined by ``;``.

    Raises:
        ValueError: A flag that is not in the vocabulary.

    >>> join_flags(["stale_inventory", "few_demands", "few_demands"])
    'few_demands;stale_inventory'
    """
    unique = sorted(set(flags))
    unknown = [flag for flag in unique if flag not in FLAGS]
    if unknown:
        raise ValueError(f"unknown quality flags {unknown}, known are {list(FLAGS)}")
    return ";".join(unique)


def _number(
    name: str,
    unit: str,
    description: str,
    lower: float = -float("inf"),
    upper: float = float("inf"),
) -> Column:
    return Column(name, pa.float64(), unit, description, lower=lower, upper=upper, nullable=True)


def _quantity(name: str, description: str) -> Column:
    return _number(name, "units", description, lower=0.0)


def _share(name: str, description: str) -> Column:
    return _number(name, "1", description, lower=0.0, upper=1.0)


def _count(name: str, unit: str, description: str) -> Column:
    return Column(name, pa.int64(), unit, description, lower=0, nullable=True)


def _day(name: str, description: str) -> Column:
    return Column(name, pa.timestamp("us"), "day", description, nullable=True)


def _text(
    name: str, description: str, allowed: tuple[str, ...] = (), *, nullable: bool = True
) -> Column:
    return Column(name, pa.string(), "1", description, nullable=nullable, allowed=allowed)


_IDENTITY = (
    _text("run_id", "run that made the row", nullable=False),
    ITEM_ID,
    _text("location_id", "'ALL': stock is summed over locations", nullable=False),
    AS_OF,
    Column("data_cutoff", pa.timestamp("us"), "day", "last day of as_of; days count from its end"),
    _day("inventory_snapshot_at", "when the stock was counted"),
    FREQUENCY,
    _text("mode", "what could be computed", MODES, nullable=False),
)
_ACTION = (
    _text("action", "what to do, one a row", ACTIONS, nullable=False),
    _text("reason_code", "why, for machines", REASONS, nullable=False),
    _text("reason_text", "why, in numbers, at most 160 characters", nullable=False),
    _quantity("order_qty", "after moq, multiple and max_order_qty; null unless mode is full"),
    _quantity("net_requirement_qty", "need before those constraints; null unless mode is full"),
    _text("binding_constraint", "what set order_qty apart from the need", CONSTRAINTS),
    _day("order_by_date", "day on which the median path reaches the reorder point"),
    _day("expected_receipt_date", "when an order placed now arrives on average; null = no order"),
    _number("order_value", "currency", "order_qty x unit cost", lower=0.0),
    _text("currency", "ISO 4217 code of order_value and excess_value"),
    Column("priority_rank", pa.int64(), "1", "1 = first; null without score", 1, nullable=True),
    _number("priority_score", "1", "criticality weight x p_stockout_no_order", lower=0.0),
    _text("score_basis", "how the score is made", ("risk_x_criticality",)),
)
_POLICY = (
    _text("policy", "rule that the levels belong to", POLICIES),
    _quantity("order_lot", "smallest order that moq and multiple allow; 0 = any"),
    _number("review_period_days", "days", "time between two reviews", lower=0.0),
    _number("lead_time_days_mean", "days", "mean time from order to receipt", lower=0.0),
    _number("lead_time_days_std", "days", "standard deviation of the lead time", lower=0.0),
    _number("protection_days", "days", "review period + mean lead time", lower=0.0),
    _text("service_metric", "csl: chance that no unit is short in the interval", ("csl",)),
    _share("service_target", "wanted value of service_metric"),
    _text("target_source", "where the target comes from", TARGET_SOURCES),
    _share("tau_nominal", "quantile of the demand over the protection interval that was taken"),
    _quantity("reorder_point", "order when the inventory position is here or below"),
    _quantity("order_up_to", "level that an order fills up to"),
    _number("safety_stock", "units", "reorder_point - ltd_mean, for display; may be below 0"),
)
_POSITION = (
    _quantity("on_hand", "units in stock"),
    _quantity("on_order", "units ordered, not yet received; 0 by assumption where flagged"),
    _quantity("backorders", "units owed to customers"),
    _quantity("reserved", "units promised, still in stock"),
    _number("inventory_position", "units", "on_hand + on_order - backorders - reserved"),
)
_DEMAND = (
    _quantity("ltd_mean", "mean demand over the random protection interval"),
    _quantity("ltd_std", "standard deviation of that demand"),
    *(_quantity(f"ltd_p{q}", f"{q} % quantile of that demand") for q in (50, 80, 90, 95, 99)),
    _share("ltd_p_zero", "chance that the interval has no demand"),
    _text("ltd_method", "how that demand was found", ("sample_paths",)),
    _quantity("demand_next_30d_mean", "mean demand of the next 30 days; null beyond the horizon"),
    _quantity("demand_next_90d_mean", "mean demand of the next 90 days; null beyond the horizon"),
)
_RISK = (
    _share("p_stockout_before_receipt", "chance to be short before an order placed now arrives"),
    _share("p_stockout_no_order", "chance to be short in the protection interval, no order"),
    _share("p_stockout_with_order", "the same with order_qty ordered now"),
    _quantity("expected_backorder_units", "mean units owed at the interval's end, no order"),
    _share("expected_fill_rate_with_order", "share of the interval's demand served from stock"),
    _number("days_of_cover_p50", "days", "median days until short, no order; capped at horizon", 0),
    _number("days_of_cover_p10", "days", "10 % quantile of the same", 0),
    _day("stockout_date_p50", "day of days_of_cover_p50; null beyond the horizon"),
    _day("stockout_date_p10", "day of days_of_cover_p10; null beyond the horizon"),
    Column("cover_censored", pa.bool_(), "1", "days_of_cover_p50 is the horizon", nullable=True),
    _number("days_to_rupture", "days", "equal to days_of_cover_p50; null without stock", 0),
    _text("alert_level", "days_to_rupture below 7, 14, 30", ALERT_LEVELS),
    _quantity("excess_qty", "position above order_up_to and above the P95 of 180 days' demand"),
    _number("excess_value", "currency", "excess_qty x unit cost", lower=0.0),
    _number("months_since_demand", "months", "since the last period with demand; null = none", 0),
    _text("slob_class", "slow, excess or obsolete", SLOB_CLASSES),
)
_TRUST = (
    _text("demand_class", "smooth, erratic, intermittent, lumpy, ...: the class of the history"),
    _number("adi", "periods", "mean interval between periods with demand", lower=0.0),
    _number("cv2", "1", "squared coefficient of variation of the sizes", lower=0.0),
    _text("criticality", "as given", CRITICALITIES),
    _text("item_status", "life cycle", STATUSES),
    _text("model_id", "model of the sample paths"),
    _text("model_role", "part that the model plays", MODEL_ROLES),
    _count("n_obs", "periods", "observed periods"),
    _count("n_nonzero", "periods", "observed periods with demand"),
    _share("backtest_csl", "service achieved in the backtest at tau_nominal"),
    _count("backtest_n", "1", "intervals that backtest_csl is from"),
    _text("confidence", "may the row be accepted unseen?", CONFIDENCES, nullable=False),
    _text("quality_flags", "closed vocabulary, joined by ';'; empty = none", nullable=False),
)

RECOMMENDATIONS = Contract(
    "recommendations",
    key=("item_id", "location_id"),
    columns=(*_IDENTITY, *_ACTION, *_POLICY, *_POSITION, *_DEMAND, *_RISK, *_TRUST),
    volatile=("run_id",),
)
