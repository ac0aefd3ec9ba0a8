"""What service asks to be on hand or on order: the point that demand is covered up to.

Four measures of it, each a rule over the sample of demand until the next order but one can arrive.
"""

from dataclasses import dataclass

import numpy as np

from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand, mean_above, sample_quantile
from ml.panel import Floats

DAYS_A_YEAR = 365.25
_ROUNDING = 1e-12  # of sums that are equal


@dataclass(frozen=True, slots=True)
class CoveredPoint:
    """How much demand is to be covered."""

    units: float  # demand over the protection interval that is covered
    level: float  # share of the intervals that this covers, as wanted or as it came out


def choose_point(needs: LeadTimeDemand, policy: ItemPolicy) -> CoveredPoint:
    """The point of an item by its measure of service; of insurance spares also by their costs.

    One that was given stands, see :mod:`ml.inventory.portfolio`.
    """
    if policy.given_point is not None:
        return _counted(needs, policy.given_point)
    metric, target = policy.service_metric, policy.service_target
    ratio = critical_ratio(policy)
    if metric == "cost" and ratio is not None:
        return _at(needs, ratio)
    if metric == "csl_pos":
        chosen = _counted(needs, positive_quantile(needs.ordered, target))
    elif metric == "fill_rate":
        chosen = _counted(needs, fill_rate_point(needs, target))
    else:
        chosen = _at(needs, target)
    if policy.criticality == "insurance" and ratio is not None:
        return max(chosen, _at(needs, ratio), key=lambda one: one.units)
    return chosen


def critical_ratio(policy: ItemPolicy) -> float | None:
    """Share of intervals to cover where a unit short costs p and holding one costs h: p / (p + h).

    h is the cost of one review period, as an unsold unit is there for the next (newsvendor with
    backorders, Arrow, Harris and Marschak 1951). ``None`` where a cost is not known.
    """
    if policy.stockout_cost is None or policy.unit_cost is None:
        return None
    holding = policy.unit_cost * policy.holding_rate * policy.review_period_days / DAYS_A_YEAR
    total = policy.stockout_cost + holding
    return policy.stockout_cost / total if total > 0.0 else None


def positive_quantile(ordered: Floats, target: float) -> float:
    """Quantile of the demands above zero, of a sample in ascending order; 0 where there are none.

    Boylan and Syntetos (2021, chapter 3): intervals without demand serve themselves.
    """
    positive = ordered[np.searchsorted(ordered, 0.0, side="right") :]
    return sample_quantile(positive, target) if len(positive) else 0.0


def fill_rate_point(needs: LeadTimeDemand, target: float) -> float:
    """The smallest point S at which this share of units is served at once in the long run.

    Of the units asked for between two receipts, E[D_P] - E[D_L], those are late that
    (D_P - S)+ - (D_L - S)+ counts: owed at the end and not at the beginning. That falls as S grows.
    """
    demand = float((needs.protected - needs.until_receipt).mean())
    begins = np.sort(needs.until_receipt)
    points = np.unique(np.concatenate([[0.0], needs.ordered, begins]))
    late = mean_above(needs.ordered, points) - mean_above(begins, points)
    allowed = (1.0 - target) * demand
    first = int(np.argmax(late <= allowed + _ROUNDING * demand))
    if first == 0:
        return 0.0
    # Between two points of the samples what is late falls in a line.
    share = (late[first - 1] - allowed) / (late[first - 1] - late[first])
    return float(points[first - 1] + min(share, 1.0) * (points[first] - points[first - 1]))


def _at(needs: LeadTimeDemand, level: float) -> CoveredPoint:
    return CoveredPoint(sample_quantile(needs.ordered, level), level)


def _counted(needs: LeadTimeDemand, units: float) -> CoveredPoint:
    covered = np.searchsorted(needs.ordered, units + 1e-9, side="right") / len(needs.ordered)
    return CoveredPoint(units, float(covered))
