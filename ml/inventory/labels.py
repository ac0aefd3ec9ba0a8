"""Classes that a planner sorts by: urgency, slow or excess stock, trust, priority."""

import numpy as np
import pyarrow as pa

from ml.contracts.recommendations import RECOMMENDATIONS
from ml.inventory.items import WHOLE_COMPANY, DemandSummary, ItemPolicy

ALERT_DAYS = (("critical", 7.0), ("high", 14.0), ("medium", 30.0))
FEW_DEMANDS = 5
BACKTEST_GAP = 0.05
NO_DEMAND_MONTHS = 24.0
SLOW_DAYS = 91.3125  # a quarter of a year between demands
CRITICALITY_WEIGHT = {"insurance": 4.0, "A": 3.0, "B": 2.0, "C": 1.0}
UNKNOWN_CRITICALITY_WEIGHT = 1.0
ABC_SHARES = (("A", 0.80), ("B", 0.95))  # of the value of all items, by where an item begins
XYZ_LIMITS = (("X", 0.5), ("Y", 1.0))  # standard deviation over mean
_ASSUMPTIONS = frozenset(
    {
        "inventory_absent",
        "stale_inventory",
        "stale_inventory_error",
        "snapshot_after_cutoff",
        "on_order_assumed_zero",
        "on_order_disagrees",
        "open_order_overdue",
        "receipt_assumed",
        "extended_beyond_forecast",
        "insurance_undecided",
        "stock_limits_conflict",
        "cost_currency_conflict",
        "lead_time_assumed",
        "lead_time_std_assumed",
        "service_target_invalid",
        "unit_cost_assumed",
        "last_day_missing",
        "repair_time_assumed",
        "takes_over",
    }
)


_WEAK = frozenset({"few_demands", "few_site_demands", "model_fallback", "backtest_gap"})


def alert_level(days_to_rupture: float, *, is_capped: bool) -> str | None:
    """Urgency: critical below 7 days, high below 14, medium below 30, else normal.

    A capped number is only known to be larger; ``None`` where that leaves the level open.

    >>> alert_level(7.0, is_capped=False), alert_level(10.0, is_capped=True)
    ('high', None)
    """
    if is_capped:
        return "normal" if days_to_rupture >= ALERT_DAYS[-1][1] else None
    return next((level for level, days in ALERT_DAYS if days_to_rupture < days), "normal")


def trust_flags(history: DemandSummary, policy: ItemPolicy) -> list[str]:
    """Quality flags of the forecast behind a row."""
    flags = []
    if history.n_nonzero < FEW_DEMANDS:
        flags.append("few_demands")
    if history.model_role != "champion":
        flags.append("model_fallback")
    if policy.is_successor:
        flags.append("takes_over")
    achieved = history.backtest_csl if policy.service_metric == "csl" else None
    if achieved is not None and policy.service_target - achieved > BACKTEST_GAP:
        flags.append("backtest_gap")
    return flags


def confidence(history: DemandSummary, flags: set[str], mode: str) -> str:
    """Low where the forecast is weak, medium where an input was assumed or nothing was tested."""
    if mode == "insufficient" or flags & _WEAK:
        return "low"
    return "medium" if flags & _ASSUMPTIONS or history.backtest_csl is None else "high"


def months_between(start: np.datetime64 | None, end: np.datetime64) -> float | None:
    """Months from one day to another, at least 0; ``None`` without a start."""
    if start is None or np.isnat(start):
        return None
    days = float((end - start.astype("datetime64[D]")).astype(np.int64))
    return max(0.0, days / 30.4375)


def slob_class(
    policy: ItemPolicy,
    history: DemandSummary,
    *,
    excess: float,
    idle_months: float | None,
    days: float,
) -> str:
    """Whether the stock is slow (by frequency of demand) or in excess (by quantity), or neither.

    ``excess`` are units above every need, ``idle_months`` those since the last demand, ``None`` =
    never any, and ``days`` the length of a period.
    """
    if policy.criticality == "insurance":
        return "insurance"
    if idle_months is None or idle_months > NO_DEMAND_MONTHS:
        return "no_demand"
    if excess > 0.0:
        return "excess"
    return "slow" if history.adi is not None and history.adi * days > SLOW_DAYS else "ok"


def priority_score(policy: ItemPolicy, p_stockout_no_order: float) -> float:
    """Weight of the criticality times the chance of running short; 0 for what is not stocked."""
    if not policy.is_stocked:
        return 0.0
    return criticality_weight(policy) * p_stockout_no_order


def criticality_weight(policy: ItemPolicy) -> float:
    """What a unit short of the item counts."""
    return CRITICALITY_WEIGHT.get(policy.criticality or "", UNKNOWN_CRITICALITY_WEIGHT)


def xyz_class(mean: float, std: float) -> str | None:
    """How uncertain a demand is, by its coefficient of variation; ``None`` where none is expected.

    That of the demand over the protection interval: the one of single periods is above 1 for any
    item that is asked for now and then.

    >>> xyz_class(10.0, 5.0), xyz_class(10.0, 10.0), xyz_class(1.0, 3.0)
    ('X', 'Y', 'Z')
    """
    if mean <= 0.0:
        return None
    return next((name for name, most in XYZ_LIMITS if std / mean <= most), "Z")


def classify_values(rows: pa.Table) -> pa.Table:
    """Fill ``abc_class`` of all RECOMMENDATIONS of a run, currency by currency.

    Items are taken by falling ``yearly_value``, ties by id; A are those that begin within the first
    80 % of the sum, B those within 95 %, C the rest. What has no value has no class. Rows of single
    locations have the class of their item.
    """
    values, classes = dict[str | None, list[tuple[float, str]]](), dict[str, str]()
    names = ("item_id", "location_id", "yearly_value", "currency")
    for item, place, value, currency in zip(*(rows[n].to_pylist() for n in names), strict=True):
        if value is not None and place == WHOLE_COMPANY:
            values.setdefault(currency, []).append((-value, item))
    for found in values.values():
        total, before = -sum(value for value, _ in found), 0.0
        for value, item in sorted(found):
            share = before / total if total > 0.0 else 1.0
            classes[item] = next((name for name, end in ABC_SHARES if share < end), "C")
            before -= value
    place = rows.schema.get_field_index("abc_class")
    column = pa.array([classes.get(item) for item in rows["item_id"].to_pylist()], pa.string())
    return rows.set_column(place, RECOMMENDATIONS.schema.field("abc_class"), column)
