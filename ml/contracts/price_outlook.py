"""What prices may do: chances and ranges beside the last close, never an advice.

And what that means for volumes that somebody has to pay for: exposures.
"""

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

EXPOSURE = Contract(
    "exposure",
    key=("item_id", "exposure_id"),
    columns=(
        text("item_id", "series of the prices that the volume is paid by"),
        text("exposure_id", "name of the exposure among those of the series; without one its "
             "place in the file"),
        number("volume", "units of the price", "units that will be needed", 1e-9, nullable=False),
        number("hedged_share", "1", "share of the volume whose price is fixed already; not given "
               "= none", 0.0, 1.0),
        day("due_at", "day whose price is paid", nullable=True),
        number("horizon", "periods", "without due_at: periods after the last price; part of one "
               "is in it", 1e-9),
        text("currency", "ISO 4217 code of budget_price and fixed_quote; not given = that of the "
             "prices", nullable=True),
        number("budget_price", "currency", "price that was planned with"),
        number("fixed_quote", "currency", "fixed price that a supplier offers"),
        number("risk_aversion", "1", "in place of RISK_AVERSION", 0.0, 1.0),
        text("supplier", "who made the offer", nullable=True),
    ),
)  # fmt: skip
EXPOSURE_SUPPORT = {
    "none": "no number, or one whose range did not keep its promise: see quality_flags",
    "breakeven": "break_even_price can be set against an offer: a calculation, no opinion on "
    "where the price goes",
}
EXPOSURE_FLAGS = {
    "due_unknown": "neither due_at nor horizon can be read: no number",
    "due_passed": "due by the end of the last period with a price: no number",
    "beyond_horizon": "due after the last period of the forecast: no number",
    "no_forecast": "the series could not be forecast, see refusals: no number",
    "currency_differs": "not the currency of the prices: no number",
    "currency_assumed": "the prices do not say their currency: taken to be that of the exposure",
    "coverage_unknown": "the series was not in the backtest",
    "coverage_off": "in the backtest the central 80 % held less than 65 or more than 95 %",
}

PRICE_EXPOSURE = Contract(
    "price_exposure",
    key=("item_id", "exposure_id"),
    columns=(
        text("run_id", "run that made the row"),
        *EXPOSURE.columns[:2],
        day("as_of", "start of the last period that the panel saw", nullable=True),
        day("due_at", "as given", nullable=True),
        day("ds", "start of the period whose price is paid", nullable=True),
        count("horizon_step", "periods", "periods after as_of", 1, nullable=True),
        text("unit", "unit of the prices", nullable=True),
        text("currency", "of all that is money", nullable=True),
        text("supplier", "as given", nullable=True),
        number("volume", "units of the price", "as given", 0.0, nullable=False),
        number("unhedged_volume", "units of the price", "volume less its hedged_share", 0.0,
               nullable=False),
        number("budget_price", "currency", "as given, in the currency of the exposure"),
        number("fixed_quote", "currency", "likewise"),
        number("risk_aversion", "1", "of the exposure, else RISK_AVERSION", 0.0, 1.0,
               nullable=False),
        number("expected_spot_cost", "currency", "mean cost of unhedged_volume at the price of "
               "the period"),
        number("cost_at_risk_95", "currency", "cost that is exceeded in one of twenty cases"),
        number("cost_shortfall_95", "currency", "mean cost in these cases"),
        number("break_even_price", "see unit", "highest fixed price that is worth paying: the "
               "mean, and risk_aversion of the way from it to that of the dearest 5 %"),
        number("break_even_less_quote", "see unit", "break_even_price less fixed_quote; below 0 = "
               "the offer is dearer than that"),
        number("break_even_less_budget", "see unit", "break_even_price less budget_price"),
        number("p_above_quote", "1", "chance that the price ends above fixed_quote; ties count "
               "half", 0.0, 1.0),
        number("p_above_budget", "1", "the same of budget_price", 0.0, 1.0),
        number("interval_coverage", "1", "share of the series' prices that the central 80 % held "
               "in the backtest", 0.0, 1.0),
        count("coverage_n", "1", "prices that it is from"),
        text("decision_support", "what the row can be used for", EXPOSURE_SUPPORT),
        text("quality_flags", "closed list, joined by ';'; empty = none"),
    ),
    volatile=("run_id",),
)  # fmt: skip
