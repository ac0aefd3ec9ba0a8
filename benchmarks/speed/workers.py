"""Two workers of a local Ray against one, in turn, on what is spread over workers item by item.

Models are trained once, beforehand, on loky. Then each run starts from a copy of the same folders,
without the backtest, what was drawn of it and the version: it tries the models of single series at
the origins, the pooled ones there, forecasts and recommends. A stage counts from its first task to
the end of its last, the start of its workers and what they import included; Ray's own start is no
part of it. Contents have to be those that loky wrote.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks.speed.bench import Bench, open_job
from benchmarks.speed.figures import COLD, spread
from benchmarks.speed.job import AFTER_COLD, FOLDERS, CaseRun, Job
from benchmarks.speed.report import describe_run, format_span, format_table
from benchmarks.speed.watch import require_proc, say
from ml.artifacts.version import newest_whole_version, read_manifest
from ml.durable import write_file
from ml.errors import ConfigError, ModelError

NAME = "workers"
ONE, TWO = 1, 2  # workers
# What is timed, and what the log calls it: networks are there already when it is "trained".
RACED = {
    "backtest of single series": "training for the backtest",
    "backtest of pooled models": "backtest",
    "forecasting": "forecasting",
    "recommending": "recommending",
}
ALL_RACED = "all of them"
MADE_AGAIN = ("ensemble", "paths", "measures")  # folders of a panel that hold no trained model


@dataclass(frozen=True, slots=True)
class WorkersRound:
    """One worker and two, in turn."""

    seconds: Mapping[int, Mapping[str, float]]  # on the wall, by workers and part
    load: float  # of the machine in the minute before: processes that want to run

    def times(self, part: str) -> float:
        """How many times as fast two workers are at a part."""
        return self.seconds[ONE][part] / self.seconds[TWO][part]


def race_workers(bench: Bench) -> Iterator[WorkersRound]:
    """One round after the other, each whole; whoever is first changes.

    Raises:
        ConfigError: Ray is not installed, or the machine cannot be measured.
        ModelError: A run failed, or its contents are not those of loky.
    """
    require_proc()
    if find_spec("ray") is None:
        raise ConfigError("--ray needs Ray: make setup-ray.")
    job, drawn = open_job(bench)
    inputs = drawn.cases[COLD]
    say("training, on loky")
    job.run(COLD, inputs)
    expected = hash_contents(job)
    forget_results(job.work / AFTER_COLD)
    for number in range(1, bench.rounds + 1):
        load, seconds = os.getloadavg()[0], {}
        for workers in (ONE, TWO) if number % 2 else (TWO, ONE):
            own = replace(job, jobs=workers, engine="ray")
            seconds[workers] = time_parts(own.run(f"ray-{workers}", inputs))
            told = ", ".join(f"{part} {s:.1f} s" for part, s in seconds[workers].items())
            say(f"round {number} of {bench.rounds}: {workers} of Ray: {told}")
            if hash_contents(own) != expected:
                raise ModelError(f"{workers} of Ray: contents are not those that loky wrote.")
        yield WorkersRound(seconds, load)
    job.discard()


def forget_results(home: Path) -> None:
    """Leave of a run's folders what was trained."""
    shutil.rmtree(home / FOLDERS["ML_RESULTS_PATH"])
    for panel in (home / FOLDERS["MODELS_DIR"]).glob("nova_corrente/*/*"):
        for name in MADE_AGAIN:
            shutil.rmtree(panel / name, ignore_errors=True)


def hash_contents(job: Job) -> dict[str, str]:
    """Of the newest version, by file.

    Raises:
        ModelError: There is none.
    """
    results = job.home / FOLDERS["ML_RESULTS_PATH"]
    record = newest_whole_version(results)
    if record is None:
        raise ModelError(f"'{results}' holds no version.")
    files = read_manifest(results, record.version_id).files
    return {one.dataset: one.content_sha256 for one in files if one.content_sha256}


def time_parts(run: CaseRun) -> dict[str, float]:
    """Seconds on the wall of each part of a run, and of all of them.

    Raises:
        ModelError: A part is not in the log: it was not done again.
    """
    logged = {one.name: one.seconds for one in run.stages}
    missing = [part for part, name in RACED.items() if name not in logged]
    if missing:
        raise ModelError(f"{run.case}: {missing[0]} was not done again, or has another name.")
    seconds = {part: logged[name] for part, name in RACED.items()}
    return seconds | {ALL_RACED: sum(seconds.values())}


def write_race(rounds: Sequence[WorkersRound], bench: Bench, folder: Path) -> list[Path]:
    """``workers.json`` and ``workers.md``, each whole."""
    folder.mkdir(parents=True, exist_ok=True)
    about = describe_run([one.load for one in rounds], bench)
    for name in ("processes", "peers"):  # not those of this race
        del about[name]
    whole = json.dumps({**about, "rounds": [asdict(one) for one in rounds]}, indent=2) + "\n"
    head = ("part", "1 worker: wall s", "2 workers: wall s", "times as fast")
    text = "\n".join([
        "# One worker and two", "", *(f"- {name}: {value}" for name, value in about.items()),
        "", *format_table(head, race_rows(rounds)),
    ])  # fmt: skip
    return [
        write_file(folder / f"{NAME}.json", whole), write_file(folder / f"{NAME}.md", text)
    ]  # fmt: skip


def race_rows(rounds: Sequence[WorkersRound]) -> list[tuple[str, ...]]:
    """A row a part: seconds on the wall of one worker and two, and how many times as fast they are.

    A ratio is taken within a round; medians, and least and most of the rounds.
    """

    def seconds(workers: int, part: str) -> str:
        return format_span(spread(one.seconds[workers][part] for one in rounds))

    return [
        (part, seconds(ONE, part), seconds(TWO, part),
         format_span(spread(one.times(part) for one in rounds), 2))
        for part in (*RACED, ALL_RACED)
    ]  # fmt: skip
