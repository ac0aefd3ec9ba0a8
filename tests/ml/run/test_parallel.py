"""Worker processes from stage to stage: kept, told to leave imports alone, and ended."""

import gc
import json
import os
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

from ml.errors import MachineError
from ml.logs import logging_to
from ml.run import parallel
from ml.run.parallel import retire_workers, run_tasks


def look_around(number: int) -> tuple[int, int, int]:
    """The task again, the process that it runs in, and objects that its collector leaves alone."""
    return number, os.getpid(), gc.get_freeze_count()


def work_long(number: int) -> tuple[int, int]:
    """The task again and the process that it runs in, after a twentieth second of computing."""
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    return number, os.getpid()


def run(count: int) -> list[tuple[int, int, int]]:
    return run_tasks(look_around, range(count), jobs=2, label="looking around")


def overflow(number: int) -> int:
    np.exp(np.array([1e4]))
    return number


done: list[int] = []


def note(number: int) -> int:
    """How many tasks this process had done when the task was made; and one is done more."""
    done.append(number)
    return number


@pytest.fixture(autouse=True)
def _ended():
    yield
    retire_workers()


def test_stages_share_their_workers_until_these_are_retired():
    first, second = ({process for _, process, _ in run(6)} for _ in range(2))
    assert os.getpid() not in first | second
    assert len(first | second) <= 2
    retire_workers()
    found = run(6)
    assert sorted(number for number, *_ in found) == list(range(6))
    assert not {process for _, process, _ in found} & (first | second)


def test_what_libraries_warn_of_in_a_worker_is_in_the_log_and_not_on_the_screen(tmp_path, capfd):
    with logging_to(tmp_path, "run", "1") as path:
        assert sorted(run_tasks(overflow, range(3), jobs=2, label="warned")) == [0, 1, 2]
    retire_workers()
    assert "Warning" not in capfd.readouterr().err
    (told,) = [one for one in map(json.loads, path.read_text().splitlines()) if "stage" in one
               and one["event"] == "library_warnings"]  # fmt: skip
    assert told["tasks_by_text"] == {"RuntimeWarning: overflow encountered in exp": 3}


def test_tasks_that_come_one_by_one_are_made_when_they_are_taken():
    done.clear()
    alone = (len(done) for _ in range(4))  # in this process: each is done before the next is made
    assert run_tasks(note, alone, jobs=1, label="taking four", total=4) == [0, 1, 2, 3]
    several = (number for number in range(7))
    found = run_tasks(note, several, jobs=2, label="taking seven", total=7)
    assert sorted(found) == list(range(7))
    assert run_tasks(note, iter(()), jobs=2, label="taking none", total=0) == []


def test_collectors_of_workers_alone_leave_imports_alone():
    run(6)  # what is imported is left alone after the first task of each
    assert max(frozen for *_, frozen in run(6)) > 10_000
    before = gc.get_freeze_count()
    run_tasks(look_around, [0], jobs=1, label="looking around here")
    assert gc.get_freeze_count() == before


def run_light(count: int) -> list[int]:
    """Processes that light tasks ran in, in the order in which they came back."""
    done = run_tasks(look_around, range(count), jobs=2, label="looking around", light=True)
    assert sorted(number for number, *_ in done) == list(range(count))
    return [process for _, process, _ in done]


def test_light_tasks_start_no_worker_and_take_those_that_are_there():
    assert set(run_light(6)) == {os.getpid()}
    run(6)
    assert os.getpid() not in run_light(6)
    retire_workers()
    assert set(run_light(6)) == {os.getpid()}


def test_light_tasks_that_take_long_go_on_in_a_worker_and_the_last_is_done_here(monkeypatch):
    monkeypatch.setattr(parallel, "WORTH_WORKERS", 0.01)
    monkeypatch.setattr(parallel, "TELLING", 0.01)
    found = dict(run_tasks(work_long, range(3), jobs=2, label="working", light=True))
    assert sorted(found) == [0, 1, 2]
    assert found[0] == found[2] == os.getpid() != found[1]
    assert sorted(number for number, *_ in run(4)) == list(range(4))  # by workers of their own


def test_a_worker_that_began_after_the_code_was_changed_does_nothing():
    work = partial(parallel._work_pinned, look_around, "1.0+0123abcd")
    with pytest.raises(MachineError, match=r"changed while this command ran: it is 1\.0\+0123abcd"):
        list(parallel.LOKY.run(work, range(2), 2, "looking around"))


def test_arrow_does_without_pandas_until_somebody_asks_for_it():
    code = """
import sys
from ml.run.parallel import leave_pandas_out
leave_pandas_out()
import pyarrow as pa
table = pa.table({"a": pa.array([1, None])})
assert "pandas" not in sys.modules
assert table.to_pandas()["a"].isna().tolist() == [False, True]
import pandas as pd
assert pa.array(pd.Series([1.0, float("nan")])).null_count == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_memory_of_this_process_is_told_once_where_it_has_done_the_work_itself():
    before = len(parallel.peak_memory())
    run_light(6)
    assert len(parallel.peak_memory()) == before
