"""What a watched command took, on processes whose memory and work are known."""

import os
import subprocess
import sys

import pytest

from benchmarks.speed.watch import run_watched, session_memory
from ml.errors import ModelError

BLOCK = 64  # [MiB]
# Fills a block, forks, and waits for its input to end; the fork shares the block, or fills its own.
FORKED = f"""
import os, sys
def fill(): return bytearray(os.urandom(1) * {BLOCK} * 2**20)
held, parent = fill(), os.fork()
if sys.argv[1] == "own" and not parent: held = fill() + fill()
os.write(1, b"ready")
os.read(0, 1)
"""
BUSY = "import time\nwhile time.process_time() < 0.3: pass"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


def measure_forked(kind):
    """Memory of a process and its fork, both alive."""
    child = subprocess.Popen([sys.executable, "-c", FORKED, kind], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
    with child:
        said = b""
        while len(said) < len(b"ready") * 2:
            said += os.read(child.stdout.fileno(), 100)
        found = session_memory(child.pid)
        child.stdin.close()
    return found


def test_memory_that_two_processes_share_is_counted_once_and_resident_twice():
    pss, rss = measure_forked("shared")
    assert BLOCK < pss < 1.7 * BLOCK
    assert rss > 2 * BLOCK


def test_memory_of_a_child_process_is_counted():
    # Two blocks of its own, a third that the garbage of adding them leaves or not.
    assert measure_forked("own")[0] > 3 * BLOCK


def test_a_session_that_is_over_holds_no_memory():
    child = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    child.wait()
    assert session_memory(child.pid) == (0.0, 0.0)


def test_processor_seconds_are_those_of_child_processes_too(tmp_path):
    cost = run_watched([sys.executable, "-c", PARENT], {}, tmp_path / "output.txt")
    assert cost.cpu_seconds >= 0.3  # what the child of the command burns
    assert cost.pss_mib > 0


def test_a_command_that_fails_is_told_with_its_last_line(tmp_path):
    failing = [sys.executable, "-c", "import sys; print('first'); sys.exit('no room left')"]
    with pytest.raises(ModelError, match="ended with 1: no room left"):
        run_watched(failing, {}, tmp_path / "output.txt")
