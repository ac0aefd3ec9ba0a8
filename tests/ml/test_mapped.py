"""Arrays in files without a name: what is in them, who sees it, and what is given back."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml import mapped
from ml.errors import MachineError
from ml.mapped import keep, let_go, map_array, write_array
from ml.panel import in_portions
from ml.panel_tables import demand_panel
from tests.ml.test_panel_tables import TODAY, demand, months, same

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere arrays stay in the heap")
READ = "import sys, numpy as np; print(np.memmap(sys.argv[1], 'f8', 'r').sum())"


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(mapped, "LARGE", 1)


def resident_kb(values):
    """Pages of the file that lie in this process now, by what the system says of the mapping."""
    at, inside = values.ctypes.data, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, _, rest = line.partition(" ")
        if "-" in first and ":" not in first:
            start, end = (int(one, 16) for one in first.split("-"))
            inside = start <= at < end
        elif inside and first == "Rss:":
            return int(rest.split()[0])
    raise AssertionError


@linux
def test_what_was_let_go_of_takes_no_memory_and_is_there_when_it_is_asked_for(everything_is_large):
    held = map_array((512, 1024), np.float64)
    assert not held.any()
    held[:] = np.arange(1024.0)
    part = held[3:5]
    assert resident_kb(held) == 4096
    let_go(part)
    assert resident_kb(held) == 0
    np.testing.assert_array_equal(held, np.tile(np.arange(1024.0), (512, 1)))


@linux
def test_another_process_of_this_machine_maps_the_same_file_by_its_name(everything_is_large):
    held = keep(np.array([1.5, 2.0, 4.0]))
    command = [sys.executable, "-c", READ, held.base.filename]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(found.stdout) == 7.5


@linux
def test_nothing_is_left_when_nobody_reads_it_any_more(everything_is_large):
    held = map_array((4,), np.float64)
    name = Path(held.base.filename)
    part = held[1:]
    del held
    assert name.exists()
    del part
    assert not name.exists()


def test_what_is_small_stays_in_the_heap_and_is_let_go_of_without_harm():
    small = map_array((2, 3), np.float32)
    small[:] = 7
    assert keep(small) is small
    let_go(small, small[1:])
    assert small.tolist() == [[7.0] * 3] * 2


@linux
def test_no_room_is_one_line_before_anything_is_written():
    with pytest.raises(MachineError, match="temporary files"):
        map_array((1 << 59,), np.float64)


@pytest.mark.parametrize("shape", [(0, 3), (1,), (7,), (5, 2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_is_written_part_by_part_as_numpy_writes_it(tmp_path, monkeypatch, shape, dtype):
    monkeypatch.setattr(mapped, "WRITTEN", 32)
    values = np.random.default_rng(0).random(shape).astype(dtype)
    write_array(tmp_path / "ours.npy", values)
    np.save(tmp_path / "theirs.npy", values)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def some_months():
    days = (f"2023-{month:02d}-01" for month in range(1, 13))
    short = [("A", day, 2.0 * ("-03-" not in day), "-03-" in day) for day in days]
    rows = [*short, *months("B", 1.0, None, 0.0), *months("C", 4.0, 5.0), *months("D", 3.0)]
    return demand(rows)


def test_a_panel_in_a_file_is_the_same_panel(monkeypatch):
    before = demand_panel(some_months(), as_of=None, today=TODAY).panel
    monkeypatch.setattr(mapped, "LARGE", 1)
    after = demand_panel(some_months(), as_of=None, today=TODAY).panel
    assert same(before, after)
    assert same(before.rows([0, 2]), after.rows([0, 2]))
    np.testing.assert_array_equal(before.recorded, after.recorded)
    np.testing.assert_array_equal(before.exposure, after.exposure)


def test_portions_put_together_are_the_panel():
    panel = demand_panel(some_months(), as_of=None, today=TODAY).panel
    parts = list(in_portions(panel, 3))
    assert [len(one.items) for one in parts] == [3, 1]
    assert tuple(item for one in parts for item in one.items) == panel.items
    for name in ("values", "recorded", "exposure"):
        together = np.concatenate([getattr(one, name) for one in parts])
        np.testing.assert_array_equal(together, getattr(panel, name))
