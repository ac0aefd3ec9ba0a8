"""Nights that are started twice at once, and nights that are killed at any moment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from ml.artifacts.version import commits, verify_version
from pipelines.nightly.steps import has_user_files
from tests.pipelines.job.conftest import Workspace, demand_rows, write_demand
from tests.pipelines.nightly.conftest import DAY, rows_of, start_night
from tests.pipelines.nightly.processes import await_none, marked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc"),
]
FULL = bool(os.environ.get("DRILLS"))
MONTHS = (np.datetime64("2026-01") - np.arange(15, 0, -1)).astype("datetime64[D]")


def write_files(workspace, number):
    """Demand that no night has seen, and so other models, but not so much more that a gate closes.

    It is 6 pieces a month or more, of which one of 15 months has up to 4 more.
    """
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    more, month = divmod(number, len(MONTHS))
    rows = [
        (item, day, str(int(count) + 6 + (more + 1) * (day == str(MONTHS[month]))))
        for item, day, count in demand_rows(["A/1", "slow"], MONTHS)
    ]
    write_demand(folder / "demand.csv", rows)
    assert has_user_files(workspace.folder / "data")


def whole_versions(workspace):
    """Versions of the results folder and of the store, in order; each is verified."""
    found = []
    for folder in (workspace.results, workspace.folder / "store"):
        records = commits(folder) if folder.exists() else []
        assert [verify_version(folder, one.version_id) for one in records] == [[]] * len(records)
        found.append([one.version_id for one in records])
    return found


def last_line(night):
    said, _ = night.communicate(timeout=500)
    assert "Traceback" not in said, said
    return said.splitlines()[-1]


def test_of_two_nights_started_at_once_one_runs_and_one_version_is_made(workspace):
    """20 times by make drills, once elsewhere."""
    write_files(workspace, number=0)
    times = 20 if FULL else 1
    for time_ in range(1, times + 1):
        both = [start_night(workspace, mark=str(workspace.folder)) for _ in range(2)]
        lines = sorted(last_line(night) for night in both)
        assert [night.returncode for night in both] == [0, 0]
        assert lines[0].startswith("night done: demand_etl, ")
        assert lines[1].startswith("nothing done, a night is running: ")
        local, published = whole_versions(workspace)
        assert local == published
        assert len(local) == time_
        assert len(rows_of(workspace.folder / "data", "runs")) == time_
    print(f"two nights at once: {times} times")  # noqa: T201 - for make drills
    said = workspace.run("pipelines/history.py", "--item", "slow", "--on", DAY).stdout
    assert f"readers saw version {local[-1]} " in said
    assert " by ensemble" in said
    again = workspace.run("pipelines/reproduce.py", local[-1], alone=True)
    same = again.stdout.splitlines()[-1].removeprefix("the same: ").split(", ")
    assert {"forecasts", "forecast_models", "recommendations", "metrics"} <= {*same}


def test_a_night_killed_at_a_random_moment_leaves_no_process_and_is_finished_by_the_next(workspace):
    """50 kills by make drills, 1 elsewhere."""
    write_files(workspace, number=0)
    mark, moments = str(workspace.folder), random.Random(20261122)
    seconds, kills, slowest = 15.0, 50 if FULL else 1, 0.0
    if FULL:
        start = time.monotonic()
        assert last_line(start_night(workspace, mark=mark)).startswith("night done: ")
        seconds = time.monotonic() - start
    for kill in range(1, kills + 1):
        write_files(workspace, number=kill)
        before = len(rows_of(workspace.folder / "data", "runs"))
        made = len(whole_versions(workspace)[1])
        night = start_night(workspace, mark=mark)
        try:
            night.wait(timeout=moments.uniform(0.0, seconds))
        except subprocess.TimeoutExpired:
            os.kill(night.pid, signal.SIGKILL)
        killed = time.monotonic()
        night.communicate()
        await_none(mark, seconds=10.0)
        slowest = max(slowest, time.monotonic() - killed)
        whole_versions(workspace)
        if made == len(whole_versions(workspace)[1]) or night.returncode:
            assert last_line(start_night(workspace, mark=mark)).startswith("night done: ")
        check_done_once(workspace, before)
        local, published = whole_versions(workspace)
        assert local == published
    print(f"{kills} kills, none left after {slowest:.1f} s")  # noqa: T201 - for make drills


def check_done_once(workspace, before):
    """Of the runs since, each step that depends on its inputs alone was done once on them."""
    data_dir = workspace.folder / "data"
    runs = rows_of(data_dir, "runs")[before:]
    own = {run["id"] for run in runs}
    # a run that was killed after its end is followed by one that begins anew
    if any(run["outcome"] == "done" for run in runs[:-1]):
        return
    done = Counter(
        (row["name"], row["inputs"])
        for row in rows_of(data_dir, "steps")
        if row["run"] in own and row["inputs"] and row["outcome"] == "done"
    )
    assert set(done.values()) <= {1}, done
    assert runs[-1]["outcome"] == "done"


def test_a_night_that_is_told_to_stop_ends_its_step_first_and_says_so(workspace):
    write_files(workspace, number=0)
    mark = str(workspace.folder)
    night = start_night(workspace, mark=mark)
    deadline = time.monotonic() + 60
    while len(marked(mark)) < 3:  # the night, a guard and a step
        assert time.monotonic() < deadline
        time.sleep(0.01)
    night.send_signal(signal.SIGTERM)
    assert last_line(night) == "error: the night was stopped by SIGTERM; run it again, it goes on"
    assert night.returncode == 128 + signal.SIGTERM
    await_none(mark, seconds=1.0)
    (run,) = rows_of(workspace.folder / "data", "runs")
    assert (run["outcome"], run["exit_code"]) == ("stopped", 143)


def test_a_night_goes_on_where_the_copy_of_one_that_was_killed_stands(workspace, tmp_path):
    """The main job had committed its version when the power went: it is not made again."""
    if not FULL:
        pytest.skip("two more nights are for make drills")
    write_files(workspace, number=0)
    mark = str(workspace.folder)
    night = start_night(workspace, mark=mark)
    copy = Workspace(tmp_path / "copy")
    records = workspace.results / "_commits"
    deadline = time.monotonic() + 300
    while not (records.is_dir() and any(records.glob("*.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(night.pid, signal.SIGKILL)
    night.communicate()
    await_none(mark, seconds=10.0)
    shutil.copytree(workspace.folder / "data", copy.folder / "data")
    again = start_night(copy, mark=str(copy.folder))
    assert last_line(again).startswith("night done: ")
    local, published = whole_versions(copy)
    assert local == published
    assert len(local) == 1
    kept = [row["name"] for row in rows_of(copy.folder / "data", "steps")
            if row["outcome"] == "kept"]  # fmt: skip
    assert kept == ["demand_etl", "look_for_drift", "generate_ml_results"]
