"""The user's items: attributes that do not change with time, one row an item."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.demand import ITEMS
from ml.errors import DataError
from pipelines.intake.attributes import Records, as_array, nothing, read_records
from pipelines.intake.interface import Intake
from pipelines.intake.names import ITEM_NAMES
from pipelines.intake.quarantine import Reason, combined, fault_code, listed
from pipelines.intake.reading import Files, by_usual_names, on_rows, open_files
from pipelines.intake.request import ReadingRequest
from pipelines.intake.wording import counted, named


def read_items(path: Path, options: ReadingRequest) -> Intake:
    """Read items from a file or a folder of files.

    The first row of an item counts; later ones that say something else go to quarantine, or,
    where ``options.duplicates`` is ``error``, are refused.

    Raises:
        DataError: Files that cannot be read or have no column of ids; repeated items where they
            are to be refused.
        IntakeError: No row has an id.
    """
    files = open_files(path, by_usual_names(ITEM_NAMES, ("item_id",), options.columns))
    records = read_records(files, ITEMS, options)
    _, first = np.unique(records.items, return_index=True)
    different = _differs_from_first(records, first)
    if options.duplicates == "error":
        _refuse(files.where, records, first)
    quarantine = combined([records.quarantine, *_repeated(files, records, different)])
    arrays = {"item_id": records.ids}
    for column in ITEMS.columns[1:]:
        values = records.columns.get(column.name, nothing(column, len(records.items)))
        arrays[column.name] = as_array(values[first], column)
    repeats = len(records.items) - len(first)
    statements = [
        *on_rows(files, len(records.items) - int(different.sum()), quarantine),
        *records.remarks,
    ]
    if repeats:
        statements.append(
            f"{files.where}: {counted(repeats, 'row')} repeated an item; the first row of each "
            f"counts, {int(different.sum()):,} that said something else were set aside."
        )
    return Intake(
        check(pa.table(arrays), ITEMS, where=path.name), None, tuple(statements), quarantine
    )


def _differs_from_first(records: Records, first: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Rows that repeat an item and say something else, (R,)."""
    differs = np.zeros(len(records.items), bool)
    for values in records.columns.values():
        model = values[first][records.items]
        same = (values == model) | ((values != values) & (model != model))  # noqa: PLR0124 - NaN, NaT
        differs |= ~same
    return differs


def _repeated(files: Files, records: Records, different: npt.NDArray[np.bool_]) -> list[pa.Table]:
    parts = []
    for number, source in enumerate(files.sources):
        faults = np.zeros(source.rows, np.int8)
        faults[records.rows[different & (records.files == number)]] = fault_code(
            Reason.REPEATED_KEY
        )
        item = source.columns["item_id"]
        parts.append(listed(source, faults, column=item.name, values=item.cells, items=item.cells))
    return parts


def _refuse(where: str, records: Records, first: npt.NDArray[np.int64]) -> None:
    repeated = np.delete(records.items, first)
    if len(repeated):
        names = records.ids.take(pa.array(np.unique(repeated))).to_pylist()
        raise DataError(
            f"{where}: {counted(len(repeated), 'row')} of {len(records.items):,} repeat an item. "
            f"First: {named(names)}. Keep one row an item."
        )
