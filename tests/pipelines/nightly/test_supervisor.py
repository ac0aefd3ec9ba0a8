"""A step of a night ends within its limits, and nothing of it outlives the night."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ml.locks import HeldError, hold
from pipelines.nightly.supervisor import Limits, run_step
from tests.commands import ROOT
from tests.pipelines.nightly.processes import MARK, await_file, await_none, marked

PATIENT = Limits(seconds=60.0, silence=60.0, grace=1.0)
FOREVER = "import signal\nwhile True: signal.pause()"
# A step with a worker in its group, one that left it, and one that minds no SIGTERM.
TREE = f"""
import pathlib, subprocess, sys
stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
forever = {FOREVER!r}
subprocess.Popen([sys.executable, "-c", forever])
subprocess.Popen([sys.executable, "-c", forever], start_new_session=True)
subprocess.Popen([sys.executable, "-c", stubborn + forever])
pathlib.Path(sys.argv[1]).touch()
exec(forever)
"""
NIGHT = """
import sys
from pathlib import Path
from pipelines.nightly.supervisor import Limits, StoppedError, run_step, stopping_on_signals
folder = Path(sys.argv[1])
with stopping_on_signals():
    try:
        run_step(["-c", sys.argv[2], str(folder / "ready")], Limits(60.0, 60.0, 1.0),
                 folder / "step.lock", say=sys.stdout.write)
    except StoppedError as stopped:
        print("stopped by", stopped)
"""


def run(code, folder, limits=PATIENT, **options):
    return run_step(["-c", code], limits, folder / "step.lock", say=lambda _: None, **options)


def night_with(folder, code):
    """A process that runs a step, which has begun."""
    env = os.environ | {"PYTHONPATH": str(ROOT), MARK: str(folder)}
    command = [sys.executable, "-c", NIGHT, str(folder), code]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    await_file(folder / "ready")
    return process


def test_a_step_hands_on_what_it_says_its_code_and_its_last_line(tmp_path):
    said = []
    code = "import sys; print('gate: a: b'); print('the reason'); print(); sys.exit(4)"
    ended = run_step(["-c", code], PATIENT, tmp_path / "lock", say=said.append, keep="gate: ")
    assert (ended.code, ended.last_line, ended.lines) == (4, "the reason", ("gate: a: b",))
    assert said == ["gate: a: b\n", "the reason\n", "\n"]


def test_a_line_without_an_end_and_bytes_that_are_no_text_are_passed_on(tmp_path):
    said = []
    code = "import sys; sys.stdout.buffer.write(b'caf\\xe9\\nrest')"
    run_step(["-c", code], PATIENT, tmp_path / "lock", say=said.append)
    assert said == ["caf\N{REPLACEMENT CHARACTER}\n", "rest\n"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_step_killed_by_a_signal_gets_the_code_that_a_shell_gives_it(tmp_path, number):
    ended = run(f"import os; os.kill(os.getpid(), {int(number)})", tmp_path)
    assert (ended.code, ended.last_line) == (128 + number, f"killed by signal {int(number)}")


def test_what_a_step_took_is_counted_with_its_children(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    ended = run(code, tmp_path)
    assert 0.3 <= ended.cpu_seconds < 5.0
    assert ended.seconds > 0.3
    assert ended.peak_mib > 5.0


def test_a_step_that_takes_too_long_is_ended(tmp_path):
    ended = run(FOREVER, tmp_path, Limits(seconds=0.2, silence=60.0, grace=1.0))
    assert (ended.code, ended.last_line[:14]) == (5, "took more than")


def test_a_step_that_neither_speaks_nor_computes_is_ended(tmp_path):
    ended = run(FOREVER, tmp_path, Limits(seconds=60.0, silence=0.2, grace=1.0))
    assert (ended.code, ended.last_line[:7]) == (5, "neither")


def test_a_step_that_computes_in_silence_is_left_in_peace(tmp_path):
    code = "import time\nwhile time.process_time() < 1.0: pass"
    assert run(code, tmp_path, Limits(seconds=60.0, silence=0.4)).code == 0


def test_what_a_step_leaves_behind_is_ended_after_it(tmp_path, monkeypatch):
    monkeypatch.setenv(MARK, str(tmp_path))
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {FOREVER!r}])"
    assert run(code, tmp_path).code == 0
    assert [pid for pid in marked(tmp_path) if pid != os.getpid()] == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
@pytest.mark.parametrize("victim", ["night", "guard", "both"])
def test_whoever_is_killed_nothing_of_a_step_lives_on(tmp_path, victim):
    night = night_with(tmp_path, TREE)
    (guard,) = [pid for pid in marked(tmp_path) if parent_of(pid) == night.pid]
    with pytest.raises(HeldError), hold(tmp_path, name="step.lock"):
        pass
    if victim in {"night", "both"}:
        os.kill(night.pid, signal.SIGKILL)
    if victim in {"guard", "both"}:
        os.kill(guard, signal.SIGKILL)
    night.communicate()
    if victim != "night":  # those that left the group die with their parent in the real steps
        for pid in marked(tmp_path):
            os.kill(pid, signal.SIGKILL)
    await_none(tmp_path, seconds=10.0)
    with hold(tmp_path, name="step.lock"):
        pass


def test_a_night_that_is_told_to_stop_lets_its_step_end_in_order(tmp_path):
    code = f"""
import pathlib, signal, sys
def stop(*_):
    print("putting things away", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[1]).touch()
{FOREVER}
"""
    night = night_with(tmp_path, code)
    night.send_signal(signal.SIGTERM)
    said, _ = night.communicate(timeout=30)
    assert said.splitlines() == ["putting things away", "stopped by SIGTERM"]
    await_none(tmp_path, seconds=10.0)


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])
