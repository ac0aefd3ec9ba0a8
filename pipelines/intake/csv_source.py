"""A CSV file as a :class:`Source`: parsed by pyarrow, every row traced back to its line."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from ml.errors import DataError
from pipelines.intake.lines import line_starts
from pipelines.intake.quarantine import SCHEMA, Reason
from pipelines.intake.source import Choose, Rows, Source, stem, text_column
from pipelines.intake.text import Layout, layout

BLOCK = 1 << 24  # bytes; a quoted field must fit into one block
SHOWN = 200  # characters of a broken line that the quarantine keeps
_TEXT = pa.dictionary(pa.int32(), pa.string())


def open_csv(path: Path, text: bytes, choose: Choose) -> Source:
    """Read the wanted columns of a CSV file.

    Args:
        path: Of the file.
        text: Its content in UTF-8.
        choose: From header and file name to the wanted columns.

    Raises:
        DataError: Nothing below the header, or quotes that do not close.
    """
    found = layout(text, path.name)
    chosen = choose(found.header, path.name)
    positions = sorted(set(chosen.positions.values()))
    body = memoryview(text)[found.body :]
    quoted = text.find(b'"', found.body) >= 0
    table, broken = _parse(body, found, positions=positions, quoted=quoted, name=path.name)
    columns = {
        wanted: text_column(table[f"c{position}"], found.header[position])
        for wanted, position in chosen.positions.items()
    }
    records = np.arange(table.num_rows + len(broken))
    lost = np.array([record for record, _ in broken], np.int64)
    sound = np.delete(records, lost)
    starts = cache(partial(_starts, body, found, len(records)))
    aside = _quarantined(path.name, broken, starts()[lost] if broken else lost)
    return Source(
        name=path.name,
        stem=stem(path),
        rows=table.num_rows,
        columns=columns,
        found=chosen,
        broken=aside,
        lines=lambda rows: starts()[sound[rows]],
    )


def _parse(
    body: memoryview, found: Layout, *, positions: list[int], quoted: bool, name: str
) -> tuple[pa.Table, list[tuple[int, str]]]:
    """The columns at some positions as text, and the records with a wrong number of fields."""
    broken: list[tuple[int, str]] = []

    def set_aside(row: pa_csv.InvalidRow) -> str:
        broken.append((row.number - 1, row.text))
        return "skip"

    columns = [f"c{position}" for position in range(len(found.header))]
    wanted = [columns[position] for position in positions]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(body)),
            # one thread, or pyarrow does not number the broken rows
            read_options=pa_csv.ReadOptions(
                column_names=columns, use_threads=False, block_size=BLOCK
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=found.delimiter,
                newlines_in_values=quoted,
                invalid_row_handler=set_aside,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, _TEXT),
                include_columns=wanted,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{name}: is no readable CSV, perhaps a quote is not closed: "
            f"{str(error).splitlines()[0][:SHOWN]}"
        ) from None
    return table, broken


def _starts(body: memoryview, found: Layout, records: int) -> Rows:
    return line_starts(body, found.delimiter, records) + found.lines


def _quarantined(name: str, broken: list[tuple[int, str]], lines: Rows) -> pa.Table:
    return pa.table(
        {
            "file": [name] * len(broken),
            "line": lines,
            "item_id": pa.nulls(len(broken), pa.string()),
            "column": pa.nulls(len(broken), pa.string()),
            "value": [text[:SHOWN] for _, text in broken],
            "reason": [str(Reason.FIELD_COUNT)] * len(broken),
        },
        schema=SCHEMA,
    )
