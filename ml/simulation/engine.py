"""Rolling periodic review of many items at many levels at once.

A period goes so: at a review, an item whose inventory position (on hand + on order - owed) is at or
below its reorder level orders up to its order-up-to level; orders that are due arrive, those of a
lead time of 0 at once; what is owed is handed out; demand comes, is served from what is there, and
the rest is owed, or lost; the period is counted. An order of a lead time of L periods that is
placed at the start of period t serves the demand of period t + L, whatever else is under way.

A cycle belongs to a review: it lasts from there until the order of the *next* review could have
arrived, the protection interval of the decision. What is asked for before the review's own order
could arrive is no longer in its hands; so a cycle is without shortage if from then on until its end
no period was short: every unit asked for served at once, none owed from before. With constant
lead times and without lots that is P(D <= S), D the demand of the whole interval. A cycle with
demand is one in whose interval there was any.
"""

from dataclasses import dataclass, fields

import numpy as np

from ml.panel import Bools, Floats, Ints

TINY = 1e-9  # units a unit: sums of thirds are no shortage


@dataclass(frozen=True, slots=True)
class SimulatedItems:
    """N items over T periods, and how they are supplied; the same for every method."""

    demand: Floats  # (N, T) units asked for; NaN = not known, taken as none
    # (N, T) where service can be judged: demand is known, and is not a guess because stock ran out
    counted: Bools
    lead: Ints  # (N, T) periods until an order placed at the start of the period arrives, >= 0
    review: Ints  # (N,) periods from one review to the next, >= 1
    least: Floats  # (N,) smallest order [units], 0 = any
    step: Floats  # (N,) orders are multiples of this [units], 0 = any quantity
    most: Floats  # (N,) largest order [units]
    # (T,) part of the time, 0 to G - 1, in which a period and what starts there are counted;
    # below 0 = warm-up, which comes first and is dropped
    part: Ints
    lost_sales: bool = False  # whether unserved demand is lost instead of owed

    @property
    def first(self) -> int:
        """The first period after the warm-up; reviews fall on it."""
        return int(np.argmax(self.part >= 0))

    @property
    def reviewed(self) -> Bools:
        """Which items are reviewed at the start of which periods, (N, T)."""
        since = np.arange(len(self.part)) - self.first
        return np.asarray(since % self.review[:, None] == 0)

    @property
    def judged(self) -> Bools:
        """Periods that count, (N, T): orders placed after the warm-up can have arrived."""
        ready = self.first + self.lead.max(axis=1, initial=0)
        return self.counted & (np.arange(len(self.part)) >= ready[:, None])


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """What came of K levels, summed over the periods and cycles of each of G parts of the time."""

    periods: Floats  # (N, G) counted periods
    stock: Floats  # (N, G, K) units on hand at their ends
    owed: Floats  # (N, G, K) units owed at their ends; where sales are lost, units lost in them
    asked: Floats  # (N, G) units asked for
    served: Floats  # (N, G, K) units of them served at once
    lines: Floats  # (N, G) periods with demand
    full_lines: Floats  # (N, G, K) those whose demand was served at once and whole
    cycles: Floats  # (N, G) counted cycles
    met: Floats  # (N, G, K) those without shortage
    busy: Floats  # (N, G) cycles with demand
    busy_met: Floats  # (N, G, K) those without shortage

    def of(self, rows: Bools) -> "ServiceRecord":
        """Of some items only."""
        return ServiceRecord(*(getattr(self, field.name)[rows] for field in fields(self)))


def simulate(items: SimulatedItems, reorder: Floats, order_up_to: Floats) -> ServiceRecord:
    """Run all items at K levels, (N, T, K) each, as they are known at the start of each period.

    Everything is on hand at the start of the warm-up.

    Raises:
        ValueError: Levels that do not fit the items, or no period after the warm-up.
    """
    count, periods = items.demand.shape
    if reorder.shape != order_up_to.shape or order_up_to.shape[:2] != (count, periods):
        raise ValueError(f"levels must be ({count}, {periods}, K), got {order_up_to.shape}")
    if not (items.part >= 0).any():
        raise ValueError("no period after the warm-up")
    demand, rows = np.nan_to_num(items.demand), np.arange(count)
    judged, reviewed = items.judged, items.reviewed
    net = order_up_to[:, 0].copy()  # on hand less what is owed
    on_order = np.zeros_like(net)
    due = np.zeros((periods + int(items.lead.max(initial=0)) + 1, *net.shape))
    short_until = np.zeros((periods + 1, *net.shape), np.int32)
    sums = np.zeros((4, count, int(items.part.max()) + 1, net.shape[1]))
    for t in range(periods):
        placed = _size_orders(
            items, net + on_order, reorder[:, t], order_up_to[:, t], reviewed[:, t]
        )
        due[t + items.lead[:, t], rows] += placed
        on_order += placed - due[t]
        net += due[t]
        asked = demand[:, t, None]
        served = np.clip(net, 0.0, asked)
        short = net < asked - TINY * np.maximum(asked, 1.0)
        short_until[t + 1] = short_until[t] + short
        net = net - (served if items.lost_sales else asked)
        if items.part[t] >= 0:
            owed = asked - served if items.lost_sales else np.maximum(-net, 0.0)
            found = (np.maximum(net, 0.0), owed, served, ~short & (asked > 0))
            for total, one in zip(sums, found, strict=True):
                total[:, items.part[t]] += one * judged[:, t, None]
    stock, owed, served, full_lines = sums
    by_part = np.eye(sums.shape[2])[items.part] * (items.part >= 0)[:, None]
    return ServiceRecord(
        judged @ by_part, stock, owed, (judged * demand) @ by_part, served,
        (judged & (demand > 0)) @ by_part, full_lines, *_count_cycles(items, demand, short_until),
    )  # fmt: skip


def _size_orders(
    items: SimulatedItems, position: Floats, reorder: Floats, order_up_to: Floats, reviewed: Bools
) -> Floats:
    """Orders (N, K) at inventory positions: in multiples, within the limits.

    They are rounded down where that ends above the reorder level, else up.
    """
    need = order_up_to - position
    wanted = reviewed[:, None] & (position <= reorder) & (need > TINY)
    step = np.where(items.step > 0, items.step, 1.0)[:, None]
    least = items.least[:, None]
    within, size = np.floor(need / step + TINY) * step, np.maximum(need, least)
    is_enough = (within >= np.maximum(least, step)) & (position + within > reorder + TINY)
    in_steps = np.where(is_enough, within, np.ceil(size / step - TINY) * step)
    size = np.where(items.step[:, None] > 0, in_steps, size)
    return np.where(wanted, np.minimum(size, items.most[:, None]), 0.0)


def _count_cycles(
    items: SimulatedItems, demand: Floats, short_until: Ints
) -> tuple[Floats, Floats, Floats, Floats]:
    """Cycles (N, G), those without shortage (N, G, K), and the same of cycles with demand."""
    count, periods = demand.shape
    places = np.arange(periods)
    following = np.broadcast_to(places + items.review[:, None], demand.shape)
    known = np.minimum(following, periods - 1)
    ends = following + np.take_along_axis(items.lead, known, axis=1)
    kept = items.reviewed & (items.part >= 0) & (following < periods) & (ends <= periods)
    item, review = np.nonzero(kept)
    end = ends[item, review]
    start = np.minimum(review + items.lead[item, review], end - 1)
    hidden, asked = (
        np.pad(np.cumsum(one, axis=1), ((0, 0), (1, 0))) for one in (~items.counted, demand > 0)
    )
    seen = hidden[item, end] == hidden[item, review]
    item, review, start, end = item[seen], review[seen], start[seen], end[seen]
    met = (short_until[end, item] == short_until[start, item]).astype(np.float64)
    busy = (asked[item, end] > asked[item, review]).astype(np.float64)
    every = np.ones(len(item))

    def add(values: Floats) -> Floats:
        total = np.zeros((count, int(items.part.max()) + 1, *values.shape[1:]))
        np.add.at(total, (item, items.part[review]), values)
        return total

    return add(every), add(met), add(busy), add(met * busy[:, None])
