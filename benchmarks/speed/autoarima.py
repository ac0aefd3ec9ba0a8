"""AutoARIMA of statsforecast, timed in an environment of its own: it needs pandas below 3.

Usage: .venv-peers/bin/python benchmarks/speed/autoarima.py TASK.npz OUT.json JOBS

TASK and OUT are those of ``benchmarks/speed/recipes.py``. The backtest is the library's own
``cross_validation`` over as many windows, one horizon apart; the search of orders is repeated in
each, as it is by default. What is compiled or loaded at the first fit is left out.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import AutoARIMA

SEASON = 7
LEVELS = [80, 95]  # widths of the intervals that are asked for [%]


def tabulate_series(task: dict[str, Any]) -> pd.DataFrame:
    """The series as the library takes them, from the first day of each."""
    items, length = task["values"].shape
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(items), length),
            "ds": np.tile(task["days"].astype("datetime64[ns]"), items),
            "y": task["values"].ravel(),
        }
    )
    return frame.dropna()


def time_call(call: Callable[[], Any]) -> list[float]:
    """Wall and processor seconds, those of finished child processes too."""
    start, spent = time.perf_counter(), sum(os.times()[:4])
    call()
    return [time.perf_counter() - start, sum(os.times()[:4]) - spent]


def main(task_file: Path, out: Path, jobs: int) -> None:
    """Time both on all items of the task at once."""
    warnings.filterwarnings("ignore")
    with np.load(task_file, allow_pickle=False) as stored:
        task = {name: stored[name] for name in stored}
    frame, horizon = tabulate_series(task), int(task["horizon"])
    windows = len(task["ends"]) - 1
    runner = StatsForecast([AutoARIMA(season_length=SEASON)], freq="D", n_jobs=jobs)
    first = frame[frame["unique_id"] == frame["unique_id"].iloc[0]]
    # Alone in this process, so that the workers, which are forked, have it loaded.
    StatsForecast([AutoARIMA(season_length=SEASON)], freq="D").forecast(df=first, h=horizon)
    told = {
        "items": len(task["values"]),
        "backtest": time_call(
            lambda: runner.cross_validation(
                df=frame, h=horizon, n_windows=windows, step_size=horizon, level=LEVELS
            )
        ),
        "final": time_call(lambda: runner.forecast(df=frame, h=horizon, level=LEVELS)),
        "each": [],
        "failures": [],
    }
    out.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
