"""What the sample paths do to the stock: stock-outs, units short, days of cover."""

from dataclasses import dataclass

import numpy as np

from ml.inventory.items import Stock
from ml.inventory.lead_time_demand import ItemPaths, LeadTimeDemand, sample_quantile, time_to_exceed


@dataclass(frozen=True, slots=True)
class Risk:
    """Chances of running short, and what it would cost in units; fields are columns."""

    p_stockout_before_receipt: float  # chance to be short before an order placed now arrives
    p_stockout_no_order: float  # chance to be short in the protection interval without an order
    p_stockout_with_order: float  # the same with the recommended order
    expected_backorder_units: float  # mean units owed at the interval's end without an order
    # share of the interval's demand that is served from stock, with the order; `None` where
    # no demand is expected
    expected_fill_rate_with_order: float | None


def stockout_risk(demand: LeadTimeDemand, stock: Stock, quantity: float) -> Risk:
    """Risks of one item.

    What is on order arrives together with an order placed now, one drawn lead time from today:
    its date is not known, and this is the cautious end. Demand never falls along a path, so a
    path is short before the receipt if and only if its demand until then is above what is
    available, and after the receipt if its demand over the interval is above the whole position.
    The same paths and lead times are used with and without the order of ``quantity`` units.
    """
    early = demand.until_receipt > stock.available
    late = demand.protected > stock.position
    late_with_order = demand.protected > stock.position + quantity
    return Risk(
        p_stockout_before_receipt=float(early.mean()),
        p_stockout_no_order=float((early | late).mean()),
        p_stockout_with_order=float((early | late_with_order).mean()),
        expected_backorder_units=float(np.maximum(demand.protected - stock.position, 0.0).mean()),
        expected_fill_rate_with_order=_fill_rate(demand, stock, quantity),
    )


def _fill_rate(demand: LeadTimeDemand, stock: Stock, quantity: float) -> float | None:
    """One less the units not served at once, before and after the receipt, over the demand."""
    total = float(demand.protected.mean())
    if total == 0.0:
        return None
    afterwards = demand.protected - demand.until_receipt
    short = np.clip(demand.until_receipt - stock.available, 0.0, demand.until_receipt)
    short += np.clip(demand.protected - stock.position - quantity, 0.0, afterwards)
    return min(max(1.0 - float(short.mean()) / total, 0.0), 1.0)


def days_of_cover(
    paths: ItemPaths, demand: LeadTimeDemand, stock: Stock, days_a_period: float
) -> tuple[float, float]:
    """Days on the median and the 10 % quantile path until the stock is short.

    What is on order arrives after the path's lead time. Infinite beyond the horizon.
    """
    first = time_to_exceed(paths, stock.available)
    if stock.arriving > 0.0:
        second = time_to_exceed(paths, stock.position)
        first = np.where(first < demand.lead_periods, first, second)
    ordered = np.sort(first) * days_a_period
    return sample_quantile(ordered, 0.5), sample_quantile(ordered, 0.1)


def days_to_reorder(
    paths: ItemPaths, slack: float, days_a_period: float, *, at_level: bool
) -> float | None:
    """Days until the median path has used up the slack (>= 0) above the reorder point [units].

    0 where it is used up now, ``None`` where the horizon does not reach it. With ``at_level`` a
    position equal to the reorder point calls for an order already.
    """
    level = np.nextafter(slack, -np.inf) if at_level else slack
    median = sample_quantile(np.sort(time_to_exceed(paths, level)), 0.5) * days_a_period
    return median if np.isfinite(median) else None
