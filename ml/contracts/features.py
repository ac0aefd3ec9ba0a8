"""Features in rows, for people and other tools; models compute their own at every cutoff."""

import pyarrow as pa

from ml.contracts.base import Column, Contract
from ml.features.declarations import GROUPS, ROLES

FEATURES_TABLE = Contract(
    "features",
    key=("feature", "region", "ds"),
    columns=(
        Column("feature", pa.string(), description="name of the feature"),
        Column(
            "region",
            pa.string(),
            description="city or state; mean where others stand in; null = national",
            nullable=True,
        ),
        Column("ds", pa.timestamp("us"), "day", "day that the value stands on"),
        Column("value", pa.float64(), "see unit", "null = not known at the cutoff", nullable=True),
        Column("unit", pa.string(), description="unit of the value, 1 where it has none"),
        Column("role", pa.string(), description="how far it is known", allowed=ROLES),
        Column("feature_group", pa.string(), description="where it is from", allowed=GROUPS),
        Column("cutoff", pa.timestamp("us"), "day", "nothing available after this day is in it"),
        Column(
            "is_outlier",
            pa.bool_(),
            description="the group's day stands out and wants a look; null = not judged",
            nullable=True,
        ),
        Column("source", pa.string(), description="table and series, or computed"),
        Column("published_by", pa.string(), description="who published that", nullable=True),
    ),
)
