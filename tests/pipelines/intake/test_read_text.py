"""Packed files unpack within bounds, and what people open holds no live formula."""

import csv as csv_module
import gzip
import io
import random
import subprocess
import sys
import zlib

import polars as pl
import pytest

from ml.errors import DataError
from pipelines.intake.demand import read_demand
from pipelines.intake.quarantine import CELLS, as_shown, write_quarantine
from pipelines.intake.read_text import HARMLESS, MOST_PACKED, open_bytes, read_bytes, read_text

MIB = 1 << 20
PEAK = """
import resource, sys
from pathlib import Path
from ml.errors import DataError
from pipelines.intake.read_text import read_bytes
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_bytes(Path(sys.argv[1]))
except DataError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    print(error)
"""


def bomb(path, mebibytes):
    """A gzip file that unpacks to so much of one letter."""
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(packer.compress(b"A" * MIB))
        file.write(packer.flush())
    return path


def test_a_gzip_bomb_is_refused_in_the_memory_that_its_limit_takes(tmp_path):
    path = bomb(tmp_path / "demand.csv.gz", 200)
    assert path.stat().st_size < 250_000
    done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True)
    grown, message = done.stdout.splitlines()
    assert "demand.csv.gz: unpacks to more than 64 MiB, over 100 times its size" in message
    # the limit twice: what was unpacked, and the blocks that it was put together from
    assert int(grown) / 1024 < 2 * HARMLESS / MIB + 40


def test_what_packs_well_is_no_bomb_up_to_the_limits(tmp_path):
    path = tmp_path / "demand.csv.gz"
    path.write_bytes(gzip.compress(b"A" * HARMLESS, 1))
    assert len(read_bytes(path)) == HARMLESS
    path.write_bytes(gzip.compress(b"A" * (HARMLESS + 1), 1))
    with pytest.raises(DataError, match="unpacks to more than 64 MiB"):
        read_bytes(path)
    # a file that packs to a fiftieth is taken at any size
    text = random.Random(1).randbytes(2 * MIB) + b"A" * (50 * 2 * MIB)
    path.write_bytes(gzip.compress(text, 1))
    assert HARMLESS < len(text) < MOST_PACKED * path.stat().st_size
    assert read_bytes(path) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"), ("\t=1", "'\t'=1"), ("\r=1", "'\r'=1"), ("\uff1d1", "'\uff1d1"),
        ("A;=1;2", "A;'=1;2"), ("A,@x", "A,'@x"), ("two\n=lines", "two\n'=lines"),
        # numbers and plain text stay as they are
        ("-5", "-5"), ("-5,00", "-5,00"), ("+1.234,5", "+1.234,5"), ("-1e-5", "-1e-5"),
        ("A;-5;x", "A;-5;x"), ("A=1", "A=1"), ("a@b", "a@b"), ("", ""), ("x-y", "x-y"),
    ],
)  # fmt: skip
def test_no_cell_that_people_open_begins_a_formula(text, shown):
    assert as_shown(text) == shown


def test_the_quarantine_is_written_without_formulas(csv, options, tmp_path):
    rows = ["=A1,soon,1", "A,2024-01-01,-x", "A,2024-01-02,1", "+B;-5;@x"]
    read = read_demand(csv(*rows), options())
    path = write_quarantine(read.quarantine, tmp_path / "quarantine", "demand")
    with path.open(newline="") as handle:
        cells = [(row["item_id"], row["value"]) for row in csv_module.DictReader(handle)]
    assert cells == [("'=A1", "soon"), ("A", "'-x"), ("", "'+B;-5;'@x")]
    assert read.quarantine["item_id"][0] == "=A1"  # of the file only, not of what is computed
    empty = CELLS.clear(1).with_columns(line=pl.lit(2, pl.Int64), reason=pl.lit("empty_id"))
    assert write_quarantine(empty, tmp_path, "items").read_text().count("\n") == 2


@pytest.mark.parametrize("seed", range(5))
def test_lines_are_those_that_python_finds(monkeypatch, tmp_path, seed):
    draw = random.Random(seed)
    monkeypatch.setattr("pipelines.intake.read_text.PIECE", 7)  # breaks lie across pieces, too
    path = tmp_path / "f.csv"
    for _ in range(100):
        text = "".join(draw.choices(["a", "é", "\n", "\r", "\r\n", "\x0b"], k=draw.randint(1, 30)))
        path.write_bytes(f"a{text}".encode())
        with open_bytes(path) as file:
            found, _ = read_text(file, path.name)
            pieces = [piece.decode() for piece in found.pieces()]
        parts = f"a{text}".replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert found.lines == len(parts) - (parts[-1] == "")
        assert "".join(pieces) == f"a{text}"
        assert sum(len(list(io.StringIO(one, newline=""))) for one in pieces) == found.lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be"])
def test_text_is_the_same_in_every_encoding(encoding, tmp_path):
    text = "código;ação\nÀ;É \u2013 €\n" * 50
    path = tmp_path / "f.csv"
    path.write_bytes(text.encode(encoding))
    with open_bytes(path) as file:
        found, _ = read_text(file, "f")
        assert b"".join(found.pieces()).decode() == text
