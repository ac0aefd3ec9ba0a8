"""Outside series as published, and the price series of the job (DESIGN section 5)."""

import pyarrow as pa

from ml.contracts.base import Column, Contract

AS_PUBLISHED = (
    Column("series", pa.string(), description="name of the series"),
    Column("region", pa.string(), description="region; null = national", nullable=True),
    Column("ref_date", pa.timestamp("us"), "day", "start of the period that the value is of"),
    Column("available_at", pa.timestamp("us"), "day", "when the value could first be known"),
    Column("value", pa.float64(), "see unit", "the value as published", nullable=True),
    Column("unit", pa.string(), description="unit of the value", nullable=True),
    Column("source", pa.string(), description="who published it"),
    Column("preliminary", pa.bool_(), description="to be revised by its publisher"),
)
AS_PUBLISHED_KEY = ("series", "region", "ref_date", "available_at")

PRICES = Contract(
    "prices",
    key=AS_PUBLISHED_KEY,
    columns=(
        *AS_PUBLISHED,
        Column("currency", pa.string(), description="ISO 4217 code", nullable=True),
    ),
)


def exogenous(name: str) -> Contract:
    """Contract of one outside domain: ``climate``, ``economic`` or ``anatel_5g``."""
    return Contract(name, key=AS_PUBLISHED_KEY, columns=AS_PUBLISHED)


CLIMATE = exogenous("climate")
ECONOMIC = exogenous("economic")
ANATEL_5G = exogenous("anatel_5g")
