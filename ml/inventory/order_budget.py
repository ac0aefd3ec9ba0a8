"""A budget spent on the units of all orders, the most worth per money first.

A unit is worth the chance that it is asked for, see :mod:`ml.inventory.order_curves`, times what
one short would cost, where every item that orders says that, else times its criticality's weight.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml.errors import ConfigError, first_few
from ml.inventory.items import ItemPolicy
from ml.inventory.joint_orders import OrderStep, rank_steps
from ml.inventory.order_curves import OrderCurve

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]{3})?")
_NOISE = 1e-9  # of an amount: what sums lose to rounding


@dataclass(frozen=True, slots=True)
class Budget:
    """What all orders of a run may cost together."""

    amount: float  # [currency]
    currency: str | None = None  # ISO 4217 code; `None` = that of all costs


def read_budget(text: str) -> Budget | None:
    """A budget out of ``50000`` or ``50000BRL``; ``None`` = no limit.

    Raises:
        ConfigError: It is not written so.

    >>> read_budget("1200.5 brl")
    Budget(amount=1200.5, currency='BRL')
    """
    if not text.strip():
        return None
    found = _BUDGET.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            f"--budget, BUDGET: '{text}': write an amount without signs between thousands, and its "
            "currency behind it where costs are in several: 50000 or 50000BRL."
        )
    return Budget(float(found[1]), found[2].upper() if found[2] else None)


def name_currency(budget: Budget, policies: Iterable[ItemPolicy]) -> Budget:
    """The budget in the currency of the costs, where it names none.

    Raises:
        ConfigError: Costs are in several currencies.
    """
    if budget.currency is not None:
        return budget
    found = {one.currency for one in policies if one.is_stocked and one.unit_cost is not None}
    if len(found) > 1:
        names = sorted(name or "no currency" for name in found)
        raise ConfigError(
            f"--budget, BUDGET: costs are in {first_few(names)}: name the budget's, as in "
            f"{budget.amount:.0f}{max(name for name in found if name)}."
        )
    return replace(budget, currency=next(iter(found), None))


def count_outside(policies: Iterable[ItemPolicy], budget: Budget) -> int:
    """Stocked items whose orders no budget limits: without a cost, or of another currency."""
    return sum(
        one.is_stocked and (one.unit_cost is None or one.currency != budget.currency)
        for one in policies
    )


def spend_budget(
    curves: Sequence[OrderCurve],
    places: Sequence[int],
    budget: Budget,
    minimums: Mapping[str, float] | None = None,
) -> tuple[list[int], list[str]]:
    """Places of the orders that the budget pays for, of those at ``places``, and who gets none.

    Steps are taken in the order of their worth per money; one that costs more than is left ends its
    item's order, and cheaper ones of others go on. With more money no order of the whole is worth
    less: what a dearer step displaces is of less worth per money. ``curves`` are sorted by item.

    ``minimums`` are the smallest values of an order by supplier [currency]. Where the money that is
    left for one whose order reached it does not, that order cannot be placed: it is dropped, the
    one furthest below its minimum first, and its money is spent on the others.
    """
    ours = [at for at, curve in enumerate(curves) if curve.currency == budget.currency]
    wanted = [curves[at] for at in ours]
    asked = [curve for at, curve in zip(ours, wanted, strict=True) if places[at]]
    costs = [curve.stockout_cost for curve in asked]
    worths = [curve.weight for curve in wanted]
    if None not in costs:
        worths = [curve.stockout_cost or 0.0 for curve in wanted]
    steps = rank_steps(wanted, [0] * len(ours), [places[at] for at in ours], worths)
    before = _value_by_supplier(wanted, [places[at] for at in ours])
    least = {name: one * (1.0 - _NOISE) for name, one in (minimums or {}).items()}
    reached = {name: one for name, one in least.items() if 0.0 < one <= before.get(name, 0.0)}
    dropped = list[str]()
    while True:
        own = _buy(wanted, steps, budget.amount * (1.0 + _NOISE), frozenset(dropped))
        spent = _value_by_supplier(wanted, own)
        short = [name for name, one in reached.items() if 0.0 < spent[name] < one]
        if not short:
            break
        dropped.append(min(short, key=lambda name: (spent[name] / reached[name], name)))
    chosen = list(places)
    for at, place in zip(ours, own, strict=True):
        chosen[at] = place
    return chosen, dropped


def _buy(
    curves: Sequence[OrderCurve], steps: Sequence[OrderStep], money: float, without: frozenset[str]
) -> list[int]:
    """Places that the money pays for, of items of all suppliers but those."""
    closed = {at for at, curve in enumerate(curves) if curve.supplier in without}
    chosen = [0] * len(curves)
    for step in steps:
        if step.item in closed:
            continue
        if step.cost > money:
            closed.add(step.item)
            continue
        money -= step.cost
        chosen[step.item] = step.place
    return chosen


def _value_by_supplier(curves: Sequence[OrderCurve], places: Sequence[int]) -> dict[str, float]:
    values = dict[str, float]()
    for curve, place in zip(curves, places, strict=True):
        if curve.supplier is not None:
            values[curve.supplier] = values.get(curve.supplier, 0.0) + curve.value_at(place)
    return values


def give_orders(
    policies: Mapping[str, ItemPolicy],
    curves: Sequence[OrderCurve],
    places: Sequence[int],
    below_minimum: Iterable[str],
) -> dict[str, ItemPolicy]:
    """The policies, with the orders of those items whose order is not the one by themselves.

    Orders of the suppliers ``below_minimum`` are flagged, those that were dropped for it too.
    """
    given, short = dict(policies), set(below_minimum)
    for curve, place in zip(curves, places, strict=True):
        policy = given[curve.item_id]
        if place != curve.alone:
            by = "budget" if place < curve.alone else "joint_order"
            policy = replace(policy, given_order=float(curve.sizes[place]), given_by=by)
        if (place or curve.alone) and curve.supplier in short:
            policy = replace(policy, flags=(*policy.flags, "below_supplier_minimum"))
        given[curve.item_id] = policy
    return given
