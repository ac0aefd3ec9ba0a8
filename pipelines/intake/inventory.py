"""The user's stock: the newest count of each location, and summed to one row an item."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from ml.contracts.base import check
from ml.contracts.demand import ALL_LOCATIONS, INVENTORY, STOCK_BY_LOCATION
from pipelines.intake.items import Records, read_records, refuse_repeats
from pipelines.intake.names import INVENTORY_NAMES
from pipelines.intake.quarantine import to_arrow
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import counted, named

# Unknown in one location is unknown in total, never 0.
KNOWN_IN_ALL = ("on_hand", "on_order", "max_stock")
KNOWN_IN_SOME = ("backorders", "reserved", "in_repair_qty", "min_stock")  # not given means none
DUE = "on_order_eta"
KEY = ["item_id", "location_id"]
_LOCATION, _COUNTED_AT = pl.col("location_id"), pl.col("snapshot_at")


def read_inventory(path: Path, request: ReadingRequest) -> Intake:
    """Read stock from a file or a folder of files.

    Of each item and location the rows of the newest count are kept. Quantities are summed over
    locations; the oldest of their counts is the ``snapshot_at`` of the sum, and the last of their
    due dates that of what is on order. Of attributes the first location that gives one counts.
    Where there are several locations, the stock of each is a table beside, ``stock_by_location``.

    Raises:
        DataError: Files that cannot be read or have no column of ids; repeated rows of one item,
            location and day where they are to be refused.
        IntakeError: No row has an id.
    """
    where, records = path.name, read_records(path, request, INVENTORY, INVENTORY_NAMES)
    rows = records.rows.with_columns(_LOCATION.fill_null(""))
    count, statements = records.account(
        where, records.quarantine, used=rows.height, needed=("item_id",)
    )
    when = _COUNTED_AT.fill_null(date.min)
    newest = rows.filter(when == when.max().over(KEY)).sort(KEY, maintain_order=True)
    again = newest.filter(~pl.struct(KEY).is_first_distinct())
    refuse_repeats(
        where, again["item_id"], rows, request, "the item, location and day of another",
        "Remove them, or add them up with --duplicates sum.",
    )  # fmt: skip
    totals = _sum_rows(newest, KEY[:1]).with_columns(location_id=pl.lit(ALL_LOCATIONS))
    table = check(to_arrow(totals.select(INVENTORY.names)), INVENTORY, where=where)
    if newest.height < rows.height:
        older = counted(rows.height - newest.height, "row")
        statements.append(f"{where}: {older} of older counts were left out.")
    if again.height:
        statements.append(
            f"{where}: {counted(again.height, 'row')} repeated the item, location and day of "
            "another and were added to it; --duplicates error refuses them."
        )
    places = rows["location_id"].n_unique()
    if places > 1:
        statements.append(f"{where}: stock was summed over {counted(places, 'location')}.")
    statements += _on_unknown(where, records, newest)
    apart = None
    if places > 1:
        stock = _sum_rows(newest, KEY).select(STOCK_BY_LOCATION.names)
        apart = check(to_arrow(stock), STOCK_BY_LOCATION, where=where)
    beside = {STOCK_BY_LOCATION.name: apart}
    return Intake(table, None, count, tuple(statements), records.quarantine, beside)


def _sum_rows(rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """One row a key of its rows, which are sorted by item and location."""
    others = [name for name in INVENTORY.names if name not in (*KEY, "snapshot_at", DUE)]
    # A cost keeps the currency of its own row.
    currency = pl.col("currency").filter(pl.col("unit_cost").is_not_null()).drop_nulls().first()
    items = rows.group_by(key, maintain_order=True).agg(
        pl.col(others).drop_nulls().first(), _COUNTED_AT.min(), pl.col(DUE).max(), rows=pl.len(),
        own=currency,
    ).with_columns(currency=pl.coalesce("own", "currency")).drop("own")  # fmt: skip
    starts = items["rows"].cum_sum().shift(1, fill_value=0).to_numpy().astype(np.int64)
    for name in (*KNOWN_IN_ALL, *KNOWN_IN_SOME):
        values = rows[name].to_numpy()
        if name in KNOWN_IN_SOME:
            values = np.nan_to_num(values, nan=0.0)
        sums = pl.Series(np.add.reduceat(values, starts), nan_to_null=True)
        known = pl.col(name).is_not_null()  # at least one row gives it
        items = items.with_columns(pl.when(known).then(sums).alias(name))
    return items


def _on_unknown(where: str, records: Records, newest: pl.DataFrame) -> list[str]:
    """What is not known for any item, and which items lack a total as one location lacks it."""
    given = {name for file in records.files for name in file.names}
    sentences = [
        f"{where}: no column '{name}': not known for any item."
        for name in ("snapshot_at", "on_hand")
        if name not in given
    ]
    for name in KNOWN_IN_ALL:
        items = _items(newest.filter(pl.col(name).is_null()))
        if items and name in given:
            sentences.append(
                f"{where}: '{name}' of {counted(len(items), 'item')} is not known in at least one "
                f"row and therefore not in total: {named(items)}."
            )
    return sentences


def _items(rows: pl.DataFrame) -> list[str]:
    return rows["item_id"].unique(maintain_order=True).to_list()
