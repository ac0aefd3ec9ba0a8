"""The nightly job, with the real commands on a folder as the store."""

import json
import subprocess
import sys
import time

import pytest

from pipelines.nightly.night import Failure, Step, run_night
from tests.pipelines.job.conftest import Workspace, write_demand

NIGHT = "scripts/auto_update_ml_results.py"


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


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
    assert last.startswith("error: generate_ml_results failed (3): ")
    assert "item_id" in last
    assert not (workspace.folder / "store" / "metadata").exists()


def fail_first(folder, code, *, needed):
    """Run a night whose first step fails; that step, the failures, whether the second one ran."""
    (folder / "fail.py").write_text(f"import sys; {code}")
    (folder / "touch.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()")
    first = Step("weather", (str(folder / "fail.py"),), needed=needed)
    failures = run_night([first, Step("two", (str(folder / "touch.py"),))], folder / "lock")
    return first, failures, (folder / "ran").exists()


def test_steps_after_a_failed_one_do_not_run(tmp_path):
    code = "print('first'); print('the reason'); print(); sys.exit(4)"
    step, failures, went_on = fail_first(tmp_path, code, needed=True)
    assert (failures, went_on) == ([Failure(step, 4, "the reason")], False)


def test_outside_data_that_cannot_be_had_is_said_and_does_not_end_the_night(tmp_path):
    code = "print('error: nobody answers'); sys.exit(3)"
    step, failures, went_on = fail_first(tmp_path, code, needed=False)
    assert (failures, went_on) == ([Failure(step, 3, "error: nobody answers")], True)
    assert failures[0].text == "weather failed (3): nobody answers"


def test_a_step_killed_by_a_signal_gets_the_code_that_a_shell_gives_it(tmp_path):
    path = tmp_path / "killed.py"
    path.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    step = Step("killed", (str(path),))
    assert run_night([step], tmp_path / "lock") == [Failure(step, 128 + 9, "killed by signal 9")]


def test_incomplete_keys_of_the_store_show_before_the_work(workspace):
    done = workspace.run(NIGHT, alone=True, expect=2, S3_ENDPOINT="127.0.0.1:9000")
    assert "S3_BUCKET" in done.stderr
    assert not (workspace.folder / "data").exists()


def test_a_second_night_does_not_start_while_one_is_running(workspace, tmp_path):
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
        done = workspace.run(NIGHT, "--to", str(workspace.folder / "store"), alone=True, expect=5)
    finally:
        holder.kill()
        holder.wait()
    assert str(holder.pid) in done.stderr


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
