"""The text of a user's file, piece by piece: unpacked up to a limit, its encoding found or refused.

What is not certain to be read as it was meant is refused with the line it stands on: a wrong guess
here would change names and numbers without a word. A file in UTF-8 is read where it lies; any other
as a temporary file that holds its text.
"""

import codecs
import gzip
import io
import os
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ml.durable import NamelessFile
from ml.errors import DataError

# A table packs to a tenth or a thirtieth of its size; a bomb to a thousandth. Below the first
# number of bytes nothing can do harm, whatever it was packed to.
HARMLESS = 64 << 20
MOST_PACKED = 100  # times its packed size that a file may unpack to
HEAD = 1 << 18  # bytes that a file is judged by
PIECE = 1 << 21  # bytes of a text that are looked at together
MOST_AT_ONCE = 1 << 30  # bytes that the system is asked for; it gives no more than 2 GiB
_CONTROL = bytes(set(range(32)) - {9, 10, 11, 12, 13})
_BINARY_SHARE = 0.05  # of control bytes; damaged text has fewer
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Signs without any width or look: soft hyphen, zero-width space, word joiner, marks of direction
# and of byte order. Joiners are none of them, they change what is seen.
INVISIBLE = (
    "\u00ad\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
_PAGE = re.compile(rb"<(?:!doctype|html|head|body|table|\?xml)\b", re.IGNORECASE)
_LONG_SIGN = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_ACCENT_APART = re.compile(b"\xcc[\x80-\xbf]|\xcd[\x80-\xaf]")  # U+0300 to U+036F
_BREAK = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text in UTF-8, in a file that is read piece by piece."""

    name: str  # of the user's file
    file: io.FileIO
    start: int  # bytes before the text
    size: int  # bytes of it
    lines: int = 0  # physical lines, which end in any of the three line breaks
    is_plain: bool = True  # whether it has no double quotes

    def read(self, begin: int, length: int) -> bytes:
        """So many bytes from a place on, fewer at the end.

        Raises:
            DataError: They cannot be read any more.
        """
        left, at, parts = min(length, self.size - begin), self.start + begin, []
        while left:
            try:
                part = os.pread(self.file.fileno(), min(left, MOST_AT_ONCE), at)
            except OSError as error:
                raise DataError(f"{self.name}: cannot be read: {error}") from None
            if not part:
                raise DataError(f"{self.name}: became shorter while it was read. Run again.")
            parts.append(part)
            left, at = left - len(part), at + len(part)
        return b"".join(parts)

    def pieces(self, begin: int = 0) -> Iterator[bytes]:
        """All from a place on in pieces of whole lines.

        Raises:
            DataError: They cannot be read any more, or are no UTF-8 any more.
        """
        while begin < self.size:
            length, cut = PIECE, 0
            while not cut:  # a line may be longer than a piece
                piece = self.read(begin, length)
                ends = begin + len(piece) == self.size
                cut = len(piece) if ends else _last_break(piece)
                length *= 2
            whole = piece[:cut]
            try:
                whole.isascii() or whole.decode()
            except UnicodeDecodeError:
                raise DataError(f"{self.name}: changed while it was read. Run again.") from None
            yield whole
            begin += cut


@dataclass(frozen=True, slots=True)
class _Looks:
    """What all bytes of a text were looked through for."""

    lines: int
    is_plain: bool  # no double quotes
    is_ascii: bool
    is_blank: bool
    has_nul: bool


def _last_break(piece: bytes) -> int:
    """Bytes down to the last line that certainly ends within a piece; 0 = none."""
    return (piece.rfind(b"\n") + 1) or (piece.rfind(b"\r", 0, -1) + 1)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is a gzip file.

    Raises:
        DataError: It cannot be read or unpacked, or unpacks to more than a table would.
    """
    with open_bytes(path) as file:
        return file.read()


def open_bytes(path: Path) -> io.FileIO:
    """A file opened to be read; where it is a gzip file, a temporary one of what it unpacks to.

    Raises:
        DataError: It cannot be read or unpacked, or unpacks to more than a table would.
        MachineError: There is no room for what it unpacks to.
    """
    try:
        file = path.open("rb", buffering=0)
        magic = os.pread(file.fileno(), 2, 0)
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from None
    if magic != b"\x1f\x8b":
        return file
    with file:
        return _keep(_unpack(file, path.name))


def _unpack(packed: io.FileIO, name: str) -> Iterator[bytes]:
    limit, size = max(HARMLESS, MOST_PACKED * os.fstat(packed.fileno()).st_size), 0
    with gzip.GzipFile(fileobj=packed) as stream:
        while True:
            try:
                piece = stream.read(PIECE)
            except (OSError, EOFError, zlib.error) as error:
                raise DataError(f"{name}: cannot be read: {error}") from None
            size += len(piece)
            if size > limit:
                raise DataError(
                    f"{name}: unpacks to more than {limit >> 20:,} MiB, over {MOST_PACKED} times "
                    "its size: that is no table. Nothing of it was kept; if it is one, unpack it "
                    "yourself."
                )
            if not piece:
                return
            yield piece


def _keep(pieces: Iterable[bytes]) -> NamelessFile:
    """A temporary file without a name, of these bytes."""
    kept = NamelessFile()
    for piece in pieces:
        kept.append(piece)
    kept.seek(0)
    return kept


def read_text(file: io.FileIO, name: str) -> tuple[TextFile, list[str]]:
    """Text in UTF-8, UTF-16, UTF-32 (by its mark), or else Windows-1252, as UTF-8.

    Returns:
        The text without byte order marks and invisible signs, its letters and accents together
        (NFC), and what was decided or left out.

    Raises:
        DataError: The file is empty, no text, or its encoding is not the same all through.
    """
    text = _whole(file, name)
    if (head := text.read(0, HEAD)).startswith(b"PK\x03\x04"):
        raise DataError(f"{name}: is a spreadsheet or an archive; save it as CSV (UTF-8).")
    text, looks, remarks = _decode(text, head)
    if looks.has_nul:
        raise DataError(_on_nul(text.read(0, text.size), name))
    head = text.read(0, HEAD)
    if head.lstrip().startswith(b"<") and _PAGE.search(head):
        raise DataError(
            f"{name}: is a web page (HTML or XML), no table: a page of login or of an error may "
            "have been saved in place of the file. Fetch it again, as CSV."
        )
    if not looks.is_ascii:
        tidied, said = _tidy_signs(text)
        if said:
            text, looks = tidied, _look(tidied)
            remarks += said
    if looks.is_blank:
        raise DataError(f"{name}: the file is empty.")
    text = TextFile(name, text.file, text.start, text.size, looks.lines, looks.is_plain)
    return text, remarks


def _whole(file: io.FileIO, name: str) -> TextFile:
    return TextFile(name, file, 0, os.fstat(file.fileno()).st_size)


def _look(text: TextFile) -> _Looks:
    """Look through a text.

    Raises:
        UnicodeDecodeError: It is no UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    breaks, last = 0, b""
    is_plain, is_ascii, is_blank, has_nul = True, True, True, False
    for begin in range(0, text.size, PIECE):  # a decoded copy of all is up to four times its size
        piece = text.read(begin, PIECE)
        own = piece.isascii()
        if not (own and is_ascii):
            decoder.decode(piece)
        breaks += piece.count(b"\n")
        if b"\r" in piece or last == b"\r":
            breaks += piece.count(b"\r") - (last + piece).count(b"\r\n")
        last = piece[-1:]
        is_ascii, is_plain = is_ascii and own, is_plain and b'"' not in piece
        is_blank = is_blank and not piece.strip()
        has_nul = has_nul or b"\0" in piece
    decoder.decode(b"", final=True)
    return _Looks(breaks + (last not in b"\r\n"), is_plain, is_ascii, is_blank, has_nul)


def _tidy_signs(text: TextFile) -> tuple[TextFile, list[str]]:
    """Text without invisible signs, its accents on their letters; and what was done."""
    signs = apart = 0
    for piece in text.pieces():
        signs += sum(piece.count(sign.encode()) for sign in INVISIBLE)
        apart += len(_ACCENT_APART.findall(piece))
    if not (signs or apart):
        return text, []
    tidied = _keep(_tidy(piece, normal=bool(apart)) for piece in text.pieces())
    found, remarks = _whole(tidied, text.name), []
    if signs:
        remarks.append(
            f"{text.name}: {signs:,} invisible signs (such as zero-width spaces) left out."
        )
    left = sum(len(_ACCENT_APART.findall(piece)) for piece in found.pieces()) if apart else 0
    if joined := apart - left:
        remarks.append(
            f"{text.name}: {joined:,} accents apart from their letters were put on them."
        )
    return found, remarks


def _tidy(piece: bytes, *, normal: bool) -> bytes:
    """Lines without invisible signs, and in the normal form of letters with accents."""
    for sign in INVISIBLE:
        piece = piece.replace(sign.encode(), b"")
    return unicodedata.normalize("NFC", piece.decode()).encode() if normal else piece


def _decode(text: TextFile, head: bytes) -> tuple[TextFile, _Looks, list[str]]:
    """The text as UTF-8, what is in it, and what was decided."""
    name = text.name
    wide = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "")
    remarks = []
    if not wide and (wide := _wide_without_mark(head)):
        remarks = [f"{name}: read as {wide.upper()}, though it has no byte order mark."]
    if wide:
        kept = _keep([_from_wide(text.read(0, text.size), wide, name)])
        text = _whole(kept, name)
        return text, _look(text), remarks
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    text = TextFile(name, text.file, mark, text.size - mark)
    try:
        return text, _look(text), []
    except UnicodeDecodeError:
        kept = _keep([_from_windows(text.read(0, text.size), name)])
    text = _whole(kept, name)
    return text, _look(text), [f"{name}: is no UTF-8, read as Windows-1252."]


def _wide_without_mark(head: bytes) -> str:
    """UTF-16 as its zeros show it: every second byte of western text is one."""
    half = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) <= half / 2 or min(even, odd) > half / 10:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _from_wide(raw: bytes, encoding: str, name: str) -> bytes:
    try:
        return raw.decode(encoding).encode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(encoding, errors="replace").count("\n") + 1
        raise DataError(
            f"{name}: is damaged {encoding.upper()} text from line {line:,} on. Export it again, "
            "as CSV (UTF-8)."
        ) from None


def _from_windows(raw: bytes, name: str) -> bytes:
    """Text that is no UTF-8, if nothing speaks against its being Windows-1252."""
    if _share_of_controls(raw) > _BINARY_SHARE:
        raise DataError(_binary(name))
    long = [len(sign) for sign in _LONG_SIGN.findall(raw)]
    high = len(raw) - len(raw.translate(None, bytes(range(128, 256))))
    try:
        if len(long) < high - sum(long):
            return raw.decode("cp1252").encode()
        raw.decode()
    except UnicodeDecodeError as error:
        where = f"{name}: line {_line_at(raw, error.start):,} has the byte 0x{raw[error.start]:02X}"
    if long:
        raise DataError(
            f"{where}, which is no UTF-8, though the rest of the file is. Mend that line, or "
            "export the file again, as CSV (UTF-8)."
        )
    raise DataError(
        f"{where}, which is neither UTF-8 nor Windows-1252. Export it again, as CSV (UTF-8)."
    )


def _on_nul(text: bytes, name: str) -> str:
    if _share_of_controls(text) > _BINARY_SHARE:
        return _binary(name)
    return (
        f"{name}: line {_line_at(text, text.index(0)):,} has a NUL byte: the file is damaged "
        "there. Mend that line, or export the file again."
    )


def _line_at(text: bytes, place: int) -> int:
    return len(_BREAK.findall(text[:place])) + 1


def _binary(name: str) -> str:
    return f"{name}: is a binary file, neither text nor Parquet."


def _share_of_controls(text: bytes) -> float:
    head = text[:HEAD]
    return 1 - len(head.translate(None, _CONTROL)) / max(len(head), 1)
