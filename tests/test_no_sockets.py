"""Tests and offline runs talk to no other machine, and the guard that says so works.

192.0.2.0/24 and 2001:db8::/32 are for documentation (RFC 5737, RFC 3849), ``.invalid`` names
never exist (RFC 2606).
"""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pipelines.sources.base import Call
from pipelines.sources.client import Client
from tests import socket_guard
from tests.socket_guard import REPORT, ForeignSocketError

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = sorted((ROOT / "pipelines").glob("*_etl.py"))
HERE = "192.0.2.1"


@pytest.fixture
def refused(guard):
    """What the guard refused; forgotten afterwards, since here it was meant."""
    yield guard.seen
    guard.seen.clear()


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, (HERE, 80)), (socket.AF_INET6, ("2001:db8::1", 80, 0, 0))],
    ids=["IPv4", "IPv6"],
)
def test_a_connection_to_another_machine_is_refused(refused, family, address):
    with socket.socket(family) as one:
        one.setblocking(False)
        with pytest.raises(ForeignSocketError, match=f"connect {address[0]}"):
            one.connect(address)
        with pytest.raises(ForeignSocketError, match=f"connect {address[0]}"):
            one.connect_ex(address)
    assert refused == [f"socket.connect {address[0]}"] * 2


def test_a_datagram_to_another_machine_is_refused(refused):
    with (
        socket.socket(type=socket.SOCK_DGRAM) as one,
        pytest.raises(ForeignSocketError, match=HERE),
    ):
        one.sendto(b"x", (HERE, 9))


def test_not_even_a_name_is_looked_up(refused):
    with pytest.raises(ForeignSocketError, match=r"getaddrinfo store\.invalid"):
        socket.create_connection(("store.invalid", 443), timeout=0.1)
    with pytest.raises(ForeignSocketError, match=r"gethostbyname store\.invalid"):
        socket.gethostbyname("store.invalid")


def test_no_library_takes_the_refusal_for_a_bad_network(refused, tmp_path):
    with pytest.raises(ForeignSocketError, match=HERE):
        httpx.get(f"http://{HERE}/", timeout=0.1, trust_env=False)
    call = Call("bank", "https://api.bank.invalid", "/", ("ipca",), "json")
    with (
        Client(time_limit=1, scratch=tmp_path) as client,
        pytest.raises(ForeignSocketError, match="bank"),
    ):
        client.fetch(call, pause=0)


def test_this_machine_may_be_talked_to(guard, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=1).close()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as one:
        server.bind(str(tmp_path / "s"))
        server.listen()
        one.connect(str(tmp_path / "s"))
    assert guard.seen == []


@pytest.fixture
def guarded(tmp_path):
    """Run Python below the guard, offline and in empty folders; the process and what it tried."""
    folder = tmp_path / "guard"
    folder.mkdir()
    shutil.copy(socket_guard.__file__, folder / "socket_guard.py")
    (folder / "sitecustomize.py").write_text("import socket_guard\nsocket_guard.install()\n")
    report = folder / "report.txt"
    folders = {f"{name}_DIR": str(tmp_path / name) for name in ("DATA", "LOG", "REPORTS")}
    given = {"PYTHONPATH": str(folder), REPORT: str(report), "ENABLE_EXTERNAL_APIS": "false"}

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            env=os.environ | folders | given,
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        lines = report.read_text().splitlines()
        assert lines[0] == "on"
        return done, [line for line in lines if line != "on"]

    return run


def test_the_guard_reports_what_another_process_tries(guarded):
    code = f"import socket; socket.create_connection(('{HERE}', 80), timeout=0.1)"
    done, tried = guarded("-c", code)
    assert done.returncode == 1
    assert "ForeignSocketError" in done.stderr
    assert tried == [f"socket.getaddrinfo {HERE}"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.stem)
def test_an_offline_etl_opens_no_socket_to_another_machine(guarded, command):
    done, tried = guarded(command)
    assert tried == []
    assert done.returncode in {0, 3}, done.stderr[-2000:]  # 3: there is nothing to read
    assert "Traceback" not in done.stderr
