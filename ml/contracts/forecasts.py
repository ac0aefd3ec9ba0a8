"""The published forecasts, the items refused, the component models' rows, and totals of items."""

import pyarrow as pa

from ml.contracts.base import Column, Contract, count, day, flag, number, text
from ml.contracts.demand import DS, FREQUENCY, ITEM_ID

QUANTILES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
CUMULATIVE_QUANTILES = (0.1, 0.5, 0.8, 0.9, 0.95, 0.99)
KINDS = {"demand": "units asked for, never below 0", "price": "a quoted level, of any sign"}


def quantile_name(level: float) -> str:
    """Column name of a quantile: ``q05`` for 0.05.

    >>> [quantile_name(q) for q in (0.05, 0.5, 0.99)]
    ['q05', 'q50', 'q99']
    """
    return f"q{round(level * 100):02d}"


KIND = text("kind", "demand or price", KINDS)
AS_OF = day("as_of", "start of the last period that the panel saw")
_UNIT = text("unit", "unit of the values", nullable=True)
_STEP = count("horizon_step", "periods", "periods after as_of, 1 to H", 1)
_N_OBS = count("n_obs", "periods", "observed periods of the item")


def _value(name: str, description: str, *, nullable: bool = False) -> Column:
    return number(name, "see unit", description, nullable=nullable)


_MARGINAL = (
    _value("forecast", "mean of the period"),
    _value("lower", "equal to q10"),
    _value("upper", "equal to q90"),
    *(_value(quantile_name(q), f"{q:.0%} quantile of the period") for q in QUANTILES),
)
_CUMULATIVE = (
    _value("cum_mean", "mean of the demand of steps 1 to horizon_step", nullable=True),
    *(
        _value(
            f"cum_{quantile_name(q)}",
            f"{q:.0%} quantile of the demand of steps 1 to horizon_step; null for prices",
            nullable=True,
        )
        for q in CUMULATIVE_QUANTILES
    ),
)
_MADE_FROM = (
    text("model_version", "derived from data, settings and code"),
    text("dataset_id", "derived from the content of the inputs"),
    text("source", "synthetic_sample, user_files or the APIs"),
    Column("generated_at", pa.timestamp("us", tz="UTC"), "instant", "when the run started"),
)
_PROVENANCE = (
    text("model_used", "model that made the row"),
    flag("is_fallback", "not every model that was asked for succeeded"),
    text("fallback_reason", "why, if so", nullable=True),
    count("n_train", "periods", "observed periods of the item"),
    day("train_end", "last observed period of the item"),
    day("fitted_at", "last period that weights and pooled models were fitted on"),
    *_MADE_FROM,
)

FORECASTS = Contract(
    "forecasts",
    key=("item_id", "ds"),
    columns=(
        *(ITEM_ID, DS, FREQUENCY, AS_OF, _STEP, KIND, _UNIT),
        *_MARGINAL,
        *_CUMULATIVE,
        *_PROVENANCE,
    ),
)

REFUSALS = Contract(
    "refusals",
    key=("item_id",),
    columns=(ITEM_ID, KIND, text("reason", "why there is no forecast"), _N_OBS),
)

FORECAST_MODELS = Contract(
    "forecast_models",
    key=("item_id", "ds", "model"),
    columns=(
        ITEM_ID,
        DS,
        text("model", "component model"),
        _STEP,
        KIND,
        number("weight", "1", "share in the ensemble", 0.0, 1.0, nullable=False),
        *_MARGINAL,
        *_CUMULATIVE,
    ),
)

MEASURES = {
    "quantity": "units asked for, of items that are measured alike",
    "value": "units times the cost of one, of items whose cost is known",
}
GROUPINGS = {
    "all": "every item",
    "demand_class": "items whose demand is of one kind",
    "family": "items of one family, as the items file tells it",
}

TOTALS = Contract(
    "totals",
    key=("measure", "grouping", "member", "unit", "ds"),
    columns=(
        text("measure", "what is added up", MEASURES),
        text("grouping", "which items are added up", GROUPINGS),
        text("member", "class or family; * of all items"),
        text("unit", "unit or currency of the values; 'units' or 'money' where none is told"),
        *(DS, FREQUENCY, AS_OF, _STEP),
        count("n_items", "items", "items in the total", 1),
        *_MARGINAL,
        *_CUMULATIVE,
        number("shock_period", "1", "standard deviation of what moves all items in one period, "
               "over the mean", 0.0, nullable=False),
        number("shock_horizon", "1", "the same of what moves them in all periods of the horizon",
               0.0, nullable=False),
        *_MADE_FROM,
    ),
)  # fmt: skip
