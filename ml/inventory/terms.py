"""What a policy gets from more than its own row: lots that pay, and the time of a last buy.

Nothing here is drawn, and no forecast takes part: terms are the same for simulation, curves and
recommendations.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ml.inventory.items import ItemPolicy, say_superseded
from ml.inventory.service import DAYS_A_YEAR
from ml.panel import Floats, Panel, in_portions

RATE_DAYS = 730.0  # of history that yearly demand is from
LONGEST_COVER_YEARS = 1.0  # of demand in one economic lot: parts that lie longer are out of date


def add_terms(
    policies: Mapping[str, ItemPolicy], panel: Panel, decided_on: np.datetime64
) -> dict[str, ItemPolicy]:
    """Policies of a demand panel's items with their economic lots and last buys."""
    rates = yearly_demand(panel)
    return {
        item: plan_last_buy(add_economic_lot(policies[item], rate), decided_on)
        for item, rate in zip(panel.items, rates.tolist(), strict=True)
    }


def yearly_demand(panel: Panel) -> Floats:
    """Mean demand of the last two years of each item, (N,) [units a year]; 0 of what has none."""
    found = []
    for some in in_portions(panel):
        recent = some.values[:, -max(1, round(RATE_DAYS / panel.frequency.days)) :]
        seen = np.sum(np.isfinite(recent), axis=1)
        found.append(np.nansum(recent, axis=1) / np.maximum(seen, 1))
    return np.concatenate(found) * DAYS_A_YEAR / panel.frequency.days


def add_economic_lot(policy: ItemPolicy, demand: float) -> ItemPolicy:
    """The policy with the lot that costs least a year, of its ``demand`` [units a year].

    sqrt(2 K D / h) for a cost K an order and h a unit and year (Harris 1913), at most the demand
    of :data:`LONGEST_COVER_YEARS`, as the formula does not know that parts go out of date; an item
    without either cost, or without demand, has none.
    """
    cost, unit = policy.order_cost, policy.unit_cost
    if not (cost and unit and policy.holding_rate and demand):
        return policy
    lot = math.sqrt(2 * cost * demand / (unit * policy.holding_rate))
    return replace(policy, economic_lot=min(lot, demand * LONGEST_COVER_YEARS))


def plan_last_buy(policy: ItemPolicy, decided_on: np.datetime64) -> ItemPolicy:
    """The policy of an item that can be bought once more: its interval ends with the need for it.

    It is a newsvendor's (Arrow, Harris and Marschak 1951): a unit that is bought costs c, used or
    not, and one that is short p, so that the least cost is at P(D <= S) = 1 - c / p where both are
    known; else the service target holds. Without the last day of need there is no interval but
    that of any other order, with a flag.
    """
    if policy.status != "last_buy":
        return policy
    if policy.needed_until is None:
        return replace(policy, flags=(*policy.flags, "last_day_missing"))
    days = float((np.datetime64(policy.needed_until, "D") - decided_on).astype(np.int64))
    if days <= policy.lead_time_days_mean:
        return replace(policy, not_ordered="A last buy would come after the last day of need")
    beyond = days - policy.lead_time_days_mean - policy.review_period_days
    policy = replace(policy, extra_days=beyond)
    short, unit = policy.stockout_cost, policy.unit_cost
    if short is None or unit is None:
        return policy
    if short <= unit:
        return replace(policy, not_ordered="A unit costs no less than being without it")
    target = 1.0 - unit / short
    return replace(policy, service_target=target, service_metric="csl", target_source="newsvendor")


def renew_terms(policy: ItemPolicy, demand: float, decided_on: np.datetime64) -> ItemPolicy:
    """A policy that has its terms, with those of another demand [units a year], cost or day."""
    policy = add_economic_lot(replace(policy, economic_lot=0.0), demand)
    if policy.status != "last_buy" or policy.needed_until is None:
        return policy
    otherwise = say_superseded(policy.successor)
    return plan_last_buy(replace(policy, extra_days=0.0, not_ordered=otherwise), decided_on)
