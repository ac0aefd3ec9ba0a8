"""What changed in the recommendations since the version before, and why."""

from ml.contracts.base import Contract, count, day, number, text
from ml.contracts.demand import ITEM_ID
from ml.contracts.forecasts import AS_OF

FORECASTS_CHANGED = {
    "no": "the same data and models",
    "data": "there are newer or corrected data; code and settings are the same",
    "model": "the same data, other code or settings",
    "data_and_model": "both: which of them it was cannot be told",
}
DRIVERS_OF_CHANGE = {
    "none": "nothing moved the order",
    "new": "the item had no recommendation before",
    "gone": "the item had one and has none, or none with a quantity, any more",
    "forecast": "the forecast, see forecast_changed",
    "stock": "stock, what is on order, or the day of the decision",
    "lead_time": "lead time or price",
    "parameters": "review period, target, lots, limits, criticality or status",
}
ORDERS_CHANGED = {
    "none": "nothing is ordered, and was not then",
    "new": "an order that was not there",
    "vanished": "no order any more",
    "more": "a larger order",
    "less": "a smaller order",
    "same": "the same order",
}

CHANGES = Contract(
    "changes",
    key=("item_id", "location_id"),
    columns=(
        text("run_id", "run that made the row"),
        ITEM_ID,
        text("location_id", "'ALL': stock is summed over locations"),
        AS_OF,
        text("before_version", "version that is compared with"),
        text("driver", "what moved the order most", DRIVERS_OF_CHANGE),
        text("forecast_changed", "why the forecast is another one", FORECASTS_CHANGED),
        number("order_qty_before", "units", "order_qty of that version", 0.0),
        number("order_qty", "units", "order_qty of this one", 0.0),
        number("order_from_forecast", "units", "part of the change that the forecast made"),
        number("order_from_stock", "units", "part of stock, of what is on order, and of the day"),
        number("order_from_lead_time", "units", "part of lead time and price"),
        number("order_from_parameters", "units", "part of all other parameters"),
        number("reorder_point_before", "units", "reorder_point of that version", 0.0),
        number("reorder_point", "units", "reorder_point of this one", 0.0),
        number("level_from_forecast", "units", "part of the change that the forecast made"),
        number("level_from_stock", "units", "part of the day of the decision"),
        number("level_from_lead_time", "units", "part of lead time and price"),
        number("level_from_parameters", "units", "part of all other parameters"),
        day("order_by_before", "order_by_date of that version", nullable=True),
        day("order_by_date", "order_by_date of this one", nullable=True),
        text("order_changed", "what became of the order", ORDERS_CHANGED, nullable=True),
        count("forecast_periods", "periods", "periods that both versions forecast; null where that "
              "one's are gone", nullable=True),
        number("forecast_before", "units", "mean demand of these periods by that version"),
        number("forecast", "units", "the same by this one"),
        number("ltd_mean_before", "units", "ltd_mean of that version, of its own protection "
               "interval", 0.0),
        number("ltd_mean", "units", "ltd_mean of this one", 0.0),
    ),
    version=2,
    volatile=("run_id",),
)  # fmt: skip
