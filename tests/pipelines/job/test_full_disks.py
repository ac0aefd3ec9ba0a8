"""A disk that is full after so many bytes: one line, exit code 5, and never a hidden version."""

import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from tests.commands import ROOT
from tests.pipelines.job.conftest import demand_rows, write_demand
from tests.small_disk import Disk, with_disks

SCRIPT = ROOT / "tests" / "pipelines" / "job" / "full_disks.py"
FOLDERS = {"data/ml_results": 600, "models": 240, "reports": 400, "data/processed": 60,
           "logs": 24}  # fmt: skip
"""Folders, and kilobytes with which a run there surely ends well."""


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_disk_that_fills_up_at_any_byte_ends_in_one_line_or_in_a_whole_version(tmp_path, folder):
    """12 sizes of each disk by make drills, 1 elsewhere (30 s for all where nothing else runs)."""
    place, enough = tmp_path / "place", FOLDERS[folder]
    (place / "data" / "raw" / "user").mkdir(parents=True)
    months = (np.datetime64("2026-01") - np.arange(15, 0, -1)).astype("datetime64[D]")
    rows = demand_rows(["A/1", "fast"], months)
    write_demand(place / "data" / "raw" / "user" / "demand.csv", rows)
    count = 12 if os.environ.get("DRILLS") else 1
    sizes = sorted(random.Random(folder).sample(range(0, enough, 4), count))
    command = [sys.executable, SCRIPT, place, place / folder, *sizes]
    done = subprocess.run(
        with_disks({place / folder: Disk(4 * enough, 4 * enough)}, command),
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == sizes
    for size, (code, said, made), (again, said_again, all_made) in lines:
        where = f"{size} kB: {said}"
        assert "Traceback" not in said + said_again, where
        assert code in {0, 5}, where
        assert said.count("error: ") == (code == 5), where
        assert code == 5 or len(made) == 1, where
        assert not made or next(iter(made)) in said or "committed" in said, where
        assert (again, [*all_made.values()]) == (0, [[]] * len(all_made)), said_again
        assert len(all_made) == len(made) + 1
