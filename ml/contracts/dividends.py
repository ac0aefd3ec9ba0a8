"""What quoted companies pay and how they split: beside raw closes, never worked into them."""

from ml.contracts.base import Column, Contract
from ml.contracts.prices import AS_PUBLISHED_KEY, PRICES

DIVIDENDS = Contract(
    "dividends",
    key=AS_PUBLISHED_KEY,
    columns=tuple(
        Column("series", PRICES.columns[0].dtype, description="<price>/dividend or <price>/split")
        if column.name == "series"
        else column
        for column in PRICES.columns
    ),
)
"""``PETR4/dividend`` in currency a share on its ex-day; ``PETR4/split`` in new shares an old one.

A close that the source adjusts for dividends changes back in time after each of them, so what is
stored is the raw close, and who needs an adjusted one computes it from both tables.
"""
