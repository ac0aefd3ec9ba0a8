"""What prices may do: chances and ranges beside the last close, never an advice."""

from ml.contracts.base import Contract, count, day, number, text
from ml.contracts.demand import DS, FREQUENCY, ITEM_ID
from ml.contracts.forecasts import AS_OF

DECISION_SUPPORT = {
    "none": "the forecast is the random walk's: nothing but the range is known",
    "risk_only": "the range is a model's, see its coverage in metrics; the direction is not known",
}

PRICE_OUTLOOK = Contract(
    "price_outlook",
    key=("item_id", "ds"),
    columns=(
        text("run_id", "run that made the row"),
        ITEM_ID,
        DS,
        FREQUENCY,
        AS_OF,
        count("horizon_step", "periods", "periods after as_of, 1 to H", 1),
        text("unit", "unit of the prices", nullable=True),
        number("reference_price", "see unit", "last price seen: what no change would keep",
               nullable=False),
        day("reference_day", "start of the period of that price"),
        number("expected_price", "see unit", "mean of the paths", nullable=False),
        number("p_above_reference", "1", "chance to be above reference_price; ties count half",
               0.0, 1.0, nullable=False),
        number("price_at_risk_95", "see unit", "95 % quantile less reference_price: what waiting "
               "may cost a unit in one of twenty cases", nullable=False),
        number("expected_shortfall_95", "see unit", "mean price of the dearest 5 % of the paths",
               nullable=False),
        number("break_even_price", "see unit", "fixed price that is worth agreeing on today: the "
               "mean, and RISK_AVERSION of the way from it to expected_shortfall_95",
               nullable=False),
        number("volatility_annual", "1", "standard deviation of the log change to reference_price, "
               "on a year; null where a price is not above 0", 0.0),
        text("decision_support", "what the row can be used for", DECISION_SUPPORT),
    ),
    volatile=("run_id",),
)  # fmt: skip
