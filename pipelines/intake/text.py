"""From the bytes of a text file to UTF-8, its delimiter and its header."""

import codecs
import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

from ml.errors import DataError

DELIMITERS: tuple[str, ...] = (
    ";",
    "\t",
    ",",
)  # the more telling first: a comma also occurs inside names
HEAD = 1 << 18  # bytes that the header is looked for in
_CONTROL = bytes(set(range(32)) - {9, 10, 11, 12, 13})
_CHUNK = 1 << 24


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text file is laid out.

    Attributes:
        header: Names of the columns.
        delimiter: Between fields.
        lines: Physical lines down to the end of the header.
    """

    header: tuple[str, ...]
    delimiter: str
    lines: int


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


def as_utf8(raw: bytes, name: str) -> bytes:
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
        raise _no_text(name)
    if _is_utf8(raw):
        return raw
    head = raw[:HEAD]
    if len(head) - len(head.translate(None, _CONTROL)) > 0.01 * len(head):
        raise _no_text(name)
    return raw.decode("latin-1").encode()


def _is_blank(text: bytes, start: int) -> bool:
    head = text[start : start + HEAD]  # stripping all of a large file would copy it
    return not head.strip() and not text[start:].strip()


def _no_text(name: str) -> DataError:
    return DataError(f"{name}: is a binary file, neither text nor Parquet.")


def _is_utf8(raw: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:  # piece by piece: a decoded copy of a large file is up to four times its size
        for start in range(0, len(raw), _CHUNK):
            decoder.decode(raw[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def layout(text: bytes, name: str) -> Layout:
    """Find header and delimiter: the delimiter that splits the first line into most fields.

    Raises:
        DataError: There is nothing below the header.
    """
    head = text[:HEAD].decode(errors="ignore")
    lines = list(io.StringIO(head, newline=""))
    candidates, before = DELIMITERS, 0
    hint = lines[0].strip().strip('"').casefold()
    if hint.startswith("sep=") and len(hint) == len("sep=") + 1:  # a spreadsheet's own
        candidates, before = (hint[-1],), 1
    headers = {delimiter: _header(lines[before:], delimiter) for delimiter in candidates}
    delimiter = max(headers, key=lambda one: len(headers[one][0]))
    fields, consumed = headers[delimiter][0], headers[delimiter][1] + before
    if _is_blank(text, len("".join(lines[:consumed]).encode())):
        raise DataError(f"{name}: has a header but no rows.")
    return Layout(tuple(field.strip() for field in fields), delimiter, consumed)


def _header(lines: list[str], delimiter: str) -> tuple[list[str], int]:
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        fields = next((row for row in reader if row), [])
    except csv.Error:  # a field larger than the csv module takes is no header
        return [], 0
    return fields, reader.line_num
