"""The published forecasts, the items refused, and the component models' rows."""

import pyarrow as pa

from ml.contracts.base import Column, Contract
from ml.contracts.demand import DS, FREQUENCY, ITEM_ID

QUANTILES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
CUMULATIVE_QUANTILES = (0.1, 0.5, 0.8, 0.9, 0.95, 0.99)
KINDS = ("demand", "price")


def quantile_name(level: float) -> str:
    """Column name of a quantile: ``q05`` for 0.05.

    >>> [quantile_name(q) for q in (0.05, 0.5, 0.99)]
    ['q05', 'q50', 'q99']
    """
    return f"q{round(level * 100):02d}"


KIND = Column("kind", pa.string(), description="demand or price", allowed=KINDS)
AS_OF = Column("as_of", pa.timestamp("us"), "day", "start of the last period that the panel saw")
_UNIT = Column("unit", pa.string(), description="unit of the values", nullable=True)
_STEP = Column("horizon_step", pa.int64(), "periods", "periods after as_of, 1 to H", lower=1)


def _value(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.float64(), "see unit", description, nullable=nullable)


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
_PROVENANCE = (
    Column("model_used", pa.string(), description="model that made the row"),
    Column("is_fallback", pa.bool_(), description="not every model that was asked for succeeded"),
    Column("fallback_reason", pa.string(), description="why, if so", nullable=True),
    Column("n_train", pa.int64(), "periods", "observed periods of the item", lower=0),
    Column("train_end", pa.timestamp("us"), "day", "last observed period of the item"),
    Column("model_version", pa.string(), description="derived from data, settings and code"),
    Column("dataset_id", pa.string(), description="derived from the content of the inputs"),
    Column("source", pa.string(), description="synthetic_sample, user_files or the APIs"),
    Column("generated_at", pa.timestamp("us", tz="UTC"), "instant", "when the run started"),
)

FORECASTS = Contract(
    "forecasts",
    key=("item_id", "ds"),
    columns=(
        ITEM_ID,
        DS,
        FREQUENCY,
        AS_OF,
        _STEP,
        KIND,
        _UNIT,
        *_MARGINAL,
        *_CUMULATIVE,
        *_PROVENANCE,
    ),
)

REFUSALS = Contract(
    "refusals",
    key=("item_id",),
    columns=(
        ITEM_ID,
        KIND,
        Column("reason", pa.string(), description="why there is no forecast"),
        Column("n_obs", pa.int64(), "periods", "observed periods of the item", lower=0),
    ),
)

FORECAST_MODELS = Contract(
    "forecast_models",
    key=("item_id", "ds", "model"),
    columns=(
        ITEM_ID,
        DS,
        Column("model", pa.string(), description="component model"),
        _STEP,
        KIND,
        Column("weight", pa.float64(), "1", "share in the ensemble", lower=0.0, upper=1.0),
        *_MARGINAL,
        *_CUMULATIVE,
    ),
)
