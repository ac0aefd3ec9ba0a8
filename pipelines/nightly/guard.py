"""The process between a night and one of its steps: no process of a step outlives either of them.

Usage: python -I -S guard.py PIPE LOCK GRACE COMMAND...

``PIPE`` is a descriptor to read from, whose other end the night alone holds: it is at its end when
the night asks for that, or is killed. The step is a process group of its own, which then gets
SIGTERM, ``GRACE`` seconds, and SIGKILL. If this process is killed, the system kills the step. While
one of them lives the file ``LOCK`` is locked, so that the next night can wait for what the last one
left. Standard library only: it starts in a few hundredths of a second.
"""

import ctypes
import fcntl
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_PARENT_DEATH_SIGNAL, _CHILD_SUBREAPER = 1, 36  # of prctl(2), on Linux
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
BY_ITSELF = 2.0  # seconds in which what a step that ended has started may end, too
_asked_to_stop: list[int] = []


def main(pipe: int, lock: str, grace: float, command: list[str]) -> int:
    """Run the command; the status that :func:`os.waitpid` gave of it."""
    with suppress(OSError):  # a file system without locks, or a full disk: nobody waits for us then
        fcntl.flock(os.open(lock, os.O_RDWR | os.O_CREAT, 0o666), fcntl.LOCK_SH)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in _STOPPING:
        signal.signal(number, lambda number, _: _asked_to_stop.append(number))
    _prctl(_CHILD_SUBREAPER, 1)  # what loses its parent becomes a child of this process
    child = _start(command)
    status: int | None = None
    while status is None:
        readable, _, _ = select.select([pipe, wake], [], [])
        if wake in readable:
            os.read(wake, 1024)
        status = _reap(child)
        if pipe in readable or _asked_to_stop:
            break
    if status is None:
        _signal_group(child, signal.SIGTERM)
        status = _await_end(child, grace, None)
    else:
        _await_end(child, BY_ITSELF, status)
    return _kill_rest(child, status)


def _start(command: list[str]) -> int:
    """Fork the step, in a group of its own that dies with this process; its id."""
    guard = os.getpid()
    child = os.fork()
    if child:
        with suppress(OSError):  # it has done so itself, or is gone already
            os.setpgid(child, child)
        return child
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (*_STOPPING, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        os.closerange(3, 256)
        if os.getppid() == guard:
            os.execvp(command[0], command)  # noqa: S606 - a command of the night, no shell
    finally:
        os._exit(127)


def _prctl(option: int, value: int) -> None:
    """Ask the kernel for something; elsewhere than on Linux nobody is asked."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _reap(child: int) -> int | None:
    """Take leave of all children that have ended; the status of the step, if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return found
            if pid == child:
                found = status
    return found


def _await_end(child: int, seconds: float, status: int | None) -> int | None:
    """Wait until nothing of the step is left, or the time is up; the status of the step."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and _has_children():
        found = _reap(child)
        status = found if status is None else status
        time.sleep(0.01)
    return status


def _has_children() -> bool:
    try:
        return bool(os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) or True)
    except ChildProcessError:
        return False


def _kill_rest(child: int, status: int | None) -> int:
    """Kill what is left of the step, in other process groups as well; the status of the step."""
    while _has_children():
        _signal_group(child, signal.SIGKILL)
        for pid in _own_children():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        found = _reap(child)
        status = found if status is None else status
        time.sleep(0.01)
    return status or 0


def _own_children() -> list[int]:
    """Children of this process by ``/proc``; the others are theirs, and come here after them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = entry.read_bytes().rpartition(b")")[2].split()
            if int(fields[1]) == os.getpid():
                found.append(int(entry.parent.name))
    return found


def _signal_group(group: int, number: int) -> None:
    with suppress(OSError):  # it is empty
        os.killpg(group, number)


def _end_like(status: int) -> int:
    """The exit code of a step that ended by itself; one that was killed is followed."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError, ValueError):  # a system that lets nobody set limits
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.set_wakeup_fd(-1)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(_end_like(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:])))
