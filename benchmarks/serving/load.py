"""Load by wrk, pinned to a core of its own: random items, or answers that are known already."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.request import urlopen

from benchmarks.serving.rows import item_name
from benchmarks.serving.servers import ComparedServer, RunningServer
from ml.errors import ModelError

CONNECTIONS = 16
KNOWN = 200  # items whose answers are known already
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_RANDOM = """
math.randomseed({seed})
local path = "{path}"
request = function()
  local item = string.format("PART-%06d", math.random(0, {last}))
  return wrk.format("GET", (path:gsub("ITEM", item)))
end
"""
_KNOWN = """
math.randomseed({seed})
local known = {{{pairs}}}
request = function()
  local one = known[math.random(1, #known)]
  return wrk.format("GET", one[1], {{["If-None-Match"] = one[2]}})
end
"""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a server did under load."""

    per_second: float  # requests answered on the wall
    # requests by second of the server's own processor time: what one core would answer that does
    # nothing else, which a busy machine says more truly
    per_core: float
    p99_ms: float  # latency that 99 % stay below
    failed: int  # answers that were neither 2xx nor 3xx, and broken connections


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How load is made."""

    seconds: int  # of it
    work: Path  # folder of its script
    core: int  # that it comes from


def load_items(
    server: ComparedServer, up: RunningServer, path: str, items: int, plan: LoadPlan
) -> LoadResult:
    """Ask for random items; ``ITEM`` in the path stands for the id."""
    return _run(server, up, _RANDOM.format(seed=7, path=path, last=items - 1), plan)


def load_known(server: ComparedServer, up: RunningServer, items: int, plan: LoadPlan) -> LoadResult:
    """Ask for answers by their tags, as who has them already does."""
    pairs = []
    for number in Random(7).sample(range(items), KNOWN):  # noqa: S311 # nosec B311 - no secret
        path = server.item.replace("ITEM", item_name(number))
        with urlopen(server.base + path) as answer:  # noqa: S310 # nosec B310 - loopback
            tag = answer.headers["ETag"].replace('"', '\\"')
            pairs.append(f'{{"{path}", "{tag}"}}')
    return _run(server, up, _KNOWN.format(seed=7, pairs=", ".join(pairs)), plan)


def _run(server: ComparedServer, up: RunningServer, script: str, plan: LoadPlan) -> LoadResult:
    path = plan.work / "load.lua"
    path.write_text(script, encoding="utf-8")
    command = ["taskset", "-c", str(plan.core), "wrk", "-t1", f"-c{CONNECTIONS}",
               f"-d{plan.seconds}s", "--latency", "--timeout", "10s", "-s", str(path),
               server.base]  # fmt: skip
    before = up.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    spent = up.cpu_seconds() - before
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    count = re.search(r"(\d+) requests in", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", done.stdout)
    if rate is None or p99 is None or count is None:
        raise ModelError(f"wrk: {done.stderr or done.stdout}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    broken = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout)
    failed = int(bad[1]) if bad else 0
    failed += sum(int(part) for part in broken.groups()) if broken else 0
    return LoadResult(
        per_second=float(rate[1]),
        per_core=int(count[1]) / max(spent, 0.01),
        p99_ms=float(p99[1]) * _UNITS[p99[2]],
        failed=failed,
    )
