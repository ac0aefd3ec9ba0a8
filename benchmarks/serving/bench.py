"""The rounds: each server alone on one core, the load on another, in turn."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.load import LoadPlan, LoadResult, load_items, load_known
from benchmarks.serving.rows import make_rows
from benchmarks.serving.servers import PEERS, ComparedServer, compared_servers, running
from ml.errors import ConfigError

WARM = 1  # seconds of load before a case is timed
WHOLE = "/api/v1/forecasts?item_id=ITEM"


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What one server did in one round."""

    server: str  # its name, and the case where it has several
    items: int  # rows served: items
    steps: int  # and rows of each
    round: int  # counted from 0
    load: LoadResult  # under load
    ready_seconds: float  # from the start of its process until it could serve
    ready_cpu_seconds: float  # processor time of it
    resident_mib: float  # after the load
    own_mib: float  # of it, what is no mapped file


def require_programs() -> None:
    """Refuse to start where something that is measured with is missing.

    Raises:
        ConfigError: It is.
    """
    needed = {"wrk": "apt-get install wrk", "taskset": "apt-get install util-linux"}
    for name, advice in needed.items():
        if shutil.which(name) is None:
            raise ConfigError(f"bench: there is no {name}: {advice}.")
    if not (PEERS / "datasette").exists():
        raise ConfigError("bench: make bench-serving builds what it compares with.")
    if len(os.sched_getaffinity(0)) < 2:
        raise ConfigError("bench: one core serves and one loads: two are needed.")


def measure(
    sizes: Sequence[tuple[int, ...]], rounds: int, seconds: int, work: Path, only: Sequence[str]
) -> list[ServerFigures]:
    """Figures of all servers, or of those named, round by round; sizes are items and steps."""
    work.mkdir(parents=True, exist_ok=True)
    made = [make_rows(items, steps, work / f"{items}x{steps}") for items, steps in sizes]
    found: list[ServerFigures] = []
    for number in range(rounds):
        for rows in made:
            for server in compared_servers(rows, work):
                if not only or server.name in only:
                    size = (rows.items, rows.steps)
                    found += _measure_server(server, size, number, seconds, work)
    return found


def _measure_server(
    server: ComparedServer, size: tuple[int, int], number: int, seconds: int, work: Path
) -> list[ServerFigures]:
    """Figures of a server's cases; it serves on one core and the load comes from the other."""
    serves, loads = sorted(os.sched_getaffinity(0))[:2]
    log = work / f"{server.name}.log"
    found = []
    plan, warm = LoadPlan(seconds, work, loads), LoadPlan(WARM, work, loads)
    with running(server, serves, log) as up:
        cases: dict[str, Callable[[LoadPlan], LoadResult]] = {
            server.name: lambda plan: load_items(server, up, server.item, size[0], plan)
        }
        if server.name == "ours":
            cases["ours, 304"] = lambda plan: load_known(server, up, size[0], plan)
            cases["ours, all columns"] = lambda plan: load_items(server, up, WHOLE, size[0], plan)
        cases[server.name](warm)
        for name, make in cases.items():
            load = make(plan)
            memory = up.resident_mib()
            ready = (up.ready_seconds, up.ready_cpu_seconds)
            found.append(ServerFigures(name, *size, number, load, *ready, *memory))
            told = f"{load.per_core:8.0f} requests a second of one core"
            print(f"{name:18} {size[0]:>7} x {size[1]:<3} {told}", flush=True)
    return found
