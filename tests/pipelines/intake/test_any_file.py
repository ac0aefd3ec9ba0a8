"""Whatever is in a file, nothing ends in a traceback and every line is accounted for.

Two kinds of files are made up: tables of cells that are sound or nasty, written in any style; and
good files into which bytes were put, or from which some were taken. The quick tests try 40 of each.
The drills try 200 of each in CI (that is 4 %), and 5,000 of each where DRILLS is set.
"""

import csv as csv_module
import io
import os
import re
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.errors import DataError
from pipelines.intake.read_tables import read_tables
from pipelines.intake.request import TABLES, ReadingRequest

MANY = 5_000 if os.environ.get("DRILLS") else 200
OF_LINES = re.compile(r"of ([\d,]+) lines ([\d,]+) are blank, ([\d,]+) continue")
HEADERS = {
    "demand": ["item_id", "ds", "y", "is_stockout", "site"],
    "prices": ["date", "brent", "ticker", "WTI", "unit"],
    "items": ["sku", "moq", "unit_cost", "status", "service_level"],
    "inventory": ["sku", "saldo", "data", "local", "em_pedido"],
    "open_orders": ["sku", "quantidade", "entrega", "fornecedor", "pedido"],
    "receipts": ["sku", "data_pedido", "data_recebimento", "quantidade", "pedido"],
    "exposure": ["serie", "volume", "vencimento", "cotacao", "contrato"],
    "suppliers": ["fornecedor", "pedido_minimo", "custo_pedido", "moeda", "nota"],
}


def quickly(examples):
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


days = st.dates(date(2023, 12, 25), date(2024, 7, 3)).map(str)
months = st.integers(1, 12).map(lambda month: f"2023-{month:02d}-01")
numbers = st.sampled_from(["1", "0", "2.5", "3,5", "1.234", "1,234", "1.234,5", "-3", "5-", "1e9"])
odd = st.sampled_from(
    ["", " ", "A", "B", "7.0", "7", "1925-01-01", "2020-W53", "30/02/2024", "12/25/2023", "202401",
     "inf", "1e999", "NaN", "#REF!", "1e12", "=1+1", "\u200bA", '5" pipe', '"', '""', "two\nlines",
     "a\r\nb", "x,y", "x;y", "\t", "sim", "perhaps", "\ufeff", "é", "\u0096", "\x1f", "\x0b", "🔧"]
)  # fmt: skip
cells = st.one_of(days, months, numbers, odd, odd, st.text(max_size=3))


@st.composite
def tables(draw):
    """A table's name, and its file: mostly whole rows, in a style that may be wrong for them."""
    table = draw(st.sampled_from(TABLES))
    width = draw(st.integers(1 if table in ("items", "inventory", "suppliers") else 3, 5))
    sound = st.tuples(st.sampled_from("AB7"), days, numbers, st.just(""), st.sampled_from("XY"))
    orders = {"demand": (0, 1, 2, 3, 4), "prices": (1, 2, 4, 2, 4), "open_orders": (0, 2, 1, 3, 4),
              "receipts": (0, 1, 1, 2, 4),
              "exposure": (0, 2, 1, 3, 4)}  # fmt: skip
    ordered = orders.get(table, (0, 2, 2, 3, 2))
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        row = draw(sound)
        row = [row[at] for at in ordered][:width]
        if draw(st.integers(0, 3)) == 0:
            row = draw(st.lists(cells, max_size=width + 1))
        rows.append(row)
    into = io.StringIO()
    style = {
        "delimiter": draw(st.sampled_from(",;\t|")),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "quoting": draw(st.sampled_from([csv_module.QUOTE_MINIMAL, csv_module.QUOTE_ALL])),
    }
    writer = csv_module.writer(into, **style)
    writer.writerows([HEADERS[table][:width], *rows])
    text = into.getvalue()
    text = draw(st.sampled_from(["", "", "", "sep=;\n", "\n"])) + text
    if draw(st.integers(0, 4)) == 0:  # as a hand that knows no quoting writes it
        text = text.replace('"', draw(st.sampled_from(["", '"', '""'])), draw(st.integers(0, 3)))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"]))
    return table, text.encode(encoding, errors="replace")


@st.composite
def damaged(draw):
    """A table's name, and its file with a few places replaced by any bytes."""
    table, content = draw(tables())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        gone = draw(st.integers(0, 6))
        come = draw(st.one_of(st.binary(max_size=6), st.sampled_from([b'"', b"\n", b"\r", b"\0"])))
        content = content[:at] + come + content[at + gone :]
    return table, content


def account(table, content):
    """Read a file: where its rows and lines went, or its one line of error."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{table}.csv")
        path.write_bytes(content)
        request = ReadingRequest(today=date(2024, 6, 30), files={table: path})
        try:
            read = read_tables(request, Path(folder))
        except DataError as error:
            return str(error), None
        listed = Path(folder, "quarantine", f"{table}.csv")
        count = read.counts[table]
        assert count.read == count.used + count.aside
        assert not count.aside or listed.exists()
        said = [found for one in read.statements if (found := OF_LINES.search(one))]
        lines = [int(number.replace(",", "")) for number in said[0].groups()] if said else None
        return count, lines


def holds(found):
    """Whether an outcome is one that a user can do something about; counts are returned."""
    count, lines = found
    if isinstance(count, str):
        assert "\n" not in count
        assert "fault of the program" not in count
        return None
    return count, lines


def test_what_hypothesis_writes_adds_up():
    sums = []

    @quickly(40)
    @given(tables())
    def read(written):
        sums.append(adds_up(*written))

    read()
    assert sum(one is not None for one in sums) > 10  # the files are not all refused


def adds_up(table, content):
    found = holds(account(table, content))
    if found is None:
        return None
    count, lines = found
    for encoding in ("utf-8", "utf-16", "utf-16-le", "cp1252"):
        try:
            text = content.decode(encoding).lstrip("\ufeff")
        except UnicodeDecodeError:
            continue
        total = len(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", text))
        blank, continued = lines[1:] if lines else (0, 0)
        header = 1 + text.startswith(("sep=", "\n"))
        if total == header + count.read + blank + continued and (
            lines is None or lines[0] == total
        ):
            return count
    pytest.fail(f"{count} and {lines} do not add up to the lines of {content!r}")


@quickly(40)
@given(damaged())
def test_damaged_files_end_in_a_table_or_one_line(written):
    holds(account(*written))


@quickly(40)
@given(st.sampled_from(TABLES), st.binary(max_size=300))
def test_bytes_end_in_a_table_or_one_line(table, content):
    holds(account(table, content))


@pytest.mark.slow
@quickly(MANY)
@given(tables())
def test_drill_of_tables(written):
    adds_up(*written)


@pytest.mark.slow
@quickly(MANY)
@given(damaged())
def test_drill_of_damaged_files(written):
    holds(account(*written))


@pytest.mark.slow
@quickly(MANY)
@given(st.sampled_from(TABLES), st.binary(max_size=300))
def test_drill_of_bytes(table, content):
    holds(account(table, content))
