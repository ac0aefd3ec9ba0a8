"""What to move between locations before anything is bought."""

from ml.contracts.base import Contract, day, flag, number, text
from ml.contracts.demand import ITEM_ID
from ml.contracts.forecasts import AS_OF

TRANSFERS = Contract(
    "transfers",
    key=("item_id", "from_location", "to_location"),
    columns=(
        text("run_id", "run that made the row"),
        ITEM_ID,
        text("from_location", "location with more than it needs"),
        text("to_location", "location that would have to order"),
        AS_OF,
        day("decision_day", "day of the decision"),
        number("quantity", "units", "units to move", 0.0, nullable=False),
        number("spare_qty", "units", "what the giver could spare before this transfer", 0.0),
        number("need_qty", "units", "what the receiver still needed before it", 0.0),
        number("unit_cost", "currency", "cost of one unit at the receiver", 0.0),
        text("currency", "ISO 4217 code of unit_cost and purchase_avoided", nullable=True),
        number("purchase_avoided", "currency", "quantity x unit_cost", 0.0),
        number("p_stockout_before", "1", "receiver's chance to be short in its protection interval "
               "without an order, transfers above this one done", 0.0, 1.0),
        number("p_stockout_after", "1", "the same with this transfer, there at once", 0.0, 1.0),
        flag("needs_review", "a person has to look first: the giver's item is critical, or nobody "
             "knows what the receiver has on order"),
        text("reason_text", "why, in numbers, at most 160 characters"),
    ),
    volatile=("run_id",),
)  # fmt: skip
