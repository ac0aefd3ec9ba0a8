"""Items of one supplier ordered together: up to its smallest order, or to save an order later.

An order that is not due is not forced: a supplier is joined only where at least one of its items
orders by itself. Then, with a fixed cost of an order, those join that are likely to order at the
next review anyway (can-order: Balintfy 1964, Silver 1974); and below the smallest value, units of
all its items are added in the order of what is expected to be asked for of them per money.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.beside_orders import JOINT_ORDERS
from ml.errors import first_few
from ml.inventory.items import ItemPolicy
from ml.inventory.order_curves import OrderCurve
from ml.inventory.portfolio import without_noise

_NOISE = 1e-9  # of an amount: what sums lose to rounding
NAMED = 3  # added items


@dataclass(frozen=True, slots=True)
class SupplierTerms:
    """What a supplier asks of an order; fields are columns."""

    supplier: str  # who delivers
    currency: str | None  # of both amounts and of its items; `None` = nobody says
    min_order_value: float | None  # smallest value of an order [currency]; `None` = any
    order_cost: float | None  # fixed cost of an order [currency]; `None` = none


class OrderStep(NamedTuple):
    """One step up the sizes of an item's order."""

    item: int  # place of the item
    place: int  # of the size that the step leads to
    cost: float  # [currency]


def usable_terms(
    table: pa.Table | None, policies: Mapping[str, ItemPolicy]
) -> tuple[list[SupplierTerms], list[str]]:
    """Suppliers of some items that ask anything of an order, by name; and who is left aside, why.

    Amounts in several currencies, of the supplier and of the costs of its items, are not compared.
    """
    usable, said = [], list[str]()
    for row in table.sort_by("supplier").to_pylist() if table is not None else ():
        own = [one for one in policies.values() if one.supplier == row["supplier"]]
        own = [one for one in own if one.is_stocked]
        if not own or not (row["min_order_value"] or row["order_cost"]):
            continue
        costed = [one for one in own if one.unit_cost is not None]
        found = {one.currency for one in costed}
        if row["currency"] is not None:
            found.add(row["currency"])
        if len(found) > 1:
            names = first_few(sorted(name or "no currency" for name in found))
            said.append(f"{row['supplier']} is left aside: its amounts are in {names}")
            continue
        if len(costed) < len(own):
            lacking = len(own) - len(costed)
            said.append(f"{lacking} of {len(own)} items of {row['supplier']} have no unit cost "
                        "and count nothing in its orders")  # fmt: skip
        terms = SupplierTerms(**row)
        usable.append(replace(terms, currency=next(iter(found), terms.currency)))
    return usable, said


def rank_steps(
    curves: Sequence[OrderCurve],
    begins: Sequence[int],
    ends: Sequence[int],
    worths: Sequence[float],
) -> list[OrderStep]:
    """Steps between two sizes of each item, the most expected use per money first, ties by item.

    ``worths`` say what a unit of use counts. Steps of an item stay in their order.
    """
    steps, ratios = list[OrderStep](), [np.empty(0)]
    for number, (curve, begin, end) in enumerate(zip(curves, begins, ends, strict=True)):
        gains = np.maximum(np.diff(curve.used[begin : end + 1]), 0.0) * worths[number]
        costs = np.diff(curve.sizes[begin : end + 1]) * curve.unit_cost
        free = np.where(gains > 0.0, np.inf, 0.0)
        ratio = np.divide(gains, costs, out=free, where=costs > 0.0)
        steps += [OrderStep(number, begin + at, cost) for at, cost in enumerate(costs.tolist(), 1)]
        ratios.append(np.minimum.accumulate(ratio))  # rounding may not turn steps round
    order = np.argsort(-without_noise(np.concatenate(ratios)), kind="stable")
    return [steps[at] for at in order.tolist()]


def join_orders(
    curves: Sequence[OrderCurve], terms: Iterable[SupplierTerms]
) -> tuple[list[int], dict[str, list[str]]]:
    """Places of the orders of all items, joined by supplier; and the items added, in their order.

    ``curves`` are sorted by item.
    """
    places, added = [one.alone for one in curves], dict[str, list[str]]()
    for one in terms:
        own = [at for at, curve in enumerate(curves) if curve.supplier == one.supplier]
        chosen = _join([curves[at] for at in own], one)
        for at, place in chosen.items():
            places[own[at]] = place
        added[one.supplier] = [curves[own[at]].item_id for at in chosen]
    return places, added


def _join(curves: Sequence[OrderCurve], terms: SupplierTerms) -> dict[int, int]:
    """Places of the items of one supplier that order more than by themselves, in that order."""
    if not any(curve.alone for curve in curves):
        return {}
    chosen = _join_early(curves, terms.order_cost or 0.0)
    places = [chosen.get(at, curve.alone) for at, curve in enumerate(curves)]
    value = sum(curve.value_at(place) for curve, place in zip(curves, places, strict=True))
    wanted = (terms.min_order_value or 0.0) * (1.0 - _NOISE)
    return chosen if value >= wanted else chosen | _fill_up(curves, places, wanted - value)


def _join_early(curves: Sequence[OrderCurve], order_cost: float) -> dict[int, int]:
    """Items that do not order now but can, as it saves more than it costs.

    What an item would share of the order cost at the next review, K p / (1 + the mean number of
    others that order then), with p its chance to order then, against what its units cost until.
    """
    waiting = {at: curve.early for at, curve in enumerate(curves) if curve.early is not None}
    orders = sum(early.chance for early in waiting.values())
    return {
        at: early.place
        for at, early in waiting.items()
        if order_cost * early.chance / (1.0 + orders - early.chance) > early.cost
    }


def _fill_up(curves: Sequence[OrderCurve], places: Sequence[int], lacking: float) -> dict[int, int]:
    """Places of the items that are added to until an amount is reached; none where it cannot be.

    Units that nobody is expected to ask for are not bought for it.
    """
    ends = [len(curve.sizes) - 1 for curve in curves]
    chosen = dict[int, int]()
    for step in rank_steps(curves, places, ends, [1.0] * len(curves)):
        curve = curves[step.item]
        if step.cost <= 0.0 or curve.used[step.place] - curve.used[step.place - 1] <= 0.0:
            continue
        chosen[step.item] = step.place
        lacking -= step.cost
        if lacking <= 0.0:
            return chosen
    return {}


def joint_order_rows(
    curves: Sequence[OrderCurve],
    places: Sequence[int],
    terms: Iterable[SupplierTerms],
    added: Mapping[str, Sequence[str]],
    as_of: datetime,
) -> pa.Table:
    """Rows of JOINT_ORDERS: what comes of the orders at ``places``, by supplier."""
    rows = []
    for one in terms:
        own = [(curve, place) for curve, place in zip(curves, places, strict=True)
               if curve.supplier == one.supplier]  # fmt: skip
        more = {curve.item_id: (curve, place) for curve, place in own if place > curve.alone}
        units = sum(float(c.sizes[at] - c.sizes[c.alone]) for c, at in more.values())
        used = sum(float(c.used[at] - c.used[c.alone]) for c, at in more.values())
        rows.append(
            {
                "run_id": "",
                "supplier": one.supplier,
                "as_of": as_of,
                "currency": one.currency,
                "min_order_value": one.min_order_value,
                "order_cost": one.order_cost,
                "lines": sum(place > 0 for _, place in own),
                "order_value_alone": sum(curve.value_at(curve.alone) for curve, _ in own),
                "order_value": (value := sum(curve.value_at(place) for curve, place in own)),
                "is_below_minimum": 0.0 < value < (one.min_order_value or 0.0) * (1.0 - _NOISE),
                "items_added": len(more),
                "first_added": ";".join([i for i in added[one.supplier] if i in more][:NAMED])
                or None,
                "expected_use": min(max(used / units, 0.0), 1.0) if more else None,
            }
        )
    return check(pa.Table.from_pylist(rows, JOINT_ORDERS.schema), JOINT_ORDERS)
