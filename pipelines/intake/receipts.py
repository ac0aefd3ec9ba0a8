"""The user's receipts: when each item's orders were placed, and when they came."""

from pathlib import Path

import polars as pl

from ml.contracts.base import check
from ml.contracts.demand import RECEIPTS
from pipelines.intake.items import Records, read_records, refuse_repeats
from pipelines.intake.names import RECEIPT_NAMES
from pipelines.intake.quarantine import Reason, combined, to_arrow
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import counted

LONGEST_DAYS = 1826  # five years: a longer lead time is a typing error
_NEEDED = ("item_id", "ordered_at", "received_at")
_ORDERED, _RECEIVED = pl.col("ordered_at"), pl.col("received_at")
_TOOK = (_RECEIVED - _ORDERED).dt.total_days()
_ORDER = ["item_id", "order_id", "ordered_at"]  # contracts and years may share a number
_QUANTITY = pl.col("quantity")


def read_receipts(path: Path, request: ReadingRequest) -> Intake:
    """Read receipts from a file or a folder of files, one row an order of an item.

    A row without both days, received before it was ordered or more than five years later, is set
    aside: it tells no lead time. Deliveries of one order, of one number and day, are one receipt on
    the day of the last; how much came is known where each of them says it.

    Raises:
        DataError: Files that cannot be read, or without a column of ids or of either day; repeated
            rows where they are to be refused.
        IntakeError: No row can be used.
    """
    where = path.name
    records = read_records(path, request, RECEIPTS, RECEIPT_NAMES, needed=_NEEDED)
    quarantine = combined([records.quarantine, *_useless(records)])
    known = records.rows.filter(_TOOK.is_between(0, LONGEST_DAYS))
    same = pl.struct("item_id", "ordered_at", "received_at", "quantity", "order_id")
    again = known.filter(pl.col("order_id").is_not_null() & ~same.is_first_distinct())
    refuse_repeats(where, again["item_id"], known, request, "a receipt", "Remove them.")
    count, statements = records.account(where, quarantine, used=known.height, needed=_NEEDED)
    receipts = _one_an_order(known)
    if receipts.height < known.height:
        more = counted(known.height - receipts.height, "row")
        statements.append(f"{where}: {more} of orders that came in parts; the last part counts.")
    table = check(to_arrow(receipts), RECEIPTS, where=where)
    return Intake(table, None, count, tuple(statements), quarantine)


def _useless(records: Records) -> list[pl.DataFrame]:
    """Cells of the rows that tell no lead time, but for those set aside in reading."""
    rows, parts = records.rows, []
    impossible = (
        records.rows.filter(~_TOOK.is_between(0, LONGEST_DAYS)),
        "received_at",
        _RECEIVED.cast(pl.String),
        Reason.OUT_OF_RANGE,
    )
    empty = [
        (rows.filter(pl.col(name).is_null()), name, pl.lit(""), Reason.EMPTY_DATE)
        for name in _NEEDED[1:]
    ]
    for found, name, value, reason in (*empty, impossible):
        cells = found.select(
            "file", "line", "item_id", column=f"{name}_column", value=value,
            reason=pl.lit(str(reason)),
        )  # fmt: skip
        parts.append(cells.join(records.quarantine, on=["file", "line", "column"], how="anti"))
    return parts


def _one_an_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Receipts by item and day, with their place; what has no order's number is one of its own."""
    numbered = pl.col("order_id").is_not_null()
    whole = rows.filter(numbered).group_by(_ORDER, maintain_order=True).agg(
        _RECEIVED.max(), pl.when(_QUANTITY.is_not_null().all()).then(_QUANTITY.sum()),
        pl.col("supplier").first(),
    )  # fmt: skip
    own = rows.filter(~numbered)
    names = RECEIPTS.names
    both = pl.concat([one.select(n for n in names if n != "receipt_line") for one in (whole, own)])
    keys = ["item_id", "received_at", "ordered_at", "order_id", "quantity", "supplier"]
    ordered = both.sort(keys, nulls_last=True, maintain_order=True)
    place = pl.int_range(1, pl.len() + 1).over("item_id").alias("receipt_line")
    return ordered.with_columns(place).select(names)
