"""Ray in the place of loky: the same rows from a real run, whatever happens to its workers."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.commands import ROOT
from tests.on_ray import with_ray
from tests.pipelines.job.conftest import write_company, write_demand

TITLE = b"ray::_work_on_ground"  # of a process that works on a task


def kill_a_busy_worker(command: subprocess.Popen) -> bool:
    """Kill a worker of the Ray that a command started, in the midst of a task."""
    while command.poll() is None:
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                busy = (path / "cmdline").read_bytes().startswith(TITLE)
                if busy and parent(parent(path.name)) == str(command.pid):
                    os.kill(int(path.name), signal.SIGKILL)
                    return True
    return False


def parent(process: str) -> str:
    status = Path(f"/proc/{process}/status").read_text()
    return re.search(r"^PPid:\s+(\d+)$", status, re.MULTILINE)[1]


@with_ray
def test_ray_writes_what_loky_writes_though_a_worker_is_killed_in_the_middle(company, workspace):
    script = ROOT / "scripts" / "generate_ml_results.py"
    options = [*write_company(workspace.folder), "--engine", "ray", "--jobs", "2"]
    told, killed = [], False
    with subprocess.Popen(
        [sys.executable, script, *options], cwd=workspace.folder, text=True,
        env=os.environ | workspace.environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as command:  # fmt: skip
        for line in command.stderr:
            told.append(line)
            if not killed and line.startswith("training") and ": 1 of" not in line:
                killed = kill_a_busy_worker(command)
    assert command.returncode == 0, "".join(told)
    assert killed
    assert any(line.startswith("ray: A worker died or was killed") for line in told)
    assert workspace.hashes() == company.hashes()


def test_without_ray_one_line_says_how_to_install_it(workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    demand = str(write_demand(workspace.folder / "demand.csv"))
    done = workspace.generate("--demand", demand, "--engine", "ray", expect=2)
    assert done.stderr.splitlines()[-1] == (
        "error: --engine ray needs Ray: pip install -r requirements_ray.txt (make setup-ray), on "
        "every node of a cluster."
    )


def test_an_address_for_another_engine_is_refused(workspace):
    done = workspace.generate("--engine", "loky", "--ray-address", "127.0.0.1:1", expect=2)
    assert done.stderr == "error: --ray-address is of --engine ray; leave one of them out.\n"


def test_an_address_where_nobody_answers_is_told_before_anything_is_read(workspace):
    demand = str(write_demand(workspace.folder / "demand.csv"))
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as server:  # its port is nobody's, once it is closed
        address = f"127.0.0.1:{server.getsockname()[1]}"
    done = workspace.generate("--demand", demand, "--ray-address", address, expect=2)
    assert done.stderr.startswith(f"error: ray: {address}: [Errno ")
    assert done.stderr.count("\n") == 1
