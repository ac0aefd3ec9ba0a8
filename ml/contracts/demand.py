"""The user's own tables: demand, items and stock (DESIGN section 5, inventory.md 3.1)."""

import pyarrow as pa

from ml.contracts.base import Column, Contract

ABSURD = 1e9  # units a period: above it a number is a fault of the file, not a demand

ITEM_ID = Column("item_id", pa.string(), description="key of an item; text, 'NA' is an id")
DS = Column("ds", pa.timestamp("us"), unit="day", description="start of the period, no time zone")
FREQUENCIES = ("D", "B", "W", "MS")
FREQUENCY = Column(
    "frequency", pa.string(), description="D, B, W or MS (start of month)", allowed=FREQUENCIES
)
CRITICALITIES = ("A", "B", "C", "insurance")
STATUSES = ("active", "phase_out", "do_not_stock", "obsolete")

DEMAND = Contract(
    "demand",
    key=("item_id", "ds"),
    columns=(
        ITEM_ID,
        DS,
        Column(
            "y",
            pa.float64(),
            unit="units a period",
            description="demand summed over sites; null = not observed, 0 = observed none",
            lower=0.0,
            nullable=True,
        ),
        Column(
            "is_stockout",
            pa.bool_(),
            description="stock ran out: y is what was served, not what was asked for",
            nullable=True,
        ),
        FREQUENCY,
        Column("source", pa.string(), description="synthetic_sample or user_files"),
    ),
)


def _optional(
    name: str, dtype: pa.DataType, unit: str, description: str, lower: float = 0.0
) -> Column:
    bounded = lower if not pa.types.is_string(dtype) else -float("inf")
    return Column(name, dtype, unit, description, lower=bounded, nullable=True)


_POLICY_INPUTS = (
    _optional("lead_time_days_mean", pa.float64(), "days", "mean time from order to receipt"),
    _optional("lead_time_days_std", pa.float64(), "days", "standard deviation of the lead time"),
    _optional("review_period_days", pa.float64(), "days", "time between two reviews"),
    _optional("moq", pa.float64(), "units", "smallest order"),
    _optional("order_multiple", pa.float64(), "units", "orders are multiples of this"),
    _optional("max_order_qty", pa.float64(), "units", "largest order"),
    _optional("unit_cost", pa.float64(), "currency", "cost of one unit"),
    Column("currency", pa.string(), description="ISO 4217 code", nullable=True),
    Column("service_target", pa.float64(), description="wanted cycle service level", lower=0.0,
           upper=1.0, nullable=True),
    Column("criticality", pa.string(), description="A, B, C or insurance", nullable=True,
           allowed=CRITICALITIES),
    Column("status", pa.string(), description="life cycle", nullable=True, allowed=STATUSES),
)  # fmt: skip

ITEMS = Contract(
    "items",
    key=("item_id",),
    columns=(
        ITEM_ID,
        Column("name", pa.string(), description="plain name", nullable=True),
        Column("family", pa.string(), description="family of parts", nullable=True),
        *_POLICY_INPUTS,
    ),
)

INVENTORY = Contract(
    "inventory",
    key=("item_id",),
    columns=(
        ITEM_ID,
        Column("location_id", pa.string(), description="'ALL': stock is summed over locations"),
        Column(
            "snapshot_at", pa.timestamp("us"), "day", "when the stock was counted", nullable=True
        ),
        _optional("on_hand", pa.float64(), "units", "units in stock"),
        _optional("on_order", pa.float64(), "units", "units ordered, not yet received"),
        _optional("backorders", pa.float64(), "units", "units owed to customers"),
        _optional("reserved", pa.float64(), "units", "units promised, still in stock"),
        *_POLICY_INPUTS,
    ),
)
