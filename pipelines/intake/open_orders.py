"""The user's open orders: what is still to come of each item, and on which day."""

from pathlib import Path

import polars as pl

from ml.contracts.base import check
from ml.contracts.demand import OPEN_ORDERS
from pipelines.intake.items import empty_cells, read_records, refuse_repeats
from pipelines.intake.names import OPEN_ORDER_NAMES
from pipelines.intake.quarantine import combined, to_arrow
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import counted

_QUANTITY, _DUE = pl.col("quantity"), pl.col("due_at")
_SAME = ["item_id", "due_at", "quantity", "supplier", "order_id"]


def read_open_orders(path: Path, request: ReadingRequest) -> Intake:
    """Read open orders from a file or a folder of files, one row an order line.

    A row without a quantity is set aside, as its order is unknown; one without a due date is kept:
    its date is not known. Rows of which nothing is still to come say nothing and are left out.

    Raises:
        DataError: Files that cannot be read, or without a column of ids or quantities; repeated
            order lines where they are to be refused.
        IntakeError: No row can be used.
    """
    where = path.name
    needed = ("item_id", "quantity")
    records = read_records(path, request, OPEN_ORDERS, OPEN_ORDER_NAMES, needed=needed)
    quarantine = combined([records.quarantine, empty_cells(records, "quantity")])
    rows = records.rows.filter(_QUANTITY.is_not_null())
    count, statements = records.account(where, quarantine, used=rows.height, needed=needed)
    again = rows.filter(pl.col("order_id").is_not_null() & ~pl.struct(_SAME).is_first_distinct())
    refuse_repeats(where, again["item_id"], rows, request, "an order line", "Remove them.")
    if again.height:
        statements.append(
            f"{where}: {counted(again.height, 'row')} repeated an order line and were added to "
            "it; --duplicates error refuses them."
        )
    open_rows = rows.filter(_QUANTITY > 0)
    if open_rows.height < rows.height:
        done = counted(rows.height - open_rows.height, "row")
        statements.append(f"{where}: {done} with nothing still to come were left out.")
    if undated := open_rows.filter(_DUE.is_null()).height:
        statements.append(f"{where}: {counted(undated, 'order')} without a due date.")
    return Intake(
        check(to_arrow(_number(open_rows)), OPEN_ORDERS, where=where),
        None, count, tuple(statements), quarantine,
    )  # fmt: skip


def _number(rows: pl.DataFrame) -> pl.DataFrame:
    """The orders of each item by due date, those without one last, with their place."""
    ordered = rows.sort(["item_id", *_SAME[1:]], nulls_last=True, maintain_order=True)
    place = pl.int_range(1, pl.len() + 1).over("item_id").alias("order_line")
    return ordered.with_columns(place).select(OPEN_ORDERS.names)
