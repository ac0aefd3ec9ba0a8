"""Curves of orders that the tests of joint orders and budgets share."""

import itertools

import numpy as np

from ml.inventory.order_curves import OrderCurve


def make_curve(item_id, gains, *, cost=1.0, lot=1.0, alone=0, **changes):
    """A curve with a step for each gain: more of it, or as much as the one before, comes first."""
    base = {
        "supplier": "S", "currency": "BRL", "weight": 1.0, "stockout_cost": None, "early": None,
    }  # fmt: skip
    return OrderCurve(
        item_id=item_id,
        unit_cost=cost,
        sizes=np.arange(len(gains) + 1) * lot,
        used=np.concatenate([[0.0], np.cumsum(gains)]),
        alone=alone,
        **(base | changes),
    )


def draw_curves(seed, *, items=4, steps=3, equal_costs=False):
    """Some items with falling gains, costs of their own and an order of all of their steps."""
    rng = np.random.default_rng(seed)
    costs = np.ones(items) if equal_costs else rng.integers(1, 9, items)
    return [
        make_curve(f"i{n}", -np.sort(-rng.random(steps)), cost=float(costs[n]), alone=steps,
                   weight=float(rng.choice([1.0, 2.0, 4.0])))
        for n in range(items)
    ]  # fmt: skip


def every_choice(curves, begins):
    """All places that orders can have from their begins on."""
    ranges = (range(begin, len(one.sizes)) for one, begin in zip(curves, begins, strict=True))
    return itertools.product(*ranges)


def value_of(curves, places):
    return sum(one.value_at(at) for one, at in zip(curves, places, strict=True))
