"""Levels by one fill of all items together, as they would have been divided at each origin.

The division is that of :mod:`ml.inventory.portfolio`, on the forecast's own points of demand until
an order arrives and until the one after it: what was not known then decides nothing.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ml.evaluation.origins import SHARES, BacktestPoints
from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand
from ml.inventory.ordering import policy_levels
from ml.inventory.portfolio import ItemDemand, MarginalCurve, divide_fill, marginal_curve
from ml.panel import Floats
from ml.simulation.levels import interval_points
from ml.simulation.scene import Scene

REPEATS = np.rint(SHARES * 4000).astype(np.int64)
"""How often each point stands in a sample whose values all count the same; exact."""


def common_levels(
    scene: Scene,
    backtests: Sequence[BacktestPoints],
    model: str,
    policies: Mapping[str, ItemPolicy],
    fills: Floats,
) -> Floats:
    """Levels (G, N, L) that reach each of L fills together at the least value, origin by origin.

    A unit counts what it counts in the value of stock. Critical items are given what their own
    service target asks for at least, others their ``min_stock``, as in recommendations.
    """
    levels = []
    for backtest in backtests[::-1]:
        curves = list(_curves(scene, backtest, model, policies))
        divided = [divide_fill(curves, float(fill)).points for fill in fills]
        levels.append([[one[name] for one in divided] for name in scene.names])
    return scene.round_up(np.array(levels))


def _curves(
    scene: Scene, backtest: BacktestPoints, model: str, policies: Mapping[str, ItemPolicy]
) -> Iterator[MarginalCurve]:
    """What more stock of each item brings, in units a period."""
    protected = interval_points(scene, backtest, model)
    until = interval_points(scene, backtest, model, until_receipt=True)
    for row, name in enumerate(scene.names):
        ordered = np.repeat(protected[row], REPEATS)
        item = ItemDemand(
            until_receipt=np.repeat(until[row], REPEATS),
            protected=ordered,
            review_days=float(scene.items.review[row]),
            unit_cost=float(scene.worth[row]),
            lot=float(scene.lot[row]),
            ceiling=policies[name].max_stock,
            whole_units=bool(scene.whole[row]),
        )
        yield marginal_curve(name, item, _floor(item, policies[name]))


def _floor(item: ItemDemand, policy: ItemPolicy) -> float:
    """What an item is given in any case."""
    if not policy.is_critical:
        return min(policy.min_stock, policy.max_stock)
    none = np.zeros(0)
    needs = LeadTimeDemand(none, none, item.until_receipt, item.protected, item.protected, none)
    own = policy_levels(needs, policy, demand_class=None, whole_units=item.whole_units)
    return own.reorder_point
