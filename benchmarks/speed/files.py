"""What the job is given: a synthetic panel of any size, and what changes of it from run to run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.outside import OUTSIDE
from ml.processed import changing, write_tables
from ml.seeds import generator, number
from pipelines.sample_data.sample import Sample, generate

CASES = ("cold", "next night", "revised", "stock only")
LAST = np.datetime64("2026-10-30")  # day that the cold run forecasts from
BATCH = 2000  # most items that are drawn at once: the generator holds them all in memory
REVISED_SHARE = 0.05  # of the items
REVISED_LINES = 5  # last lines with demand of such an item, each a unit more
COUNTED_MORE = 5  # most units by which a count differs where only the stock changed


@dataclass(frozen=True, slots=True)
class CaseInputs:
    """What a run reads, and the day on which it runs."""

    files: Mapping[str, Path]  # by option of the job
    today: date


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn for all cases."""

    cases: Mapping[str, CaseInputs]
    outside: Mapping[str, pa.Table]  # as published
    # clean daily demand of the first batch until the cold run's last day, a column an item
    series: pd.DataFrame


def draw_inputs(folder: Path, *, items: int, days: int, seed: int) -> Drawn:
    """Draw ``items`` items over ``days`` days and one more, and write the files of every case.

    Items beyond the first 2,000 come in batches that are drawn on their own, with weather of their
    own, so that the outside tables foretell only the first.

    Raises:
        ValueError: Fewer than ten items or 60 days.
    """
    folder.mkdir(parents=True)
    outside, series = {}, pd.DataFrame()
    for name, sample in _draw_batches(items, days + 1, seed):
        if not outside:
            outside, series = _outside_tables(sample), _sum_days(sample.clean)
        for file, frame in _tables(sample, name, seed).items():
            path = folder / file
            frame.to_csv(path, mode="a", header=not path.exists(), index=False)
    return Drawn(_list_cases(folder), outside, series)


def keep_outside(outside: Mapping[str, pa.Table], data_dir: Path) -> None:
    """Write the outside tables where the job finds what was collected."""
    with changing(data_dir):
        write_tables(data_dir, outside)


def _draw_batches(items: int, days: int, seed: int) -> Iterator[tuple[str, Sample]]:
    """Samples that end on the day after ``LAST``, and what is added to the ids of their items."""
    sizes = [len(part) for part in np.array_split(np.arange(items), -(-items // BATCH))]
    first = LAST + 2 - days
    for place, size in enumerate(sizes):
        yield f"-{place}" if place else "", generate(size, first, days, seed + place)


def _renamed(frame: pd.DataFrame, suffix: str) -> pd.DataFrame:
    return frame.assign(item_id=frame["item_id"] + suffix) if suffix else frame


def _tables(sample: Sample, suffix: str, seed: int) -> dict[str, pd.DataFrame]:
    """The files of all cases by name, of one batch."""
    whole, stock = _renamed(sample.observed, suffix), _renamed(sample.inventory, suffix)
    whole = whole.assign(quantity=whole["quantity"].astype("Int64"))
    before = whole[whole["date"] != str(LAST + 1)]
    counted = stock.assign(
        snapshot_at=stock["snapshot_at"].where(stock["snapshot_at"].isna(), str(LAST))
    )
    more = generator(seed, "stock only", suffix).integers(0, COUNTED_MORE + 1, len(stock))
    return {
        "demand.csv": before,
        "demand_next_night.csv": whole,
        "demand_revised.csv": revise(before, seed),
        "items.csv": _renamed(sample.items, suffix),
        "inventory.csv": counted,
        "inventory_next_night.csv": stock,
        "inventory_stock_only.csv": counted.assign(on_hand=counted["on_hand"] + more),
    }


def revise(demand: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The file with a revised history of one item in twenty: its last demands are a unit more."""
    asked = demand[demand["quantity"] > 0]
    known = sorted(asked["item_id"].unique(), key=lambda item: number(seed, "revised", item))
    chosen = known[: max(1, round(REVISED_SHARE * demand["item_id"].nunique()))]
    lines = asked[asked["item_id"].isin(chosen)].groupby("item_id").tail(REVISED_LINES).index
    changed = demand["quantity"].copy()
    changed[lines] += 1
    return demand.assign(quantity=changed)


def _list_cases(folder: Path) -> dict[str, CaseInputs]:
    plain = {
        "--demand": folder / "demand.csv",
        "--items-file": folder / "items.csv",
        "--inventory": folder / "inventory.csv",
    }
    changed = {
        "cold": {},
        "next night": {
            "--demand": folder / "demand_next_night.csv",
            "--inventory": folder / "inventory_next_night.csv",
        },
        "revised": {"--demand": folder / "demand_revised.csv"},
        "stock only": {"--inventory": folder / "inventory_stock_only.csv"},
    }
    later = {case: 2 if case == "next night" else 1 for case in CASES}
    return {
        case: CaseInputs(plain | changed[case], (LAST + later[case]).astype(object))
        for case in CASES
    }


def _outside_tables(sample: Sample) -> dict[str, pa.Table]:
    return {
        contract.name: check(
            pa.Table.from_pandas(sample.outside[contract.name], preserve_index=False), contract
        )
        for contract in OUTSIDE
        if contract.name in sample.outside
    }


def _sum_days(clean: pd.DataFrame) -> pd.DataFrame:
    """Demand by day (rows) and item (columns), NaN before an item starts."""
    known = clean[clean["date"] <= str(LAST)]
    sums = known.groupby(["date", "item_id"])["quantity"].sum().unstack("item_id")
    started = sums.notna().cummax()
    return sums.fillna(0.0).where(started)
