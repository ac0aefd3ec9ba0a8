"""What a point of service costs each item: levels of stock by target and lead time."""

from ml.contracts.base import Column, Contract, number, text
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
