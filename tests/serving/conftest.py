"""Real servers on free ports of the loopback, each a process of its own."""

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import urllib3

from tests.pipelines.publish.servers.daemon import Daemon, free_port
from tests.serving.versions import make_served

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / ".venv-serving" / "bin" / "python"
PYTHON = str(OWN if OWN.exists() else sys.executable)  # of either environment; the first is its own
API = "/api/v1"


@dataclass(frozen=True)
class ServerUnderTest:
    """A running server."""

    url: str
    daemon: Daemon
    pool: urllib3.PoolManager

    def get(self, path, method="GET", **headers):
        """An answer, whatever its status."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.pool.request(
            method, self.url + path, headers=names, retries=False, redirect=False
        )

    def json(self, path, **headers):
        answer = self.get(path, **headers)
        assert answer.status == 200, answer.data[:500]
        return json.loads(answer.data)

    def pages(self, path):
        """Rows of all pages from an address on."""
        rows = []
        while path:
            answer = self.json(path)
            rows += answer["data"]
            path = answer["next"]
        return rows

    def until(self, true):
        """Return once something about the server is so."""
        self.daemon.wait_until(true, "what is waited for")

    @property
    def log(self):
        return self.daemon.log.read_text(encoding="utf-8")


def item_path(item):
    return f"{API}/items/{quote(item, safe='')}"


@contextmanager
def serving(folder, *options, python=PYTHON, flags=(), ready=True, port=None, **env):
    """A server with a cache and a log of its own, ended with the block."""
    folder.mkdir(exist_ok=True, parents=True)
    port = port or free_port()
    env = {
        "PYTHONPATH": str(ROOT),
        "SERVE_CACHE_DIR": str(folder / "cache"),
        "SERVE_POLL_SECONDS": "0.3",
        "PYTHONDONTWRITEBYTECODE": "1",
        **env,
    }
    start = [python, *flags] if flags else [python, "-m", "serving"]
    daemon = Daemon([*start, "--port", str(port), *options], folder / "server.log", env)
    daemon.start()
    pool = urllib3.PoolManager(retries=False, maxsize=16, timeout=urllib3.Timeout(30.0))
    served = ServerUnderTest(f"http://127.0.0.1:{port}", daemon, pool)

    def answers():
        try:
            return served.get("/ready" if ready else "/health").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    try:
        daemon.wait_until(answers, "the server")
        yield served
    finally:
        daemon.kill()


@pytest.fixture(autouse=True)
def _no_flushing(monkeypatch):
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A results folder with one version."""
    folder = tmp_path_factory.mktemp("results")
    make_served(folder)
    return folder


@pytest.fixture(scope="session")
def served(results, tmp_path_factory):
    """A server of that folder, for tests that change nothing."""
    with serving(tmp_path_factory.mktemp("server"), "--results", str(results)) as server:
        yield server
