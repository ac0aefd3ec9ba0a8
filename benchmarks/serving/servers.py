"""The servers that are compared: how each is started, and how each is asked for one item."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.serving.rows import COLUMNS, ServedRows
from ml.errors import ModelError

PEERS = Path(".venv-serving-peers/bin")
OWN = Path(".venv-serving/bin/python")
PATIENCE = 120.0  # seconds until a server has to be ready
WANTED = ",".join(COLUMNS)
PORT = {"ours": 8711, "Datasette": 8712, "ROAPI": 8713}


@dataclass(frozen=True, slots=True)
class ComparedServer:
    """One of the servers on some rows."""

    name: str  # of the server
    command: Sequence[str | Path]  # that starts it
    ready: str  # address that answers 200 as soon as it can serve
    item: str  # address of the rows of an item, whose id takes the place of ITEM
    env: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{PORT[self.name]}"


def compared_servers(rows: ServedRows, work: Path) -> list[ComparedServer]:
    """The servers on these rows."""
    datasette = PEERS / "datasette"
    cache = work / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    python = OWN if OWN.exists() else Path(sys.executable)
    return [
        ComparedServer(
            "ours",
            [python, "-m", "serving", "--results", rows.results, "--port", str(PORT["ours"])],
            "/ready",
            f"/api/v1/forecasts?item_id=ITEM&columns={WANTED}",
            {"PYTHONPATH": str(Path.cwd()), "SERVE_CACHE_DIR": str(cache)},
        ),
        ComparedServer(
            "Datasette",
            [datasette, "serve", "-i", rows.sqlite, "--port", str(PORT["Datasette"]),
             "--setting", "suggest_facets", "off", "--setting", "allow_facet", "off"],
            "/-/versions.json",
            "/rows/forecasts.json?_shape=objects&_nocount=1&item_id=ITEM",
        ),
        ComparedServer(
            "ROAPI",
            [PEERS / "roapi", "--addr-http", f"127.0.0.1:{PORT['ROAPI']}",
             "--table", f"forecasts={rows.parquet}"],
            f"/api/tables/forecasts?columns={WANTED}&limit=1",
            f"/api/tables/forecasts?columns={WANTED}&filter[item_id]='ITEM'",
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is up."""

    pid: int  # of its process
    ready_seconds: float  # from its start until it could serve
    ready_cpu_seconds: float  # processor time of it

    def cpu_seconds(self) -> float:
        """Processor time that it has taken, its child processes left out."""
        return _cpu_seconds(self.pid)

    def resident_mib(self) -> tuple[float, float]:
        """Resident memory, and that of it which is its own rather than mapped files [MiB]."""
        values = {"VmRSS": 0.0, "RssAnon": 0.0}
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            if name in values:
                values[name] = int(rest.split()[0]) / 1024
        return values["VmRSS"], values["RssAnon"]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(server: ComparedServer, core: int, log: Path) -> Iterator[RunningServer]:
    """Start a server on one core, and end it with the block.

    Raises:
        ModelError: It ended, or was not ready in time.
    """
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | server.env
    start = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(  # nosec B607 - looked for before
            ["taskset", "-c", str(core), *map(str, server.command)], env=env,
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        while True:
            if process.poll() is not None or time.perf_counter() - start > PATIENCE:
                raise ModelError(f"{server.name} did not start; '{log}' says why.")
            with suppress(URLError, OSError), urlopen(server.base + server.ready) as answer:  # noqa: S310 # nosec B310 - loopback
                if answer.status == 200:
                    break
            time.sleep(0.02)
        waited = time.perf_counter() - start
        yield RunningServer(process.pid, waited, _cpu_seconds(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
