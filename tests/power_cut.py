"""Cutting the power while a job writes: what was not flushed is lost, and the job is run again.

And killing it at random moments, which nothing is lost by but what the process was about to do:
:func:`survive_kills`.

Use, from a test that fills ``place`` with what the job starts from:

    def files(place):
        return {path.name: path.read_bytes() for path in place.glob("*.parquet")}

    cuts = survive_power_cuts("tests.ml.some_jobs:train", place, files, arguments=["--jobs=1"])
    assert cuts > 20

The job, ``module:function``, gets the place and then the arguments, all as text, in a process of
its own, forked from one that has imported the module and no more. It is run once undisturbed; then
again and again, each time from the files it started from, to die at the next writing step: opening
a file for writing, renaming, linking, making or removing a name, truncating, and ``os.fsync``, each
below ``place``; and at its end. As a power cut would, every file then becomes empty whose content
is neither what it was before the job nor what was flushed last. The job is run again, has to end
well, and ``files`` has to say of its place what it said of the undisturbed run's.

Each step is tried, or with ``sample`` so many of them, drawn with a fixed seed; `make drills` (it
sets DRILLS) tries each step of those, too. What a job writes from other processes or from C is seen
by its result only: give it one worker. Files of SQLite, which flushes by itself, are named in
``spared`` as a pattern.
"""

import importlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from fnmatch import fnmatch
from pathlib import Path

DIED = 77
KILLED = -1
WAS_KILLED = {"code": KILLED, "error": "it was killed", "steps": []}
NAMES = {"os.rename": 2, "os.link": 2, "os.mkdir": 1, "os.remove": 1, "os.rmdir": 1,
         "os.truncate": 1}  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ROOT = Path(__file__).resolve().parents[1]


def survive_power_cuts(
    job, place, result, *, arguments=(), sample=None, seed=20261121, spared=(), meanwhile=None,
    cut=True,
):  # fmt: skip
    """Cut the power at every step of a job, or at a sample of them; how many cuts that were.

    Args:
        job: ``module:function``.
        place: Folder with what the job starts from; whatever it writes has to be below.
        result: Called with the place; what all runs have to agree in.
        arguments: For the job, after the place.
        sample: Number of steps to try; all without it, and where DRILLS is set.
        seed: Of the sample.
        spared: Patterns of file names that are not emptied.
        meanwhile: Called with the place after each cut, before the job is run again.
        cut: Without it the job is killed and no more: what was written stays.
    """
    start = place.with_name(f"{place.name}-start")
    shutil.copytree(place, start, symlinks=True)
    with _Workshop(job) as workshop:
        told = workshop.run(place, arguments)
        assert told["code"] == 0, f"the job fails undisturbed:\n{told['error']}"
        expected, steps = result(place), [*told["steps"], "its end"]
        tried = range(len(steps))
        if sample is not None and sample < len(steps) and not os.environ.get("DRILLS"):
            tried = sorted(random.Random(seed).sample(tried, sample))
        print(f"{job}: {len(tried)} of {len(steps)} steps")  # noqa: T201 - for make drills
        for step in tried:
            shutil.rmtree(place)
            shutil.copytree(start, place, symlinks=True)
            before = contents(place)
            died = workshop.run(place, arguments, step=step)
            where = f"power cut before step {step} of {len(steps)}, {steps[step]}"
            assert died["code"] in (DIED, 0), f"{where}: fails before it:\n{died['error']}"
            safe = before | set(map(tuple, died["flushed"]))
            lost = empty_unflushed(place, safe, spared) if cut else []
            where += f" (emptied: {', '.join(lost) or 'nothing'})"
            if meanwhile:
                meanwhile(place)
            again = workshop.run(place, arguments)
            assert again["code"] == 0, f"{where}: the next run fails:\n{again['error']}"
            assert result(place) == expected, f"{where}: the next run ends with another result"
    shutil.rmtree(start)
    return len(tried)


def survive_kills(job, place, check, *, kills, sample, arguments=(), finished=None, seed=20261121):
    """Kill a job at random moments, each run going on with what the one before left.

    A run that ends before its moment counts as none of the kills. The last run is left in peace and
    has to end well; no run may say anything of a traceback.

    Args:
        job: ``module:function``.
        place: Folder that the job works in; it is filled already, and is run once undisturbed.
        check: Called with the place after each run; readers would do the same.
        kills: Number of them where DRILLS is set.
        sample: Their number elsewhere.
        arguments: For the job, after the place.
        finished: Called with the place after each run that came to its end; makes new work.
        seed: Of the moments.

    Returns:
        How many runs came to their end, the first and the last among them.
    """
    due = kills if os.environ.get("DRILLS") else sample
    chance, said = random.Random(seed), place.with_name(f"{place.name}-said.txt")
    ended, killed, seconds = 0, 0, 0.0
    with _Workshop(job) as workshop:
        while True:
            span = None if ended == 0 or killed == due else chance.uniform(0.0, seconds)
            started = time.monotonic()
            told = workshop.run(place, arguments, seconds=span, said=str(said))
            text = said.read_text(errors="replace")
            where = f"run {ended + killed + 1}, after {killed} kills"
            assert told["code"] in (KILLED, 0), f"{where}: {told['error']}\n{text[-2000:]}"
            assert "Traceback" not in text, f"{where}:\n{text[-4000:]}"
            check(place)
            if told["code"] == KILLED:
                killed += 1
                continue
            seconds, ended = time.monotonic() - started, ended + 1
            if span is None and ended > 1:
                break
            if finished:
                finished(place)
    print(f"{job}: {killed} kills, {ended} runs came to their end")  # noqa: T201 - for make drills
    return ended


def contents(place):
    """What tells the content of each file below a folder, as far as it costs nothing to know."""
    return {_content(path.stat()) for path in place.rglob("*") if path.is_file()}


def _content(stat):
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def empty_unflushed(place, safe, spared=()):
    """Empty the files below a folder that have no content which is safe; their names."""
    lost = []
    for path in sorted(place.rglob("*")):
        spare = any(fnmatch(path.name, pattern) for pattern in spared)
        if path.is_file() and not spare and _content(path.stat()) not in safe:
            os.truncate(path, 0)
            lost.append(path.relative_to(place).as_posix())
    return lost


class _Workshop:
    """The process that has imported the job and forks each run of it."""

    def __init__(self, job):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.power_cut", job],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def run(self, place, arguments, step=None, seconds=None, said=None):
        order = {"place": str(place), "arguments": [str(a) for a in arguments], "step": step,
                 "seconds": seconds, "said": said}  # fmt: skip
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class _Watch:
    """Notes the steps of this process below a folder, and ends it at one of them."""

    def __init__(self, place, step, tell):
        self._place, self._step, self._tell = os.path.realpath(place), step, tell
        self._quiet = False
        self.steps, self.flushed = [], {}
        self._fsync = os.fsync
        os.fsync = os.fdatasync = self.flush
        sys.addaudithook(self.hear)

    def hear(self, event, args):
        """An audit event of the interpreter."""
        if self._quiet:
            return
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & WRITING:
                self._take("open", path)
        elif event in NAMES:
            self._take(event, *args[: NAMES[event]], folder=args[-1])

    def flush(self, file):
        """In the place of ``os.fsync``: what is flushed is noted, the disk is left in peace."""
        descriptor = file if isinstance(file, int) else file.fileno()
        self._take("fsync", descriptor)
        stat = os.fstat(descriptor)
        self.flushed[stat.st_dev, stat.st_ino] = _content(stat)

    def _take(self, what, *paths, folder=-1):
        names = [self._name(path, folder) for path in paths]
        if not any(name.startswith(self._place) for name in names):
            return
        if len(self.steps) == self._step:
            self.end(DIED)
        self.steps.append(f"{what} {' '.join(os.path.relpath(n, self._place) for n in names)}")

    @staticmethod
    def _name(path, folder):
        if isinstance(path, int):
            return str(Path(f"/proc/self/fd/{path}").readlink())
        base = Path("." if folder in (-1, None) else f"/proc/self/fd/{folder}")
        whole = base / os.fsdecode(path)
        return str(whole.parent.resolve() / whole.name)

    def end(self, code, error=""):
        """Say what happened, and be gone without any cleaning up."""
        self._quiet = True
        told = {"code": code, "error": error, "steps": self.steps}
        data = json.dumps(told | {"flushed": list(self.flushed.values())}).encode()
        while data:
            data = data[os.write(self._tell, data) :]
        os._exit(code)


def _run(job, order, tell):
    """One run, in the forked process."""
    module, _, function = job.partition(":")
    work = getattr(importlib.import_module(module), function)
    watch = _Watch(order["place"], order["step"], tell)
    try:
        work(order["place"], *order["arguments"])
    except SystemExit as error:
        if error.code:
            watch.end(1, f"exit {error.code}")
    except BaseException:  # noqa: BLE001 - whatever it is, the test tells it
        watch.end(1, traceback.format_exc())
    watch.end(0)


def _serve(job):
    importlib.import_module(job.partition(":")[0])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the job prints
    for line in sys.stdin:
        hear, tell = os.pipe()
        order = json.loads(line)
        if not (child := os.fork()):
            os.close(hear)
            if order["said"]:
                file = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, 1)
                os.dup2(file, 2)
            _run(job, order, tell)
        os.close(tell)
        with os.fdopen(hear, "rb") as pipe:
            ended, _, _ = select.select([pipe], [], [], order["seconds"])
            if not ended:
                os.kill(child, signal.SIGKILL)
            told = pipe.read().decode() if ended else ""
        os.waitpid(child, 0)
        answers.write((told or json.dumps(WAS_KILLED)) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
