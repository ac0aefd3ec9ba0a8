"""Our job at a cutoff: one command a cutoff, and what its version says."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.accuracy.cases import LEVELS, OURS, REFERENCE, SUM_LEVELS, Case, Prediction
from benchmarks.speed.job import FOLDERS
from benchmarks.speed.watch import ProcessCost, run_watched
from ml.artifacts.reading import read_dataset
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, quantile_name
from ml.errors import DataError, first_few
from ml.forecasters.registry import REFERENCES
from ml.panel import Floats
from ml.reporting.metrics import ENSEMBLE


def run_job(case: Case, jobs: int | None) -> tuple[Path, float]:
    """The results folder of the job, run in a workspace of the case, and the seconds it took.

    Models that are there serve again.
    """
    home = case.file.parent / str(case.origin)
    cost = run_at(case, home, jobs, output=home / "output.txt")
    return home / FOLDERS["ML_RESULTS_PATH"], cost.seconds


def run_at(
    case: Case, home: Path, jobs: int | None, *options: str, output: Path, **settings: str
) -> ProcessCost:
    """Run ``generate_ml_results`` at a case's cutoff, in folders below ``home``.

    Raises:
        ModelError: The job failed; its last line is in the message.
    """
    command = [
        sys.executable, "-m", "scripts.generate_ml_results", "--demand", str(case.file),
        "--as-of", str(case.origin), "--horizon", str(case.horizon), *options,
        "--all-models",  # each is scored on all items
    ]  # fmt: skip
    command += ["--jobs", str(jobs)] if jobs else []
    folders = {name: str(home / folder) for name, folder in FOLDERS.items()}
    return run_watched(command, folders | settings, output)


def read_version(case: Case, results: Path) -> list[Prediction]:
    """The ensemble and every component model of the newest version.

    Raises:
        DataError: The version is as of another day, of another horizon, or lacks items.
    """
    published = _of_items(read_dataset(results, FORECASTS.name), case)
    as_of = {str(day)[:10] for day in pc.unique(published["as_of"]).to_pylist()}
    if as_of - {str(case.origin)}:
        raise DataError(f"'{results}' is as of {sorted(as_of)}, the cutoff is {case.origin}.")
    found = [_prediction(ENSEMBLE, OURS, published, case)]
    parts = _of_items(read_dataset(results, FORECAST_MODELS.name), case)
    for name in sorted(pc.unique(parts["model"]).to_pylist()):
        rows = parts.filter(pc.equal(parts["model"], name))
        kind = REFERENCE if name in REFERENCES["demand"] else OURS
        found.append(_prediction(name, kind, rows, case, stand_in=found[0]))
    return found


def _of_items(table: pa.Table, case: Case) -> pa.Table:
    return table.filter(pc.is_in(table["item_id"], value_set=pa.array(case.items)))


def _prediction(
    model: str, kind: str, rows: pa.Table, case: Case, *, stand_in: Prediction | None = None
) -> Prediction:
    """Rows as arrays; items that a component failed on are forecast by ``stand_in``, as published.

    Raises:
        DataError: There are not H rows of every item.
    """
    order = [("item_id", "ascending"), ("horizon_step", "ascending")]
    rows = rows.sort_by(order)
    known = pc.unique(rows["item_id"]).to_pylist()
    missing = sorted(set(case.items) - set(known))
    if rows.num_rows != len(known) * case.horizon or (missing and stand_in is None):
        raise DataError(
            f"{model}: {rows.num_rows} rows of {len(known)} items; wanted are {len(case.items)} "
            f"items with {case.horizon} steps each. First without: {first_few(missing)}."
        )
    quantiles = _columns(rows, [quantile_name(level) for level in LEVELS], case.horizon)
    mean = _columns(rows, ["forecast"], case.horizon)[..., 0]
    tails = [f"cum_{quantile_name(level)}" for level in SUM_LEVELS]
    sums = _columns(rows, tails, case.horizon)[:, [steps - 1 for steps in case.sums]]
    if not missing or stand_in is None:
        return Prediction(model, kind, quantiles, mean, sums)
    own = np.isin(case.items, known)
    whole = Prediction(model, kind, stand_in.quantiles.copy(), stand_in.mean.copy(),
                       None if stand_in.sums is None else stand_in.sums.copy(),
                       own=float(own.mean()))  # fmt: skip
    whole.quantiles[own], whole.mean[own] = quantiles, mean
    if whole.sums is not None:
        whole.sums[own] = sums
    return whole


def _columns(rows: pa.Table, names: list[str], horizon: int) -> Floats:
    """Columns as (N, H, columns)."""
    stacked = np.stack([rows[name].to_numpy() for name in names], axis=1)
    return stacked.reshape(-1, horizon, len(names)).astype(np.float64)
