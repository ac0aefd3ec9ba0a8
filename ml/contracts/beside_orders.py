"""What goes beside recommendations: service curves, orders of a supplier, transfers."""

from ml.contracts.base import Column, Contract, count, day, flag, number, text
from ml.contracts.demand import ITEM_ID, SERVICE_METRICS
from ml.contracts.forecasts import AS_OF

LEAD_TIME_FACTORS = (0.75, 1.0, 1.5, 2.0)
TARGETS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995)
LEAD_TIMES = (7.0, 15.0, 30.0, 60.0, 90.0)  # days, where nobody says what an item takes

_NUMBERS: tuple[Column, ...] = (
    text("service_metric", "what the target is a share of", SERVICE_METRICS),
    number("reorder_point", "units", "level that the target asks for, within min and max_stock",
           0.0),
    number("order_up_to", "units", "the same and a lot, where orders come in lots", 0.0),
    number("stock_units", "units", "mean stock between two receipts, filled up to reorder_point at "
           "each review; lots come on top", 0.0),
    number("stock_value", "currency", "stock_units x unit cost", 0.0),
    text("currency", "ISO 4217 code of stock_value", nullable=True),
    number("p_stockout", "1", "chance to be short within an interval", 0.0, 1.0),
    number("fill_rate", "1", "share of units served at once; null without demand", 0.0, 1.0),
    number("expected_backorder_units", "units", "mean units owed at an interval's end", 0.0),
)  # fmt: skip

SERVICE_CURVES = Contract(
    "service_curves",
    key=("item_id", "location_id", "lead_time_factor", "service_target"),
    columns=(
        text("run_id", "run that made the row"),
        ITEM_ID,
        text("location_id", "'ALL': stock is summed over locations"),
        AS_OF,
        number("lead_time_factor", "1", "factor of the item's lead time, spread included", 0.0,
               nullable=False),
        number("service_target", "1", "wanted value of service_metric", 0.0, 1.0, nullable=False),
        number("lead_time_days_mean", "days", "mean lead time that results", 0.0),
        *_NUMBERS,
    ),
    volatile=("run_id",),
)  # fmt: skip

POLICY_GRID = Contract(
    "policy_grid",
    key=("item_id", "location_id", "lead_time_days_mean"),
    columns=(
        text("run_id", "run that made the row"),
        ITEM_ID,
        text("location_id", "'ALL': stock is summed over locations"),
        AS_OF,
        number("lead_time_days_mean", "days", "mean lead time supposed", 0.0, nullable=False),
        number("service_target", "1", "wanted value of service_metric", 0.0, 1.0),
        *_NUMBERS,
    ),
    volatile=("run_id",),
)

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

BESIDE_ORDERS = (SERVICE_CURVES, POLICY_GRID, TRANSFERS, JOINT_ORDERS)
