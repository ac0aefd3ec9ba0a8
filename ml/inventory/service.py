"""What service asks to be on hand or on order: the point that demand is covered up to.

Four measures of it, each a rule over the sample of demand until the next order but one can arrive.
"""

import numpy as np

from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand, mean_above, sample_quantiles
from ml.panel import Floats

DAYS_A_YEAR = 365.25
_ROUNDING = 1e-12  # of sums that are equal


def choose_points(
    needs: LeadTimeDemand, policy: ItemPolicy, targets: Floats
) -> tuple[Floats, Floats]:
    """Demand to cover over the protection interval [units], and its level, for targets (K,).

    By the item's measure of service; of insurance spares also by their costs. The level is the
    share of the intervals that this covers, as wanted or as it came out. A point that was given
    stands, see :mod:`ml.inventory.portfolio`.
    """
    ordered, metric, ratio = needs.ordered, policy.service_metric, critical_ratio(policy)
    at_costs = np.full(len(targets), np.nan if ratio is None else ratio)
    if policy.given_point is not None:
        return _count(needs, np.full(len(targets), policy.given_point))
    if metric == "cost" and ratio is not None:
        return sample_quantiles(ordered, at_costs), at_costs
    if metric == "csl_pos":
        chosen = _count(needs, positive_quantiles(ordered, targets))
    elif metric == "fill_rate":
        chosen = _count(needs, fill_rate_points(needs, targets))
    else:
        chosen = sample_quantiles(ordered, targets), targets
    if policy.criticality == "insurance" and ratio is not None:
        least = sample_quantiles(ordered, at_costs)
        more = least > chosen[0]
        return np.where(more, least, chosen[0]), np.where(more, at_costs, chosen[1])
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


def positive_quantiles(ordered: Floats, targets: Floats) -> Floats:
    """Quantiles of the demands above zero, of a sample in ascending order; 0 where there are none.

    Boylan and Syntetos (2021, chapter 3): intervals without demand serve themselves.
    """
    positive = ordered[np.searchsorted(ordered, 0.0, side="right") :]
    return sample_quantiles(positive, targets) if len(positive) else np.zeros(len(targets))


def fill_rate_points(needs: LeadTimeDemand, targets: Floats) -> Floats:
    """The smallest points S at which these shares of units are served at once in the long run.

    Of the units asked for between two receipts, E[D_P] - E[D_L], those are late that
    (D_P - S)+ - (D_L - S)+ counts: owed at the end and not at the beginning. That falls as S grows.
    """
    demand = float((needs.protected - needs.until_receipt).mean())
    begins = np.sort(needs.until_receipt)
    points = np.unique(np.concatenate([[0.0], needs.ordered, begins]))
    late = mean_above(needs.ordered, points) - mean_above(begins, points)
    allowed = (1.0 - targets) * demand
    end = np.argmax(late <= (allowed + _ROUNDING * demand)[:, None], axis=1)
    last = np.maximum(end - 1, 0)
    # Between two points of the samples what is late falls in a line.
    falls = np.where(end > 0, late[last] - late[end], 1.0)
    share = np.minimum((late[last] - allowed) / falls, 1.0)
    return np.where(end > 0, points[last] + share * (points[end] - points[last]), 0.0)


def _count(needs: LeadTimeDemand, units: Floats) -> tuple[Floats, Floats]:
    """Units, and the shares of the intervals that they cover."""
    covered = np.searchsorted(needs.ordered, units + 1e-9, side="right") / len(needs.ordered)
    return units, covered
