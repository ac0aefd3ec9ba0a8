"""The user's exposures: volumes that will be paid at a price that is not known yet."""

from pathlib import Path

import polars as pl

from ml.contracts.base import check
from ml.contracts.price_outlook import EXPOSURE
from pipelines.intake.items import empty_cells, read_records, refuse_repeats
from pipelines.intake.names import EXPOSURE_NAMES
from pipelines.intake.quarantine import Reason, combined, to_arrow
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import cells_in

DECISIVE = ("item_id", "volume", "hedged_share", "risk_aversion")
"""Columns without which a cost would be another one: what cannot be read there costs its row."""
_NAMED = pl.col("exposure_id").is_not_null()


def read_exposure(path: Path, request: ReadingRequest) -> Intake:
    """Read exposures from a file or a folder of files, one row an exposure.

    A row without a volume above 0, or with a share or an aversion to risk outside [0, 1], is set
    aside; one without a day is kept: its day is not known. Where a name is given twice to exposures
    of one series the first counts.

    Raises:
        DataError: Files that cannot be read, or without a column of series or volumes; repeated
            names where they are to be refused.
        IntakeError: No row can be used.
    """
    where, needed = path.name, ("item_id", "volume")
    records = read_records(path, request, EXPOSURE, EXPOSURE_NAMES, needed=needed)
    quarantine = combined([records.quarantine, empty_cells(records, "volume")])
    spoilt = cells_in(records.files, DECISIVE, quarantine)
    rows = _name(records.rows.join(spoilt, on=["file", "line"], how="anti", maintain_order="left"))
    again = rows.filter(~pl.struct(EXPOSURE.key).is_first_distinct())
    refuse_repeats(where, again["exposure_id"], rows, request, "an exposure", "Name each once.")
    repeated = again.select(
        "file", "line", "item_id", column="id_column", value="exposure_id",
        reason=pl.lit(str(Reason.REPEATED_KEY)),
    )  # fmt: skip
    quarantine = combined([quarantine, repeated])
    used = rows.height - again.height
    count, statements = records.account(where, quarantine, used=used, needed=DECISIVE)
    first = rows.unique(EXPOSURE.key, keep="first", maintain_order=True).sort(EXPOSURE.key)
    table = check(to_arrow(first.select(EXPOSURE.names)), EXPOSURE, where=where)
    return Intake(table, None, count, tuple(statements), quarantine)


def _name(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with a name each: where none is given, the place among the rows of the series.

    With a sign before it where another exposure of the series has that name.
    """
    given = rows.filter(_NAMED).select("item_id", place="exposure_id", is_taken=True).unique()
    place = pl.int_range(1, pl.len() + 1).over("item_id").cast(pl.String)
    found = rows.with_columns(place=place).join(
        given, on=["item_id", "place"], how="left", maintain_order="left"
    )
    free = pl.when("is_taken").then("#" + pl.col("place")).otherwise("place")
    return found.with_columns(exposure_id=pl.when(_NAMED).then("exposure_id").otherwise(free))
