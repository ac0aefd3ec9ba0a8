"""Tasks on a Ray cluster, started here as a user would start its head."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ml.run.parallel import run_tasks
from tests.ml.run import ray_jobs
from tests.on_ray import HERE, with_ray

ROOT = Path(__file__).resolve().parents[3]
START = ("-m", "ray.scripts.scripts", "start", "--head", "--num-cpus=2", "--block", "--port=0",
         "--include-dashboard=false", "--object-store-memory=100000000")  # fmt: skip


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What came of the tasks of ``ray_jobs`` on a cluster of one node, and what was told."""
    place = tmp_path_factory.mktemp("place")
    env = os.environ | HERE | {"PYTHONPATH": str(ROOT), "ENGINE": "ray"}
    # Ray's sockets lie below its folder, and the name of a socket is short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as own:
        head = subprocess.Popen(
            [sys.executable, *START, f"--temp-dir={own}"],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            told = []
            for line in head.stdout:
                told.append(line)
                if "Ray runtime started" in line:
                    break
            address = (Path(own) / "ray_current_cluster").read_text()
            done = subprocess.run(
                [sys.executable, ray_jobs.__file__, place], cwd=place, capture_output=True,
                env=env | {"RAY_ADDRESS": address}, text=True, timeout=300,
            )  # fmt: skip
        finally:
            head.terminate()
            head.communicate(timeout=60)
    assert done.returncode == 0, "".join(told) + done.stderr
    return json.loads(done.stdout) | {"stderr": done.stderr}


@with_ray
def test_every_task_is_done_once_by_workers_with_the_same_environment(said):
    assert sorted(square for square, _, _ in said["squares"]) == [n**2 for n in range(9)]
    assert {onednn for _, _, onednn in said["squares"]} == {"0"}
    assert "squares: 9 of 9" in said["stderr"]


@with_ray
def test_what_a_task_raises_comes_out_as_it_does_of_a_process(said):
    assert said["refused"] == ray_jobs.tell(
        run_tasks, ray_jobs.refuse, range(4), jobs=1, label="refusing"
    )
    assert said["refused"][0] == "DataError"


@with_ray
def test_tasks_of_lost_workers_are_done_by_others_and_a_line_tells(said):
    assert sorted(said["lost"]) == [f"{number}.mark" for number in range(4)]
    assert "ray: A worker died or was killed" in said["stderr"]


@with_ray
def test_a_task_that_kills_every_worker_ends_the_run_with_the_line_of_a_killed_worker(said):
    kind, line = said["killed"]
    assert kind == "MachineError"
    assert line.startswith("training arima: a worker process was killed")


@with_ray
def test_a_node_with_other_code_or_without_the_folder_is_refused_by_its_name(said):
    here = f"ray: node {os.uname().nodename}"
    for case, reason in (("other code", "runs code"), ("other folder", "does not see")):
        kind, line = said[case]
        assert kind == "ConfigError"
        assert line.startswith(f"{here} {reason}")
    assert said["left"] == []
