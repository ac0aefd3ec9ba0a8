"""From the numbers of an item to one action, its reason, and the reason in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from ml.inventory.facts import DemandFacts
from ml.inventory.ordering import Levels, Order
from ml.inventory.policies import ItemPolicy
from ml.inventory.risk import Risk
from ml.inventory.stock import Stock

EXPEDITE_ABOVE = 0.5


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the action of one item depends on.

    Attributes:
        policy: Its parameters.
        facts: Of its demand.
        stock: Usable stock.
        levels: Reorder point and order-up-to level.
        order: Need and order.
        risk: Chances of running short.
        excess: Units above every need.
        reorder_in_days: Days until the reorder point; ``None`` = beyond the horizon.
        expected_demand: Mean demand over the protection interval [units].
    """

    policy: ItemPolicy
    facts: DemandFacts
    stock: Stock
    levels: Levels
    order: Order
    risk: Risk
    excess: float
    reorder_in_days: float | None
    expected_demand: float


@dataclass(frozen=True, slots=True)
class Decision:
    """One action, why for machines, and why for people."""

    action: str
    reason_code: str
    reason_text: str


def decide(case: Situation) -> Decision:
    """The first action that applies: expedite, order, cut, look, leave alone.

    Orders that a person has to see first become ``review``: where what is on order is not known,
    where the last stock of a phased-out item would be more than its need, where no quantity
    satisfies the limits. Excess of critical and insurance items is only ever reviewed.
    """
    return next(_candidates(case))


def _candidates(case: Situation) -> Iterator[Decision]:
    if not case.policy.is_stocked:
        yield _not_stocked(case)
    if case.order.net_requirement > 0.0:
        yield from _objections(case)
    if case.risk.before_receipt > EXPEDITE_ABOVE:
        chance = f"{case.risk.before_receipt:.0%} chance to be short before an order can arrive"
        yield Decision("expedite", "stockout_risk_before_receipt", f"{chance}. {_position(case)}.")
    if case.order.quantity > 0.0:
        text = f"{_position(case)}; order {amount(case.order.quantity)}."
        yield Decision("order_now", "ip_below_rop", text)
    soon = case.reorder_in_days
    if soon is not None and soon <= case.policy.review_period_days:
        text = f"{_position(case)}; expected to be reached in {soon:.0f} days."
        yield Decision("order_soon", "rop_crossed_before_next_review", text)
    yield from _too_much(case)
    yield _nothing_to_do(case)


def _not_stocked(case: Situation) -> Decision:
    text = f"Status {case.policy.status}: no orders; position {amount(case.stock.position)}"
    if case.excess > 0.0:
        action = "review" if case.policy.is_critical else "review_excess"
        return Decision(action, "not_stocked", f"{text}, {amount(case.excess)} above need.")
    return Decision("none", "not_stocked", f"{text}.")


def _objections(case: Situation) -> Iterator[Decision]:
    need, quantity = case.order.net_requirement, case.order.quantity
    if quantity == 0.0:
        limit = amount(case.policy.max_order_qty)
        text = f"Need {amount(need)}, but the largest order {limit} is below the smallest "
        yield Decision("review", "order_limits_conflict", f"{text}{amount(case.levels.lot)}.")
    if case.stock.on_order is None:
        text = f"{_position(case)}; order {amount(quantity)} unless some is on order already."
        yield Decision("review", "on_order_unknown", text)
    if case.policy.status == "phase_out" and quantity > need:
        text = f"Phased out: need {amount(need)}, smallest order {amount(quantity)}."
        yield Decision("review", "phase_out_above_need", text)


def _too_much(case: Situation) -> Iterator[Decision]:
    if case.excess <= 0.0:
        return
    on_order = case.stock.arriving
    reason = "po_exceeds_need" if on_order > 0.0 else "cover_above_limit"
    action = "reduce_or_cancel_po" if on_order > 0.0 else "review_excess"
    text = f"Position {amount(case.stock.position)} is {amount(case.excess)} above need"
    text += f", {amount(on_order)} of it on order." if on_order > 0.0 else "."
    yield Decision("review" if case.policy.is_critical else action, reason, text)


def _nothing_to_do(case: Situation) -> Decision:
    if case.facts.demand_class == "new":
        text = f"New item: {case.facts.n_nonzero} demands in {case.facts.n_obs} periods."
        return Decision("review", "new_item", text)
    if case.expected_demand == 0.0:
        return Decision("none", "no_demand_expected", "No demand expected and none owed.")
    return Decision("hold", "stock_sufficient", f"{_position(case)}.")


def _position(case: Situation) -> str:
    point = amount(case.levels.reorder_point)
    return f"Position {amount(case.stock.position)}, reorder point {point}"


def amount(value: float) -> str:
    """A quantity in words: whole numbers without decimals.

    >>> amount(1200.0), amount(0.25)
    ('1,200', '0.25')
    """
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}"
