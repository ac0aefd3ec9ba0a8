"""One item on the day of the decision: its paths from then on, its stock as it is by then."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.frequency import Frequency, as_datetime, period_end
from ml.inventory import labels
from ml.inventory.horizon import extend_paths, start_later
from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.lead_time_demand import (
    ItemPaths,
    LeadTimeDemand,
    demand_over,
    demand_over_lead_times,
    draw_lead_times,
    prepare_paths,
    protection_periods,
    sample_quantile,
)
from ml.inventory.stock import Stock, days_to_roll, recorded_since, roll
from ml.panel import Floats
from ml.seeds import generator

EXCESS_DAYS, EXCESS_LEVEL = 180.0, 0.95
LONGEST_DAYS = 1826.0  # five years: a protection interval beyond them is a fault of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderContext:
    """What holds for all items that are recommended for."""

    frequency: Frequency  # of the panel
    as_of: np.datetime64  # start of the last period that the forecast saw
    seed: int = 0  # of all draws, with the item's id
    run_id: str = ""  # the run
    # day at whose end orders are placed, never before the last day of `as_of`; `None` = that day
    decided_on: np.datetime64 | None = None
    # steps that were asked for: there may be more, for the sake of items with long protection
    # intervals, and those beyond an item's own interval do not touch it; `None` = all
    horizon: int | None = None

    @property
    def cutoff(self) -> np.datetime64:
        """Last day of the period ``as_of``; the forecast begins on the day after."""
        return period_end(self.as_of.astype("datetime64[D]"), self.frequency)

    @property
    def decision_day(self) -> np.datetime64:
        """Day at whose end orders are placed."""
        return self.cutoff if self.decided_on is None else max(self.decided_on, self.cutoff)

    @property
    def offset(self) -> float:
        """Periods from the begin of the forecast to that of the decision."""
        return float((self.decision_day - self.cutoff).astype(np.int64)) / self.frequency.days


@dataclass(frozen=True, slots=True)
class ItemCase:
    """One item on its way to a row."""

    context: OrderContext  # of all items
    policy: ItemPolicy  # the item's parameters
    history: DemandSummary  # its demand so far, and the model behind its paths
    stock: Stock  # its stock, usable or not
    flags: tuple[str, ...] = ()  # quality flags of what was done to its paths

    @property
    def days(self) -> float:
        """Mean length of a period [days]."""
        return self.context.frequency.days

    @property
    def idle_months(self) -> float | None:
        """Months since the last demand; ``None`` = never any."""
        return labels.months_between(self.history.last_demand, self.context.decision_day)

    def day_after(self, days: float | None) -> Any:
        """The day in which so many days from now fall; the first day is 0.0 up to below 1.0."""
        if days is None or math.isinf(days):
            return None
        return as_datetime(self.context.decision_day + 1 + math.floor(days))


def is_within_reach(policy: ItemPolicy, context: OrderContext) -> bool:
    """Whether the protection interval is short enough for a number."""
    periods = protection_periods(policy, context.frequency)
    return periods * context.frequency.days <= LONGEST_DAYS


def own_steps(policy: ItemPolicy, context: OrderContext, steps: int) -> int:
    """How many of the steps touch an item: those asked for, and those of its own interval."""
    if context.horizon is None:
        return steps
    return max(context.horizon, protection_periods(policy, context.frequency))


def prepare_case(
    case: ItemCase, demand: npt.NDArray[np.generic], needed: int
) -> tuple[ItemCase, ItemPaths, LeadTimeDemand]:
    """The case with its stock on the day of the decision, the paths from then on, and its needs.

    The (S, H) paths of demand after ``as_of`` reach over ``needed`` periods and half a year.
    """
    steps = max(needed, round(EXCESS_DAYS / case.days))
    lead_days, paths, since, rolled = _prepare(case, demand, steps, needed)
    review, leads = case.policy.cycle_days / case.days, lead_days[None] / case.days
    return rolled, paths, demand_over_lead_times(paths, review, leads, since)[0]


def high_demand(paths: ItemPaths, days_a_period: float) -> float:
    """Demand of the next half year that few paths exceed [units]: stock above it is in excess."""
    periods = max(1, round(EXCESS_DAYS / days_a_period))
    return sample_quantile(np.sort(paths.cumulative[:, periods]), EXCESS_LEVEL)


def vary_lead_time(
    case: ItemCase, demand: npt.NDArray[np.generic], policies: Sequence[ItemPolicy]
) -> tuple[ItemPaths, list[LeadTimeDemand]]:
    """The same paths, and the needs by each of several policies that differ in lead time alone."""
    frequency = case.context.frequency
    needed = max(protection_periods(one, frequency) for one in policies)
    _, paths, since, _ = _prepare(case, demand, needed, needed)
    lead_days = []
    for one in policies:
        rng = generator(case.context.seed, "lead_time", one.item_id)
        longest = needed * case.days - one.cycle_days
        lead_days.append(draw_lead_times(one, len(demand), rng, longest=longest))
    review = case.policy.cycle_days / case.days
    leads = np.stack(lead_days) / case.days
    return paths, demand_over_lead_times(paths, review, leads, since)


def _prepare(
    case: ItemCase, demand: npt.NDArray[np.generic], steps: int, needed: int
) -> tuple[Floats, ItemPaths, Floats, ItemCase]:
    """Lead times, paths from the decision on, demand since the count, and the case as it is then.

    Paths have ``steps`` periods, of which intervals end in the first ``needed``.
    """
    policy, context = case.policy, case.context
    rng = generator(context.seed, "lead_time", policy.item_id)
    longest = needed * case.days - policy.cycle_days
    lead_days = draw_lead_times(policy, len(demand), rng, longest=longest)
    last = math.ceil(steps + context.offset)
    if last > demand.shape[1]:
        own = generator(context.seed, "beyond_forecast", policy.item_id)
        demand = extend_paths(demand, last, own, season=context.frequency.season_length)
    paths = prepare_paths(demand, rng, divided=None if context.offset else needed)
    since = _demand_since_count(case, paths)
    case = replace(case, stock=roll_stock(case, since, whole=is_whole(case, paths)))
    return lead_days, start_later(paths, context.offset, rng, divided=needed), since, case


def is_whole(case: ItemCase, paths: ItemPaths) -> bool:
    """Whether the item comes in whole units, as its history or else its paths tell."""
    whole = case.history.whole_units
    return paths.are_counts if whole is None else whole


def _demand_since_count(case: ItemCase, paths: ItemPaths) -> Floats:
    """Demand of each path between the count of the stock and the decision, (S,) [units]."""
    context = case.context
    if case.stock.snapshot_at is None or not context.offset:
        return np.zeros(len(paths.demand))
    rolled = days_to_roll(case.stock, context.cutoff, context.decision_day) / case.days
    until = np.full(len(paths.demand), context.offset)
    return demand_over(paths, until) - demand_over(paths, until - rolled)


def roll_stock(case: ItemCase, since: Floats, *, whole: bool) -> Stock:
    """The stock on the day of the decision; ``since`` are (S,) demands after the data end."""
    context, counted = case.context, case.stock.snapshot_at
    if counted is None:
        return case.stock
    recorded = recorded_since(
        case.history.recent, np.datetime64(counted, "D"), context.as_of, context.frequency
    )
    return roll(
        case.stock, recorded, since,
        cutoff=context.cutoff, decided_on=context.decision_day, whole_units=whole,
    )  # fmt: skip
