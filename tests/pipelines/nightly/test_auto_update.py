"""The nightly job, with the real commands on a folder as the store."""

import json
import subprocess
import sys
import time

import pytest

from tests.pipelines.job.conftest import write_demand

NIGHT = "scripts/auto_update_ml_results.py"


def user_demand(workspace):
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    return write_demand(folder / "demand.csv")


def pointer(folder):
    return json.loads((folder / "metadata" / "last_updated.json").read_text())


def test_without_a_place_to_publish_to_nothing_is_started(workspace):
    done = workspace.run(NIGHT, alone=True, expect=2)
    assert "S3_ENDPOINT" in done.stderr
    assert not (workspace.folder / "data").exists()


def test_a_failed_step_passes_on_its_code_and_last_line(workspace):
    path = user_demand(workspace)
    path.write_text("foo,bar\n1,2\n")
    done = workspace.run(NIGHT, "--to", str(workspace.folder / "store"), alone=True, expect=3)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: demand_etl failed (3): ")
    assert "item_id" in last
    assert not (workspace.folder / "store" / "metadata").exists()


def test_incomplete_keys_of_the_store_show_before_the_work(workspace):
    done = workspace.run(NIGHT, alone=True, expect=2, S3_ENDPOINT="127.0.0.1:9000")
    assert "S3_BUCKET" in done.stderr
    assert not (workspace.folder / "data").exists()


def test_an_address_that_nobody_can_be_told_at_shows_before_the_work(workspace):
    done = workspace.run(NIGHT, "--to", "out", alone=True, expect=2,
                         MESSAGE_URLS="json://127.0.0.1/x hooks.example.com/S3cret")  # fmt: skip
    assert "MESSAGE_URLS: address 2 does not begin with a scheme" in done.stderr
    assert "S3cret" not in done.stdout + done.stderr


def test_a_second_night_ends_at_once_and_touches_nothing_while_one_is_running(workspace, tmp_path):
    user_demand(workspace)
    ready = tmp_path / "ready"
    code = (
        "import sys, time; from pathlib import Path; from ml.locks import hold\n"
        "with hold(Path(sys.argv[1])):\n"
        "    Path(sys.argv[2]).touch(); time.sleep(60)"
    )
    lock = workspace.folder / "data" / ".nightly"
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock), str(ready)])
    try:
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        before = sorted((workspace.folder / "data").rglob("*"))
        done = workspace.run(NIGHT, "--to", str(workspace.folder / "store"), alone=True)
    finally:
        holder.kill()
        holder.wait()
    (line,) = done.stdout.splitlines()
    assert line.startswith("nothing done, a night is running: ")
    assert str(holder.pid) in line
    assert done.stderr == ""
    assert sorted((workspace.folder / "data").rglob("*")) == before
    assert not (workspace.folder / "logs").exists()


@pytest.mark.slow
def test_a_night_publishes_and_a_broken_one_leaves_yesterday_in_place(workspace):
    path = user_demand(workspace)
    store = workspace.folder / "store"
    done = workspace.run(NIGHT, "--to", str(store), alone=True)
    assert done.stdout.strip().splitlines()[-1].startswith("night done: ")
    first = pointer(store)
    assert first["version_id"] == workspace.pointer()["version_id"]
    path.write_text("")
    workspace.run(NIGHT, "--to", str(store), alone=True, expect=3)
    assert pointer(store) == first
