"""The truth sidecar of a sample: effects, planted faults and labels, rates and lost demand."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sample_data import business_calendar, demand, weather
from pipelines.sample_data.families import TIERS
from pipelines.sample_data.rollout import SITES
from pipelines.sample_data.sample import Sample
from pipelines.sample_data.truth import Truth


def write_truth(sample: Sample, folder: Path) -> None:
    """Write the truth of a sample into an existing folder.

    ``effects.json``: what moves the demand; ``items.csv``: true parameters of the items;
    ``events.csv``: life cycle; ``anomalies.csv``, ``dirt.csv``, ``item_dirt.csv``: what was
    planted; ``drivers.parquet``: one row a day; ``daily.parquet``: one row an item and day.
    """
    text = json.dumps(_effects(sample), indent=2) + "\n"
    (folder / "effects.json").write_text(text, encoding="utf-8")
    truth = sample.truth
    events = truth.life.events.assign(day=_days(truth)[truth.life.events["day"].to_numpy(int)])
    for name, frame in (
        ("items", _item_parameters(truth)),
        ("events", events),
        ("anomalies", sample.anomalies),
        ("dirt", sample.dirt),
        ("item_dirt", sample.item_dirt),
    ):
        frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    for name, table in (("drivers", _drivers(truth)), ("daily", _daily(truth))):
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")


def _effects(sample: Sample) -> dict[str, object]:
    effects = ("storm", "humidity", "fiveg")
    families = [asdict(family) for family in sample.families]
    return {
        "data": "SYNTHETIC",
        "families": {f["name"]: {name: f[name] for name in effects} for f in families},
        "humidity_weight": demand.HUMIDITY_WEIGHT,
        "storm_kernel": weather.STORM_KERNEL,
        "storm_quantile": weather.STORM_QUANTILE,
        "home_city": weather.HOME_CITY,
        "weekday_factors": business_calendar.WEEKDAY_FACTORS,
        "carnival_factor": business_calendar.CARNIVAL_FACTOR,
        "catch_up_factor": business_calendar.CATCH_UP_FACTOR,
        "holiday_factor": business_calendar.HOLIDAY_FACTOR,
        "year_end_factor": business_calendar.YEAR_END_FACTOR,
        "july_factor": business_calendar.JULY_FACTOR,
        "annual_sine": business_calendar.SINE_AMPLITUDE,
        "weekly_frailty": {"law": "gamma", "shape": demand.FRAILTY_SHAPE, "mean": 1.0},
    }


def _item_parameters(truth: Truth) -> pd.DataFrame:
    items = truth.items
    shares = {f"share_{site.site_id}": items.site_share[:, k] for k, site in enumerate(SITES)}
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
            "launch": _days(truth)[truth.life.launch],
            **shares,
        }
    )


def _drivers(truth: Truth) -> pa.Table:
    drivers = truth.drivers
    ramps = {f"ramp_{site.site_id}": drivers.site_ramp[k] for k, site in enumerate(SITES)}
    columns = {
        "ds": truth.days.astype("datetime64[us]"),
        "calendar": np.exp(drivers.log_calendar),
        "storm": drivers.storm,
        "humidity": drivers.humidity,
        **ramps,
    }
    return pa.table(columns)


def _daily(truth: Truth) -> pa.Table:
    """One row an item and day from its launch on."""
    item, day = np.nonzero(truth.launched)
    columns = {
        "item_id": np.array(truth.items.ids, dtype=object)[item],
        "ds": truth.days.astype("datetime64[us]")[day],
        "rate": truth.rate[item, day],
        "expected": truth.expected[item, day],
        "demand": truth.demand[item, day],
        "served": truth.stock.served[item, day],
        "lost": truth.lost[item, day],
        "is_stockout": truth.stock.empty[item, day],
    }
    return pa.table(columns)


def _days(truth: Truth) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.datetime_as_string(truth.days).astype(object)
