"""The processed tables change as a set: all of a change, or nothing of it."""

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.processed import changing, reading, write_tables
from tests.power_cut import survive_power_cuts

NAMES = ("demand", "items", "prices")


def table(value):
    return pa.table({"value": [value]})


def values(data_dir):
    """The value of each table; ``None`` = it is not there."""
    paths = {name: data_dir / "processed" / f"{name}.parquet" for name in NAMES}
    return [pq.read_table(p)["value"][0].as_py() if p.exists() else None for p in paths.values()]


def change(data_dir, value):
    """What a command does: two tables get a value, a third one goes."""
    value = int(value)
    with changing(Path(data_dir)):
        write_tables(
            Path(data_dir), {"demand": table(value), "items": table(value), "prices": None}
        )


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    with changing(folder):
        write_tables(folder, {name: table(0) for name in NAMES})
    return folder


def test_tables_are_written_and_removed_together_and_nothing_is_left_over(data_dir):
    change(data_dir, 1)
    assert values(data_dir) == [1, 1, None]
    names = sorted(path.name for path in (data_dir / "processed").iterdir())
    assert names == ["demand.parquet", "items.parquet"]


def test_after_a_power_cut_a_reader_finds_all_of_a_change_or_nothing_of_it(data_dir):
    def expect_whole(place):
        with reading(place):
            assert values(place) in ([0, 0, 0], [1, 1, None])

    job = "tests.ml.test_processed:change"
    cuts = survive_power_cuts(
        job, data_dir, values, arguments=["1"], sample=10, meanwhile=expect_whole
    )
    assert cuts >= 10
    assert values(data_dir) == [1, 1, None]


def test_who_reads_waits_for_a_change(data_dir):
    seen = []

    def read():
        with reading(data_dir):
            seen.append(values(data_dir))

    work = threading.Thread(target=read)
    with changing(data_dir):
        work.start()
        work.join(0.05)
        assert work.is_alive()
        write_tables(data_dir, {name: table(7) for name in NAMES})
    work.join(10)
    assert seen == [[7, 7, 7]]


def test_nothing_is_made_where_there_is_nothing_to_read(tmp_path):
    with reading(tmp_path / "data"):
        assert not (tmp_path / "data").exists()
