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
from pipelines.intake.read_text import HEAD, is_blank

# the more telling first: a comma also occurs inside names
DELIMITERS: tuple[str, ...] = (";", "\t", "|", ",")
CHUNK = 10_000  # records of the csv module that become columns at a time
PLAIN_CHUNK = 1 << 18  # the same, of lines without quotes
SHOWN = 200  # characters of a broken row that the quarantine keeps
LOOKED_AT = 20  # rows that show whether a delimiter is theirs too
BLANKS = "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace())
_PIECE = 1 << 24  # bytes
_LF, _CR = 10, 13
_NUL = "\0"
_END = [_NUL, _NUL]  # a row that no text holds, put behind its last; within quotes it is one cell
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextLines:
    """A text and its physical lines, which end in any of the three line breaks."""

    text: bytes  # UTF-8
    ends: Numbers  # (L,) bytes up to and with the break of each line

    def between(self, start: int, stop: int) -> list[str]:
        """Lines ``start`` to ``stop``, counted from 0, with their breaks."""
        begin = int(self.ends[start - 1]) if start else 0
        part = self.text[begin : int(self.ends[stop - 1])].decode()
        return list(io.StringIO(part, newline=""))


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a text."""

    names: list[str]
    delimiter: str
    lines: int  # physical lines down to its end, blank ones before it among them


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of a text as rows."""

    rows: pl.DataFrame  # `line`, 1-based, and the wanted columns as text
    broken: list[tuple[int, int]]  # lines before and behind rows with a wrong number of fields
    blank: int  # rows without a sign in any of their fields
    continued: int  # further lines of rows that take more than one


def find_lines(text: bytes) -> TextLines:
    """Find the physical lines of a text."""
    found, data = [], np.frombuffer(text, np.uint8)
    for start in range(0, len(data), _PIECE):
        piece, behind = data[start : start + _PIECE], data[start + 1 : start + 1 + _PIECE]
        breaks = piece == _LF
        if (returns := piece == _CR).any():
            behind = behind if len(behind) == len(piece) else np.append(behind, np.uint8(0))
            breaks |= returns & (behind != _LF)
        found.append(np.flatnonzero(breaks).astype(np.int64) + start + 1)
    ends = np.concatenate(found) if found else np.zeros(0, np.int64)
    if len(text) > (ends[-1] if len(ends) else 0):
        ends = np.append(ends, len(text))
    return TextLines(text, ends)


def find_header(lines: TextLines, name: str) -> Header:
    """The names of the columns and the delimiter.

    The delimiter is the one that splits the first line into most fields; one that splits most of
    the next rows into as many goes before.

    Raises:
        DataError: There is nothing below the header.
    """
    head = list(io.StringIO(lines.text[:HEAD].decode(errors="ignore"), newline=""))
    candidates, before = DELIMITERS, 0
    hint = head[0].strip().strip('"').casefold()
    if hint.startswith("sep=") and len(hint) == len("sep=") + 1:  # a spreadsheet's own
        candidates, before = (hint[-1],), 1
    tried = [_try_header(head, delimiter, before) for delimiter in candidates]
    found, _ = max(tried, key=lambda one: one[1])
    if _is_open(found.names):
        raise DataError(_on_open_quote(name, before + 1))
    _refuse_swallowed(lines, found, [(before, found.lines)], name)
    if is_blank(lines.text, int(lines.ends[found.lines - 1])):
        raise DataError(f"{name}: has a header but no rows.")
    return found


def _try_header(
    head: Sequence[str], delimiter: str, before: int
) -> tuple[Header, tuple[bool, bool, int]]:
    """The header that a delimiter makes, and how much speaks for it."""
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
    return Header(names, delimiter, lines), (len(names) > 1, agree, len(names))


def read_records(
    lines: TextLines, header: Header, positions: Mapping[str, int], name: str
) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Read the wanted columns, given by their ``positions``.

    Returns:
        Their rows, as of :class:`Part`; the quarantine of rows with a wrong number of fields; and
        a sentence on lines that are no rows, where there are any.

    Raises:
        DataError: A quote is not closed, or the lines do not add up to rows.
    """
    read = _quoted_parts if b'"' in lines.text else _plain_parts
    parts = list(read(lines, header, positions, name))
    rows = pl.concat([part.rows for part in parts])
    broken = [span for part in parts for span in part.broken]
    blank, continued = (sum(getattr(part, one) for part in parts) for one in ("blank", "continued"))
    total = header.lines + rows.height + len(broken) + blank + continued
    if total != len(lines.ends):
        raise DataError(
            f"{name}: has {len(lines.ends):,} lines, but the header takes {header.lines:,}, rows "
            f"{rows.height + len(broken):,}, quoted cells {continued:,} more and {blank:,} are "
            "blank. Nothing was kept; this is a fault of the program, report it."
        )
    remarks = []
    if blank or continued:
        remarks.append(
            f"{name}: of {len(lines.ends):,} lines {blank:,} are blank, {continued:,} continue a "
            "quoted cell."
        )
    return rows, _broken_rows(lines, name, broken), remarks


def _plain_parts(
    lines: TextLines, header: Header, positions: Mapping[str, int], name: str
) -> Iterator[Part]:
    """Rows of a text without quotes: one a line."""
    del name
    delimiter, width = header.delimiter, len(header.names)
    offsets = np.concatenate([[0], lines.ends])
    data = pa.py_buffer(lines.text)
    for start in range(header.lines, len(lines.ends), PLAIN_CHUNK):
        at = offsets[start : start + PLAIN_CHUNK + 1]
        texts = pl.Series(pa.LargeStringArray.from_buffers(len(at) - 1, pa.py_buffer(at), data))
        texts = texts.str.strip_chars_end("\r\n")
        number = pl.int_range(start + 1, start + len(at), eager=True, dtype=pl.Int64)
        blank = texts.str.strip_chars(BLANKS + delimiter) == ""
        fits = texts.str.count_matches(delimiter, literal=True) == width - 1
        fields = texts.filter(fits & ~blank).str.split_exact(delimiter, width - 1).struct
        wanted = {one: fields.field(f"field_{place}") for one, place in positions.items()}
        rows = pl.DataFrame({"line": number.filter(fits & ~blank), **wanted})
        lost = number.filter(~fits & ~blank).to_list()
        yield Part(rows, [(line - 1, line) for line in lost], int(blank.sum()), 0)


def _quoted_parts(
    lines: TextLines, header: Header, positions: Mapping[str, int], name: str
) -> Iterator[Part]:
    """Rows of any text."""
    width = len(header.names)
    schema = {f"c{position}": pl.String for position in range(width)}
    wanted = {one: pl.col(f"c{place}") for one, place in positions.items()}
    for records, starts, ends in _records(lines, header, name):
        widths = np.array([*map(len, records)], np.int64)
        blank = np.array([not "".join(record).strip() for record in records], bool)
        sound, lost = ~blank & (widths == width), ~blank & (widths != width)
        kept = records if sound.all() else [records[at] for at in np.flatnonzero(sound)]
        rows = pl.DataFrame(kept, schema, orient="row")
        spans = zip(starts[lost].tolist(), ends[lost].tolist(), strict=True)
        yield Part(
            rows.select(line=pl.Series(starts[sound] + 1), **wanted),
            [*spans],
            int(blank.sum()),
            int((ends - starts - 1).sum()),
        )


def _records(
    lines: TextLines, header: Header, name: str
) -> Iterator[tuple[list[list[str]], Numbers, Numbers]]:
    """The records below the header in chunks, with the physical lines before and behind each.

    A blank line is a record without fields.
    """
    below = io.TextIOWrapper(io.BytesIO(lines.text), encoding="utf-8", newline="")
    rest = chain(islice(below, header.lines, None), [header.delimiter.join(_END)])
    reader = csv.reader(rest, delimiter=header.delimiter)
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
            _refuse_swallowed(lines, header, spans, name)
            if is_open:
                raise DataError(_on_open_quote(name, int((ends - heights)[-1]) + 1))
            yield records, ends - heights, ends
            before = int(ends[-1]) if records else before
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
    lines: TextLines, header: Header, spans: Sequence[Sequence[int]], name: str
) -> None:
    """Refuse rows of several lines that look like several rows: a quote is open that should not be.

    A cell may well have lines of its own, but then its first and last line are no whole rows, nor
    are most of those between. ``spans`` are the lines before and behind each row.

    Raises:
        DataError: A row looks like several.
    """
    for start, stop in spans:
        if stop <= start + 1:
            continue
        texts = lines.between(start, stop)
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


def _broken_rows(lines: TextLines, name: str, spans: list[tuple[int, int]]) -> pl.DataFrame:
    """The rows with a wrong number of fields as they stand in the file."""
    shown = ["".join(lines.between(*span)).rstrip("\r\n")[:SHOWN] for span in spans]
    return CELLS.clear(len(spans)).with_columns(
        file=pl.lit(name),
        line=pl.Series([start + 1 for start, _ in spans], dtype=pl.Int64),
        value=pl.Series(shown, dtype=pl.String),
        reason=pl.lit(str(Reason.FIELD_COUNT)),
    )
