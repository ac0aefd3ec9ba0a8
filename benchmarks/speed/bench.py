"""The whole comparison: files, then rounds of our job on every case and of the peers."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.figures import COLD, Round, Size
from benchmarks.speed.files import CASES, Drawn, draw_inputs
from benchmarks.speed.job import CaseRun, Job
from benchmarks.speed.peers import (
    PEERS,
    QUICK_FACTOR,
    Peer,
    PeerRun,
    choose_peers,
    run_peer,
    sample_items,
    write_task,
)
from benchmarks.speed.watch import require_proc, say
from ml.errors import ConfigError
from ml.seeds import code_version
from ml.settings import settings

LEAST_HORIZONS = 2  # of history that a peer's item has at the earliest origin
HEAVY = "import keras, pmdarima, prophet, statsmodels.api, sklearn.ensemble, tensorflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is to be measured; see the options of the command."""

    items: int
    days: int
    horizon: int
    rounds: int
    peer_items: int
    only: tuple[str, ...]
    skip_peers: bool
    jobs: int
    seed: int
    work: Path

    def cases(self) -> tuple[str, ...]:
        """Cases of our job; the others start from what the cold one left, so it is always run."""
        named = [name for name in self.only if name in CASES]
        return tuple(case for case in CASES if case == COLD or not self.only or case in named)

    def peers(self) -> tuple[Peer, ...]:
        """Peers that are run.

        Raises:
            ConfigError: The environment of a peer is missing, or ``--only`` names nothing known.
        """
        known = [*CASES, *(peer.name for peer in PEERS)]
        unknown = [name for name in self.only if name not in known]
        if unknown:
            raise ConfigError(f"--only '{unknown[0]}': choose from {', '.join(known)}.")
        named = [name for name in self.only if name not in CASES]
        if self.skip_peers or (self.only and not named):
            return ()
        return choose_peers(named)

    @property
    def size(self) -> Size:
        """What peers are scaled to."""
        return Size(self.items, min(self.items, settings().backtest_items))


def measure(bench: Bench) -> Iterator[Round]:
    """One round after the other, each whole.

    Raises:
        ConfigError: Options or a machine that nothing can be measured with.
        ModelError: Our job or a peer failed.
    """
    require_proc()
    peers = bench.peers()
    job, drawn = open_job(bench)
    for number in range(1, bench.rounds + 1):
        load = os.getloadavg()[0]
        runs = {}
        for case in bench.cases():
            runs[case] = _run_case(job, case, drawn, f"round {number} of {bench.rounds}")
            if case == COLD:
                windows = job.windows()
        found = {
            peer.name: _run_peer(peer, bench, drawn, windows, f"round {number} of {bench.rounds}")
            for peer in peers
        }
        yield Round(runs, found, load)
    job.discard()


def open_job(bench: Bench) -> tuple[Job, Drawn]:
    """Our job, and the files of all cases, drawn anew."""
    folder = bench.work / "files"
    shutil.rmtree(folder, ignore_errors=True)
    # Asked for now: the report must name the code that ran, whatever is edited meanwhile.
    say(f"{code_version()}: drawing {bench.items} synthetic items over {bench.days} days")
    drawn = draw_inputs(folder, items=bench.items, days=bench.days, seed=bench.seed)
    job = Job(work=bench.work, horizon=bench.horizon, jobs=bench.jobs, seed=bench.seed,
              outside=drawn.outside)  # fmt: skip
    # Else the first round alone would read the libraries from the disk.
    subprocess.run([sys.executable, "-c", HEAVY], check=True, capture_output=True)
    return job, drawn


def _run_case(job: Job, case: str, drawn: Drawn, where: str) -> CaseRun:
    say(f"{where}: our job, {case}")
    run = job.run(case, drawn.cases[case])
    cost = run.cost
    say(f"{where}: {case} took {cost.seconds:.1f} s, {cost.cpu_seconds:.1f} s of processors, "
        f"at most {cost.pss_mib:.0f} MiB")  # fmt: skip
    return run


def _run_peer(peer: Peer, bench: Bench, drawn: Drawn, windows: int, where: str) -> PeerRun:
    count = bench.peer_items * (QUICK_FACTOR if peer.recipe is None else 1)
    needed = (windows + LEAST_HORIZONS) * bench.horizon
    items = sample_items(drawn.series, min(count, bench.items), needed)
    say(f"{where}: {peer.name} on {len(items)} items")
    task = bench.work / "peers" / f"{len(items)}.npz"
    write_task(task, drawn.series, items, windows=windows, horizon=bench.horizon)
    run = run_peer(peer, task, bench.jobs)
    whole = run.scale(bench.size.items, bench.size.backtested)
    say(f"{where}: {peer.name} would take {whole.wall:.0f} s, {whole.cpu:.0f} s of processors")
    return run
