"""What users would run instead, timed on a sample of the items and scaled to all of them."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.speed.watch import run_watched
from ml.errors import ConfigError
from ml.run.parallel import ONE_THREAD

PYTHON = Path(".venv-peers/bin/python")
RECIPES, AUTOARIMA = (Path(__file__).with_name(name) for name in ("recipes.py", "autoarima.py"))
PLAIN = ("Prophet", "pmdarima", "Keras LSTM")  # the plain recipe is all three of them
POOLED_PROPHET, STATSFORECAST = "Prophet in a pool", "statsforecast AutoARIMA"
QUICK_FACTOR = 4  # statsforecast is timed on so many times more items


@dataclass(frozen=True, slots=True)
class Peer:
    """One way of forecasting items that is compared with ours."""

    name: str
    recipe: str | None  # of recipes.py; `None` = autoarima.py
    is_pooled: bool  # over as many processes as ours, else a loop in one


PEERS = (
    Peer(PLAIN[0], "prophet", is_pooled=False),
    Peer(PLAIN[1], "auto_arima", is_pooled=False),
    Peer(PLAIN[2], "lstm", is_pooled=False),
    Peer(POOLED_PROPHET, "prophet", is_pooled=True),
    Peer(STATSFORECAST, None, is_pooled=True),
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one piece of work."""

    wall: float
    cpu: float  # of processors


@dataclass(frozen=True, slots=True)
class PeerRun:
    """What a peer took on a sample."""

    peer: str
    items: int  # in the sample
    backtest: Spent  # fits and forecasts at all origins before the last
    final: Spent  # of the whole history
    each: tuple[float, ...]  # processor seconds of each item, where the peer goes item by item
    failures: tuple[str, ...]  # fits that raised, with the reason; their time counts

    def scale(self, items: int, backtested: int) -> Spent:
        """What it would take for ``items`` items, ``backtested`` of them at the origins too."""
        often, once = backtested / self.items, items / self.items
        return Spent(
            self.backtest.wall * often + self.final.wall * once,
            self.backtest.cpu * often + self.final.cpu * once,
        )


def choose_peers(only: Sequence[str]) -> tuple[Peer, ...]:
    """The peers of these names, or all.

    Raises:
        ConfigError: The environment of a peer is missing.
    """
    chosen = tuple(peer for peer in PEERS if not only or peer.name in only)
    if any(peer.recipe is None for peer in chosen) and not PYTHON.exists():
        raise ConfigError(f"{PYTHON}: is missing. Run make .venv-peers/ready, or --skip-peers.")
    return chosen


def sample_items(series: pd.DataFrame, count: int, needed: int) -> list[str]:
    """So many items (columns), evenly spread in the order of how often they are asked for.

    Busy and sparse items cost a search of orders not the same; those with fewer than ``needed``
    days (rows) of history are left out, for some peers refuse them at the earliest origin.
    """
    known = series.loc[:, series.notna().sum() >= needed]
    busy = (known > 0).sum().sort_values(kind="stable").index
    places = (np.arange(count) + 0.5) * len(busy) / count
    return [busy[int(place)] for place in places[: len(busy)]]


def write_task(
    path: Path, series: pd.DataFrame, items: Sequence[str], *, windows: int, horizon: int
) -> None:
    """Write what a peer is given: items at ``windows`` origins, one horizon apart, and at the end.

    The series are daily demand, rows days, columns items.
    """
    length = len(series)
    ends = [length - horizon * back for back in range(windows, -1, -1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path, allow_pickle=False, days=series.index.to_numpy().astype("datetime64[D]"),
        values=series[list(items)].to_numpy(np.float64).T, ends=ends, horizon=horizon,
    )  # fmt: skip


def run_peer(peer: Peer, task: Path, jobs: int) -> PeerRun:
    """Time a peer on a task, in a process of its own, pinned to a thread.

    Raises:
        ModelError: It failed as a whole.
    """
    out = task.with_name(f"{peer.name}.json")
    count = str(jobs if peer.is_pooled else 1)
    command = [sys.executable, str(RECIPES), str(task), str(out), count, str(peer.recipe)]
    if peer.recipe is None:
        command = [str(PYTHON), str(AUTOARIMA), str(task), str(out), count]
    run_watched(command, ONE_THREAD, out.with_suffix(".txt"))
    return read_run(peer.name, out)


def read_run(peer: str, path: Path) -> PeerRun:
    """What the script of a peer has written."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return PeerRun(
        peer, told["items"], Spent(*told["backtest"]), Spent(*told["final"]),
        tuple(told["each"]), tuple(told["failures"]),
    )  # fmt: skip
