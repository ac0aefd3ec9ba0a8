"""Forecasts of statsforecast, made in an environment of its own: it needs pandas below 3.

Usage: .venv-peers/bin/python benchmarks/accuracy/peers.py TASK.npz FOLDER MODEL...

TASK holds ``items``, ``periods``, ``values`` (N, T; NaN before a series starts), ``frequency``,
``season``, ``horizon``, ``levels`` and ``jobs``; each model leaves ``FOLDER/MODEL.npz`` with
``quantiles`` (N, H, L), ``mean`` (N, H) and ``seconds``. Imports nothing of this project.
"""

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast import models as library
from statsforecast.utils import ConformalIntervals

MOST_WINDOWS = 5  # of conformal intervals
SMOOTHING = 0.1  # of TSB, both constants


def model_named(name: str, season: int, length: int, horizon: int) -> Any:
    """A model of the library with its own defaults.

    Those without a distribution get conformal intervals from as many windows as leave two
    horizons to learn from of the shortest history, ``length``, but at least two.
    """
    windows = max(2, min(MOST_WINDOWS, length // horizon - 2))
    intervals = ConformalIntervals(n_windows=windows, h=horizon)
    match name:
        case "TSB":
            return library.TSB(SMOOTHING, SMOOTHING, prediction_intervals=intervals)
        case "CrostonSBA" | "ADIDA" | "IMAPA":
            return getattr(library, name)(prediction_intervals=intervals)
        case _:
            return getattr(library, name)(season_length=season, alias=name)


def forecast(name: str, task: dict[str, Any]) -> dict[str, Any]:
    """Mean and quantiles of one model for all items, never below zero.

    Demand is known to be no less than zero, so cutting what lies below costs a peer nothing and
    helps it. A series that a model fails on gets the library's own seasonal naive.
    """
    values, levels = task["values"], task["levels"]
    horizon, season = int(task["horizon"]), int(task["season"])
    items, length = values.shape
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(items), length),
            "ds": np.tile(task["periods"].astype("datetime64[ns]"), items),
            "y": values.ravel(),
        }
    ).dropna()
    shortest = int((~np.isnan(values)).sum(axis=1).min())
    model = model_named(name, season, shortest, horizon)
    runner = StatsForecast(
        [model], freq=str(task["frequency"]), n_jobs=int(task["jobs"]),
        fallback_model=library.SeasonalNaive(season_length=season),
    )  # fmt: skip
    widths = sorted({round(200 * abs(level - 0.5)) for level in levels} - {0})
    start = time.perf_counter()
    found = runner.forecast(df=frame, h=horizon, level=widths).sort_values(["unique_id", "ds"])
    seconds = time.perf_counter() - start
    columns = [column_of(str(model), level) for level in levels]
    quantiles = found[columns].to_numpy(float).reshape(items, horizon, len(levels))
    mean = found[str(model)].to_numpy(float).reshape(items, horizon)
    ordered = np.sort(np.maximum(quantiles, 0.0), axis=2)
    return {"quantiles": ordered, "mean": np.maximum(mean, 0.0), "seconds": seconds}


def column_of(model: str, level: float) -> str:
    """Column of a quantile: the library names the ends of central intervals."""
    width = round(200 * abs(level - 0.5))
    if width == 0:
        return model
    return f"{model}-{'lo' if level < 0.5 else 'hi'}-{width}"


def main(task_file: Path, folder: Path, names: list[str]) -> None:
    """Run each model and leave what it said."""
    warnings.filterwarnings("ignore")  # the library's own, many a series
    with np.load(task_file, allow_pickle=False) as stored:
        task = {name: stored[name] for name in stored}
    for name in names:
        found = forecast(name, task)
        staged = folder / f".{name}.npz"
        with staged.open("wb") as stream:
            np.savez(stream, **found)
        staged.replace(folder / f"{name}.npz")
        print(f"{name}: {len(task['values'])} series, {found['seconds']:.1f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
