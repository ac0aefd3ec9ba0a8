"""A Parquet file as a :class:`Source`: every type becomes the text that a CSV would hold."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.errors import DataError
from pipelines.intake.quarantine import EMPTY
from pipelines.intake.source import Choose, Rows, Source, TextColumn, stem, text_column

_EXACT = 2.0**53  # whole numbers above it are not exact in a float64


def open_parquet(path: Path, raw: bytes, choose: Choose) -> Source:
    """Read the wanted columns of a Parquet file.

    Args:
        path: Of the file.
        raw: Its content.
        choose: From the names of all columns and the file name to the wanted columns.

    Raises:
        DataError: No Parquet file, no rows, or a column of a type that holds no single value.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(raw))
        header = file.schema_arrow.names
        chosen = choose(header, path.name)
        table = file.read(columns=[header[position] for position in set(chosen.positions.values())])
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path.name}: is no readable Parquet file: {str(error).splitlines()[0]}"
        ) from None
    if not table.num_rows:
        raise DataError(f"{path.name}: has columns but no rows.")
    columns = {
        wanted: _column(table[header[position]], header[position], path.name)
        for wanted, position in chosen.positions.items()
    }
    return Source(
        name=path.name,
        stem=stem(path),
        rows=table.num_rows,
        columns=columns,
        found=chosen,
        broken=EMPTY,
        lines=_row_numbers,
    )


def _row_numbers(rows: Rows) -> Rows:
    return rows + 1


def _column(values: pa.ChunkedArray, name: str, file: str) -> TextColumn:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    try:
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            # an instant is of the day that the clock on the wall showed in its time zone
            return text_column(values.cast(pa.date32()), name)
        if pa.types.is_floating(kind):
            return text_column(values.cast(pa.float64()), name, typed=True, as_text=_float_text)
        if pa.types.is_decimal(kind):
            return text_column(values, name, typed=True, as_text=_decimal_text)
        return text_column(values, name, typed=pa.types.is_integer(kind))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise DataError(
            f"{file}: column '{name}' is of type {kind}, which is no text, day or number."
        ) from None


def _float_text(distinct: pa.Array) -> pa.Array:
    """Shortest text that reads back as the same number; whole numbers without a point."""
    numbers = distinct.to_numpy()
    whole = (np.abs(numbers) < _EXACT) & (numbers == np.trunc(numbers))
    units = pa.array(np.where(whole, numbers, 0).astype(np.int64)).cast(pa.string())
    return pc.if_else(pa.array(whole), units, distinct.cast(pa.string()))


def _decimal_text(distinct: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(distinct.cast(pa.string()), r"\.0+$", "")
