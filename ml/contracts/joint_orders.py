"""Orders of several items at one supplier who asks for a smallest value, or has a fixed cost."""

from ml.contracts.base import Contract, count, flag, number, text
from ml.contracts.forecasts import AS_OF

JOINT_ORDERS = Contract(
    "joint_orders",
    key=("supplier",),
    columns=(
        text("run_id", "run that made the row"),
        text("supplier", "who delivers"),
        AS_OF,
        text("currency", "ISO 4217 code of all amounts", nullable=True),
        number("min_order_value", "currency", "smallest value of an order, as given", 0.0),
        number("order_cost", "currency", "fixed cost of an order, as given", 0.0),
        count("lines", "1", "items that are ordered"),
        number("order_value_alone", "currency", "value of what the items order by themselves", 0.0,
               nullable=False),
        number("order_value", "currency", "value of what is recommended", 0.0, nullable=False),
        flag("is_below_minimum", "something is ordered, of less value than min_order_value"),
        count("items_added", "1", "items of which more is ordered than they need by themselves"),
        text("first_added", "the first three of them, joined by ';'; null = none", nullable=True),
        number("expected_use", "1", "share of the added units that is expected to be asked for "
               "within lead time and two review periods; null = none added", 0.0, 1.0),
    ),
    volatile=("run_id",),
)  # fmt: skip
