"""The engine against a second one that walks one item's orders, and against what is known."""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import stats

from ml.simulation.engine import ServiceRecord, SimulatedItems, simulate

PERIODS, WARM_UP, PARTS = 40, 8, 3


def order_size(items, row, short, need):
    """Whole packs, one after the other, as many as fit into the need; within the limits.

    If these are fewer than the smallest order, or do not end above what is ``short``, it takes as
    many as are enough.
    """
    size, pack = max(need, items.least[row]), items.step[row]
    packed = 0.0
    while pack and packed + pack <= need:
        packed += pack
    if packed < items.least[row] or packed <= short:
        while pack and packed < size:
            packed += pack
    return min(packed or size, items.most[row])


def walk_shelf(items, row, reorder, order_up_to):
    """Shelf, served, unserved and owed units of one item in each period, customer by customer."""
    first, every = int(np.flatnonzero(items.part >= 0)[0]), int(items.review[row])
    shelf, waiting, orders = float(order_up_to[0]), [], []
    for t, asked in enumerate(items.demand[row].tolist()):
        position = shelf + sum(size for _, size in orders) - sum(waiting)
        if (t - first) % every == 0 and position <= reorder[t] and order_up_to[t] > position:
            day = t + items.lead[row, t]
            orders.append(
                (day, order_size(items, row, reorder[t] - position, order_up_to[t] - position))
            )
        shelf += sum(size for day, size in orders if day == t)
        orders = [(day, size) for day, size in orders if day > t]
        while waiting and shelf > 0:  # who came first is served first
            handed = min(waiting[0], shelf)
            shelf -= handed
            waiting[0] -= handed
            if not waiting[0]:
                waiting.pop(0)
        served = min(shelf, asked)
        shelf -= served
        if asked > served and not items.lost_sales:
            waiting.append(asked - served)
        yield shelf, served, asked - served, sum(waiting)


def walk_one_item(items, row, reorder, order_up_to):
    """The record of one item at one level, as the module's docstring says."""
    walked = list(walk_shelf(items, row, reorder, order_up_to))
    short = [unserved > 0 or owed > 0 for _, _, unserved, owed in walked]
    first, lead = int(np.flatnonzero(items.part >= 0)[0]), items.lead[row].tolist()
    found = {field.name: [0.0] * PARTS for field in fields(ServiceRecord)}
    for t in range(first + max(lead), PERIODS):
        shelf, served, unserved, owed = walked[t]
        asked = items.demand[row, t]
        numbers = {
            "periods": 1, "stock": shelf, "owed": unserved if items.lost_sales else owed,
            "asked": asked, "served": served, "lines": asked > 0,
            "full_lines": asked > 0 and not short[t],
        }  # fmt: skip
        for name, number in numbers.items() if items.counted[row, t] else ():
            found[name][items.part[t]] += number
    every = int(items.review[row])
    for t in range(first, PERIODS - every, every):
        end = t + every + lead[t + every]
        if end > PERIODS or not items.counted[row, t:end].all():
            continue
        met = not any(short[min(t + lead[t], end - 1) : end])
        busy = items.demand[row, t:end].sum() > 0
        numbers = {"cycles": 1, "met": met, "busy": busy, "busy_met": busy and met}
        for name, number in numbers.items():
            found[name][items.part[t]] += number
    return found


def random_items(seed, *, lost_sales, lots):
    rng = np.random.default_rng(seed)
    n = 12
    return SimulatedItems(
        demand=rng.poisson(np.geomspace(0.1, 5.0, n)[:, None], (n, PERIODS)).astype(float),
        counted=rng.random((n, PERIODS)) > 0.03,
        lead=rng.integers(0, 5, (n, PERIODS)),
        review=rng.integers(1, 4, n),
        least=rng.integers(0, 7, n) * float(lots),
        step=np.where(rng.random(n) < 0.5, 4.0, 1.0) if lots else np.zeros(n),
        most=np.where(rng.random(n) < 0.3, 12.0, np.inf) if lots else np.full(n, np.inf),
        part=np.r_[np.full(WARM_UP, -1), np.sort(rng.integers(0, PARTS, PERIODS - WARM_UP - 1)),
                   PARTS - 1],
        lost_sales=lost_sales,
    )  # fmt: skip


@pytest.mark.parametrize("lots", [False, True], ids=["any quantity", "lots"])
@pytest.mark.parametrize("lost_sales", [False, True], ids=["owed", "lost"])
def test_items_fare_as_in_a_walk_order_by_order(lost_sales, lots):
    items = random_items(3, lost_sales=lost_sales, lots=lots)
    rng = np.random.default_rng(4)
    reorder = rng.integers(0, 14, (*items.demand.shape, 3)).astype(float)
    order_up_to = reorder + (rng.integers(0, 6, reorder.shape) if lots else 0)
    found = simulate(items, reorder, order_up_to)
    for row in range(len(items.demand)):
        for level in range(3):
            walked = walk_one_item(items, row, reorder[row, :, level], order_up_to[row, :, level])
            for name, expected in walked.items():
                own = getattr(found, name)[row]
                own = own[:, level] if own.ndim == 2 else own
                assert own.tolist() == pytest.approx(expected), (row, level, name)


def steady_items(demand, lead, review=1):
    """Items of a constant lead time, without lots, counted after twenty periods."""
    count, periods = demand.shape
    return SimulatedItems(
        demand=demand, counted=np.ones(demand.shape, bool), lead=np.full(demand.shape, lead),
        review=np.full(count, review), least=np.zeros(count), step=np.ones(count),
        most=np.full(count, np.inf), part=np.where(np.arange(periods) < 20, -1, 0),
    )  # fmt: skip


@pytest.mark.parametrize("lead", [0, 2], ids=["at once", "two periods"])
def test_base_stock_of_poisson_demand_serves_as_the_textbook_says(lead):
    # Zipkin, Foundations of Inventory Management, ch. 6: on hand is (S - D)+ and owed (D - S)+,
    # with D the demand of review and lead time; what was owed before a period and is after it
    # makes what was not served at once.
    rate, levels = 1.2, np.array([2.0, 4.0, 6.0])
    demand = np.random.default_rng(5).poisson(rate, (40, 1500)).astype(float)
    held = np.broadcast_to(levels, (*demand.shape, 3))
    found = simulate(steady_items(demand, lead), held, held)
    units = np.arange(60)
    whole, before = (stats.poisson.pmf(units, rate * n) for n in (lead + 1, lead))
    over, was_over = (np.maximum(units - levels[:, None], 0) @ one for one in (whole, before))
    total = {one.name: getattr(found, one.name).sum(axis=(0, 1)) for one in fields(found)}
    near = {"rel": 0.04, "abs": 0.004}  # some 58,000 periods that overlap
    assert total["met"] / total["cycles"] == pytest.approx(
        stats.poisson.cdf(levels, rate * (lead + 1)), abs=0.006
    )
    none = np.exp(-rate * (lead + 1))
    assert total["busy_met"] / total["busy"] == pytest.approx(
        (stats.poisson.cdf(levels, rate * (lead + 1)) - none) / (1 - none), abs=0.008
    )
    assert total["served"] / total["asked"] == pytest.approx(1 - (over - was_over) / rate, abs=0.01)
    assert total["owed"] / total["periods"] == pytest.approx(over, **near)
    assert total["stock"] / total["periods"] == pytest.approx(
        levels - rate * (lead + 1) + over, **near
    )


def test_more_stock_never_serves_less():
    items = random_items(6, lost_sales=False, lots=False)
    held = np.broadcast_to(np.arange(0.0, 15.0, 3.0), (*items.demand.shape, 5))
    found = simulate(items, held, held)
    for name in ("stock", "served", "full_lines", "met", "busy_met"):
        assert (np.diff(getattr(found, name), axis=2) >= 0).all(), name
    assert (np.diff(found.owed, axis=2) <= 0).all()


def test_periods_in_which_stock_ran_out_say_nothing_of_service():
    demand = np.zeros((1, 40))
    demand[0, 30] = 9.0  # nobody could serve that
    items = steady_items(demand, lead=1)
    held = np.full((1, 40, 1), 2.0)
    seen = simulate(items, held, held)
    # Cycles of two periods: the reviews of 29 (its own order is just there) and 30 are short, as
    # the reviews of 31 and later have what is owed paid when theirs arrive.
    assert (seen.cycles - seen.met[:, :, 0]).item() == 2
    counted = items.counted.copy()
    counted[0, 30] = False
    hidden = simulate(replace(items, counted=counted), held, held)
    assert hidden.lines.sum() == 0
    assert hidden.cycles.sum() == seen.cycles.sum() - 2
    assert hidden.met.sum() == hidden.cycles.sum()


def test_an_items_record_does_not_depend_on_the_others():
    items = random_items(8, lost_sales=False, lots=True)
    levels = np.random.default_rng(9).integers(0, 9, (*items.demand.shape, 2)).astype(float)
    found = simulate(items, levels, levels)
    order = np.random.default_rng(10).permutation(len(items.demand))
    names = ("demand", "counted", "lead", "review", "least", "step", "most")
    own = {name: getattr(items, name)[order] for name in names}
    shuffled = simulate(replace(items, **own), levels[order], levels[order])
    for field in fields(ServiceRecord):
        assert np.array_equal(getattr(shuffled, field.name), getattr(found, field.name)[order])


def test_levels_that_do_not_fit_the_items_are_refused():
    items = random_items(1, lost_sales=False, lots=False)
    with pytest.raises(ValueError, match=r"levels must be \(12, 40, K\)"):
        simulate(items, np.zeros((12, 39, 1)), np.zeros((12, 39, 1)))
    with pytest.raises(ValueError, match="no period after the warm-up"):
        simulate(replace(items, part=np.full(40, -1)), np.zeros((12, 40, 1)),
                 np.zeros((12, 40, 1)))  # fmt: skip
