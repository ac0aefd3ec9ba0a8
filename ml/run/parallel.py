"""Running tasks over worker processes, with numeric libraries pinned to one thread each."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, cpu_count, delayed, parallel_config
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from threadpoolctl import threadpool_limits

from ml.logs import logger

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


def run_tasks(
    work: Callable[[Any], Any], tasks: Sequence[Any], *, jobs: int | None, label: str
) -> list[Any]:
    """Run ``work`` on every task in worker processes and show how far it is.

    Results come back in no particular order; tasks write files and return small things. ``work``
    is a function of a module; there is one process a core where ``jobs`` is ``None``.
    """
    if not tasks:
        return []
    count = min(jobs or cpu_count(), len(tasks))
    start = time.monotonic()
    with parallel_config("loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=count, return_as="generator_unordered", pre_dispatch="2*n_jobs")
        done = pool(delayed(_work_pinned)(work, task) for task in tasks)
        results = []
        for result, worker, peak in _show(done, len(tasks), label):
            worker_peaks[worker] = max(peak, worker_peaks.get(worker, 0.0))
            results.append(result)
    seconds = round(time.monotonic() - start, 2)
    logger().info("stage_done", stage=label, tasks=len(tasks), jobs=count, seconds=seconds)
    return results


worker_peaks: dict[int, float] = {}
"""Largest memory of each worker process that has worked for this one so far [MiB]."""


def peak_memory() -> tuple[float, ...]:
    """Largest memory of this process and of each of its workers so far [MiB]."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return own, *worker_peaks.values()


def _work_pinned(work: Callable[[Any], Any], task: Any) -> tuple[Any, int, float]:
    """The result, the process that made it, and the most memory that it has ever held."""
    os.environ.update(ONE_THREAD)
    with threadpool_limits(1):
        result = work(task)
    return result, os.getpid(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
