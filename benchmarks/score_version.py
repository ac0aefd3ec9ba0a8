"""Score a version made with --as-of against what came true since.

Usage: .venv/bin/python benchmarks/score_version.py RESULTS DEMAND

RESULTS is a results folder, whose newest version is scored; DEMAND the file that the run was made
on, with the periods after as_of in it. Items that were not observed throughout are left out.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.artifacts.reading import read_dataset
from ml.evaluation.scores import pinball
from pipelines.intake.read_tables import read_tables
from pipelines.intake.request import ReadingRequest

DECILES = [round(0.1 * k, 1) for k in range(1, 10)]


def complete_items(demand: pa.Table) -> pa.Array:
    """Items with a value in every period of the file."""
    periods = len(pc.unique(demand["ds"]))
    seen = (
        demand.filter(pc.is_valid(demand["y"])).group_by("item_id").aggregate([([], "count_all")])
    )
    return seen.filter(pc.equal(seen["count_all"], periods))["item_id"].combine_chunks()


def score(rows: pa.Table) -> tuple[float, float]:
    """Weighted quantile loss at .1 to .9, and bias of the mean over the sum of actuals."""
    actual = rows["y"].to_numpy()
    losses = [pinball(actual, rows[f"q{round(100 * q):02d}"].to_numpy(), q).sum() for q in DECILES]
    bias = (rows["forecast"].to_numpy().sum() - actual.sum()) / actual.sum()
    return 2 * float(np.mean(losses)) / float(np.abs(actual).sum()), float(bias)


def main(results: Path, file: Path) -> None:
    """Print one line a model, best first."""
    request = ReadingRequest(files={"demand": file}, today=datetime.now(UTC).date())
    demand = read_tables(request).tables["demand"]
    kept = complete_items(demand)
    demand = demand.filter(pc.is_in(demand["item_id"], value_set=kept)).select(
        ["item_id", "ds", "y"]
    )
    ensemble = read_dataset(results, "forecasts")
    models = read_dataset(results, "forecast_models")
    tables = {"ensemble": ensemble.join(demand, ["item_id", "ds"], join_type="inner")}
    if not tables["ensemble"].num_rows:
        sys.exit(f"{results}: no forecast of its newest version is of a period in {file.name}")
    joined = models.join(demand, ["item_id", "ds"], join_type="inner")
    for name in pc.unique(models["model"]).to_pylist():
        tables[name] = joined.filter(pc.equal(joined["model"], name))
    print(f"{len(kept)} items, {tables['ensemble'].num_rows} forecasts")
    found = {name: score(rows) for name, rows in tables.items()}
    for name, (loss, bias) in sorted(found.items(), key=lambda pair: pair[1][0]):
        print(f"{name:<16} WQL {loss:.4f}   bias of the mean {bias:+.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
