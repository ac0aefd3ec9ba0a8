"""One data file as a frame of text: the same picture of CSV and Parquet, before parsing.

Records are found by Python's csv module: no CSV library of data frames tells the physical line
that each one starts on, or sets aside rows with a wrong number of fields.
"""

import codecs
import csv
import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.errors import DataError
from pipelines.intake.find_files import data_files
from pipelines.intake.names import Choose, ChosenColumns
from pipelines.intake.quarantine import CELLS, Reason

# the more telling first: a comma also occurs inside names
DELIMITERS: tuple[str, ...] = (";", "\t", ",")
HEAD = 1 << 18  # bytes that the header is looked for in
CHUNK = 10_000  # records that become columns at a time
SHOWN = 200  # characters of a broken row that the quarantine keeps
_BINARY = "is a binary file, neither text nor Parquet."
_CONTROL = bytes(set(range(32)) - {9, 10, 11, 12, 13})
_PIECE = 1 << 24
_END = ["\0"]  # a record that no text file holds; still within quotes it is not found
Lines = npt.NDArray[np.int64]
_BREAK = re.compile("\r\n|\r|\n")
_EXACT = 2.0**53  # whole numbers above it are not exact in a float64
_BLANKS = "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace())


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file."""

    name: str  # file name
    # the chosen columns as text, without surrounding blanks, null as '', by wanted name; and
    # the 1-based `line` that each row starts on (of Parquet its number)
    rows: pl.DataFrame
    names: Mapping[str, str]  # wanted name to the column's name in the file
    # wanted names of columns of numbers: a point is the decimal sign and nothing else
    typed: frozenset[str]
    chosen: ChosenColumns  # which columns were chosen and which ignored
    broken: pl.DataFrame  # quarantine of the rows with a wrong number of fields

    @property
    def height(self) -> int:
        """Rows, those with a wrong number of fields among them."""
        return self.rows.height + self.broken.height


def open_files(path: Path, choose: Choose) -> list[DataFile]:
    """Open all data files of a path, in the order of their names.

    Raises:
        DataError: A file that cannot be read, or lacks a column that is needed.
    """
    return [open_file(file, choose) for file in data_files(path)]


def open_file(path: Path, choose: Choose) -> DataFile:
    """Read the wanted columns of a CSV, packed CSV or Parquet file, told apart by its content.

    Raises:
        DataError: Not readable, empty, without rows, or in no format that is read here.
    """
    raw = read_bytes(path)
    if raw.startswith(b"PAR1") or path.suffix.lower() == ".parquet":
        return _open_parquet(path, raw, choose)
    return _open_csv(path, _as_utf8(raw, path.name), choose)


def stem(path: Path) -> str:
    """File name without the endings that are read here.

    >>> stem(Path("raw/brent.csv.gz"))
    'brent'
    """
    name = path.name
    for suffix in (".gz", ".csv", ".txt", ".parquet"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name or path.name


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is a gzip file.

    Raises:
        DataError: It cannot be read or unpacked.
    """
    try:
        packed = path.read_bytes()
        return gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from None


def _as_utf8(raw: bytes, name: str) -> bytes:
    """The same text in UTF-8 without byte order mark, from UTF-8, UTF-16 or Latin-1.

    Raises:
        DataError: The file is empty, or no text.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raw = raw.decode("utf-16", errors="replace").encode()
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if _is_blank(raw, 0):
        raise DataError(f"{name}: the file is empty.")
    if raw.startswith(b"PK\x03\x04"):
        raise DataError(f"{name}: is a spreadsheet or an archive; save it as CSV (UTF-8).")
    if b"\0" in raw:
        raise DataError(f"{name}: {_BINARY}")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:  # piece by piece: a decoded copy of a large file is up to four times its size
        for start in range(0, len(raw), _PIECE):
            decoder.decode(raw[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        head = raw[:HEAD]
        if len(head) - len(head.translate(None, _CONTROL)) > 0.01 * len(head):
            raise DataError(f"{name}: {_BINARY}") from None
        return raw.decode("latin-1").encode()
    return raw


def _is_blank(text: bytes, start: int) -> bool:
    head = text[start : start + HEAD]  # stripping all of a large file would copy it
    return not head.strip() and not text[start:].strip()


def _header(text: bytes, name: str) -> tuple[list[str], str, int]:
    """The names of the columns, the delimiter, and the physical lines down to there.

    The delimiter is the one that splits the first line into most fields.

    Raises:
        DataError: There is nothing below the header.
    """
    lines = list(io.StringIO(text[:HEAD].decode(errors="ignore"), newline=""))
    candidates, before = DELIMITERS, 0
    hint = lines[0].strip().strip('"').casefold()
    if hint.startswith("sep=") and len(hint) == len("sep=") + 1:  # a spreadsheet's own
        candidates, before = (hint[-1],), 1
    headers = []
    for delimiter in candidates:
        reader = csv.reader(lines[before:], delimiter=delimiter)
        try:
            fields = next((row for row in reader if row), [])
        except csv.Error:  # a field larger than the csv module takes is no header
            fields = []
        headers.append(([field.strip() for field in fields], delimiter, before + reader.line_num))
    found = max(headers, key=lambda header: len(header[0]))
    if _is_blank(text, len("".join(lines[: found[2]]).encode())):
        raise DataError(f"{name}: has a header but no rows.")
    return found


def _open_csv(path: Path, text: bytes, choose: Choose) -> DataFile:
    header, delimiter, skipped = _header(text, path.name)
    chosen = choose(header, path.name)
    schema = {f"c{position}": pl.String for position in range(len(header))}
    wanted = {name: pl.col(f"c{at}").str.strip_chars(_BLANKS)
              for name, at in chosen.positions.items()}  # fmt: skip
    parts: list[pl.DataFrame] = []
    broken: list[tuple[int, int]] = []
    for records, starts, ends in _records(text, delimiter, skipped, path.name):
        widths = np.array([*map(len, records)])
        sound = widths == len(schema)
        lost = ~sound & (widths > 0)
        broken += zip(starts[lost].tolist(), ends[lost].tolist(), strict=True)
        rows = records if sound.all() else [one for one in records if len(one) == len(schema)]
        frame = pl.DataFrame(rows, schema, orient="row")
        parts.append(frame.select(line=pl.Series(starts[sound] + 1), **wanted))
    names = {name: header[at] for name, at in chosen.positions.items()}
    aside = _broken_rows(text, path.name, broken)
    return DataFile(path.name, pl.concat(parts), names, frozenset(), chosen, aside)


def _records(
    text: bytes, delimiter: str, skipped: int, name: str
) -> Iterator[tuple[list[list[str]], Lines, Lines]]:
    """The records below the header in chunks, with the physical lines before and behind each.

    A blank line is a record without fields.
    """
    lines = chain(islice(_lines(text), skipped, None), _END)
    reader, before, closed = csv.reader(lines, delimiter=delimiter), skipped, False
    limit = csv.field_size_limit(sys.maxsize)
    try:
        while records := list(islice(reader, CHUNK)):
            if closed := records[-1] == _END:
                records.pop()
            heights = np.ones(len(records), np.int64)
            if before + len(records) + closed != skipped + reader.line_num:  # within quotes
                heights += [len(_BREAK.findall("\0".join(record))) for record in records]
            ends = before + np.cumsum(heights)
            yield records, ends - heights, ends
            before += int(heights.sum())
    finally:
        csv.field_size_limit(limit)
    if not closed:
        raise DataError(
            f"{name}: is no readable CSV, perhaps a quote is not closed: the row that begins on "
            f"line {before - heights[-1] + 1} does not end."
        )


def _lines(text: bytes) -> Iterator[str]:
    return io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline="")


def _broken_rows(text: bytes, name: str, spans: list[tuple[int, int]]) -> pl.DataFrame:
    """The rows with a wrong number of fields as they stand in the file."""
    if not spans:
        return CELLS
    lines, at, shown = _lines(text), 0, []
    for start, end in spans:
        shown.append("".join(islice(lines, start - at, end - at)).rstrip("\r\n")[:SHOWN])
        at = end
    return CELLS.clear(len(spans)).with_columns(
        file=pl.lit(name),
        line=pl.Series([start + 1 for start, _ in spans]),
        value=pl.Series(shown),
        reason=pl.lit(str(Reason.FIELD_COUNT)),
    )


def _open_parquet(path: Path, raw: bytes, choose: Choose) -> DataFile:
    try:
        file = pq.ParquetFile(pa.BufferReader(raw))
        header = file.schema_arrow.names
        chosen = choose(header, path.name)
        names = {wanted: header[position] for wanted, position in chosen.positions.items()}
        table = file.read(columns=[*dict.fromkeys(names.values())])
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path.name}: is no readable Parquet file: {str(error).splitlines()[0]}"
        ) from None
    if not table.num_rows:
        raise DataError(f"{path.name}: has columns but no rows.")
    texts = {wanted: _as_text(table[name], name, path.name) for wanted, name in names.items()}
    rows = pl.DataFrame(texts).select(pl.all().fill_null("").str.strip_chars(_BLANKS))
    rows = rows.with_row_index("line", offset=1).cast({"line": pl.Int64})
    kinds = {wanted: table[name].type for wanted, name in names.items()}
    bare = {one: getattr(kinds[one], "value_type", kinds[one]) for one in kinds}  # of dictionaries
    tests = (pa.types.is_floating, pa.types.is_decimal, pa.types.is_integer)
    typed = frozenset(one for one, kind in bare.items() if any(test(kind) for test in tests))
    return DataFile(path.name, rows, names, typed, chosen, CELLS)


def _as_text(values: pa.ChunkedArray, name: str, file: str) -> pl.Series:
    """A Parquet column of any plain type as the text that a CSV would hold."""
    kind = values.type
    try:
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
        if pa.types.is_timestamp(values.type):
            # an instant is of the day that the clock on the wall showed in its time zone
            values = values.cast(pa.date32())
        if pa.types.is_floating(values.type):
            # the shortest text that reads back as the same number; whole ones without a point
            values = values.cast(pa.float64())
            whole = pc.and_(pc.less(pc.abs(values), _EXACT), pc.equal(values, pc.trunc(values)))
            units = pc.if_else(whole, values, 0).cast(pa.int64()).cast(pa.string())
            return pl.Series(name, pc.if_else(whole, units, values.cast(pa.string())))
        texts = values.cast(pa.string())
        if pa.types.is_decimal(values.type):
            texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise DataError(
            f"{file}: column '{name}' is of type {kind}, which is no text, day or number."
        ) from None
    return pl.Series(name, texts, pl.String)
