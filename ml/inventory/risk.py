"""What the sample paths do to the stock: stock-outs, units short, days of cover."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.inventory.lead_time_demand import (
    ItemPaths,
    LeadTimeDemand,
    demand_over,
    sample_quantile,
    time_to_exceed,
)
from ml.inventory.stock import Stock
from ml.panel import Floats


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
    # chance to be short before the receipt if what is on order without a date came at once
    p_stockout_if_undated_came: float


@dataclass(frozen=True, slots=True)
class _Moments:
    """When stock arrives within the protection interval of each path, all (S, E), in time's order.

    An order placed now arrives at the lead time, together with what is on order without a date:
    this is the cautious end. The last moment is the end of the interval.
    """

    demand: Floats  # cumulative demand until the moment
    dated: Floats  # units of dated orders that arrive in it
    is_receipt: npt.NDArray[np.bool_]  # whether it is the lead time
    start: Floats  # (S, 1) what is available at the beginning

    def shortages(self, undated: float, *, at_once: bool = False) -> Floats:
        """Units owed just before each moment; below 0 = still in stock.

        ``undated`` units arrive at the lead time, or ``at_once``.
        """
        arriving = self.dated if at_once else self.dated + undated * self.is_receipt
        held = np.cumsum(arriving, axis=1) - arriving + (undated if at_once else 0.0)
        return self.demand - held - self.start

    @property
    def is_early(self) -> npt.NDArray[np.bool_]:
        """Whether a moment is not after the lead time."""
        return np.cumsum(self.is_receipt, axis=1) - self.is_receipt == 0


def stockout_risk(
    paths: ItemPaths, demand: LeadTimeDemand, stock: Stock, quantity: float, days_a_period: float
) -> Risk:
    """Risks of one item if ``quantity`` units are ordered now.

    Demand never falls along a path and stock rises only when an order arrives, so a path is short
    in an interval if and only if it is just before one of the arrivals in it, or at its end. The
    same paths and lead times are used with and without the order.
    """
    moments = _line_up(paths, demand, stock, days_a_period)
    without = moments.shortages(stock.undated)
    with_order = moments.shortages(stock.undated + quantity)
    early = _ever_short(without, moments.is_early)
    came = early
    if stock.undated > 0.0:
        came = _ever_short(moments.shortages(stock.undated, at_once=True), moments.is_early)
    return Risk(
        p_stockout_before_receipt=early,
        p_stockout_no_order=_ever_short(without),
        p_stockout_with_order=_ever_short(with_order),
        expected_backorder_units=float(np.maximum(without[:, -1], 0.0).mean()),
        expected_fill_rate_with_order=_fill_rate(moments.demand, with_order),
        p_stockout_if_undated_came=came,
    )


def _line_up(
    paths: ItemPaths, demand: LeadTimeDemand, stock: Stock, days_a_period: float
) -> _Moments:
    n_paths = len(demand.lead_periods)
    times = [demand.lead_periods, demand.end_periods]
    reached = [demand.until_receipt, demand.protected]
    units = [np.zeros(n_paths), np.zeros(n_paths)]
    for day, amount in stock.due:
        moment = np.full(n_paths, day / days_a_period)
        inside = moment < demand.end_periods
        moment = np.where(inside, moment, demand.end_periods)
        times.insert(0, moment)
        reached.insert(0, np.where(inside, demand_over(paths, moment), demand.protected))
        units.insert(0, np.where(inside, amount, 0.0))
    order = np.argsort(np.stack(times, axis=1), axis=1, kind="stable")
    # What is available differs from path to path by the demand since the count.
    start = stock.available + stock.expected - demand.since_count

    def ordered(columns: list[Floats]) -> Floats:
        return np.take_along_axis(np.stack(columns, axis=1), order, axis=1)

    return _Moments(ordered(reached), ordered(units), order == len(stock.due), start[:, None])


def _ever_short(shortages: Floats, among: npt.NDArray[np.bool_] | None = None) -> float:
    short = shortages > 0.0 if among is None else (shortages > 0.0) & among
    return float(short.any(axis=1).mean())


def _fill_rate(demand: Floats, shortages: Floats) -> float | None:
    """One less the units not served at once, between any two arrivals, over the demand."""
    total = float(demand[:, -1].mean())
    if total == 0.0:
        return None
    short = np.clip(shortages, 0.0, np.diff(demand, axis=1, prepend=0.0)).sum(axis=1)
    return min(max(1.0 - float(short.mean()) / total, 0.0), 1.0)


def days_of_cover(
    paths: ItemPaths, demand: LeadTimeDemand, stock: Stock, days_a_period: float
) -> tuple[float, float]:
    """Days on the median and the 10 % quantile path until the stock is short.

    What is on order arrives on its date, or after the path's lead time. Infinite beyond the paths.
    """
    n_paths = len(demand.lead_periods)
    arrivals = [(np.full(n_paths, day / days_a_period), units) for day, units in stock.due]
    if stock.undated > 0.0:
        arrivals.append((demand.lead_periods, stock.undated))
    level = stock.available + stock.expected - demand.since_count
    short = time_to_exceed(paths, level)
    if arrivals:
        times = np.stack([time for time, _ in arrivals], axis=1)
        order = np.argsort(times, axis=1, kind="stable")
        times = np.take_along_axis(times, order, axis=1)
        units = np.array([amount for _, amount in arrivals])[order]
        for place in range(len(arrivals)):  # a path that lasts until an arrival goes on from it
            level = level + units[:, place]
            lasts = short >= times[:, place]
            short = np.where(lasts, time_to_exceed(paths, level), short)
    ordered = np.sort(short) * days_a_period
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
