"""Levels of stock by forecasts, by the rules that they have to beat, and by knowing all.

- ``mean_sigma``: mean of the last year's periods (twelve months) over the protection interval of P
  periods, plus z sigma sqrt(P), sigma their standard deviation: what most systems compute.
- ``mean_sigma_fresh``: the same, computed anew at every review instead of at the origins only.
- ``common_fill``: by the forecast, divided over the items (:mod:`ml.inventory.portfolio`) so that
  all together reach a fill at the least value of stock; only where units have costs.
- ``usage_days``: that mean over the interval and a safety time on top.
- ``perfect``: what will be asked for until the next order can arrive; no level above can serve all
  of it with less stock.

Rules see demand as it was recorded, as the systems do that compute them.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.special import ndtri

from ml.ensemble.mixture_score import FALLBACK
from ml.evaluation.origins import LEVELS, SCORED_SUMS, SHARES, BacktestPoints
from ml.evaluation.scores import mixture_points
from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import LeadTimeDemand
from ml.inventory.ordering import policy_levels
from ml.inventory.portfolio import ItemDemand, MarginalCurve, divide_fill, marginal_curve
from ml.panel import Floats, Ints, Panel
from ml.simulation.scene import Scene

RULE, FRESH, USAGE, PERFECT = "mean_sigma", "mean_sigma_fresh", "usage_days", "perfect"
COMMON = "common_fill"
TARGETS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 0.995)
BEYOND = (0.999, 0.9999, 0.999999)  # of the rules alone, whose tails end too soon
SAFETY = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # safety times over the interval
USED_DAYS = 365.25  # that rules look back


def interval_points(
    scene: Scene, backtest: BacktestPoints, model: str, *, until_receipt: bool = False
) -> Floats:
    """Points (N, K) of demand over the random protection interval, as said at one origin.

    With ``until_receipt`` over the lead time alone, without the review period. Where the model
    failed, the fallback's stand in, as in the forecast.

    Raises:
        ValueError: The backtest holds no sums but those that are scored.
    """
    first = backtest.cum_points.shape[2] - backtest.actual.shape[1]  # the sum of one step
    if first < SCORED_SUMS:
        raise ValueError("a backtest that does not hold the sums of all steps")

    lengths, chances = scene.own_intervals()
    if until_receipt:
        lengths = np.maximum(lengths - scene.items.review[:, None], 0)

    def of(name: str) -> Floats:
        sums = backtest.cum_points[backtest.models.index(name)][scene.rows]
        places = first + np.maximum(lengths, 1) - 1
        picked = np.take_along_axis(sums, places[:, :, None], axis=1).astype(np.float64)
        return np.sort(np.where(lengths[:, :, None] > 0, picked, 0.0), axis=-1)

    points = np.swapaxes(of(model), 0, 1)  # (U, N, K)
    failed = np.isnan(points).any(axis=(0, 2))
    if failed.any():
        points[:, failed] = np.swapaxes(of(FALLBACK["demand"]), 0, 1)[:, failed]
    return points[0] if len(points) == 1 else mixture_points(points, chances)


def forecast_levels(scene: Scene, points: Sequence[Floats], targets: Floats) -> Floats:
    """Levels (G, N, L) from the points (N, K) of each of G origins, at targets (L,) or (N, L)."""
    places = np.minimum(np.searchsorted(LEVELS, targets - 1e-9), len(LEVELS) - 1)
    places = np.broadcast_to(places, (len(scene.names), targets.shape[-1]))
    return scene.round_up(np.stack([np.take_along_axis(own, places, axis=1) for own in points]))


def promised_service(points: Sequence[Floats], levels: Floats) -> Floats:
    """P(D <= S) of levels (G, N, L) by the points (N, K) of each origin, (G, N, L)."""
    return np.stack([
        (own[:, None, :] <= held[:, :, None] + 1e-6) @ SHARES  # points are kept as 32-bit numbers
        for own, held in zip(points, levels, strict=True)
    ])  # fmt: skip


def rule_levels(scene: Scene, panel: Panel, known: Ints, targets: Floats) -> Floats:
    """Mean + z sigma sqrt(P) after so many periods (C,), at targets (L,): (C, N, L)."""
    mean, sigma = _usage(scene, panel, known)
    length = scene.mean_interval
    levels = (mean * length)[:, :, None] + ndtri(targets) * (sigma * np.sqrt(length))[:, :, None]
    return scene.round_up(np.maximum(levels, 0.0))


def usage_levels(scene: Scene, panel: Panel, known: Ints, safety: Floats) -> Floats:
    """Mean usage over P and a safety time of a share of P, at shares (L,): (C, N, L)."""
    mean, _ = _usage(scene, panel, known)
    return scene.round_up((mean * scene.mean_interval)[:, :, None] * (1 + safety))


def perfect_levels(scene: Scene) -> Floats:
    """Demand from each period until the next review's order can arrive, (N, T, 1)."""
    items, periods = scene.items, len(scene.items.part)
    until = np.pad(np.cumsum(np.nan_to_num(items.demand), axis=1), ((0, 0), (1, 0)))
    places = np.arange(periods)
    following = np.minimum(places + items.review[:, None], periods - 1)
    ends = places + items.review[:, None] + np.take_along_axis(items.lead, following, axis=1)
    reached = np.take_along_axis(until, np.minimum(ends, periods), axis=1)
    return (reached - until[:, :-1])[:, :, None]


def _usage(scene: Scene, panel: Panel, known: Ints) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the last periods of the items after ``known``, (C, N)."""
    recorded = panel.select(scene.names).recorded
    used = round(USED_DAYS / panel.frequency.days)
    means, sigmas = [], []
    for count in known.tolist():
        last = recorded[:, max(0, count - used) : count]
        seen = ~np.isnan(last)
        number = seen.sum(axis=1)
        mean = np.where(seen, last, 0.0).sum(axis=1) / np.maximum(number, 1)
        squares = np.where(seen, (last - mean[:, None]) ** 2, 0.0).sum(axis=1)
        means.append(mean)
        sigmas.append(np.sqrt(squares / np.maximum(number - 1, 1)))
    return np.stack(means), np.stack(sigmas)


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
