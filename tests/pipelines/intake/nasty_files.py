"""Files that go wrong in ways that were seen, and what has to come of each of them.

A case that ends in exit code 0 says where its rows went; the test counts the lines by itself, so
that those of the header, of quoted cells and blank ones must be said too. Of exit code 3 the one
line has to hold the words. The day of the run is 30 June 2024.
"""

import gzip
import io
import os
import zipfile
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = "item_id,ds,y"


@dataclass(frozen=True, slots=True)
class Nasty:
    """A file and its outcome."""

    name: str
    content: bytes
    exit_code: int = 0
    used: int = 0
    aside: int = 0
    other: int = 1  # lines that are no rows: the header, blank ones, more lines of quoted cells
    words: str = ""  # in what the command says, or in its one line of error
    # what the table must hold: item, day, quantity; of stock and items: item, quantity
    rows: tuple[tuple[Any, ...], ...] | None = None
    table: str = "demand"
    file: str = ""  # name, where it is not <table>.csv


def text(*lines: str, header: str = HEADER, end: str = "\n") -> bytes:
    """A header and lines as UTF-8."""
    return "".join(f"{line}{end}" for line in (header, *lines)).encode()


def days(count: int, item: str = "A", y: object = 1, month: str = "2024-01") -> list[str]:
    """Rows of the first days of a month."""
    return [f"{item},{month}-{day:02d},{y}" for day in range(1, count + 1)]


def parquet(**columns: Any) -> bytes:
    """A Parquet file of columns."""
    into = io.BytesIO()
    pq.write_table(pa.table(columns), into)
    return into.getvalue()


def archive(members: dict[str, bytes], **options: Any) -> bytes:
    """A ZIP of members."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return into.getvalue()


THREE = text(*days(3))
THREE_READ = (("A", "2024-01-01", 1.0), ("A", "2024-01-02", 1.0), ("A", "2024-01-03", 1.0))
NOTED = "item_id,ds,y,note"


def noted(count: int, *broken: tuple[int, str]) -> bytes:
    """Rows with a note that nothing is read from, some of them broken."""
    rows = [f"I{at % 5},2024-01-{at % 28 + 1:02d},1,good" for at in range(count)]
    for at, note in broken:
        rows[at] = f"A,2024-02-01,1,{note}"
    return text(*rows, header=NOTED)


QUOTES = [
    Nasty("a quote that is never closed", noted(2000, (99, '"5 inch')), 3,
          words="on line 101 does"),
    Nasty("two quotes 19,000 lines apart in a column not used",
          noted(20_000, (999, '"5 inch'), (19_999, '6 inch"')), 3, words="opened on line 1,001"),
    Nasty("a quote closed on the next line", noted(20, (4, '"5 inch'), (5, '6 inch"')), 3,
          words="opened on line 6 is closed on line 7"),
    Nasty("a quote closed where the next one opens", noted(20, (4, '"5 inch'), (9, '"6 inch"')), 3,
          words="opened on line 6 is closed on line 11"),
    Nasty("a quote in the first column", text('"A,2024-01-01,1', "A,2024-01-02,1",
          'B",2024-01-03,1'),
          3, words="opened on line 2 is closed on line 4"),
    Nasty("a quote in the middle column",
          text("A,x,2024-01-01,1", 'A,"x,2024-01-02,1', 'A,x",2024-01-03,1', "A,x,2024-01-04,1",
               header="item_id,note,ds,y"), 3, words="opened on line 3 is closed on line 4"),
    Nasty("an open quote that makes a row too wide", noted(50, (4, '"5",x"'), (9, '6"')), 0, 49, 1,
          words="1 wrong_field_count"),
    Nasty("an open quote in the header", b'"item_id,ds,y\nA,2024-01-01,1\n', 3,
          words="on line 1 does"),
    Nasty("an open quote in the header, closed below",
          text('A,"x', 'B,y"', "C,z", header='sku,"nome'), 3, table="items",
          words="opened on line 1 is closed on line 2"),
    Nasty("an open quote on the last line", noted(20, (19, '"5 inch')), 3, words="on line 21 does"),
    Nasty("an inch sign inside a cell", noted(20, (4, '5" pipe')), 0, 20),
    Nasty("inch signs at the ends of cells", noted(20, (4, '5"'), (9, '6"')), 0, 20),
    Nasty("a cell of two lines", text('A,2024-01-01,1,"two', 'lines"', "A,2024-01-02,1,x",
          header=NOTED),
          0, 2, other=2, words="of 4 lines 0 are blank, 1 continue a quoted cell"),
    Nasty("a cell of lines and blank lines",
          text("", 'A,2024-01-01,1,"three', "", 'lines"', "", "A,2024-01-02,1,x", header=NOTED),
          0, 2, other=5, words="of 7 lines 2 are blank, 2 continue a quoted cell"),
    Nasty("a cell of two lines in a row with too many fields",
          text('A,2024-01-01,1,"two', 'lines",x', "A,2024-01-02,1,x", header=NOTED), 0, 1, 1, 2),
    Nasty("all cells in quotes", text('"A","2024-01-01","1"', '"A","2024-01-02","2"'), 0, 2),
    Nasty("quotes of quotes", text('"A ""5""",2024-01-01,1'), 0, 1,
          rows=(('A "5"', "2024-01-01", 1.0),)),
    Nasty("old line breaks with quotes", text('A,2024-01-01,1,"two', 'lines"', header=NOTED,
          end="\r"),
          0, 1, other=2),
]  # fmt: skip

SEPARATORS = [
    Nasty("some rows with semicolons",
          text(*days(20), *(row.replace(",", ";") for row in days(3, month="2024-02"))), 0, 20, 3,
          words="3 wrong_field_count"),
    Nasty("all rows with another separator than the header", text("A;2024-01-01;1"), 3,
          words="none of 1 row can be used (1 wrong_field_count)"),
    Nasty("commas in the name of a column",
          text("A;2024-01-01;1,5;x", header="item_id;ds;y;a, b, c, d, e"), 0, 1,
          rows=(("A", "2024-01-01", 1.5),)),
    Nasty("pipes", text("A|2024-01-01|1", header="item_id|ds|y"), 0, 1),
    Nasty("a separator at the end of each row", text("A,2024-01-01,1,", "A,2024-01-02,1,"), 3,
          words="2 wrong_field_count"),
    Nasty("a separator at the end of each line", text("A;2024-01-01;1;", header="item_id;ds;y;"),
          0, 1),
    Nasty("sep=; before the header", text("item_id;ds;y", "A;2024-01-01;1", header="sep=;"), 0, 1,
          other=2),
    Nasty("sep=; and nothing else", b"sep=;\n", 3, words="has a header but no rows"),
    Nasty("a carriage return too many", text(*days(3), end="\r\r\n"), 0, 3, other=5,
          words="of 8 lines 4 are blank"),
    Nasty("a cut last line", THREE + b"A,2024-01-0", 0, 3, 1, words="wrong_field_count"),
    Nasty("a cut last number goes unseen in no field", THREE + b"A,2024-01-04,", 0, 4),
    Nasty("rows of separators only", text(*days(3), ",,", ",,"), 0, 3, other=3,
          words="of 6 lines 2 are blank"),
    Nasty("the header once more", text(*days(3), HEADER, *days(2, "B")), 0, 5, 1,
          words="unparsable_date"),
    Nasty("a title above the header", text(HEADER, *days(3), header="Consumption of parts"), 3,
          words="no column for 'item_id'. Columns found (1): 'Consumption of parts'"),
    Nasty("a header alone", text(), 3, words="has a header but no rows"),
    Nasty("a header and blank cells", text(",,", "", ",,"), 3, words="has a header but no rows"),
    Nasty("no header", text("A,2024-01-02,1", header="A,2024-01-01,1"), 3, words="no column for"),
    Nasty("nothing", b"", 3, words="the file is empty"),
    Nasty("blanks", b" \n\t\n \r\n", 3, words="the file is empty"),
    Nasty("blanks for half a megabyte, then a table", b" " * 500_000 + b"\n" + THREE, 3,
          words="no column for 'item_id'. Columns found (0)"),
    Nasty("a line of a megabyte", text(*days(3), "A" * 1_000_000), 0, 3, 1),
    Nasty("a name of a megabyte", text(*days(3), f"{'B' * 1_000_000},2024-01-01,1"), 0, 4),
    Nasty("two columns of one name", text("A,2024-01-01,1,2", header="item_id,ds,y,y"), 3,
          words="2 columns are named 'y'"),
    Nasty("line breaks of all three kinds",
          b"item_id,ds,y\r\nA,2024-01-01,1\rA,2024-01-02,1\nA,2024-01-03,1",
          0, 3, rows=THREE_READ),
]  # fmt: skip

SIGNS = [
    Nasty("a byte order mark", b"\xef\xbb\xbf" + THREE, 0, 3, rows=THREE_READ),
    Nasty("two byte order marks", b"\xef\xbb\xbf" * 2 + THREE, 0, 3, rows=THREE_READ),
    Nasty("a byte order mark inside, of a file put behind another",
          THREE + b"\xef\xbb\xbf" + b"A,2024-01-04,1\n", 0, 4, words="1 invisible sign"),
    Nasty("zero-width spaces in cells", text("A,2024-01-01,1", "\u200bA,2024-01-02,1",
          "A\u200b,2024-01-03,\u200b1"),
          0, 3, rows=THREE_READ, words="3 invisible sign"),
    Nasty("a zero-width space in the header", text(*days(3),
          header="it\u200bem_id,\u2060ds,y\ufeff"), 0, 3,
          rows=THREE_READ),
    Nasty("a soft hyphen and marks of direction", text("A\u00ad,2024-01-01,\u200e1\u202c"), 0, 1,
          rows=(("A", "2024-01-01", 1.0),)),
    Nasty("an id of zero-width spaces", text(*days(3), "\u200b,2024-01-01,1"), 0, 3, 1,
          words="empty_id"),
    Nasty("blanks of all widths around cells", text("\u00a0A\u2003,\u30002024-01-01 ,\t1"), 0, 1,
          rows=(("A", "2024-01-01", 1.0),)),
    Nasty("a NUL byte", text(*days(3)) + b"A\0,2024-01-04,1\n", 3, words="line 5 has a NUL byte"),
    Nasty("NUL bytes at the end, as after a crash", text(*days(28)) + b"\0" * 10, 3,
          words="line 30 has a NUL byte"),
    Nasty("UTF-16", THREE.decode().encode("utf-16"), 0, 3, rows=THREE_READ),
    Nasty("UTF-16, big end first", b"\xfe\xff" + THREE.decode().encode("utf-16-be"), 0, 3,
          rows=THREE_READ),
    Nasty("UTF-16 without a mark", THREE.decode().encode("utf-16-le"), 0, 3, rows=THREE_READ,
          words="read as UTF-16-LE"),
    Nasty("UTF-16 without a mark, big end first", THREE.decode().encode("utf-16-be"), 0, 3,
          rows=THREE_READ, words="read as UTF-16-BE"),
    Nasty("UTF-16 with half a sign", THREE.decode().encode("utf-16") + b"\x41", 3,
          words="damaged UTF-16 text from line 5 on"),
    Nasty("UTF-16 with half a pair", THREE.decode().encode("utf-16") + b"\x00\xd8A\0", 3,
          words="damaged UTF-16 text from line 5 on"),
    Nasty("UTF-32", THREE.decode().encode("utf-32"), 0, 3, rows=THREE_READ),
    Nasty("Windows-1252", text("Ø \u2013 €5,2024-01-01,1").decode().encode("cp1252"), 0, 1,
          rows=(("Ø \u2013 €5", "2024-01-01", 1.0),), words="read as Windows-1252"),
    Nasty("Latin-1", text("Conexão,2024-01-01,1").decode().encode("latin-1"), 0, 1,
          rows=(("Conexão", "2024-01-01", 1.0),)),
    Nasty("a byte that Windows-1252 does not have",
          text("A\x81\xe3\xe3,2024-01-01,1").decode().encode("latin-1"),
          3, words="line 2 has the byte 0x81, which is neither"),
    Nasty("one line of UTF-8 in Latin-1",
          text("Conexão,2024-01-01,1") + "Válvula,2024-01-02,1\n".encode("latin-1"),
          3, words="line 3 has the byte 0xE1, which is no UTF-8, though the rest"),
    Nasty("cut within a letter", text("Conexão,2024-01-01,1") + "Válv".encode()[:2], 3,
          words="line 3 has the byte 0xC3"),
    Nasty("emoji and joiners stay", text("👨\u200d👩,2024-01-01,1"), 0, 1,
          rows=(("👨\u200d👩", "2024-01-01", 1.0),)),
]  # fmt: skip

BOMB = gzip.compress(b"item_id,ds,y\n" + b"A,2024-01-01,1\n" * 5_000_000)

NO_TABLES = [
    Nasty("a web page", b"<!DOCTYPE html>\n<html><body>a,b</body></html>\n", 3,
          words="is a web page"),
    Nasty("a page of login behind blank lines",
          b"\n\n  <html>\n<head><title>Log in</title></head>\n", 3,
          words="is a web page"),
    Nasty("XML", b'<?xml version="1.0"?>\n<rows><row>1</row></rows>\n', 3,
          words="is a web page (HTML or XML)"),
    Nasty("JSON", b'[{"item_id": "A"}]\n', 3, words="has a header but no rows"),
    Nasty("JSON of lines", b'{"item_id": "A"}\n{"item_id": "B"}\n', 3,
          words="no column for 'item_id'"),
    Nasty("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), 3,
          words="is a binary file"),
    Nasty("letters of no alphabet", bytes(range(128, 256)) + bytes(range(1, 32)) * 9, 3,
          words="is a binary file"),
    Nasty("a PDF", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", 3, words="demand.csv: "),
    Nasty("an old spreadsheet", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, 3,
          words="is a binary file"),
    Nasty("a spreadsheet", archive({"xl/workbook.xml": b"<x/>"}), 3,
          words="is a spreadsheet or an archive"),
    Nasty("a ZIP", archive({"demand.csv": THREE}), 3, words="is a spreadsheet or an archive"),
    Nasty("a ZIP bomb", archive({"a.csv": b"A" * 50_000_000}), 3,
          words="is a spreadsheet or an archive"),
    Nasty("a ZIP of ZIPs with hostile names", archive({"../../etc/passwd": archive({"a": b"x"})}),
          3,
          words="is a spreadsheet or an archive"),
    Nasty("a gzip bomb", BOMB, 3, words="unpacks to more than 64 MiB", file="demand.csv.gz"),
    Nasty("gzip in gzip", gzip.compress(gzip.compress(THREE)), 3, words="demand.csv.gz: ",
          file="demand.csv.gz"),
    Nasty("gzip of two parts", gzip.compress(THREE) + gzip.compress(b"A,2024-01-04,1\n"), 0, 4,
          file="demand.csv.gz"),
    Nasty("gzip under the name of a CSV", gzip.compress(THREE), 0, 3, rows=THREE_READ),
    Nasty("a CSV under the name of a gzip file", THREE, 0, 3, rows=THREE_READ,
          file="demand.csv.gz"),
    Nasty("gzip that breaks off", gzip.compress(text(*days(28)))[:-20], 3, words="cannot be read",
          file="demand.csv.gz"),
    Nasty("gzip with a wrong sum", gzip.compress(THREE)[:-8] + b"\0" * 8, 3, words="cannot be read",
          file="demand.csv.gz"),
    Nasty("gzip by its first two bytes", b"\x1f\x8bnot gzip", 3, words="cannot be read",
          file="demand.csv.gz"),
    Nasty("Parquet by its first four bytes", b"PAR1 and nothing else", 3,
          words="no readable Parquet file"),
    Nasty("Parquet that breaks off", parquet(item_id=["A"], ds=["2024-01-01"], y=[1])[:-30], 3,
          words="no readable Parquet", file="demand.parquet"),
    Nasty("a CSV under the name of a Parquet file", THREE, 3, words="no readable Parquet",
          file="demand.parquet"),
    Nasty("Parquet without rows", parquet(item_id=pa.array([], pa.string()), ds=[], y=[]), 3,
          words="has columns but no rows", file="demand.parquet"),
    Nasty("a name that is no UTF-8", THREE, 3, words="the name is no UTF-8 text; rename",
          file=os.fsdecode(b"mar\xe7o.csv")),
    Nasty("Parquet with lists", parquet(item_id=["A"], ds=["2024-01-01"], y=[[1]]), 3,
          words="column 'y' is of type list", file="demand.parquet"),
    Nasty("Parquet with bytes that are no text",
          parquet(item_id=[b"\xff"], ds=["2024-01-01"], y=[1]), 3,
          words="column 'item_id' is of type binary", file="demand.parquet"),
    Nasty("Parquet of numbers as ids with gaps", parquet(item_id=[123.0, float("nan"), None, 7.0],
          ds=["2024-01-01"] * 4, y=[1, 2, 3, 4]), 0, 2, 2, 0, file="demand.parquet",
          rows=(("123", "2024-01-01", 1.0), ("7", "2024-01-01", 4.0))),
]  # fmt: skip

NASTY_TEXTS = [*QUOTES, *SEPARATORS, *SIGNS, *NO_TABLES]
