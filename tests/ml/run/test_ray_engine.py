"""Tasks on a Ray cluster that is there already, here of one node."""

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
CLUSTER = """
import sys, ray
here = ray.init(
    "local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000,
    logging_level="ERROR", log_to_driver=False, _temp_dir=sys.argv[1],
)
print(here.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""  # ends with the tests, however they end


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What came of the tasks of ``ray_jobs`` on a cluster of one node, and what was told."""
    place = tmp_path_factory.mktemp("place")
    env = os.environ | HERE | {"PYTHONPATH": str(ROOT), "ENGINE": "ray"}
    # Ray's sockets lie below its folder, and the name of a socket is short.
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as own,
        subprocess.Popen(
            [sys.executable, "-c", CLUSTER, own], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as cluster,
    ):  # fmt: skip
        address = cluster.stdout.readline().strip()
        done = subprocess.run(
            [sys.executable, ray_jobs.__file__, place], cwd=place, capture_output=True, text=True,
            env=env | {"RAY_ADDRESS": address}, timeout=300,
        )  # fmt: skip
        cluster.communicate()
    assert done.returncode == 0, done.stderr
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
    assert sorted(said["lost"]) == [f"{number}.mark" for number in range(2)]
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
