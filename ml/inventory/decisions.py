"""From the numbers of an item to one action: the order rules, each a function, first one wins.

A rule looks at a :class:`Situation` and returns a :class:`Decision`, or ``None`` where it does not
apply. A new rule is a function here and its place in :data:`RULES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.ordering import Levels, Order
from ml.inventory.risk import Risk
from ml.inventory.stock import Stock

EXPEDITE_ABOVE = 0.5


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the action of one item depends on."""

    policy: ItemPolicy  # its parameters
    history: DemandSummary  # its demand so far
    stock: Stock  # usable stock
    levels: Levels  # reorder point and order-up-to level
    order: Order  # need and order
    risk: Risk  # chances of running short
    excess: float  # units above every need
    reorder_in_days: float | None  # days until the reorder point; `None` = beyond the horizon
    expected_demand: float  # mean demand over the protection interval [units]

    @property
    def position_text(self) -> str:
        """Inventory position and reorder point in words."""
        point, late = amount(self.levels.reorder_point), self.stock.position - self.position
        more = f" and {amount(late)} due later" if late else ""
        return f"Position {amount(self.position)}{more}, reorder point {point}"

    @property
    def position(self) -> float:
        """Inventory position that counts: without what comes after the protection interval."""
        return self.stock.position_within(self.policy.protection_days)

    @property
    def is_below_minimum(self) -> bool:
        """Whether the supplier takes no order as small as that of all its items."""
        return "below_supplier_minimum" in self.policy.flags

    @property
    def is_undecided(self) -> bool:
        """Whether an insurance spare is kept at nothing only because nobody said what it is for."""
        return (
            self.policy.criticality == "insurance"
            and self.policy.is_stocked
            and self.levels.reorder_point == 0.0
            and self.policy.min_stock == 0.0
            and self.policy.stockout_cost is None
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """One action, why for machines, and why for people; fields are columns."""

    action: str
    reason_code: str
    reason_text: str


def decide(case: Situation) -> Decision:
    """The decision of the first rule that applies."""
    return next(decision for rule in RULES if (decision := rule(case)) is not None)


def leave_unstocked(case: Situation) -> Decision | None:
    """What is not stocked is never ordered; what is left of it may be too much.

    Where more is owed or promised than there is and comes, a person has to find it.
    """
    if case.policy.is_stocked:
        return None
    why = case.policy.not_ordered or f"Status {case.policy.status}"
    text = f"{why}: no orders; position {amount(case.stock.position)}"
    if case.stock.position + case.stock.expected < 0.0:
        return Decision("review", "not_stocked", f"{text}: what is owed is on no order.")
    if case.excess > 0.0:
        action = "review" if case.policy.is_critical else "review_excess"
        return Decision(action, "not_stocked", f"{text}, {amount(case.excess)} above need.")
    return Decision("none", "not_stocked", f"{text}.")


def review_limits(case: Situation) -> Decision | None:
    """No quantity satisfies the limits of the order."""
    if case.order.net_requirement_qty <= 0.0 or case.order.order_qty > 0.0:
        return None
    need, limit = amount(case.order.net_requirement_qty), amount(max(case.order.largest, 0.0))
    text = f"Need {need}, but the largest order {limit} is below the smallest "
    return Decision("review", "order_limits_conflict", f"{text}{amount(case.levels.order_lot)}.")


def review_budget(case: Situation) -> Decision | None:
    """There is a need, and no money for any of it."""
    if case.order.binding_constraint != "budget" or case.order.order_qty > 0.0:
        return None
    wanted, chance = amount(case.order.order_qty_alone), case.risk.p_stockout_no_order
    if case.is_below_minimum:
        wanted = f"{wanted}, its supplier's order is below the minimum"
    text = f"{case.position_text}; no budget for {wanted}: {chance:.0%} chance to be short."
    return Decision("review", "budget_cut", text)


def review_unknown_on_order(case: Situation) -> Decision | None:
    """Whether the need is on order already is not known."""
    if case.order.net_requirement_qty <= 0.0 or case.stock.on_order is not None:
        return None
    quantity = amount(case.order.order_qty)
    text = f"{case.position_text}; order {quantity} unless some is on order already."
    return Decision("review", "on_order_unknown", text)


def review_last_order(case: Situation) -> Decision | None:
    """The last order of an item that is to be used up would be more than its need."""
    need, quantity = case.order.net_requirement_qty, case.order.order_qty
    if need <= 0.0 or case.policy.has_cycle_stock or quantity <= need:
        return None
    what = "Phased out" if case.policy.status == "phase_out" else "Last buy"
    text = f"{what}: need {amount(need)}, smallest order {amount(quantity)}."
    return Decision("review", "phase_out_above_need", text)


def ask_for_dates(case: Situation) -> Decision | None:
    """Whether the item will be short hangs on the date of what is on order, which nobody gave."""
    risk = case.risk
    if risk.p_stockout_before_receipt <= EXPEDITE_ABOVE:
        return None
    if risk.p_stockout_if_undated_came > EXPEDITE_ABOVE:
        return None
    stock, late = case.stock, case.stock.overdue_qty
    kinds = {"on order": stock.ordered, "in repair": stock.in_repair_qty - stock.repaired}
    coming = " or ".join(words for words, units in kinds.items() if units)
    what = f"{amount(late)} overdue" if late else f"{amount(stock.undated)} without a date"
    text = (
        f"{amount(stock.arriving)} {coming}, {what}: enough if they come soon, else "
        f"{risk.p_stockout_before_receipt:.0%} chance to be short. Ask when they come."
    )
    if case.order.order_qty > 0.0:
        text = f"{text} Order {amount(case.order.order_qty)} besides."
    return Decision("review", "on_order_date_unknown", text)


def expedite(case: Situation) -> Decision | None:
    """An order placed now more likely than not comes too late."""
    chance = case.risk.p_stockout_before_receipt
    if chance <= EXPEDITE_ABOVE:
        return None
    text = f"{chance:.0%} chance to be short before an order can arrive. {case.position_text}."
    return Decision("expedite", "stockout_risk_before_receipt", text)


def order_now(case: Situation) -> Decision | None:
    """There is a need, and a quantity for it."""
    order = case.order
    if order.order_qty <= 0.0:
        return None
    text, alone = f"{case.position_text}; order {amount(order.order_qty)}", order.order_qty_alone
    if case.is_below_minimum:
        text = f"{text}, below its supplier's minimum"
    if order.binding_constraint == "budget":
        return Decision("order_now", "budget_cut", f"{text} of {amount(alone)}: the budget's part.")
    if order.binding_constraint == "joint_order":
        more = f"{amount(order.order_qty - alone)} of it only as others of its supplier are ordered"
        return Decision("order_now", "joint_order", f"{text}, {more}.")
    if case.levels.policy == "newsvendor":
        until = f"Last buy, for the time until {case.policy.needed_until:%Y-%m-%d}"
        text = f"{until}, at {case.levels.tau_nominal:.1%}. {text}"
    return Decision("order_now", "ip_below_rop", f"{text}.")


def order_soon(case: Situation) -> Decision | None:
    """The reorder point is expected to be reached before the next review."""
    days = case.reorder_in_days
    if days is None or days > case.policy.review_period_days:
        return None
    text = f"{case.position_text}; expected to be reached in {days:.0f} days."
    return Decision("order_soon", "rop_crossed_before_next_review", text)


def reduce_excess(case: Situation) -> Decision | None:
    """There is too much; of critical and insurance items that is only ever reviewed."""
    if case.excess <= 0.0:
        return None
    text = f"Position {amount(case.stock.position)} is {amount(case.excess)} above need"
    action, reason = "review_excess", "cover_above_limit"
    if case.stock.ordered > 0.0:
        action, reason = "reduce_or_cancel_po", "po_exceeds_need"
        text = f"{text}, {amount(case.stock.ordered)} of it on order"
    return Decision("review" if case.policy.is_critical else action, reason, f"{text}.")


def review_insurance(case: Situation) -> Decision | None:
    """An insurance spare that demand alone would never keep."""
    if not case.is_undecided:
        return None
    text = "Insurance spare with too little demand to keep one by: give min_stock or stockout_cost."
    return Decision("review", "insurance_undecided", f"{text} {case.position_text}.")


def review_new(case: Situation) -> Decision | None:
    """The history is too short to leave the item alone."""
    if case.history.demand_class != "new":
        return None
    text = f"New item: {case.history.n_nonzero} demands in {case.history.n_obs} periods."
    return Decision("review", "new_item", text)


def expect_nothing(case: Situation) -> Decision | None:
    """Nobody will ask for it."""
    if case.expected_demand != 0.0:
        return None
    return Decision("none", "no_demand_expected", "No demand expected and none owed.")


def hold(case: Situation) -> Decision:
    """There is enough."""
    return Decision("hold", "stock_sufficient", f"{case.position_text}.")


RULES: tuple[Callable[[Situation], Decision | None], ...] = (
    leave_unstocked,
    review_budget,
    review_limits,
    review_unknown_on_order,
    review_last_order,
    ask_for_dates,
    expedite,
    order_now,
    order_soon,
    review_insurance,
    reduce_excess,
    review_new,
    expect_nothing,
    hold,
)
"""In their order: what is not stocked, what a person has to see first, order, cut, leave alone."""


def amount(value: float) -> str:
    """A quantity in words: whole numbers without decimals.

    >>> amount(1200.0), amount(0.25)
    ('1,200', '0.25')
    """
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}"
