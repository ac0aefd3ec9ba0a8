"""The replenishment recommendations, with their closed vocabularies."""

from collections.abc import Iterable
from functools import partial

from ml.contracts.base import Column, Contract, count, day, flag, number, text
from ml.contracts.demand import CRITICALITIES, FREQUENCY, ITEM_ID, SERVICE_METRICS, STATUSES
from ml.contracts.forecasts import AS_OF

MODES = {
    "full": "usable stock: levels, quantities and risks",
    "policy_only": "no usable stock: levels, no quantities",
    "insufficient": "the forecast is missing or too short: no numbers",
}
ACTIONS = {
    "order_now": "order order_qty",
    "order_soon": "the reorder point is expected to be reached before the next review",
    "expedite": "an order placed now arrives too late: speed it up",
    "hold": "nothing to do",
    "reduce_or_cancel_po": "more is on order than needed",
    "review_excess": "more is in stock than needed",
    "review": "a person has to decide",
    "set_parameters": "stock or its day is missing",
    "none": "nothing to do, and nothing expected",
}
REASONS = {
    "ip_below_rop": "the inventory position is at or below the reorder point",
    "rop_crossed_before_next_review": "the reorder point is reached within a review period",
    "stockout_risk_before_receipt": "more likely than not short before an order can arrive",
    "po_exceeds_need": "the position is above every need, with some of it on order",
    "cover_above_limit": "the position is above every need",
    "stock_sufficient": "the position is above the reorder point",
    "no_demand_expected": "no path has any demand in the protection interval",
    "not_stocked": "the status says so",
    "phase_out_above_need": "the smallest order of a phased-out item is more than its need",
    "on_order_unknown": "it may be on order already",
    "on_order_date_unknown": "short, unless what is on order without a date comes soon: ask for it",
    "insurance_undecided": "an insurance spare that its demand keeps no unit of: give min_stock "
    "or stockout_cost",
    "order_limits_conflict": "the smallest order is above the largest",
    "joint_order": "more than the item needs by itself: with others of its supplier",
    "budget_cut": "the budget pays for less than the item needs",
    "new_item": "too little history to judge",
    "parameter_missing": "no counted stock with its day",
    "stale_inventory": "the stock was counted too long ago",
    "horizon_too_short": "the protection interval is longer than five years",
    "no_forecast": "the item was refused a forecast",
}
CONSTRAINTS = {
    "none": "the need itself",
    "moq": "the smallest order",
    "multiple": "rounded to a multiple: down where that ends above the reorder point, else up",
    "max_order": "the largest order",
    "economic_lot": "whole economic lots",
    "max_stock": "the largest stock",
    "shelf_life": "what is used before it expires",
    "joint_order": "ordered with others of its supplier, to its minimum value or to save an order",
    "budget": "the budget",
}
POLICIES = {
    "RS": "at each review up to order_up_to",
    "RsS": "at a review at or below the reorder point, in lots, up to order_up_to",
    "sQ": "daily review: at or below the reorder point, whole economic lots until above it",
    "newsvendor": "a last buy: once, for the time until needed_until",
    "base_stock": "RS for slow movers: what was used is ordered",
    "do_not_stock": "no orders for stock",
}
SLOB_CLASSES = {
    "ok": "none of the others",
    "slow": "demand comes less than once a quarter",
    "excess": "above every need",
    "no_demand": "none within two years",
    "insurance": "kept for the worst case",
}
CONFIDENCES = {
    "high": "tested, nothing assumed",
    "medium": "an input was assumed, or nothing was tested",
    "low": "the forecast is weak or missing",
}
ALERT_LEVELS = {
    "normal": "30 days or more",
    "medium": "below 30 days",
    "high": "below 14 days",
    "critical": "below 7 days",
}
TARGET_SOURCES = {
    "item": "the item's own row",
    "segment": "not used yet",
    "default": "the setting",
    "newsvendor": "unit_cost against stockout_cost of a last buy",
    "portfolio": "PORTFOLIO_FILL: the level is the item's part of a fill of many items together; "
    "service_target holds as a floor, for criticality A and insurance alone",
}
LEAD_TIME_SOURCES = {
    "given": "the item's row, of stock or items",
    "default": "the setting",
    "receipts": "what its past orders took, beside what its row or the setting says",
}
ABC_CLASSES = {
    "A": "of the items of one currency by yearly_value, the first that come to 80 % of it",
    "B": "the next, to 95 %",
    "C": "the rest",
}
XYZ_CLASSES = {
    "X": "its standard deviation is at most half of its mean",
    "Y": "at most its mean",
    "Z": "more than its mean",
}
MODEL_ROLES = {
    "champion": "the model chosen for the item",
    "fallback": "the one that stood in",
    "naive": "the last resort",
}
SCORE_BASES = {"risk_x_criticality": "p_stockout_no_order times the weight of the criticality"}
LTD_METHODS = {
    "sample_paths": "added up along sample paths of the forecast",
    "extended_paths": "the same, paths continued beyond the forecast by blocks of their own",
}
ROLLED_BY = {
    "none": "counted on decision_day",
    "movements": "demand recorded since the count was taken off",
    "forecast": "demand expected since the count was taken off",
    "both": "recorded demand as far as it goes, and expected demand after it",
}
REASON_TEXT_LENGTH = 160
FLAGS = {
    "inventory_absent": "no usable stock of the item: policy only, no quantities",
    "on_hand_missing": "the stock row has no on_hand",
    "snapshot_missing": "the stock row does not say when it was counted",
    "stale_inventory": "stock counted more than one review period before decision_day",
    "stale_inventory_error": "more than two review periods: quantities are suppressed",
    "snapshot_after_cutoff": "stock counted more than two months after data_cutoff, or after "
    "decision_day: taken as it is",
    "on_order_assumed_zero": "on_order not given: an order might be placed twice",
    "on_order_eta_assumed": "what is on order without a date is assumed to arrive one lead time "
    "from now",
    "on_order_disagrees": "more is due by open orders than on_order says: the orders count",
    "open_order_overdue": "an order is overdue: assumed to arrive one lead time from now",
    "open_order_far": "an order is due after the protection interval: it covers none of it",
    "receipt_assumed": "an order or repair due between the count and decision_day is taken as "
    "received",
    "insurance_undecided": "an insurance spare without min_stock and stockout_cost",
    "shelf_life_below_need": "of the reorder point that service asks for too much would expire: "
    "levels are lower",
    "below_supplier_minimum": "the order of all its supplier's items is below min_order_value, "
    "or was dropped because the budget left it there",
    "stock_limits_conflict": "min_stock is above max_stock, which is left aside",
    "lead_time_assumed": "no lead time given: the setting is used",
    "cost_currency_conflict": "order_cost or stockout_cost is in another currency than unit_cost, "
    "and left aside",
    "lead_time_disagrees": "five or more past orders took over half as long again as stated, or "
    "half as long",
    "lead_time_std_assumed": "no spread of the lead time given, or one above twice its mean: the "
    "setting's share of the mean",
    "unit_cost_assumed": "no unit cost given: levels were divided at the median of the known ones",
    "last_day_missing": "a last buy without needed_until: ordered like a phased-out item",
    "repair_time_assumed": "no repair_tat_days: units in repair are taken to come back one lead "
    "time from now",
    "takes_over": "it takes the place of another item, whose demand its forecast may not have seen",
    "service_target_invalid": "service_target is not between 0 and 1: the setting is used",
    "order_limits_conflict": "no multiple fits between the smallest and the largest order",
    "horizon_too_short": "the protection interval is longer than five years: no quantities",
    "extended_beyond_forecast": "the forecast ends before the protection interval: continued",
    "no_forecast": "the item was refused a forecast",
    "model_fallback": "the forecast is not of the model that was chosen for the item",
    "few_demands": "fewer than five periods with demand",
    "few_site_demands": "location_share rests on fewer than five demands of a year",
    "open_orders_of_all": "open orders name no location: of a single one, on_order of its own "
    "stock row counts",
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


_text = partial(text, nullable=True)
_day = partial(day, nullable=True)
_count = partial(count, nullable=True)


def _quantity(name: str, description: str) -> Column:
    return number(name, "units", description, 0.0)


def _share(name: str, description: str) -> Column:
    return number(name, "1", description, 0.0, 1.0)


def _days(name: str, description: str) -> Column:
    return number(name, "days", description, 0.0)


_IDENTITY = (
    text("run_id", "run that made the row"),
    ITEM_ID,
    text(
        "location_id",
        "'ALL': stock is summed over locations; else the location that the row is "
        "of, which says of the same demand and stock where they are",
    ),
    AS_OF,
    day("data_cutoff", "last day of as_of"),
    _day("decision_day", "day of the decision; days count from its end"),
    _day("inventory_snapshot_at", "when the stock was counted"),
    FREQUENCY,
    text("mode", "what could be computed", MODES),
)
_ACTION = (
    text("action", "what to do, one a row", ACTIONS),
    text("reason_code", "why, for machines", REASONS),
    text("reason_text", "why, in numbers, at most 160 characters"),
    _quantity("order_qty", "after moq, multiple and max_order_qty; null unless mode is full"),
    _quantity("net_requirement_qty", "need before those constraints; null unless mode is full"),
    _text("binding_constraint", "what set order_qty apart from the need", CONSTRAINTS),
    _quantity("order_qty_alone", "order_qty before joint orders and the budget"),
    _day("order_by_date", "day on which the median path reaches the reorder point"),
    _day("expected_receipt_date", "when an order placed now arrives on average; null = no order"),
    number("order_value", "currency", "order_qty x unit cost", 0.0),
    _text("currency", "ISO 4217 code of the amounts of the row; null without unit cost"),
    _count("priority_rank", "1", "1 = first; null without score", 1),
    number("priority_score", "1", "criticality weight x p_stockout_no_order", 0.0),
    _text("score_basis", "how the score is made", SCORE_BASES),
)
_POLICY = (
    _text("policy", "rule that the levels belong to", POLICIES),
    _quantity("economic_lot", "lot at which ordering and holding cost the least; 0 = none"),
    _quantity("order_lot", "smallest order that moq and multiple allow; 0 = any"),
    _days("review_period_days", "time between two reviews"),
    _days("lead_time_days_mean", "mean time from order to receipt"),
    _days("lead_time_days_std", "standard deviation of the lead time"),
    _text("lead_time_source", "where the lead time comes from", LEAD_TIME_SOURCES),
    _count("lead_time_n", "1", "receipts that it is from; 0 = none"),
    _days("protection_days", "review period + mean lead time; of a last buy, until needed_until"),
    _text("service_metric", "what the target is a share of", SERVICE_METRICS),
    _share("service_target", "wanted value of service_metric"),
    _text("target_source", "where the target comes from", TARGET_SOURCES),
    _share(
        "tau_nominal",
        "quantile of the demand over the protection interval that was taken: "
        "service_target by csl, raised where older origins of the backtest fell short of it, else "
        "what the metric led to",
    ),
    _quantity("reorder_point", "order when the inventory position is here or below"),
    _quantity("order_up_to", "level that an order fills up to"),
    number("safety_stock", "units", "reorder_point - ltd_mean, for display; may be below 0"),
    _quantity("min_stock", "smallest reorder point, as given"),
    _quantity("max_stock", "largest stock, as given"),
    _days("shelf_life_days", "from the receipt until a unit expires, as given"),
    _quantity(
        "shelf_life_qty",
        "largest order_up_to of which at most a tenth is expected to "
        "expire; null without shelf_life_days",
    ),
    _text("supplier", "who delivers, as given"),
)
_POSITION = (
    _quantity("on_hand", "units in stock"),
    _quantity("on_order", "units ordered, not yet received; 0 by assumption where flagged"),
    _quantity("backorders", "units owed to customers"),
    _quantity("reserved", "units promised, still in stock"),
    _quantity("in_repair_qty", "units in repair at the count, which come back"),
    number(
        "inventory_position",
        "units",
        "on_hand + on_order + in_repair_qty - backorders - reserved - rolled_demand",
    ),
    _quantity("rolled_demand", "demand from the count to decision_day"),
    _text("rolled_by", "how that demand was found", ROLLED_BY),
    _quantity("overdue_qty", "units on order that were due by the day of the count"),
    _day("next_receipt_date", "next due date of what is on order or in repair"),
)
_DEMAND = (
    _quantity("ltd_mean", "mean demand over the random protection interval"),
    _quantity("ltd_std", "standard deviation of that demand"),
    *(_quantity(f"ltd_p{q}", f"{q} % quantile of that demand") for q in (50, 80, 90, 95, 99)),
    _share("ltd_p_zero", "chance that the interval has no demand"),
    _text("ltd_method", "how that demand was found", LTD_METHODS),
    _quantity("demand_next_30d_mean", "mean demand of the 30 days after decision_day"),
    _quantity("demand_next_90d_mean", "mean demand of the 90 days after decision_day"),
)
_RISK = (
    _share("p_stockout_before_receipt", "chance to be short before an order placed now arrives"),
    _share("p_stockout_no_order", "chance to be short in the protection interval, no order"),
    _share("p_stockout_with_order", "the same with order_qty ordered now"),
    _quantity("expected_backorder_units", "mean units owed at the interval's end, no order"),
    _share("expected_fill_rate_with_order", "share of the interval's demand served from stock"),
    _days("days_of_cover_p50", "median days until short, no order; capped, see cover_censored"),
    _days("days_of_cover_p10", "10 % quantile of the same"),
    _day("stockout_date_p50", "day of days_of_cover_p50; null where capped"),
    _day("stockout_date_p10", "day of days_of_cover_p10; null where capped"),
    flag(
        "cover_censored",
        "no end in sight within half a year or the forecast: days_of_cover_p50 "
        "is what was looked at",
        nullable=True,
    ),
    _days("days_to_rupture", "equal to days_of_cover_p50; null without stock"),
    _text("alert_level", "days_to_rupture below 7, 14, 30", ALERT_LEVELS),
    _quantity("excess_qty", "position above order_up_to and above the P95 of 180 days' demand"),
    number("excess_value", "currency", "excess_qty x unit cost", 0.0),
    number("months_since_demand", "months", "since the last period with demand; null = none", 0.0),
    _text("slob_class", "slow, excess or obsolete", SLOB_CLASSES),
)
_TRUST = (
    _text("demand_class", "smooth, erratic, intermittent, lumpy, ...: the class of the history"),
    number("adi", "periods", "mean interval between periods with demand", 0.0),
    number("cv2", "1", "squared coefficient of variation of the sizes", 0.0),
    _text("criticality", "as given", CRITICALITIES),
    _text("item_status", "life cycle", STATUSES),
    _day("needed_until", "last day of need, as given"),
    _text("successor_item_id", "item that takes its place, as given"),
    _text("abc_class", "part of the yearly demand's value", ABC_CLASSES),
    _text("xyz_class", "how uncertain the demand of the protection interval is", XYZ_CLASSES),
    number("yearly_value", "currency", "mean demand of a year by the forecast x unit cost", 0.0),
    _text("model_id", "model of the sample paths"),
    _text("model_role", "part that the model plays", MODEL_ROLES),
    _count("n_obs", "periods", "observed periods"),
    _count("n_nonzero", "periods", "observed periods with demand"),
    _share("backtest_csl", "service achieved in the backtest at tau_nominal"),
    _count("backtest_n", "1", "intervals that backtest_csl is from"),
    text("confidence", "may the row be accepted unseen?", CONFIDENCES),
    text("quality_flags", "closed vocabulary, joined by ';'; empty = none"),
    _share("location_share", "share of the item's demand that is the location's; null for ALL"),
)

RECOMMENDATIONS = Contract(
    "recommendations",
    key=("item_id", "location_id"),
    version=3,
    columns=(*_IDENTITY, *_ACTION, *_POLICY, *_POSITION, *_DEMAND, *_RISK, *_TRUST),
    volatile=("run_id",),
)
