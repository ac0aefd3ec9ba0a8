"""The peers' models, run in their own environment; what was run before is used again."""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy.cases import LEVELS, PEER, Case, Prediction
from ml.errors import ConfigError, ModelError
from ml.panel import Floats

PYTHON = Path(".venv-peers/bin/python")
SCRIPT = Path(__file__).with_name("peers.py")
AVERAGED = ("AutoARIMA", "AutoETS", "AutoCES", "DynamicOptimizedTheta")
AVERAGE = "statistical ensemble"  # mean of the quantiles of those four
MODELS = (
    "SeasonalNaive", "AutoETS", "AutoCES", "DynamicOptimizedTheta", "AutoTheta", "CrostonSBA",
    "TSB", "ADIDA", "IMAPA", "AutoARIMA",
)  # fmt: skip


def run_peers(case: Case, names: Sequence[str], jobs: int | None) -> list[Prediction]:
    """Forecasts of the named models for the case's items, and the ensemble of four of them.

    Raises:
        ConfigError: The peers' environment is missing.
        ModelError: A model failed as a whole, or left numbers out.
    """
    if not PYTHON.exists():
        raise ConfigError(f"{PYTHON}: is missing. Run make .venv-peers/ready, or --skip-peers.")
    folder = _folder(case)
    missing = [name for name in names if not (folder / f"{name}.npz").exists()]
    if missing:
        task = folder / "task.npz"
        _write_task(case, task, jobs or 1)
        done = subprocess.run([str(PYTHON), str(SCRIPT), str(task), str(folder), *missing],
                              stderr=subprocess.PIPE, text=True, check=False)  # fmt: skip
        if done.returncode:
            last = " ".join(done.stderr.strip().splitlines()[-1:])
            raise ModelError(f"peers: {', '.join(missing)}: stopped with: {last}")
    found = [_read(folder, name) for name in names]
    if set(AVERAGED) <= set(names):
        found.append(_average([one for one in found if one.model in AVERAGED]))
    broken = [one.model for one in found if not one.complete]
    if broken:
        raise ModelError(f"peers: {len(broken)} models left numbers out: {broken}.")
    return found


def without_gaps(values: Floats, season: int) -> Floats:
    """Gaps filled by the value one season earlier, else by zero: peers know no missing values.

    What lies before a series starts stays NaN: it is left out of what the peers are given.
    """
    filled = values.copy()
    started = np.maximum.accumulate(~np.isnan(values), axis=1)
    for place in range(filled.shape[1]):
        gaps = np.isnan(filled[:, place]) & started[:, place]
        before = filled[:, place - season] if place >= season else np.zeros(len(filled))
        filled[gaps, place] = np.nan_to_num(before[gaps])
    return filled


def _folder(case: Case) -> Path:
    key = repr(case.items) + SCRIPT.read_text(encoding="utf-8")
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    folder = case.file.parent / str(case.origin) / "peers" / digest
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_task(case: Case, path: Path, jobs: int) -> None:
    frequency = case.panel.frequency.value
    if frequency == "W":
        frequency = "7D"  # whatever weekday the weeks start on
    np.savez(
        path, allow_pickle=False, items=np.asarray(case.items), season=case.season, jobs=jobs,
        values=without_gaps(case.seen, case.season), levels=np.asarray(LEVELS),
        periods=case.panel.until(case.origin).periods, horizon=case.horizon, frequency=frequency,
    )  # fmt: skip


def _read(folder: Path, name: str) -> Prediction:
    with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:
        return Prediction(name, PEER, stored["quantiles"], stored["mean"], None,
                          float(stored["seconds"]))  # fmt: skip


def _average(parts: Sequence[Prediction]) -> Prediction:
    quantiles = np.mean([part.quantiles for part in parts], axis=0)
    mean = np.mean([part.mean for part in parts], axis=0)
    return Prediction(AVERAGE, PEER, quantiles, mean, None,
                      sum(part.seconds or 0.0 for part in parts))  # fmt: skip
