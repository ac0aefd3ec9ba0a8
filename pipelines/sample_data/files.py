"""The sample on disk: written once, whole or not at all, as files that a user would bring."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.base import check
from ml.contracts.outside import OUTSIDE
from ml.durable import discard_leftovers, disk_errors, make_folder, move_folder, sync_tree
from ml.errors import DataError
from pipelines.sample_data import truth as demand
from pipelines.sample_data import weather, world
from pipelines.sample_data.items import FAMILIES, TIERS
from pipelines.sample_data.outside import SOURCE
from pipelines.sample_data.sample import Sample, generate
from pipelines.sample_data.truth import Truth

GENERATOR_VERSION = 3  # raise it with every change of what is generated: samples are rewritten
ITEMS, DAYS, FIRST = 72, 1096, "2023-11-01"
MARK = "sample.json"
README = """SYNTHETIC DATA. Nothing in this folder was ever measured, bought, sold or observed.

It was drawn at random by Previsor's sample generator from a model of the demand for spare parts of
telecom towers, so that the whole job can be tried without data of one's own. Demand, stock,
prices, weather, economy and 5G figures are all made up, and so are the faults in the files.
Put your own files next to this folder, never into it: it is rewritten as a whole.

demand.csv, items.csv, inventory.csv, prices.csv   as a user brings them, with faults
open_orders.csv                                    what is on order, as suppliers promised it
receipts.csv                                       what the orders of two years took
exposure.csv                                       fuel that will be paid at the price of oil
outside/*.parquet                                  outside series as published, with lags
truth/                                             what was planted, to check results against
sample.json                                        version and seed of the generator
"""


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """Where the files of a sample lie; ``outside`` and ``truth`` are folders."""

    demand: Path
    items: Path
    inventory: Path
    prices: Path
    open_orders: Path
    receipts: Path
    exposure: Path
    outside: Path
    truth: Path


def ensure_sample(folder: Path, *, seed: int = 0, items: int = ITEMS) -> SampleFiles:
    """Write the sample into ``folder``, unless this very sample is there already.

    The sample has ``items`` items over 1,096 days up to 2026-10-31. It is written beside the
    folder, which is its own and made if missing, and renamed, so that no reader ever sees half.

    Raises:
        ValueError: Fewer than ten items.
        DataError: The folder holds something that is not a sample.
        MachineError: The disk refuses.
    """
    files = sample_paths(folder)
    mark = {
        "data": "SYNTHETIC",
        "source": SOURCE,
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "items": items,
        "days": DAYS,
        "first": FIRST,
        "files": sorted(path.name for path in asdict(files).values()),
    }
    if _is_current(folder, files, mark):
        return files
    _refuse_foreign(folder)
    with disk_errors(f"sample: writing '{folder}'", "Correct that and run again."):
        _make(folder, files, mark, seed, items)
    return files


def _make(folder: Path, files: SampleFiles, mark: dict[str, object], seed: int, items: int) -> None:
    make_folder(folder.parent)
    discard_leftovers(folder.parent, f".{folder.name}-*")
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        new = stage / "new"
        write_sample(generate(items, np.datetime64(FIRST), DAYS, seed), sample_paths(new))
        (new / "README.txt").write_text(README, encoding="utf-8")
        (new / MARK).write_text(json.dumps(mark, indent=2) + "\n", encoding="utf-8")
        sync_tree(new)
        if folder.exists():
            move_folder(folder, stage / "old")
        move_folder(new, folder)
    except OSError:
        if not _is_current(folder, files, mark):  # else another process was first
            raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def sample_paths(folder: Path) -> SampleFiles:
    """Where the files of a sample in ``folder`` lie, written or not."""
    names = ("demand", "items", "inventory", "prices", "open_orders", "receipts", "exposure")
    tables = {name: folder / f"{name}.csv" for name in names}
    return SampleFiles(**tables, outside=folder / "outside", truth=folder / "truth")


def write_sample(sample: Sample, files: SampleFiles) -> None:
    """Write the files of a sample; the same sample gives the same bytes."""
    for path in (files.outside, files.truth):
        path.mkdir(parents=True)
    # Whole units without a decimal point, as an ERP exports them; empty where not known.
    quantity = sample.observed["quantity"].astype("Int64")
    _write_csv(sample.observed.assign(quantity=quantity), files.demand)
    _write_csv(sample.items, files.items)
    _write_csv(sample.inventory, files.inventory)
    _write_csv(sample.prices, files.prices)
    _write_csv(sample.open_orders, files.open_orders)
    _write_csv(sample.receipts, files.receipts)
    _write_csv(sample.exposure, files.exposure)
    for contract in OUTSIDE:
        if contract.name in sample.outside:
            frame = sample.outside[contract.name]
            table = check(pa.Table.from_pandas(frame, preserve_index=False), contract)
            pq.write_table(table, files.outside / f"{contract.name}.parquet", compression="zstd")
    write_truth(sample, files.truth)


def write_truth(sample: Sample, folder: Path) -> None:
    """Write the truth of a sample into an existing folder.

    ``effects.json``: what moves the demand; ``items.csv``: true parameters of the items;
    ``events.csv``: life cycle; ``anomalies.csv``, ``dirt.csv``, ``item_dirt.csv`` and
    ``stock_dirt.csv``: what was planted; ``drivers.parquet``: one row a day;
    ``daily.parquet``: one row an item and day.
    """
    text = json.dumps(_effects(), indent=2) + "\n"
    (folder / "effects.json").write_text(text, encoding="utf-8")
    truth = sample.truth
    days = np.datetime_as_string(truth.days).astype(object)
    events = truth.life.events.assign(day=days[truth.life.events["day"].to_numpy(int)])
    _write_csv(_item_parameters(truth).assign(launch=days[truth.life.launch]), folder / "items.csv")
    _write_csv(events, folder / "events.csv")
    _write_csv(sample.anomalies, folder / "anomalies.csv")
    _write_csv(sample.dirt, folder / "dirt.csv")
    _write_csv(sample.item_dirt, folder / "item_dirt.csv")
    _write_csv(sample.stock_dirt, folder / "stock_dirt.csv")
    drivers = truth.drivers
    columns = {
        "ds": truth.days.astype("datetime64[us]"),
        "calendar": np.exp(drivers.log_calendar),
        "storm": drivers.storm,
        "humidity": drivers.humidity,
    }
    ramps = {f"ramp_{site}": drivers.site_ramp[k] for k, site in enumerate(world.SITES)}
    pq.write_table(pa.table(columns | ramps), folder / "drivers.parquet", compression="zstd")
    pq.write_table(_daily(truth), folder / "daily.parquet", compression="zstd")


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, lineterminator="\n")


def _effects() -> dict[str, object]:
    return {
        "data": "SYNTHETIC",
        "families": FAMILIES.set_index("name")[["storm", "humidity", "fiveg"]].to_dict("index"),
        "humidity_weight": demand.HUMIDITY_WEIGHT,
        "storm_kernel": weather.STORM_KERNEL,
        "storm_quantile": weather.STORM_QUANTILE,
        "home_city": weather.HOME_CITY,
        "weekday_factors": world.WEEKDAY_FACTORS,
        "carnival_factor": world.CARNIVAL_FACTOR,
        "catch_up_factor": world.CATCH_UP_FACTOR,
        "holiday_factor": world.HOLIDAY_FACTOR,
        "year_end_factor": world.YEAR_END_FACTOR,
        "july_factor": world.JULY_FACTOR,
        "annual_sine": world.SINE_AMPLITUDE,
        "weekly_frailty": {"law": "gamma", "shape": demand.FRAILTY_SHAPE, "mean": 1.0},
    }


def _item_parameters(truth: Truth) -> pd.DataFrame:
    items = truth.items
    shares = {f"share_{site}": items.site_share[:, k] for k, site in enumerate(world.SITES)}
    return pd.DataFrame(
        {
            "item_id": items.ids,
            "tier": [TIERS[tier] for tier in items.tier],
            "rate": items.rate,
            "log_size_mean": items.log_size,
            "log_size_std": items.size_spread,
            "mean_size": items.size_moments()[0],
            "pack": items.pack,
            "imported": items.imported,
            "launch": truth.life.launch,
            **shares,
        }
    )


def _daily(truth: Truth) -> pa.Table:
    """One row an item and day from its launch on."""
    item, day = np.nonzero(truth.launched)
    values = {
        "rate": truth.rate,
        "expected": truth.expected,
        "demand": truth.demand,
        "served": truth.stock.served,
        "lost": truth.lost,
        "is_stockout": truth.stock.empty,
    }
    key = {
        "item_id": np.array(truth.items.ids, dtype=object)[item],
        "ds": truth.days.astype("datetime64[us]")[day],
    }
    return pa.table(key | {name: array[item, day] for name, array in values.items()})


def _is_current(folder: Path, files: SampleFiles, mark: dict[str, object]) -> bool:
    try:
        written = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return written == mark and all(path.exists() for path in asdict(files).values())


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"sample: '{folder}' is a file. Name a folder of its own for the sample.")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise DataError(
            f"sample: folder '{folder}' holds files that are not a sample and would be lost. "
            "Name an empty folder or move them away."
        )
