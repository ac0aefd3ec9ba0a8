"""The plain recipes that users write, one model an item, timed fit by fit.

Usage: .venv/bin/python benchmarks/speed/recipes.py TASK.npz OUT.json JOBS prophet|auto_arima|lstm

TASK holds ``days`` (T,), ``values`` (N, T; NaN before a series starts), ``ends`` (periods that
each fit may see; the last is the whole history) and ``horizon``. OUT gets what
``benchmarks/speed/autoarima.py`` writes too: wall and processor seconds of all items, of the
windows before the last (``backtest``) and of the last (``final``); processor seconds of ``each``
item; and ``failures``. Imports and one fit before the clock starts are left out. Imports nothing
of this project: what it times is not ours.
"""

import json
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEASON = 7  # of the days of a week
LOOKBACK, UNITS, EPOCHS, BATCH = 30, 50, 20, 32  # of the network


@dataclass(frozen=True, slots=True)
class OneFit:
    """One fit and its forecast."""

    item: int  # its place in the task
    days: Any  # (t,)
    seen: Any  # (t,) demand, without gaps
    horizon: int  # periods ahead


def run_prophet(work: OneFit) -> Any:
    """The quick start of Prophet's documentation: its defaults, with intervals."""
    from prophet import Prophet

    model = Prophet()
    model.fit(pd.DataFrame({"ds": work.days, "y": work.seen}))
    return model.predict(model.make_future_dataframe(periods=work.horizon))


def run_auto_arima(work: OneFit) -> Any:
    """The quick start of pmdarima's: a stepwise search over seasonal orders of the week."""
    import pmdarima

    model = pmdarima.auto_arima(
        work.seen, seasonal=True, m=SEASON, suppress_warnings=True, error_action="ignore"
    )
    return model.predict(n_periods=work.horizon, return_conf_int=True)


def run_lstm(work: OneFit) -> Any:
    """A network of one layer from 30 scaled days to all steps ahead, 20 epochs."""
    import keras

    keras.utils.set_random_seed(0)
    keras.backend.clear_session()
    low, high = work.seen.min(), work.seen.max()
    scaled = (work.seen - low) / ((high - low) or 1.0)
    ahead = work.horizon
    windows = np.lib.stride_tricks.sliding_window_view(scaled, LOOKBACK + ahead)
    model = keras.Sequential(
        [keras.Input((LOOKBACK, 1)), keras.layers.LSTM(UNITS), keras.layers.Dense(ahead)]
    )
    model.compile(optimizer="adam", loss="mse")
    model.fit(
        windows[:, :LOOKBACK, None], windows[:, LOOKBACK:],
        epochs=EPOCHS, batch_size=BATCH, verbose=0,
    )  # fmt: skip
    return model.predict(scaled[None, -LOOKBACK:, None], verbose=0) * (high - low) + low


RECIPES: dict[str, Callable[[OneFit], Any]] = {
    "prophet": run_prophet,
    "auto_arima": run_auto_arima,
    "lstm": run_lstm,
}


def split_work(task: dict[str, Any]) -> tuple[list[OneFit], list[OneFit]]:
    """The fits of the backtest, and those of the whole history."""
    backtest, final = [], []
    last = int(max(task["ends"]))
    for item, row in enumerate(task["values"]):
        for end in task["ends"]:
            seen = row[:end]
            known = ~np.isnan(seen)
            work = OneFit(item, task["days"][:end][known], seen[known], int(task["horizon"]))
            (final if end == last else backtest).append(work)
    return backtest, final


def run_timed(recipe: str, work: OneFit) -> tuple[int, float, str]:
    """The item, processor seconds (those of Stan's processes too), and why it failed, if it did."""
    start = sum(os.times()[:4])
    failure = ""
    try:
        RECIPES[recipe](work)
    except Exception as error:  # noqa: BLE001 - told; what it cost until then counts
        failure = f"{recipe}, item {work.item}: {type(error).__name__}: {error}"
    return work.item, sum(os.times()[:4]) - start, failure


def start_pool(jobs: int, recipe: str, first: OneFit) -> Any:
    """Worker processes that have all done a fit before; forked ones would hang in Stan's."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(jobs + 1)
    pool = context.Pool(jobs, initializer=warm_up, initargs=(recipe, first, ready))
    ready.wait()
    return pool


def warm_up(recipe: str, first: OneFit, ready: Any) -> None:
    """Do a fit in a new worker, and wait for the others."""
    warnings.filterwarnings("ignore")  # of convergence, many an item
    run_timed(recipe, first)
    ready.wait()


def run_all(
    recipe: str, works: Sequence[OneFit], pool: Any
) -> tuple[float, list[tuple[int, float, str]]]:
    """Wall seconds of these fits, in a loop or over a pool, and each one's own."""
    start = time.perf_counter()
    one = partial(run_timed, recipe)
    found = list(map(one, works)) if pool is None else pool.map(one, works, chunksize=1)
    return time.perf_counter() - start, found


def main(task_file: Path, out: Path, jobs: int, recipe: str) -> None:
    """Time a recipe on every item of the task."""
    warnings.filterwarnings("ignore")
    with np.load(task_file, allow_pickle=False) as stored:
        task = {name: stored[name] for name in stored}
    backtest, final = split_work(task)
    pool = start_pool(jobs, recipe, backtest[0]) if jobs > 1 else None
    if pool is None:
        run_timed(recipe, backtest[0])
    each = [0.0] * len(task["values"])
    told: dict[str, Any] = {"items": len(each), "failures": []}
    for name, works in (("backtest", backtest), ("final", final)):
        wall, found = run_all(recipe, works, pool)
        told[name] = [wall, sum(spent for _, spent, _ in found)]
        for item, spent, failure in found:
            each[item] += spent
            told["failures"] += [failure] if failure else []
    if pool is not None:
        pool.close()
        pool.join()
    out.write_text(json.dumps(told | {"each": each}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
