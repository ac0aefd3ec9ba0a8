"""How often drift of outside series is told without a change, and how often a planted one is.

Made-up weather of days with a season, rates of working days that wander with large steps, some of
them shared, and indices of months. One series changes: it has another unit, stands still, or is
not published, all at its end.

Usage: PYTHONPATH=. .venv/bin/python benchmarks/drift_outside.py [--nights 200]
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import pyarrow.compute as pc
import typer

from ml.drift.detect import RATE, Watched, find_drift
from ml.frequency import Frequency, period_range
from ml.panel import Floats
from ml.seeds import generator

FIRST = {"D": "2022-12-04", "B": "2022-12-05", "MS": "2020-07-01"}
LAST = np.datetime64("2025-12-31")
RECENT = {"D": 10, "B": 10, "MS": 3}  # periods that a change lasts
Change = Callable[[Floats, int], None]


def _weather(count: int, rng: np.random.Generator) -> list[Floats]:
    """Four each of temperature, humidity and rain."""
    season = np.sin(2 * np.pi * (np.arange(count) / 365.25 + rng.random()))
    rows = []
    for number in range(12):
        shocks = rng.normal(size=count)
        for day in range(1, count):
            shocks[day] += 0.7 * shocks[day - 1]
        wet = rng.random(count) < 0.35 + 0.2 * season
        rain = np.where(wet, rng.gamma(0.7, 12 * (1 + 0.4 * season)), 0.0)
        humidity = 70 + 8 * season + 5 * shocks * (1 + 0.3 * season)
        rows.append((25 + 4 * season + 1.2 * shocks, humidity, rain)[number % 3])
    return rows


def _rates(count: int, rng: np.random.Generator) -> list[Floats]:
    shared = rng.standard_t(5, count)
    walks = [np.cumsum(0.008 * (0.5 * shared + rng.standard_t(5, count))) for _ in range(5)]
    meetings = 13.75 - 0.25 * np.cumsum(rng.random(count // 30 + 1) < 0.5)
    return [*map(np.exp, walks), np.repeat(meetings, 30)[:count]]


def _indices(count: int, rng: np.random.Generator) -> list[Floats]:
    rising = [100 * np.exp(np.cumsum(rng.normal(0.002, 0.01, count))) for _ in range(3)]
    return [*(rng.normal(0.4, 0.3, count) for _ in range(3)), *rising]


def _rescale(row: Floats, periods: int) -> None:
    row[-periods:] *= 100


def _stop(row: Floats, periods: int) -> None:
    row[-periods:] = row[-periods - 1]


def _leave_out(row: Floats, periods: int) -> None:
    row[-periods - 1 : -1] = np.nan


DRAW = {"D": _weather, "B": _rates, "MS": _indices}
CHANGES: dict[str, Change | None] = {
    "none": None, "a hundredfold": _rescale, "stands still": _stop, "not published": _leave_out,
}  # fmt: skip


def look(frequency: str, change: Change | None, seed: int) -> set[str]:
    """Names of the series that a night finds changed; `s00` is the one that may be."""
    rng = generator(seed, "outside bench", frequency)
    periods = period_range(np.datetime64(FIRST[frequency]), LAST, Frequency(frequency))
    values = np.array(DRAW[frequency](len(periods), rng))
    if change is not None:
        change(values[0], RECENT[frequency])
    names = tuple(f"s{row:02d}" for row in range(len(values)))
    watched = Watched(f"outside_{frequency}", "feature", names, periods, values,
                      Frequency(frequency))  # fmt: skip
    table = find_drift(watched, rate=RATE / 2, seed=seed)
    return set(table.filter(pc.field("found"))["name"].to_pylist())


def main(nights: Annotated[int, typer.Option(min=1)] = 200) -> None:
    """Print on how many nights anything is told, and the changed series is."""
    for frequency in DRAW:
        for word, change in CHANGES.items():
            count = nights if change is None else max(nights // 4, 1)
            found = [look(frequency, change, seed) for seed in range(count)]
            told, right = sum(map(bool, found)), sum("s00" in one for one in found)
            print(f"| {frequency} | {word} | {told} of {count} | {right} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
