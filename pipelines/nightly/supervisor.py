"""Running one command of a night: alone in its processes, within limits, ended when the night is.

What it says is passed on line by line. A guard (``guard.py``) stands between the night and the
command, so that nothing of it lives on, however either of them ends.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from ml.errors import MachineError
from pipelines.nightly import guard

BEAT = 5.0  # seconds from one look at a step to the next
GRACE = 10.0  # seconds from SIGTERM to SIGKILL
ENDED = MachineError.exit_code  # of a step that broke a limit
LONGEST_LINE = 1 << 16  # bytes; more are passed on as they come
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StoppedError(BaseException):
    """The night was told to stop by a signal; nothing on the way out may take it for its own."""

    def __init__(self, number: int) -> None:
        self.number = number  # of the signal
        super().__init__(signal.Signals(number).name)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a step is given."""

    seconds: float  # that it may take
    silence: float  # seconds in which it has to say something, or compute
    grace: float = GRACE  # seconds that it is given to end when it is told to


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step ended, and what it took."""

    code: int  # exit code; of a signal what a shell says
    last_line: str  # the last thing it said, or why it was ended
    lines: tuple[str, ...]  # those of its lines that were asked for
    seconds: float  # by the clock on the wall
    cpu_seconds: float  # of all its processes that ended in order
    peak_mib: float  # most memory of one of its processes


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Raise :class:`StoppedError` on the first signal that asks for an end; pass over the next."""

    def stop(number: int, _: FrameType | None) -> None:
        for one in STOPPING:
            signal.signal(one, signal.SIG_IGN)
        raise StoppedError(number)

    before = {number: signal.signal(number, stop) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_step(
    command: Sequence[str],
    limits: Limits,
    lock: Path,
    *,
    say: Callable[[str], object],
    keep: str = "",
    variables: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command to its end, or end it where it breaks a limit or this process is stopped.

    Args:
        command: A program file of Python with its options.
        limits: What it is given.
        lock: File that is locked while something of the step lives.
        say: Called with each line of its output, the line's end included.
        keep: Lines that begin so are returned.
        variables: Added to those of this process.
    """
    start = time.monotonic()
    told, why = _Told(say, keep), ""
    read_end, write_end = os.pipe()
    with ExitStack() as stack:
        ended = stack.enter_context(closing(os.fdopen(write_end, "wb")))
        try:
            process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                [sys.executable, "-I", "-S", guard.__file__, str(read_end), str(lock),
                 str(limits.grace), sys.executable, *command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                pass_fds=(read_end,),
                start_new_session=True,
                env=os.environ | dict(variables or {}),
            )  # fmt: skip
        finally:
            os.close(read_end)
        try:
            why = _watch(process, limits, told)
        finally:
            ended.close()  # where the step still runs, this ends it
            cpu, peak = _take_leave(process, limits.grace, told)
    code, last = process.returncode, told.last
    if why:
        code, last = ENDED, why
    elif code < 0:
        code, last = 128 - code, last or f"killed by signal {-code}"
    return Ended(code, last, tuple(told.kept), time.monotonic() - start, cpu, peak)


class _Told:
    """What a step says, cut into lines."""

    def __init__(self, say: Callable[[str], object], keep: str) -> None:
        self.last = ""  # of the lines that are not empty
        self.kept: list[str] = []
        self._say, self._keep, self._rest = say, keep, b""

    def add(self, data: bytes) -> None:
        """Pass on the lines that are whole; nothing more comes after no ``data``."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > LONGEST_LINE):
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            text = line.decode(errors="replace")
            self._say(f"{text}\n")
            self.last = text.strip() or self.last
            if self._keep and text.startswith(self._keep):
                self.kept.append(text.strip())


def _watch(process: subprocess.Popen[bytes], limits: Limits, told: _Told) -> str:
    """Read a step's output until it ends; why it has to be ended, where it breaks a limit."""
    start = seen = looked = time.monotonic()
    beat = min(BEAT, limits.seconds / 4, limits.silence / 4)
    work = 0
    with selectors.DefaultSelector() as selector:
        output = _output_of(process)
        selector.register(output, selectors.EVENT_READ)
        while True:
            if selector.select(beat):
                data = os.read(output.fileno(), 1 << 16)
                told.add(data)
                if not data:
                    return ""
                seen = time.monotonic()
            elif _has_ended(process.pid):  # killed: what it guarded holds the output open
                return ""
            now = time.monotonic()
            if now - start > limits.seconds:
                return f"took more than {limits.seconds / 3600:g} hours and was ended"
            if now - looked > beat:
                before, looked = work, now
                work = sum(own for _, own in _of_session(process.pid))
                seen = seen if work == before else now
            if now - seen > limits.silence:
                return f"neither said nor computed anything for {limits.silence / 60:g} minutes"


def _take_leave(process: subprocess.Popen[bytes], grace: float, told: _Told) -> tuple[float, float]:
    """Wait for the guard, which ends the step; processor seconds and peak memory [MiB]."""
    until = time.monotonic() + grace + guard.BY_ITSELF + GRACE
    stdout = _output_of(process)
    os.set_blocking(stdout.fileno(), False)
    while True:
        with suppress(BlockingIOError):
            told.add(os.read(stdout.fileno(), 1 << 16))
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > until:
            os.kill(process.pid, signal.SIGKILL)  # the system then kills the step
        time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    for pid, _ in _of_session(process.pid):  # there are some if the guard was killed
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    stdout.close()
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _output_of(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdout is None:
        raise ValueError("the step's output is not read")
    return process.stdout


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _of_session(session: int) -> Iterator[tuple[int, int]]:
    """Processes of a session, and what each has computed so far; none where the system tells none.

    Of a session are all processes of a step, unless one of them has left it.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = stat.read_bytes().rpartition(b")")[2].split()
            if int(fields[3]) == session:
                yield int(stat.parent.name), sum(map(int, fields[11:15]))
