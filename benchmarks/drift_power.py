"""How often drift is told on nights without a change, and what of planted changes it finds.

Made-up panels whose items share shocks that last: counts with negative binomial noise, from slow
movers to fast ones, lumpy ones among them, and some that changed their level long ago.

Usage: PYTHONPATH=. .venv/bin/python benchmarks/drift_power.py [--nights 200] [--items 300]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pyarrow.compute as pc
import typer

from ml.drift.detect import RATE, Watched, find_drift
from ml.drift.windows import LENGTHS
from ml.frequency import Frequency, period_range
from ml.panel import Bools, Floats, Ints
from ml.seeds import generator

TIERS = {"slow": (0.0, 0.2), "medium": (0.2, 1.5), "fast": (1.5, np.inf)}  # units a period
CHANGES = (1.2, 1.5, 2.0)
PAST_CHANGE = 0.05  # share of items whose level changed in the history


@dataclass(frozen=True, slots=True)
class World:
    """How demand comes about."""

    name: str
    frequency: Frequency
    first: str  # first period
    last: str  # last period
    rates: tuple[float, float]  # units a period of the slowest and the fastest item
    shock: float  # standard deviation of what the items share, of the log of the rate
    memory: float  # share of a shock that is left after a period
    season: float = 0.0  # amplitude of the year, of the log of the rate


_MONTHS = (Frequency.MONTHLY, "2021-01-01", "2025-12-01", (0.05, 8.0))
_DAYS = (Frequency.DAILY, "2024-01-01", "2025-12-31", (0.01, 4.0))
WORLDS = (
    World("months, own noise only", *_MONTHS, shock=0.0, memory=0.0),
    World("months, shared shocks", *_MONTHS, shock=0.2, memory=0.5),
    World("days, own noise only", *_DAYS, shock=0.0, memory=0.0),
    World("days, shared shocks", *_DAYS, shock=0.2, memory=0.9),
    World("days, shared seasons", Frequency.DAILY, "2022-12-04", *_DAYS[2:], shock=0.1, memory=0.9,
          season=0.3),
)  # fmt: skip
# Two years have met each season once before: what that does to the rate is in docs/watching.md.
SHORT = World("days, shared seasons, two years", *_DAYS, shock=0.1, memory=0.9, season=0.3)


@dataclass(frozen=True, slots=True)
class Night:
    """What one night found."""

    told: bool  # whether anything was
    together: bool  # whether the panel as a whole was
    found: Bools  # (N,) items
    changed: Bools  # (N,) those that did change
    rates: Floats  # (N,) units a period before


def draw_panel(
    world: World, items: int, rng: np.random.Generator, factor: float = 1.0, share: float = 0.1
) -> tuple[Watched, Bools, Floats]:
    """A panel whose last periods have ``factor`` times the rate for a ``share`` of the items.

    And which items these are, and all rates before.
    """
    first, last = np.datetime64(world.first), np.datetime64(world.last)
    periods = period_range(first, last, world.frequency)
    count, window = len(periods), LENGTHS[world.frequency.value]
    rates = np.geomspace(*world.rates, items)
    loads = rng.uniform(0.5, 1.5, items)[:, None]
    steps = rng.normal(0, world.shock * np.sqrt(1 - world.memory**2), count)
    shared = np.zeros(count)
    shared[0] = rng.normal(0, world.shock)
    for t in range(1, count):
        shared[t] = world.memory * shared[t - 1] + steps[t]
    days = (periods - first).astype(int) / 365.25
    shared += world.season * np.sin(2 * np.pi * (days + rng.random()))
    log_rate = np.log(rates)[:, None] + loads * shared
    old = np.flatnonzero(rng.random(items) < PAST_CHANGE)
    since: Ints = rng.integers(count // 4, count // 2, len(old))
    for row, start in zip(old, since, strict=True):
        log_rate[row, :start] += rng.choice([-1, 1]) * np.log(2)
    changed = rng.random(items) < share if factor != 1 else np.zeros(items, bool)
    log_rate[changed, -window:] += np.log(factor)
    values = rng.poisson(np.exp(log_rate) * rng.gamma(3.0, 1 / 3.0, log_rate.shape)).astype(float)
    values[::5] *= 6  # lumpy: handed out in packs
    names = tuple(f"PART-{i:05d}" for i in range(items))
    return Watched(world.name, "item", names, periods, values, world.frequency), changed, rates


def nights(
    world: World, count: int, items: int, factor: float = 1.0, share: float = 0.1
) -> Iterator[Night]:
    """So many nights, each on a panel of its own."""
    for number in range(count):
        rng = generator(number, "drift bench", world.name, str(factor), str(share))
        watched, changed, rates = draw_panel(world, items, rng, factor, share)
        table = find_drift(watched, seed=number)
        hits = set(table.filter(pc.field("found"))["name"].to_pylist())
        found = np.array([name in hits for name in watched.items])
        yield Night(bool(hits), "ALL" in hits, found, changed, rates)


def power_row(found: list[Night]) -> list[str]:
    """Shares of nights told and of changed items found by tier, and the share of false ones."""
    cells = [f"{np.mean([night.told for night in found]):.0%}"]
    for low, high in TIERS.values():
        tier = [(n.found & n.changed & (n.rates >= low) & (n.rates < high)).sum() for n in found]
        of = [(n.changed & (n.rates >= low) & (n.rates < high)).sum() for n in found]
        cells.append(f"{sum(tier) / max(sum(of), 1):.0%}")
    false = [(n.found & ~n.changed).sum() / max(n.found.sum(), 1) for n in found]
    return [*cells, f"{np.mean(false):.1%}"]


def main(
    count: Annotated[int, typer.Option("--nights", min=1)] = 200,
    items: Annotated[int, typer.Option(min=10)] = 300,
) -> None:
    """Print false alarms by world, then what is found of planted changes."""
    print(f"{items} items; told at most on {RATE:.0%} of nights without a change")
    for world in (*WORLDS, SHORT):
        quiet = list(nights(world, count, items))
        alarms = sum(night.told for night in quiet)
        together = sum(night.together for night in quiet)
        print(f"| {world.name} | {alarms} of {count} | {together} |", flush=True)
    for world in WORLDS:
        for share, word in ((0.1, "a tenth"), (1.0, "all")):
            for factor in CHANGES:
                found = list(nights(world, max(count // 10, 1), items, factor, share))
                together = f"{np.mean([night.together for night in found]):.0%}"
                cells = [world.name, word, f"+{factor - 1:.0%}", *power_row(found), together]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
