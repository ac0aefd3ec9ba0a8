"""What the machine refuses is one line and exit code 5, and hides nothing that was done before.

The disks are real file systems that are full, see ``tests/small_disk.py``.
"""

import errno
import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ml.errors import MachineError, machine_error
from ml.locks import hold
from tests.commands import ROOT, folders_below
from tests.pipelines.publish.versions import make_version, version_id
from tests.small_disk import Disk, with_disks

FULL = Disk()
LOGGING = """
import sys
from pathlib import Path
from ml.logs import logger, logging_to
with logging_to(Path(sys.argv[1]), "job", "run"):
    for number in range(300):
        logger().info("line", number=number, filling="x" * 100)
print("the work is done")
"""
PROPHET = """
import typer
from ml.cli import exit_on_error
from ml.forecasters.registry import forecaster
from tests.conftest import monthly_panel

def main():
    with exit_on_error():
        print(forecaster("prophet", horizon=3, seed=0).fit(monthly_panel(1)).failures)

typer.run(main)
"""
FILES = """
import resource, sys
from pathlib import Path
import typer
from ml.cli import exit_on_error
from ml.durable import write_file

def main(path: Path):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with exit_on_error():
        opened = []
        while True:
            opened.append(open("/dev/null"))
            write_file(path, "text")

typer.run(main)
"""
SAMPLE = """
from pathlib import Path
import typer
from ml.cli import exit_on_error
from pipelines.sample_data import ensure_sample

def main(path: Path):
    with exit_on_error():
        ensure_sample(path)

typer.run(main)
"""
WORKERS = """
import os, time
import typer
from ml.cli import exit_on_error
from ml.run.parallel import run_tasks

def stay(_):
    print("worker", os.getpid(), flush=True)
    time.sleep(600)

def hold(_):
    print("worker", os.getpid(), flush=True)
    3 ** 20_000_000  # for 20 seconds no other thread of the worker gets a turn

def die(end):
    os.kill(os.getpid(), end)

def main(work: str, task: int):
    with exit_on_error():
        run_tasks(globals()[work], [task] * 4, jobs=2, label="training arima")

if __name__ == "__main__":
    typer.run(main)
"""


@pytest.fixture
def run(tmp_path):
    """Run Python in the workspace below ``tmp_path``; with disks on folders below it."""

    def start(*words, disks=None, stdout=subprocess.PIPE, **environment):
        line = [sys.executable, *words]
        if disks:
            line = with_disks({tmp_path / name: disk for name, disk in disks.items()}, line)
        env = os.environ | folders_below(tmp_path, ML_RESULTS_PATH="results")
        env |= {"TODAY": "2024-06-30", "PYTHONPATH": str(ROOT)} | environment
        return subprocess.run(
            [str(word) for word in line], env=env, stdout=stdout, stderr=subprocess.PIPE, text=True
        )

    return start


def refused(done, *parts):
    """That a command ended in one line with these parts, and exit code 5; the line."""
    assert done.returncode == 5, done.stdout + done.stderr
    line = done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    return line


def intake(run, tmp_path, **how):
    user = tmp_path / "data" / "raw" / "user"
    user.mkdir(parents=True, exist_ok=True)
    (user / "demand.csv").write_text("item_id,ds,y\nA,2024-01-01,1\nA,soon,1\nA,2024-01-02,0\n")
    return run(ROOT / "pipelines" / "demand_etl.py", **how)


@pytest.mark.parametrize(
    ("folder", "names"),
    [("data/processed", "data/processed"), ("data/quarantine", "data/quarantine/demand.csv")],
)
def test_the_intake_names_the_folder_whose_disk_is_full_and_runs_when_there_is_room(
    run, tmp_path, folder, names
):
    refused(intake(run, tmp_path, disks={folder: FULL}), "No space left on device", names)
    assert intake(run, tmp_path).returncode == 0
    hidden = [path for path in (tmp_path / "data" / "processed").iterdir() if path.name[0] == "."]
    assert not hidden


def test_a_sample_that_finds_no_room_is_told_with_its_folder(run, tmp_path):
    done = run("-c", SAMPLE, tmp_path / "data" / "sample", disks={"data": Disk(left=32)})
    refused(done, f"sample: writing '{tmp_path / 'data' / 'sample'}': No space left on device")


def test_a_file_where_a_folder_has_to_be_is_named(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "quarantine").write_text("in the way")
    refused(intake(run, tmp_path), "Not a directory", "data/quarantine", "move it away")


def deploy(run, tmp_path, **how):
    results = tmp_path / "results"
    if not results.exists():
        make_version(results, version_id(1), as_of="2024-05-01")
    return run(ROOT / "scripts" / "deploy_ml_results.py", "--to", tmp_path / "out", **how)


def test_a_command_that_cannot_log_from_the_start_does_nothing(run, tmp_path):
    done = deploy(run, tmp_path, disks={"logs": FULL})
    refused(done, "logs/deploy_ml_results.jsonl", "No space left", "has not started", "LOG_DIR")
    (tmp_path / "file").write_text("in the way")
    done = deploy(run, tmp_path, LOG_DIR=str(tmp_path / "file"))
    refused(done, "Not a directory", "has not started", "LOG_DIR")
    assert not (tmp_path / "out").exists()
    assert deploy(run, tmp_path).returncode == 0


def test_a_log_whose_disk_fills_up_is_told_once_and_the_work_goes_on(run, tmp_path):
    done = run("-c", LOGGING, tmp_path / "logs", disks={"logs": Disk(left=8)})
    assert (done.returncode, done.stdout) == (0, "the work is done\n")
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(r"warning: logs: '.*job.jsonl': No space left on device. The run .*", line)


def test_a_full_store_takes_nothing_and_the_same_command_publishes_when_there_is_room(
    run, tmp_path
):
    refused(deploy(run, tmp_path, disks={"out": FULL}), "store refused", "No space left")
    assert deploy(run, tmp_path).returncode == 0


def test_a_full_results_disk_keeps_nobody_from_publishing_what_it_holds(run, tmp_path):
    make_version(tmp_path / "made", version_id(1), as_of="2024-05-01")
    script, copied = ROOT / "scripts" / "deploy_ml_results.py", tmp_path / "results"
    fill = f"cp -r {tmp_path}/made/. {copied} && cat /dev/zero > {copied}/fill"
    command = f"{fill}; exec {sys.executable} {script} --results {copied} --to {tmp_path}/out"
    shell = "import os, sys; os.execvp('sh', ['sh', '-c', sys.argv[1]])"
    done = run("-c", shell, command, disks={"results": Disk(256, 256)})
    assert (done.returncode, done.stdout[:17]) == (0, "published version"), done.stderr


def test_what_cannot_be_printed_is_told_and_hides_no_version(run, tmp_path):
    with Path("/dev/full").open("w") as full:
        done = deploy(run, tmp_path, stdout=full)
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith("error: No space left on device. Make room")
    again = deploy(run, tmp_path)
    assert (again.returncode, again.stdout[:20]) == (0, "nothing new: version")


@pytest.mark.parametrize("words", [["--help"], ["versions", "--help"]])
def test_help_that_cannot_be_printed_is_one_line(run, words):
    with Path("/dev/full").open("w") as full:
        done = run(ROOT / "scripts" / "previsor.py", *words, stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
    assert done.stderr.startswith("error: No space left on device. Make room")


def test_a_file_system_without_locks_is_told_and_never_used_without_them(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(MachineError, match=r"cannot be locked .*No locks avail"), hold(tmp_path):
        pytest.fail("held without a lock")


def test_a_folder_is_held_also_where_its_disk_has_no_room_for_the_holders_name(run, tmp_path):
    held = "import sys; from pathlib import Path; from ml.locks import hold; hold_it = hold"
    held += "(Path(sys.argv[1])); hold_it.__enter__(); print('held')"
    done = run("-c", held, tmp_path / "disk", disks={"disk": FULL})
    assert (done.returncode, done.stdout, done.stderr) == (0, "held\n", "")


def test_a_full_tmp_keeps_no_series_from_being_fitted(run, tmp_path):
    done = run("-c", PROPHET, disks={"tmp": FULL}, TMPDIR=str(tmp_path / "tmp"))
    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stderr


def workers(run, tmp_path, *words, **how):
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    return run(script, *words, **how)


def test_workers_are_not_started_where_temporary_files_find_no_room(run, tmp_path):
    done = workers(run, tmp_path, "die", "9", disks={"tmp": Disk(left=8)},
                   TMPDIR=str(tmp_path / "tmp"))  # fmt: skip
    refused(done, f"temporary files in '{tmp_path / 'tmp'}'", "No space left", "TMPDIR")


def test_too_many_open_files_are_told_with_the_limit_to_raise(run, tmp_path):
    refused(run("-c", FILES, tmp_path / "a"), "Too many open files", "/a'", "ulimit -n")


def test_a_killed_worker_is_told_as_want_of_memory_and_a_crashed_one_as_the_bug_it_is(
    run, tmp_path
):
    refused(workers(run, tmp_path, "die", "9"), "training arima", "memory", "--jobs")
    crashed = workers(run, tmp_path, "die", "11")
    assert crashed.returncode == 1
    assert "TerminatedWorkerError" in crashed.stderr


@pytest.mark.parametrize("work", ["stay", "hold"])
def test_the_workers_of_a_killed_run_end_with_it(tmp_path, work):
    """Else they go on, for minutes, and write where the next run works."""
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    with subprocess.Popen(
        [sys.executable, script, work, "0"], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        for _ in range(2):
            assert process.stdout.readline().startswith("worker")
        process.kill()
        process.communicate(timeout=8)  # ends when the last process that can write to it has


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a"), "No space left on device ('/a')"),
        (OSError("Can't write data (errno = 28, 'No space left on device')"), "No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/b"), "Permission denied ('/b')"),
        (MemoryError("Unable to allocate 3 GiB"), "out of memory (Unable to allocate 3 GiB)"),
    ],
)
def test_what_the_machine_refuses_is_known_wherever_it_is_raised(error, text):
    assert str(machine_error(error)).startswith(text)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "no such file", "/a"), ValueError("28"), OSError("x")]
)
def test_another_error_is_a_bug(error):
    assert machine_error(error) is None
