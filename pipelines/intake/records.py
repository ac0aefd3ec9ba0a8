"""The rows of a CSV, each with the physical line it starts on; every line is accounted for.

A text without quotes has a row a line and is split at once. Others are read by Python's csv module:
no CSV library of data frames tells the line of a row, or sets aside rows with a wrong number of
fields. A quote that nobody closed makes one cell of many rows; it is refused with its line.
"""

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ml.errors import DataError
from pipelines.intake.quarantine import CELLS, Reason
from pipelines.intake.read_text import HEAD, TextFile

# the more telling first: a comma also occurs inside names
DELIMITERS: tuple[str, ...] = (";", "\t", "|", ",")
CHUNK = 10_000  # records of the csv module that become columns at a time
SHOWN = 200  # characters of a broken row that the quarantine keeps
LOOKED_AT = 20  # rows that show whether a delimiter is theirs too
BLANKS = "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace())
_LF, _CR = 10, 13
_NUL = "\0"
_END = [_NUL, _NUL]  # a row that no text holds, put behind its last; within quotes it is one cell
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a text."""

    names: list[str]
    delimiter: str
    lines: int  # physical lines down to its end, blank ones before it among them
    size: int  # bytes down to its end


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of a text as rows."""

    # `line`, 1-based, and the wanted columns as text, without surrounding blanks, null as ''
    rows: pl.DataFrame
    broken: pl.DataFrame  # quarantine of the rows with a wrong number of fields
    blank: int  # rows without a sign in any of their fields
    continued: int  # further lines of rows that take more than one


def find_header(text: TextFile) -> Header:
    """The names of the columns and the delimiter.

    The delimiter is the one that splits the first line into most fields; one that splits most of
    the next rows into as many goes before.

    Raises:
        DataError: There is nothing below the header.
    """
    name, begin = text.name, text.read(0, HEAD).decode(errors="ignore")
    head = list(io.StringIO(begin, newline=""))
    candidates, before = DELIMITERS, 0
    hint = head[0].strip().strip('"').casefold()
    if hint.startswith("sep=") and len(hint) == len("sep=") + 1:  # a spreadsheet's own
        candidates, before = (hint[-1],), 1
    tried = [_try_header(head, delimiter, before) for delimiter in candidates]
    names, delimiter, lines, _ = max(tried, key=lambda one: one[-1])
    if _is_open(names):
        raise DataError(_on_open_quote(name, before + 1))
    whole = list(islice(_lines(text, 0), lines))
    header = Header(names, delimiter, lines, sum(len(line.encode()) for line in whole))
    _refuse_swallowed(whole, 0, header, [(before, lines)], name)
    if not any(piece.strip() for piece in text.pieces(header.size)):
        raise DataError(f"{name}: has a header but no rows.")
    return header


def _lines(text: TextFile, begin: int) -> Iterator[str]:
    """The physical lines from a place on, with their breaks."""
    for piece in text.pieces(begin):
        yield from io.StringIO(piece.decode(), newline="")


def _try_header(
    head: Sequence[str], delimiter: str, before: int
) -> tuple[list[str], str, int, tuple[bool, bool, int]]:
    """The names that a delimiter makes, itself, their lines, and how much speaks for it."""
    reader = csv.reader(chain(head[before:], [delimiter.join(_END)]), delimiter=delimiter)
    names: list[str] = []
    widths: list[int] = []
    try:
        first = next(row for row in reader if row)
        names = [field.strip() for field in first] if first != _END else []
        lines = min(before + reader.line_num, len(head))
        widths = [len(row) for row in islice(reader, LOOKED_AT) if row and row != _END]
    except csv.Error:  # a field larger than the csv module takes is no header
        lines = before + 1
    agree = 2 * widths.count(len(names)) >= len(widths)
    return names, delimiter, lines, (len(names) > 1, agree, len(names))


def read_records(text: TextFile, header: Header, positions: Mapping[str, int]) -> Iterator[Part]:
    """Read the wanted columns, given by their ``positions``, some lines at a time.

    Raises:
        DataError: A quote is not closed, or the lines do not add up to rows.
    """
    read = _plain_parts if text.is_plain else _quoted_parts
    rows = blank = continued = 0
    for part in read(text, header, positions):
        rows += part.rows.height + part.broken.height
        blank, continued = blank + part.blank, continued + part.continued
        yield part
    if header.lines + rows + blank + continued != text.lines:
        raise DataError(
            f"{text.name}: has {text.lines:,} lines, but the header takes {header.lines:,}, rows "
            f"{rows:,}, quoted cells {continued:,} more and {blank:,} are blank. Nothing was kept; "
            "this is a fault of the program, report it."
        )


def _plain_parts(text: TextFile, header: Header, positions: Mapping[str, int]) -> Iterator[Part]:
    """Rows of a text without quotes: one a line."""
    delimiter, width, before = header.delimiter, len(header.names), header.lines
    for piece in text.pieces(header.size):
        offsets = np.concatenate([[0], _find_ends(piece)])
        data = pa.py_buffer(piece)
        texts = pl.Series(
            pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), data)
        )
        texts = texts.str.strip_chars_end("\r\n")
        number = pl.int_range(before + 1, before + len(offsets), eager=True, dtype=pl.Int64)
        blank = texts.str.strip_chars(BLANKS + delimiter) == ""
        fits = texts.str.count_matches(delimiter, literal=True) == width - 1
        fields = texts.filter(fits & ~blank).str.split_exact(delimiter, width - 1).struct
        wanted = {one: fields.field(f"field_{place}") for one, place in positions.items()}
        rows = pl.DataFrame({"line": number.filter(fits & ~blank), **wanted})
        lost = ~fits & ~blank
        broken = _broken_rows(text.name, number.filter(lost), texts.filter(lost))
        yield Part(_stripped(rows), broken, int(blank.sum()), 0)
        before += len(offsets) - 1


def _find_ends(piece: bytes) -> Numbers:
    """Bytes up to and with the break of each line."""
    data = np.frombuffer(piece, np.uint8)
    breaks = data == _LF
    if (returns := data == _CR).any():
        breaks |= returns & (np.append(data[1:], np.uint8(0)) != _LF)
    ends = np.flatnonzero(breaks).astype(np.int64) + 1
    return ends if len(ends) and ends[-1] == len(piece) else np.append(ends, len(piece))


def _stripped(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.exclude("line").str.strip_chars(BLANKS))


def _quoted_parts(text: TextFile, header: Header, positions: Mapping[str, int]) -> Iterator[Part]:
    """Rows of any text."""
    width = len(header.names)
    schema = {f"c{position}": pl.String for position in range(width)}
    wanted = {one: pl.col(f"c{place}") for one, place in positions.items()}
    for records, lines, starts, ends in _records(text, header):
        widths = np.array([*map(len, records)], np.int64)
        blank = np.array([not "".join(record).strip() for record in records], bool)
        sound, lost = ~blank & (widths == width), ~blank & (widths != width)
        kept = records if sound.all() else [records[at] for at in np.flatnonzero(sound)]
        rows = pl.DataFrame(kept, schema, orient="row")
        before = int(starts[0]) if len(starts) else 0
        spans = zip(starts[lost] - before, ends[lost] - before, strict=True)
        shown = ["".join(lines[first:behind]).rstrip("\r\n") for first, behind in spans]
        yield Part(
            _stripped(rows.select(line=pl.Series(starts[sound] + 1), **wanted)),
            _broken_rows(text.name, pl.Series(starts[lost] + 1), pl.Series(shown, dtype=pl.String)),
            int(blank.sum()),
            int((ends - starts - 1).sum()),
        )


def _records(
    text: TextFile, header: Header
) -> Iterator[tuple[list[list[str]], list[str], Numbers, Numbers]]:
    """The records below the header in chunks, with their lines and those before and behind each.

    A blank line is a record without fields.
    """
    lines: list[str] = []  # those that the reader has taken since the last chunk

    def taken() -> Iterator[str]:
        for line in _lines(text, header.size):
            lines.append(line)
            yield line

    reader = csv.reader(chain(taken(), [header.delimiter.join(_END)]), delimiter=header.delimiter)
    before, closed = header.lines, False
    limit = csv.field_size_limit(sys.maxsize)
    try:
        while records := list(islice(reader, CHUNK)):
            if closed := records[-1] == _END:
                records.pop()
            heights = np.ones(len(records), np.int64)
            if before + len(records) + closed != header.lines + reader.line_num:  # within quotes
                heights += [sum(map(_breaks_in, record)) for record in records]
            ends = before + np.cumsum(heights)
            spans = np.column_stack([ends - heights, ends])[heights > 1].tolist()
            is_open = bool(records) and _is_open(records[-1])
            spans = spans[:-1] if is_open and heights[-1] > 1 else spans
            _refuse_swallowed(lines, before, header, spans, text.name)
            if is_open:
                raise DataError(_on_open_quote(text.name, int((ends - heights)[-1]) + 1))
            yield records, lines, ends - heights, ends
            before = int(ends[-1]) if records else before
            lines.clear()
    finally:
        csv.field_size_limit(limit)


def _breaks_in(cell: str) -> int:
    return cell.count("\n") + cell.count("\r") - cell.count("\r\n")


def _is_open(record: Sequence[str]) -> bool:
    """Whether the end of the text is within quotes of a record."""
    return bool(record) and record != _END and record[-1].endswith(_NUL)


def _on_open_quote(name: str, line: int) -> str:
    return (
        f"{name}: is no readable CSV, perhaps a quote is not closed: the row that begins on line "
        f"{line:,} does not end."
    )


def _refuse_swallowed(
    lines: Sequence[str], before: int, header: Header, spans: Sequence[Sequence[int]], name: str
) -> None:
    """Refuse rows of several lines that look like several rows: a quote is open that should not be.

    A cell may well have lines of its own, but then its first and last line are no whole rows, nor
    are most of those between. ``spans`` are the lines before and behind each row, ``before`` how
    many are before the first of ``lines``.

    Raises:
        DataError: A row looks like several.
    """
    for start, stop in spans:
        if stop <= start + 1:
            continue
        texts = lines[start - before : stop - before]
        rows = [_looks_like_row(text, header) for text in texts]
        inside = rows[1:-1]
        if (rows[0] and rows[-1]) or 2 * sum(inside) > len(inside) or _is_loose(texts, header):
            raise DataError(
                f"{name}: a quote that is opened on line {start + 1:,} is closed on line {stop:,} "
                f"only, and takes in {stop - start - 1:,} lines that look like rows of their own. "
                "Take that quote out or close it; a cell that means it has to be on one line."
            )


def _looks_like_row(text: str, header: Header) -> bool:
    """Whether a line alone has the fields of the header, most of them filled."""
    line, width = text.rstrip("\r\n"), len(header.names)
    ways = (line.split(header.delimiter), next(csv.reader([line], delimiter=header.delimiter), []))
    return any(len(way) == width < 2 * sum(map(bool, map(str.strip, way))) for way in ways)


def _is_loose(texts: Sequence[str], header: Header) -> bool:
    """Whether something stands behind a closing quote, as where that one opens another cell."""
    try:
        list(csv.reader(texts, delimiter=header.delimiter, strict=True))
    except csv.Error:
        return True
    return False


def _broken_rows(name: str, line: pl.Series, texts: pl.Series) -> pl.DataFrame:
    """The rows with a wrong number of fields as they stand in the file."""
    return CELLS.clear(len(line)).with_columns(
        file=pl.lit(name),
        line=line.cast(pl.Int64),
        value=texts.str.slice(0, SHOWN),
        reason=pl.lit(str(Reason.FIELD_COUNT)),
    )
