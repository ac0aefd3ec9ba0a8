"""Lead times, and the (s, S) stock that censors what is recorded as demand."""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_data.items import FAMILIES, Items
from pipelines.sample_data.streams import Bools, Floats, Ints, stream

SHORTEST, LONGEST = 1, 110  # [days]
SHORTEST_MEDIAN, LONGEST_MEDIAN = 3.0, 60.0
WITHIN_SPREAD = 0.35  # of an item's log lead time; the rest of the family's is between items
LARGEST_VARIATION = 0.42  # standard deviation over mean
DOLLAR_EFFECT = 0.25
CUSTOMS = (2.0, 4.0)  # Gamma shape and scale [days], imported items
STRIKES_A_YEAR, STRIKE_DAYS, STRIKE_FACTOR = 0.7, (10, 25), 2.0
SAFETY = 0.4  # standard deviations of the demand over the lead time
REVIEW_DAYS = 1
ORDER_DAYS = 45.0  # one order covers about this long
RATE_DAYS = 180  # the planner's reorder point follows the demand of half a year
FRAILTY_VARIANCE, WEEK = 1 / 3, 7


@dataclass(frozen=True, slots=True)
class StockHistory:
    """Outcome of the stock simulation."""

    served: Floats  # units handed out, shape (N, T)
    empty: Bools  # nothing left at the end of the day, shape (N, T)
    on_hand: Floats  # units at the end of the last day, shape (N,)
    on_order: Floats  # units ordered and not yet received, shape (N,)
    # of each order: item, day of the order and of the receipt, as positions, units; a receipt
    # after the last day is still to come
    orders: tuple[tuple[int, int, int, float], ...]


def draw_lead_times(items: Items, dollar_rise: Floats, seed: int) -> Ints:
    """Lead time of an order placed on each day [days], 1 to 110, shape (N, T).

    ``dollar_rise``, shape (T,), is that of :func:`pipelines.sample_data.outside.dollar_rise`.
    """
    rng = stream(seed, "lead times")
    shape = (len(items.ids), len(dollar_rise))
    median, spread = np.array(FAMILIES["lead_time"].to_list())[items.family].T
    between = np.sqrt(np.maximum(spread**2 - WITHIN_SPREAD**2, 0.0))
    own = np.clip(median * np.exp(rng.normal(0, between)), SHORTEST_MEDIAN, LONGEST_MEDIAN)
    days = own[:, None] * np.exp(rng.normal(0, WITHIN_SPREAD, shape))
    abroad = items.imported[:, None]
    days *= np.exp(DOLLAR_EFFECT * abroad * dollar_rise)
    days += abroad * rng.gamma(*CUSTOMS, shape)
    strikes = np.ones(shape[1])
    for _ in range(rng.poisson(STRIKES_A_YEAR * shape[1] / 365.25)):
        start = rng.integers(shape[1])
        strikes[start : start + rng.integers(*STRIKE_DAYS)] = STRIKE_FACTOR
    days = np.clip(days * strikes, SHORTEST, LONGEST)
    # Drawn towards the item's mean where they vary too much to plan with.
    mean = days.mean(axis=1, keepdims=True)
    variation = days.std(axis=1, keepdims=True) / mean
    shrink = np.minimum(1.0, LARGEST_VARIATION / variation)
    whole = np.clip(np.round(mean + (days - mean) * shrink), SHORTEST, LONGEST)
    return whole.astype(np.int64)


def plan_orders(items: Items, rate: Floats, lead: Ints) -> tuple[Floats, Floats]:
    """What the planner works with: reorder point, shape (N, T), and order size, shape (N,).

    Mean and spread of the demand over the lead time come from the trailing half year's true
    rate (since the item's first day where that is shorter), with the variance of a compound
    Poisson law under weekly frailty.
    """
    size, size_square = items.size_moments()
    total = np.cumsum(rate, axis=1)
    before = np.zeros_like(total)
    before[:, RATE_DAYS:] = total[:, :-RATE_DAYS]
    age = np.arange(rate.shape[1]) - (rate > 0).argmax(axis=1)[:, None] + 1
    trailing = (total - before) / np.clip(age, 1, RATE_DAYS)
    mean = trailing * size[:, None]
    variance = trailing * size_square[:, None] + WEEK * FRAILTY_VARIANCE * mean**2
    length = lead.mean(axis=1, keepdims=True) + REVIEW_DAYS
    spread = np.sqrt(length * variance + (mean * lead.std(axis=1, keepdims=True)) ** 2)
    point = np.ceil(length * mean + SAFETY * spread)
    order = np.ceil(mean.mean(axis=1) * ORDER_DAYS / items.pack) * items.pack
    return np.maximum(point, 1.0), np.maximum(order, items.pack)


def simulate_stock(
    demand: Floats, point: Floats, order: Floats, lead: Ints, *, multiple: Ints, workday: Bools
) -> StockHistory:
    """Serve the demand from stock, day by day, under an (s, S) policy; what is short is lost.

    Args:
        demand: True demand [units/day], shape (N, T).
        point: Reorder point s [units], shape (N, T); 0 stops ordering.
        order: S - s [units], shape (N,).
        lead: Lead time of an order placed on each day [days], shape (N, T).
        multiple: Orders are multiples of this [units], shape (N,).
        workday: Days on which orders are placed, shape (T,).
    """
    n, t = demand.shape
    arriving = np.zeros((n, t + LONGEST + 1))
    on_hand: Floats = np.ceil((point[:, 0] + order) / multiple) * multiple
    on_order: Floats = np.zeros(n)
    served: Floats = np.zeros((n, t))
    empty: Bools = np.zeros((n, t), dtype=bool)
    rows = np.arange(n)
    placed: list[tuple[int, int, int, float]] = []
    for day in range(t):
        on_hand += arriving[:, day]
        on_order -= arriving[:, day]
        served[:, day] = np.minimum(demand[:, day], on_hand)
        on_hand -= served[:, day]
        empty[:, day] = on_hand == 0
        if not workday[day]:
            continue
        position = on_hand + on_order
        short = np.where(position <= point[:, day], point[:, day] + order - position, 0.0)
        quantity = np.ceil(short / multiple) * multiple
        arriving[rows, day + lead[:, day]] += quantity
        on_order += quantity
        placed += [
            (int(i), day, day + int(lead[i, day]), float(quantity[i]))
            for i in np.flatnonzero(quantity)
        ]
    return StockHistory(served, empty, on_hand, on_order, tuple(placed))
