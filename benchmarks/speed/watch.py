"""A command and all its child processes, watched: time on the wall, on processors, and memory.

Linux alone says what is asked here (``/proc``). The processes of the command are those of its
session, so that one whose parent has ended is counted too.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.errors import ConfigError, ModelError

PROC = Path("/proc")
EVERY = 1.0  # between two looks at the memory [s]: one takes 10 ms a GiB from what is measured
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
SESSION = 3  # place in /proc/PID/stat after the name of the command, which may hold anything
RESIDENT = 1  # place in /proc/PID/statm


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """What a command and its child processes took."""

    seconds: float  # on the wall
    cpu_seconds: float  # of processors, of all processes that were waited for
    # most memory at any look of all processes together: proportional set sizes, in which a page
    # that several share is counted once [MiB]
    pss_mib: float
    rss_mib: float  # the same of resident set sizes, in which it counts in each of them [MiB]


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def require_proc() -> None:
    """Refuse to start where memory cannot be measured.

    Raises:
        ConfigError: There is no ``/proc`` that tells proportional set sizes.
    """
    if not (PROC / "self/smaps_rollup").exists():
        raise ConfigError(f"{PROC}: has no smaps_rollup. The bench of speed runs on Linux.")


def run_watched(command: Sequence[str], env: Mapping[str, str], output: Path) -> ProcessCost:
    """Run a command in a session of its own; what it says goes to the file ``output``.

    Raises:
        ModelError: It failed; its last line is in the message.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    spent = _children_seconds()
    start = time.perf_counter()
    in_order = {"PYTHONUNBUFFERED": "1"}  # or what it says last may come before what it said first
    with output.open("wb") as stream:
        child = subprocess.Popen(
            command, env={**os.environ, **in_order, **env}, stdin=subprocess.DEVNULL, stdout=stream,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    memory = MemoryWatch(child.pid)
    try:
        code = child.wait()
    except BaseException:  # an interrupt does not reach a session of its own
        os.killpg(child.pid, signal.SIGTERM)
        child.wait()
        raise
    finally:
        pss, rss = memory.stop()
    seconds = time.perf_counter() - start
    if code:
        last = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise ModelError(f"{' '.join(command[:4])} … ended with {code}: {' '.join(last)}")
    return ProcessCost(seconds, _children_seconds() - spent, pss, rss)


class MemoryWatch:
    """Looks at the memory of a session's processes until it is told to stop."""

    def __init__(self, session: int, every: float = EVERY) -> None:
        self._session, self._every = session, every
        self._peaks = (0.0, 0.0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> tuple[float, float]:
        """Most memory seen: proportional and resident set sizes [MiB]."""
        self._over.set()
        self._thread.join()
        return self._peaks

    def _watch(self) -> None:
        while True:
            pss, rss = session_memory(self._session)
            self._peaks = (max(pss, self._peaks[0]), max(rss, self._peaks[1]))
            if self._over.wait(self._every):
                return


def session_memory(session: int) -> tuple[float, float]:
    """Proportional and resident set sizes of all processes of a session now [MiB]."""
    pss = rss = 0.0
    for folder in PROC.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[SESSION]) != session:
                continue
            resident = (folder / "statm").read_text(encoding="utf-8").split()[RESIDENT]
            shares = (folder / "smaps_rollup").read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError, IndexError):  # it has ended, or is another user's
            continue
        rss += int(resident) * PAGE_MIB
        pss += sum(int(line.split()[1]) for line in shares if line.startswith("Pss:")) / 1024
    return pss, rss


def _children_seconds() -> float:
    """Processor seconds of all children that this process has waited for, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
