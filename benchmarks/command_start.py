"""How long every command takes to answer ``--help``: medians of whole processes.

Usage: PYTHONPATH=. .venv/bin/python -m benchmarks.command_start [RUNS]
"""

import statistics
import subprocess
import sys
import time

from scripts.previsor import DOORS, OF_THE_STORE

RUNS = 7


def measure_once(command: list[str]) -> float:
    """Wall clock of one process [s].

    Raises:
        CalledProcessError: It failed.
    """
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Print a table, slowest command first; the commands take turns, so that noise hits all."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    previsor = [sys.executable, "-m", "scripts.previsor"]
    commands = {"bare python": [sys.executable, "-c", "pass"], "previsor": [*previsor, "--help"]}
    commands |= {path: [*previsor, *path.split(), "--help"] for path in (*DOORS, *OF_THE_STORE)}
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            taken[name].append(measure_once(command))
    for name, seconds in sorted(taken.items(), key=lambda one: -statistics.median(one[1])):
        print(f"{name:20} median {statistics.median(seconds):.3f} s, least {min(seconds):.3f} s")


if __name__ == "__main__":
    main()
