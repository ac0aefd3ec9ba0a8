"""What is simulated: the items of a backtest, supplied as their policies say, over its origins.

The levels that an origin led to are held from there until the next origin, or the end, so nothing
that decides was known later than it was used. Before the first origin its levels run for a
warm-up, on the demand that there was; that is dropped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.ensemble.mixture_score import PANEL
from ml.evaluation.origins import BacktestPoints
from ml.forecasters.base import is_count
from ml.frequency import Frequency
from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import lead_time_quantiles, mid_levels
from ml.inventory.ordering import cycle_lot
from ml.panel import Bools, Floats, Ints, Panel
from ml.seeds import generator
from ml.simulation.engine import SimulatedItems

STRATA = 20  # equally likely lead times of an item
SETTLING = 6  # periods of warm-up beyond the longest lead time
LEAST_STEP = 1e-6  # units: what comes in any quantity
ROUNDING = 1e-9  # units: 3 packs of 0.1 are 0.30000000000000004
UNITS, MONEY = "units", "money"


@dataclass(frozen=True, slots=True)
class Scene:
    """N items of a backtest with G origins over T periods, G parts and a warm-up."""

    names: tuple[str, ...]  # N ids
    classes: npt.NDArray[np.str_]  # (N,) demand class as at the newest origin
    rows: Ints  # (N,) places in the backtest
    items: SimulatedItems  # the same as the engine takes them; part 0 is the oldest origin
    start: int  # place of the first simulated period in the panel
    intervals: Ints  # (J,) lengths that a protection interval can have [periods]
    chances: Floats  # (J, N) how likely they are
    lot: Floats  # (N,) cycle stock on top of the reorder level [units]
    whole: Bools  # (N,) whether the item comes in whole units
    worth: Floats  # (N,) what one unit counts in the value of stock
    unit: str  # of that value: a currency, `money` where none is told, or `units`

    @property
    def mean_interval(self) -> Floats:
        """Mean length of the protection interval of each item, (N,) [periods]."""
        return np.asarray(self.intervals @ self.chances)

    def own_intervals(self) -> tuple[Ints, Floats]:
        """Lengths (N, U) that the interval of each item can have, and how likely they are (U, N).

        No item has all J; one that has fewer than the most has others besides, which never come.
        """
        likely = self.chances > 0
        most = int(likely.sum(axis=0).max(initial=1))
        order = np.argsort(~likely, axis=0, kind="stable")[:most]
        return self.intervals[order].T, np.take_along_axis(self.chances, order, axis=0)

    @property
    def parts(self) -> int:
        """G, origins."""
        return int(self.items.part.max()) + 1

    @property
    def left_out(self) -> Ints:
        """Periods of each item after the warm-up in which service cannot be judged, (N,)."""
        return (~self.items.counted & (self.items.part >= 0)).sum(axis=1)

    def groups(self) -> Iterator[tuple[str, Bools]]:
        """All items, under ``*``, and the classes, as rows (N,)."""
        yield PANEL, np.ones(len(self.names), bool)
        for name in np.unique(self.classes).tolist():
            yield name, self.classes == name

    def hold(self, levels: Floats) -> Floats:
        """Levels (G, N, K) of the origins as they are known at each period, (N, T, K)."""
        held = levels[np.maximum(self.items.part, 0)]
        return np.ascontiguousarray(np.swapaxes(held, 0, 1))

    def round_up(self, levels: Floats) -> Floats:
        """Levels (..., N, K) in whole units, where items come in whole units."""
        return np.where(self.whole[:, None], np.ceil(levels - ROUNDING), levels)


def set_scene(
    backtests: Sequence[BacktestPoints],
    panel: Panel,
    policies: Mapping[str, ItemPolicy],
    seed: int,
    *,
    lost_sales: bool = False,
) -> Scene | None:
    """The scene of a backtest, latest origin first, on a panel that holds its items.

    Review periods and lead times are rounded to whole periods, and cut where the horizon of the
    backtest ends. Items that are not ordered again and again are left out; ``None`` where no item
    is left.
    """
    if not backtests:
        return None
    newest = backtests[0]
    stocked = [row for row, name in enumerate(newest.items) if policies[name].is_replenished]
    if not stocked:
        return None
    own = panel.select([newest.items[row] for row in stocked])
    chosen = [policies[name] for name in own.items]
    horizon = newest.actual.shape[1]
    review = np.array([round(one.review_period_days / own.frequency.days) for one in chosen])
    review = np.clip(review, 1, horizon)
    strata = np.stack([lead_time_strata(one, own.frequency) for one in chosen])
    strata = np.minimum(strata, horizon - review[:, None])
    intervals, places = np.unique(strata + review[:, None], return_inverse=True)
    chances = np.stack([(places.reshape(strata.shape) == j).mean(axis=1)
                        for j in range(len(intervals))])  # fmt: skip
    lengths = sorted(one.length for one in backtests)
    end = min(lengths[-1] + horizon, len(own.periods))
    start = max(0, lengths[0] - SETTLING - int(strata.max()))
    window = slice(start, end)
    whole = np.array([is_count(values) for values in own.values])
    step, lots = _size_lots(chosen, whole)
    counted = own.observed() & (own.exposure >= 1)
    items = SimulatedItems(
        demand=own.values[:, window],
        counted=counted[:, window],
        lead=_draw_lead_times(strata, own, seed)[:, window],
        review=review,
        least=np.array([one.moq for one in chosen]),
        step=step,
        most=_largest_orders(chosen, step, lots),
        part=np.searchsorted(lengths, np.arange(start, end), side="right") - 1,
        lost_sales=lost_sales,
    )
    worth, unit = _worth(chosen)
    return Scene(own.items, np.asarray(newest.classes)[stocked], np.array(stocked), items, start,
                 intervals, chances, lots, whole, worth, unit)  # fmt: skip


def lead_time_strata(policy: ItemPolicy, frequency: Frequency) -> Ints:
    """Equally likely lead times of an item in whole periods, ascending, (STRATA,).

    The mid-quantiles of as many equal strata of their distribution.
    """
    days = lead_time_quantiles(policy, mid_levels(STRATA))
    return np.rint(days / frequency.days).astype(np.int64)


def _size_lots(policies: Sequence[ItemPolicy], whole: Bools) -> tuple[Floats, Floats]:
    """Steps and lots of orders, (N,) each, by whether items come in ``whole`` units."""
    lots = np.array([cycle_lot(one, whole_units=bool(count))
                     for one, count in zip(policies, whole, strict=True)])  # fmt: skip
    step = np.array([one.order_multiple for one in policies])
    step = np.where(step > 0, step, whole * 1.0)
    # Fixed lots that bring a position above the reorder point bring it a step above at least.
    fixed = np.array([one.is_fixed_lot for one in policies]) & (lots > step)
    least = np.where(step > 0, step, LEAST_STEP)
    return np.where(fixed, lots, step), np.where(fixed, least, lots)


def _largest_orders(policies: Sequence[ItemPolicy], step: Floats, lots: Floats) -> Floats:
    """Largest orders in whole steps; limits that conflict are a person's to settle, not ours."""
    most = np.array([one.max_order_qty for one in policies])
    safe = np.where(step > 0, step, 1.0)
    rounded = np.where(step > 0, np.floor(most / safe + ROUNDING) * safe, most)
    return np.where(rounded >= np.maximum(lots, step), rounded, np.inf)


def _draw_lead_times(strata: Ints, panel: Panel, seed: int) -> Ints:
    """A lead time of each item for an order in each period of the panel, (N, T)."""
    return np.stack([
        own[generator(seed, "simulated_lead_time", name).integers(STRATA, size=len(panel.periods))]
        for own, name in zip(strata, panel.items, strict=True)
    ])  # fmt: skip


def _worth(policies: Sequence[ItemPolicy]) -> tuple[Floats, str]:
    """Unit costs, where every item has one in the same currency; else every unit counts one."""
    costs = [one.unit_cost for one in policies if one.unit_cost is not None]
    currencies = {one.currency for one in policies}
    if len(costs) < len(policies) or len(currencies) > 1:
        return np.ones(len(policies)), UNITS
    return np.array(costs), currencies.pop() or MONEY
