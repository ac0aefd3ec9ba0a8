"""The bytes of a user's file as text: unpacked up to a limit, its encoding found or refused.

What is not certain to be read as it was meant is refused with the line it stands on: a wrong guess
here would change names and numbers without a word.
"""

import codecs
import gzip
import io
import re
import unicodedata
import zlib
from pathlib import Path

from ml.errors import DataError

# A table packs to a tenth or a thirtieth of its size; a bomb to a thousandth. Below the first
# number of bytes nothing can do harm, whatever it was packed to.
HARMLESS = 64 << 20
MOST_PACKED = 100  # times its packed size that a file may unpack to
HEAD = 1 << 18  # bytes that a file is judged by
_PIECE = 1 << 24
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


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is a gzip file.

    Raises:
        DataError: It cannot be read or unpacked, or unpacks to more than a table would.
    """
    try:
        packed = path.read_bytes()
        return _unpack(packed, path.name) if packed.startswith(b"\x1f\x8b") else packed
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from None


def _unpack(packed: bytes, name: str) -> bytes:
    limit = max(HARMLESS, MOST_PACKED * len(packed))
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise DataError(
            f"{name}: unpacks to more than {limit >> 20:,} MiB, over {MOST_PACKED} times its size: "
            "that is no table. Nothing of it was kept; if it is one, unpack it yourself."
        )
    return content


def read_text(raw: bytes, name: str) -> tuple[bytes, list[str]]:
    """Text in UTF-8, UTF-16, UTF-32 (by its mark), or else Windows-1252, as UTF-8.

    Returns:
        The text without byte order marks and invisible signs, its letters and accents together
        (NFC), and what was decided or left out.

    Raises:
        DataError: The file is empty, no text, or its encoding is not the same all through.
    """
    if raw.startswith(b"PK\x03\x04"):
        raise DataError(f"{name}: is a spreadsheet or an archive; save it as CSV (UTF-8).")
    text, remarks = _decode(raw, name)
    if b"\0" in text:
        raise DataError(_on_nul(text, name))
    if text[:HEAD].lstrip().startswith(b"<") and _PAGE.search(text[:HEAD]):
        raise DataError(
            f"{name}: is a web page (HTML or XML), no table: a page of login or of an error may "
            "have been saved in place of the file. Fetch it again, as CSV."
        )
    if not text.isascii():
        text, said = _tidy_signs(text, name)
        remarks += said
    if is_blank(text, 0):
        raise DataError(f"{name}: the file is empty.")
    return text, remarks


def _tidy_signs(text: bytes, name: str) -> tuple[bytes, list[str]]:
    """Text without invisible signs, its accents on their letters; and what was done."""
    remarks, signs = [], 0
    for sign in INVISIBLE:
        if found := text.count(sign.encode()):
            signs, text = signs + found, text.replace(sign.encode(), b"")
    if signs:
        remarks.append(f"{name}: {signs:,} invisible signs (such as zero-width spaces) left out.")
    if apart := len(_ACCENT_APART.findall(text)):
        text = unicodedata.normalize("NFC", text.decode()).encode()
        if joined := apart - len(_ACCENT_APART.findall(text)):
            remarks.append(f"{name}: {joined:,} accents apart from their letters were put on them.")
    return text, remarks


def is_blank(text: bytes, start: int) -> bool:
    """Whether there are only blanks from a place on."""
    head = text[start : start + HEAD]  # stripping all of a large file would copy it
    return not head.strip() and not text[start:].strip()


def _decode(raw: bytes, name: str) -> tuple[bytes, list[str]]:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _from_wide(raw, encoding, name), []
    if encoding := _wide_without_mark(raw[:HEAD]):
        called = f"{name}: read as {encoding.upper()}, though it has no byte order mark."
        return _from_wide(raw, encoding, name), [called]
    raw = raw.removeprefix(codecs.BOM_UTF8)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:  # piece by piece: a decoded copy of a large file is up to four times its size
        for start in range(0, len(raw), _PIECE):
            decoder.decode(raw[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _from_windows(raw, name), [f"{name}: is no UTF-8, read as Windows-1252."]
    return raw, []


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
