"""Our job on each case, as a user runs it: one command, in folders of its own.

And what the log of a run says of its stages, whatever they are called.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.speed.files import CaseInputs, keep_outside
from benchmarks.speed.watch import ProcessCost, run_watched
from ml.artifacts.reading import read_dataset
from ml.contracts.metrics import METRICS
from ml.errors import ModelError
from ml.run.parallel import ONE_THREAD

ALL = "all"  # under which a stage logs its processor seconds as a whole
OUTSIDE = "outside of stages"  # start of Python and of workers, imports
FIT, PREDICT = "fit ", "predict "


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage of a run."""

    name: str
    seconds: float  # on the wall
    cpu: Mapping[str, float]  # processor seconds by what they were spent on; `all` of the whole


def read_stages(log: Path) -> list[StageCost]:
    """The stages of the last run that a log tells of, in its order; parts of a stage come first.

    Stages of one name, such as those of several panels, stay apart. Lines of other events, and
    a stage without processor seconds, are no error.
    """
    found: list[StageCost] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event.get("event") == "started":
            found.clear()
        elif event.get("event") == "stage_done":
            cpu = event.get("cpu_seconds") or {}
            found.append(StageCost(event["stage"], float(event["seconds"]), cpu))
    return found


def add_up(stages: Iterable[StageCost], seconds: float, cpu_seconds: float) -> list[StageCost]:
    """Stages of one name in one line, in the order of their first; then what is outside of all.

    That is what is left of the seconds that the whole run took on the wall and on processors.
    """
    sums: dict[str, StageCost] = {}
    for one in stages:
        before = sums.get(one.name, StageCost(one.name, 0.0, {}))
        cpu = {what: before.cpu.get(what, 0.0) + one.cpu.get(what, 0.0)
               for what in {**before.cpu, **one.cpu}}  # fmt: skip
        sums[one.name] = StageCost(one.name, before.seconds + one.seconds, cpu)
    told = list(sums.values())
    rest = seconds - sum(one.seconds for one in told)
    spent = cpu_seconds - sum(one.cpu.get(ALL, 0.0) for one in told)
    return [*told, StageCost(OUTSIDE, max(rest, 0.0), {ALL: max(spent, 0.0)})]


def part_seconds(stages: Iterable[StageCost]) -> dict[str, float]:
    """Processor seconds by what they were spent on, over all stages, the most first."""
    sums: dict[str, float] = {}
    for one in stages:
        for what, spent in one.cpu.items():
            if what != ALL:
                sums[what] = sums.get(what, 0.0) + spent
    return dict(sorted(sums.items(), key=lambda part: -part[1]))


def model_seconds(parts: Mapping[str, float], model: str) -> float:
    """Processor seconds of a model's fits and predictions, at the origins too."""
    return parts.get(FIT + model, 0.0) + parts.get(PREDICT + model, 0.0)


COMMAND = "generate_ml_results"
FOLDERS = {
    "DATA_DIR": "data",
    "MODELS_DIR": "models",
    "REPORTS_DIR": "reports",
    "LOG_DIR": "logs",
    "ML_RESULTS_PATH": "results",
}
INPUTS = "inputs"  # the user's files: of the same names in every run
AFTER_COLD = "after cold"


@dataclass(frozen=True, slots=True)
class CaseRun:
    """What one run took."""

    case: str  # which one, see `files.CASES`
    cost: ProcessCost
    stages: tuple[StageCost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Our job, and where it works."""

    work: Path  # its folders, and a copy of them as they were after the cold run, are made here
    horizon: int  # days ahead
    jobs: int  # worker processes
    seed: int
    outside: Mapping[str, pa.Table]  # what was collected beforehand
    engine: str = "loky"  # what runs the tasks

    @property
    def home(self) -> Path:
        """The folder of all its folders, the same one in every run."""
        return self.work / "home"

    def run(self, case: str, inputs: CaseInputs) -> CaseRun:
        """Run a case: cold in empty folders, any other from what the cold run left.

        Raises:
            ModelError: The job failed, or wrote no version.
        """
        self._prepare(case == "cold")
        command = [sys.executable, "-m", f"scripts.{COMMAND}", "--horizon", str(self.horizon),
                   "--jobs", str(self.jobs), "--engine", self.engine]  # fmt: skip
        for option, path in inputs.files.items():
            own = self.home / INPUTS / f"{option.strip('-')}.csv"
            shutil.copyfile(path, own)
            command += [option, str(own)]
        output = self.work / "output" / f"{case}.txt"
        cost = run_watched(command, self._environment(inputs.today), output)
        stages = read_stages(self.home / FOLDERS["LOG_DIR"] / f"{COMMAND}.jsonl")
        if case == "cold":
            shutil.copytree(self.home, self.work / AFTER_COLD)
        return CaseRun(case, cost, tuple(stages))

    def windows(self) -> int:
        """Origins of the backtest of the version that was written last.

        Raises:
            ModelError: It has none.
        """
        metrics = read_dataset(self.home / FOLDERS["ML_RESULTS_PATH"], METRICS.name)
        origins = pc.unique(pc.drop_null(metrics["cutoff"]))
        if not len(origins):
            raise ModelError("cold: no origin of a backtest; take more --days.")
        return len(origins)

    def discard(self) -> None:
        """Remove what the runs left."""
        for name in (self.home.name, AFTER_COLD):
            shutil.rmtree(self.work / name, ignore_errors=True)

    def _prepare(self, cold: bool) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        if not cold:
            shutil.copytree(self.work / AFTER_COLD, self.home)
            return
        shutil.rmtree(self.work / AFTER_COLD, ignore_errors=True)
        (self.home / INPUTS).mkdir(parents=True)
        keep_outside(self.outside, self.home / FOLDERS["DATA_DIR"])

    def _environment(self, today: date) -> dict[str, str]:
        folders = {name: str(self.home / folder) for name, folder in FOLDERS.items()}
        fixed = {"TODAY": str(today), "SEED": str(self.seed)}
        return {**ONE_THREAD, **folders, **fixed}
