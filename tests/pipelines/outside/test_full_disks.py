"""An ETL on a full disk says so in one line; the same command goes on when there is room."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_disk import Disk, with_disks

ROOT = Path(__file__).resolve().parents[3]
TWICE = """
import subprocess, sys
for _ in range(2):
    done = subprocess.run([sys.executable, *sys.argv[2:]], capture_output=True, text=True)
    print(done.returncode, [line for line in done.stderr.splitlines() if "Traceback" in line or
                            line.startswith("error: ")], flush=True)
    open(sys.argv[1], "w").close()
"""


@pytest.mark.parametrize(
    "left", [24, *(pytest.param(size, marks=pytest.mark.slow) for size in (0, 48))]
)
def test_an_etl_without_room_for_what_it_fetches_ends_in_one_line_and_goes_on_later(
    desk, world, left
):
    """The ledger takes 40 kB; the answers and the tables, on the same disk, as much again."""
    desk.set(TODAY=world.day)
    data = desk.folder / "data"
    command = [ROOT / "pipelines" / "economic_etl.py", "--series", "usd_brl"]
    disk = {data: Disk(2048, left)}
    line = [sys.executable, "-c", TWICE, data / "filled", *command]
    done = subprocess.run(with_disks(disk, line), capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip
    first, second = done.stdout.splitlines()
    assert first.startswith(("5 ['error: ", '5 ["error: ')), done
    assert first.count("error: ") == 1
    assert "full" in first or "No space left" in first
    assert second == "0 []"
