"""Our job on each case, as a user runs it: one command, in folders of its own."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.speed.files import CaseInputs, keep_outside
from benchmarks.speed.stages import StageCost, read_stages
from benchmarks.speed.watch import ProcessCost, run_watched
from ml.artifacts.reading import read_dataset
from ml.contracts.metrics import METRICS
from ml.errors import ModelError
from ml.run.parallel import ONE_THREAD

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
