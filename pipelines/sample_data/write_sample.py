"""The files of a sample: what a user would bring, what was out when, and the planted truth."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.base import check
from ml.contracts.outside import OUTSIDE
from pipelines.sample_data import truth as demand
from pipelines.sample_data import weather, world
from pipelines.sample_data.items import FAMILIES, TIERS
from pipelines.sample_data.sample import Sample
from pipelines.sample_data.truth import Truth

if TYPE_CHECKING:
    from pipelines.sample_data.files import SampleFiles

# Tables of a sample that are written as they are.
PLAIN = ("items", "inventory", "prices", "open_orders", "receipts", "suppliers", "exposure")
PLANTED = ("anomalies", "dirt", "item_dirt", "stock_dirt")


def write_sample(sample: Sample, files: "SampleFiles") -> None:
    """Write the files of a sample; the same sample gives the same bytes."""
    for path in (files.outside, files.truth):
        path.mkdir(parents=True)
    # Whole units without a decimal point, as an ERP exports them; empty where not known.
    quantity = sample.observed["quantity"].astype("Int64")
    _write_csv(sample.observed.assign(quantity=quantity), files.demand)
    for name in PLAIN:
        _write_csv(getattr(sample, name), getattr(files, name))
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
    for name in PLANTED:
        _write_csv(getattr(sample, name), folder / f"{name}.csv")
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
