"""Processes that tests start: known to be theirs, and gone when the tests are."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.publish.servers.daemon import Daemon, ServerError, free_port
from tests.pipelines.publish.servers.minio_server import INSTALL

ROOT = INSTALL.parents[1]


def test_a_program_that_ends_is_reported_with_what_it_said(tmp_path):
    daemon = Daemon([sys.executable, "-c", "exit('no such drive')"], tmp_path / "log")
    daemon.start()
    with pytest.raises(ServerError, match="it ended while it started: no such drive"):
        daemon.wait_until(lambda: False, "it")
    daemon.kill()


def test_an_answer_counts_only_while_our_own_process_lives(tmp_path):
    daemon = Daemon([sys.executable, "-c", ""], tmp_path / "log")
    daemon.start()
    daemon._process.wait()
    with pytest.raises(ServerError, match="it ended"):
        daemon.wait_until(lambda: True, "it")
    daemon.kill()


def test_a_daemon_is_started_once_and_gets_none_of_our_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIO_ROOT_USER", "somebody")
    show = "import os, signal; print(sorted(os.environ), flush=True); signal.pause()"
    daemon = Daemon([sys.executable, "-c", show], tmp_path / "log", {"ONLY": "this"})
    daemon.start()
    pid = daemon.pid
    daemon.wait_until(lambda: b"]" in daemon.log.read_bytes(), "it")
    daemon.start()
    assert daemon.pid == pid
    daemon.kill()
    assert daemon.pid is None
    assert "ONLY" in daemon.log.read_text()
    assert "MINIO_ROOT_USER" not in daemon.log.read_text()


STARTER = """
import sys
from pathlib import Path
from tests.pipelines.publish.servers.daemon import Daemon
daemon = Daemon([sys.executable, "-c", "import signal; signal.pause()"], Path(sys.argv[1]))
daemon.start()
print(daemon.pid, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", [None, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_no_server_outlives_the_tests_however_they_end(tmp_path, how):
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, tmp_path / "log"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as tests:  # fmt: skip
        pid = int(tests.stdout.readline())
        watched = os.pidfd_open(pid)
        if how is None:
            tests.stdin.write("end\n")
            tests.stdin.flush()
        else:
            tests.send_signal(how)
        tests.wait(timeout=30)
    assert ended(watched)


def ended(watched):
    """Whether a process is gone within ten seconds."""
    try:
        return bool(select.select([watched], [], [], 10.0)[0])
    finally:
        os.close(watched)


def test_ports_are_below_those_of_outgoing_connections():
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not path.exists():
        pytest.skip("reads Linux's /proc")
    first = int(path.read_text().split()[0])
    assert max(free_port() for _ in range(50)) < max(first, 32_000)
