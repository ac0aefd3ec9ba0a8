"""The user's items: attributes that do not change with time, one row an item."""

from pathlib import Path

import polars as pl

from ml.contracts.demand import ITEMS
from ml.errors import DataError
from pipelines.intake.attributes import contract_table, read_records
from pipelines.intake.data_file import open_files
from pipelines.intake.names import ITEM_NAMES, by_usual_names
from pipelines.intake.quarantine import Reason, as_arrow, combined
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import counted, named, on_rows


def read_items(path: Path, request: ReadingRequest) -> Intake:
    """Read items from a file or a folder of files.

    The first row of an item counts; later ones that say something else go to quarantine, or,
    where ``duplicates`` is ``error``, are refused.

    Raises:
        DataError: Files that cannot be read or have no column of ids; repeated items where they
            are to be refused.
        IntakeError: No row has an id.
    """
    where = path.name
    files = open_files(path, by_usual_names(ITEM_NAMES, ("item_id",), request.columns))
    records = read_records(where, files, ITEMS, request.today)
    rows = records.rows
    repeats = rows.filter(~pl.col("item_id").is_first_distinct())
    if repeats.height and request.duplicates == "error":
        raise DataError(
            f"{where}: {counted(repeats.height, 'row')} of {rows.height:,} repeat an item. "
            f"First: {named(repeats['item_id'].unique().sort().to_list())}. Keep one row an item."
        )
    given = [pl.col(name) for name in records.names]
    differs = [
        value.ne_missing(value.first().over("item_id"))
        for value in given
        if value.meta.output_name() != "item_id"
    ]
    different = rows.filter(pl.any_horizontal(pl.lit(value=False), *differs))
    repeated = different.select(
        "file", "line", "item_id", column="id_column", value="item_id",
        reason=pl.lit(str(Reason.REPEATED_KEY)),
    )  # fmt: skip
    quarantine = combined([records.quarantine, repeated])
    statements = [*on_rows(where, files, rows.height - different.height, quarantine)]
    statements += records.remarks
    if repeats.height:
        statements.append(
            f"{where}: {counted(repeats.height, 'row')} repeated an item; the first row of each "
            f"counts, {different.height:,} that said something else were set aside."
        )
    first = rows.unique("item_id", keep="first", maintain_order=True).sort("item_id")
    table = contract_table(first, ITEMS, where)
    return Intake(table, None, tuple(statements), as_arrow(quarantine))
