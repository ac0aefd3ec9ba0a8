"""Finding the processes that a test has started, by a variable that they all inherit."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.commands import ROOT

MARK = "STARTED_BY_TEST"
HOLD = """
import sys
from pathlib import Path
from ml.locks import hold
with hold(Path(sys.argv[1])):
    Path(sys.argv[2]).touch()
    sys.stdin.read()
"""


@contextmanager
def held(folder, tmp_path):
    """Somebody else holds a folder; ends where the process is told to."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(tmp_path / "ready")],
        stdin=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        await_file(tmp_path / "ready")
        yield holder
    finally:
        holder.communicate()


def marked(value) -> list[int]:
    """Ids of living processes whose mark is this value; a zombie does not live."""
    wanted, found = f"{MARK}={value}".encode(), []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def await_none(value, *, seconds: float) -> None:
    """Wait until there is none; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while left := [pid for pid in marked(value) if pid != os.getpid()]:
        assert time.monotonic() < deadline, [command_of(pid) for pid in left]
        time.sleep(0.02)


def await_file(path: Path, seconds: float = 30.0) -> None:
    """Wait until a file is there; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def command_of(pid: int) -> str:
    """The command line of a process, for a message."""
    with suppress(OSError):
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    return f"{pid}, gone"
