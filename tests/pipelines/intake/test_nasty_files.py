"""Nothing in a file ends in a traceback, or is lost without a word: the command as it is."""

import codecs
import gzip
import re

import pyarrow.parquet as pq
import pytest

from tests.commands import run_here
from tests.pipelines.intake.nasty_cells import NASTY_CELLS
from tests.pipelines.intake.nasty_files import NASTY_TEXTS

NASTY = [*NASTY_TEXTS, *NASTY_CELLS]
KEYS = {"demand": ("item_id", "ds", "y"), "prices": ("series", "ref_date", "value"),
        "items": ("item_id", "moq"), "inventory": ("item_id", "on_hand")}  # fmt: skip
COUNTED = re.compile(r"(\d[\d,]*) rows? read from 1 file, (\d[\d,]*) used, (\d[\d,]*) set aside\.")


@pytest.fixture
def read(tmp_path):
    """Run the command on the bytes of a file: what it says on stdout and stderr, and its code."""
    env = {"DATA_DIR": str(tmp_path / "data"), "TODAY": "2024-06-30"}

    def run(content, table, file):
        (tmp_path / file).write_bytes(content)
        option = "--items-file" if table == "items" else f"--{table}"
        return run_here(tmp_path, env, "pipelines/demand_etl.py", option, str(tmp_path / file))

    return run


def lines_of(content):
    """How many lines a text has, in a way of its own: 0 for Parquet, which has none."""
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if content.startswith(b"PAR1"):
        return 0
    if content.count(0):
        odd = content[1::2].count(0) > content[0::2].count(0)
        is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        encoding = "utf-16" if is_wide else "utf-16-le" if odd else "utf-16-be"
        encoding = "utf-32" if content.startswith(codecs.BOM_UTF32_LE) else encoding
        content = content.decode(encoding).encode()
    return len(re.findall(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", content))


def test_there_are_120_files():
    assert len(NASTY) >= 120
    assert len({nasty.name for nasty in NASTY}) == len(NASTY)


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: nasty.name)
def test_a_nasty_file_is_read_set_aside_or_refused(read, tmp_path, nasty):
    done = read(nasty.content, nasty.table, nasty.file or f"{nasty.table}.csv")
    assert (done.returncode, done.stderr) == (nasty.exit_code, done.stderr)
    if nasty.exit_code:
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert nasty.words in done.stderr
        assert not (tmp_path / "data" / "processed").exists()
        return
    assert nasty.words in done.stdout
    counts = COUNTED.search(done.stdout).groups()
    rows, used, aside = (int(count.replace(",", "")) for count in counts)
    assert (used, aside) == (nasty.used, nasty.aside)
    assert rows == used + aside
    if lines := lines_of(nasty.content):
        assert lines == used + aside + nasty.other
    listed = tmp_path / "data" / "quarantine" / f"{nasty.table}.csv"
    assert listed.exists() or not aside
    if nasty.rows is not None:
        table = pq.read_table(tmp_path / "data" / "processed" / f"{nasty.table}.parquet")
        columns = [table[name].to_pylist() for name in KEYS[nasty.table]]
        if len(columns) > 2:
            columns[1] = [f"{day:%Y-%m-%d}" for day in columns[1]]
        assert tuple(zip(*columns, strict=True)) == nasty.rows
