"""Running tasks over worker processes, with numeric libraries pinned to one thread each."""

import ctypes
import gc
import importlib
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import islice
from platform import node
from typing import Any

from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.externals.loky import as_completed, get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from threadpoolctl import threadpool_limits

from ml.durable import require_temporary_room
from ml.errors import MachineError
from ml.logs import logger
from ml.seeds import code_version

# Read by TensorFlow when it is first imported, in whichever process that happens.
ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # its rounding depends on the machine
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
ALL = "all"  # that a task spends
WORTH_WORKERS = 4.0  # processor seconds that light tasks have to be going to take for workers
TELLING = 0.5  # processor seconds after which tasks that are done tell what the others will take
PARENT_DEATH_SIGNAL = 1  # of prctl(2)
_is_worker = False  # whether this process was started to run tasks for another one
Work = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs tasks."""

    name: str  # as the log tells it
    processes: int  # that it has, or starts where nobody says how many
    # calls a function on tasks, in so many processes at most; results come as they are made. The
    # label is for what it cannot go on from
    run: Callable[[Work, Iterable[Any], int, str], Iterator[Any]]


def run_tasks(
    work: Work,
    tasks: Iterable[Any],
    *,
    jobs: int | None,
    label: str,
    total: int | None = None,
    light: bool = False,
) -> list[Any]:
    """Run ``work`` on every task in worker processes and show how far it is.

    Results come back in no particular order; tasks write files and return small things. ``work``
    is a function of a module; there is one process a core where ``jobs`` is ``None``. A task that
    does not end because its worker was lost may be run again. Where ``total`` says how many there
    are, tasks may come from a generator, which makes each when a worker is about to take it: so
    few of them are in memory. ``light`` tasks need no library that this process lacks: it does
    them itself, beside workers where they take long, unless workers are there already.

    Raises:
        MachineError: A worker was killed, or began after the code was changed; or there is no room
            for temporary files.
    """
    if total is None:
        tasks = list(tasks)
        total = len(tasks)
    if not total:
        return []
    require_temporary_room()
    give_back()  # what making the tasks took: this process may wait for long
    chosen = engine.get(LOKY)
    count = min(jobs or chosen.processes, total)
    start = time.monotonic()
    results, spent, warned = [], defaultdict[str, float](float), Counter[str]()
    here = light and chosen is LOKY and not _has_workers
    begin = partial(_begin_here, total) if here else chosen.run
    done = begin(partial(_work_pinned, work, code_version()), tasks, count, label)
    for result, cost in _show(done, total, label):
        if cost.worker != _name_process():
            worker_peaks[cost.worker] = max(cost.peak, worker_peaks.get(cost.worker, 0.0))
        for what, own in cost.spent.items():
            spent[what] += own
        warned.update(cost.warned)
        results.append(result)
    if warned:
        logger().warning("library_warnings", stage=label, tasks_by_text=dict(warned.most_common(9)))
    facts = {"engine": chosen.name, "tasks": total, "jobs": count}
    _log_stage(label, **facts, start=start, spent=spent)
    return results


@contextmanager
def stage(label: str) -> Iterator[None]:
    """Log how long a stage of this process takes."""
    start, cpu = time.monotonic(), _processor_seconds()
    yield
    _log_stage(label, tasks=1, jobs=1, start=start, spent={ALL: _processor_seconds() - cpu})


def _log_stage(name: str, *, start: float, spent: Mapping[str, float], **facts: Any) -> None:
    """Log how long a stage took, and what its processor time was spent on."""
    give_back()
    seconds = round(time.monotonic() - start, 2)
    cpu = {what: round(own, 2) for what, own in sorted(spent.items())}
    logger().info("stage_done", stage=name, **facts, seconds=seconds, cpu_seconds=cpu)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a task took."""

    worker: str  # machine and id of the process
    peak: float  # the most memory that it has ever held [MiB]
    spent: Mapping[str, float]  # processor seconds by what they were spent on, under "all" in all
    warned: frozenset[str]  # of what libraries warned: for the log, not for who runs this


_spent = defaultdict[str, float](float)  # by the task that runs in this process


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Count processor time, that of child processes too, for what is done in a task."""
    start = _processor_seconds()
    try:
        yield
    finally:
        _spent[what] += _processor_seconds() - start


def _processor_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    return sum(os.times()[:4])


worker_peaks: dict[str, float] = {}
"""Largest memory of each worker process that has worked for this one so far [MiB]."""


def peak_memory() -> tuple[float, ...]:
    """Largest memory of this process and of each of its workers so far [MiB]."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return own, *worker_peaks.values()


def _work_pinned(work: Work, code: str, task: Any) -> tuple[Any, _Cost]:
    """The result, and what it cost; ``code`` is the version that the command runs.

    Raises:
        MachineError: A worker that began later has imported another one.
    """
    if _is_worker:
        _require_code(code)
    os.environ.update(ONE_THREAD)
    _spent.clear()
    with threadpool_limits(1), timed(ALL), warnings.catch_warnings(record=True) as said:
        result = work(task)
    _spare_collector()
    give_back()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    warned = frozenset(f"{one.category.__name__}: {one.message}" for one in said)
    return result, _Cost(_name_process(), peak, dict(_spent), warned)


def _require_code(code: str) -> None:
    """Refuse work whose result would pass for that of other code.

    Raises:
        MachineError: This process has begun since the code was changed.
    """
    if code_version() != code:
        raise MachineError(
            f"the code below ml/ was changed while this command ran: it is {code}, and a worker "
            f"that began later {code_version()}. Run again: what was done before is kept."
        )


def _name_process() -> str:
    return f"{node()}/{os.getpid()}"


_modules = 0  # that this process had imported when the collector was last spared them


def _spare_collector() -> None:
    """Let the collector of a worker leave alone what has been imported.

    Workers collect garbage after every task: with all libraries that takes a quarter of a second.
    """
    global _modules  # noqa: PLW0603 - of this process
    if _is_worker and len(sys.modules) > _modules:
        _modules = len(sys.modules)
        gc.collect()
        gc.freeze()


def give_back() -> None:
    """Return to the system what is free: glibc keeps what lies between things still in use."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()


_has_workers = False  # whether workers of this machine wait for tasks of this process


def _begin_here(
    total: int, work: Work, tasks: Iterable[Any], count: int, label: str
) -> Iterator[Any]:
    """Run tasks in this process, and beside it in workers if what is left is worth these.

    One takes two processor seconds to start and to import what this process has. What is left is
    told from the tasks that are done.
    """
    spent, left = 0.0, iter(tasks)
    for done, task in enumerate(left, start=1):
        result, cost = work(task)
        spent += cost.spent[ALL]
        yield result, cost
        if count > 1 and spent >= TELLING and spent / done * (total - done) > WORTH_WORKERS:
            yield from _share(work, left, total - done, count - 1, label)


def _share(work: Work, tasks: Iterator[Any], left: int, count: int, label: str) -> Iterator[Any]:
    """Run the ``left`` tasks in this process and in so many workers, each with one in store.

    The last one is done here, where there would be nothing to do while it lies in store.
    """
    workers = get_reusable_executor(count, env=ONE_THREAD, **_beginning())
    begun = set[Any]()

    def begin(number: int) -> None:
        nonlocal left
        number = max(min(number, left - 1), 0)
        left -= number
        begun.update(workers.submit(work, task) for task in islice(tasks, number))

    with _naming_killed_workers(label):
        try:
            begin(2 * count)
            for task in tasks:
                left -= 1
                yield work(task)
                ended = {one for one in begun if one.done()}
                begun -= ended
                begin(len(ended))
                yield from (one.result() for one in ended)
            yield from (one.result() for one in as_completed(begun))
        except BaseException:
            workers.shutdown(kill_workers=True)
            raise


def _run_on_loky(work: Work, tasks: Iterable[Any], count: int, label: str) -> Iterator[Any]:
    global _has_workers  # noqa: PLW0603 - of this process
    if count > 1 and not _has_workers:  # one alone is this process
        retire_workers()  # those of light tasks lack what joblib gives its own
        _has_workers = True
    begin = parallel_config("loky", inner_max_num_threads=1, **_beginning())
    with begin, _naming_killed_workers(label):
        pool = Parallel(n_jobs=count, return_as="generator_unordered", pre_dispatch="2*n_jobs")
        yield from pool(delayed(work)(task) for task in tasks)


def _beginning() -> dict[str, Any]:
    """What a worker is to begin with."""
    # the system counts the thread that started a worker as its parent
    by_main = threading.current_thread() is threading.main_thread()
    return {"initializer": _end_with, "initargs": (os.getpid(), by_main)}


def retire_workers() -> None:
    """Let the workers of this machine end, with all they have imported; new ones start when needed.

    TensorFlow alone takes 300 MiB, and nothing that comes after training needs it.
    """
    global _has_workers  # noqa: PLW0603 - of this process
    if engine.get(LOKY) is LOKY:
        get_reusable_executor().shutdown()
        _has_workers = False


LOKY = Engine("loky", cpu_count(), _run_on_loky)
engine: ContextVar[Engine] = ContextVar("engine")
"""What runs the tasks of this process, where that is not loky."""


@contextmanager
def _naming_killed_workers(label: str) -> Iterator[None]:
    try:
        yield
    except TerminatedWorkerError as error:
        if "SIGKILL" not in str(error):  # it crashed: a bug
            raise
        raise killed_worker(label) from None


def killed_worker(label: str) -> MachineError:
    """That workers were killed, which ends a run."""
    return MachineError(
        f"{label}: a worker process was killed, as the system does when memory runs out. Run "
        "again with fewer --jobs, or on a machine with more memory: what is done is kept."
    )


def _end_with(parent: int, at_once: bool) -> None:
    """Let this worker end when the process that it works for does, however that ends.

    Killed, it cannot tell its workers; they would go on and write where the next run works. Linux
    kills them where ``at_once`` asks for it. Elsewhere a thread sees to it, which has to wait for
    libraries that hold the interpreter up for seconds.
    """
    global _is_worker  # noqa: PLW0603 - of this process
    _is_worker = True
    leave_pandas_out()
    if at_once and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _NoPandas:
    """A finder of modules that says of pandas that it is not there, and nothing of others."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        """Raise where it is pandas that is looked for."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def leave_pandas_out() -> None:
    """Let Arrow do without pandas, which takes a third of a second to import.

    Arrow imports it to ask whether lists are tables of it, but asks once. Whoever imports pandas
    later has it, and Arrow with it where it is asked for a table of that kind.
    """
    sys.meta_path.insert(0, _NoPandas)
    try:
        importlib.import_module("pyarrow").array([])
    finally:
        sys.meta_path.remove(_NoPandas)


def _show(results: Iterator[Any], total: int, label: str) -> Iterator[Any]:
    """Pass results on with a bar on a terminal, and with a few plain lines elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=console) as progress:
            yield from progress.track(results, total=total, description=label)
        return
    marks = {max(1, round(total * part / 4)) for part in (1, 2, 3, 4)}
    for done, result in enumerate(results, start=1):
        if done in marks:
            print(f"{label}: {done} of {total}", file=sys.stderr, flush=True)  # noqa: T201 - cron
        yield result
