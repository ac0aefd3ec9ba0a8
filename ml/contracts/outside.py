"""Outside tables: series as published, dividends, and the features made of them."""

from ml.contracts.base import Contract, day, flag, number, text

AS_PUBLISHED = (
    text("series", "name of the series"),
    text("region", "region; null = national", nullable=True),
    day("ref_date", "start of the period that the value is of"),
    day("available_at", "when the value could first be known"),
    number("value", "see unit", "the value as published"),
    text("unit", "unit of the value", nullable=True),
    text("source", "who published it"),
    flag("preliminary", "to be revised by its publisher"),
    flag("estimated", "asked for long after it came out, of a series that is revised: what was "
         "known on available_at may have been another value", nullable=True),
)  # fmt: skip
AS_PUBLISHED_KEY = ("series", "region", "ref_date", "available_at")
_CURRENCY = text("currency", "ISO 4217 code", nullable=True)

CLIMATE = Contract("climate", AS_PUBLISHED_KEY, AS_PUBLISHED, version=2)
ECONOMIC = Contract("economic", AS_PUBLISHED_KEY, AS_PUBLISHED, version=2)
ANATEL_5G = Contract("anatel_5g", AS_PUBLISHED_KEY, AS_PUBLISHED, version=2)
PRICES = Contract("prices", AS_PUBLISHED_KEY, (*AS_PUBLISHED, _CURRENCY), version=2)
OUTSIDE = (CLIMATE, ECONOMIC, ANATEL_5G, PRICES)
DIVIDENDS = Contract(
    "dividends",
    AS_PUBLISHED_KEY,
    (text("series", "<price>/dividend or <price>/split"), *AS_PUBLISHED[1:], _CURRENCY),
    version=2,
)
"""``PETR4/dividend`` in currency a share on its ex-day; ``PETR4/split`` in new shares an old one.

A close that the source adjusts for dividends changes back in time after each of them, so what is
stored is the raw close, and who needs an adjusted one computes it from both tables.
"""

GROUPS = {
    "calendar": "holidays, Carnival and the time of the year",
    "climate": "weather of one city",
    "economy": "dollar, policy rate, inflation and activity",
    "telecom": "the 5G roll-out in one state",
    "prices": "quoted prices by session",
}
ROLES = {
    "static": "the same on all days",
    "past_only": "known up to the cutoff",
    "future_known": "known for all time",
}
FEATURES_TABLE = Contract(
    "features",
    key=("feature", "region", "ds"),
    columns=(
        text("feature", "name of the feature"),
        text("region", "city or state; mean where others stand in; null = national", nullable=True),
        day("ds", "day that the value stands on"),
        number("value", "see unit", "null = not known at the cutoff"),
        text("unit", "unit of the value, 1 where it has none"),
        text("role", "how far it is known", ROLES),
        text("feature_group", "where it is from", GROUPS),
        day("cutoff", "nothing available after this day is in it"),
        flag("is_outlier", "the group's day stands out and wants a look; null = not judged",
             nullable=True),
        text("source", "table and series, or computed"),
        text("published_by", "who published that", nullable=True),
    ),
)  # fmt: skip
"""Features in rows, for people and other tools; models compute their own at every cutoff."""
