"""Facts of small versions: six items of demand by day, two prices, stock and orders."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from ml.contracts.forecasts import QUANTILES, quantile_name
from ml.frequency import Frequency, periods_after
from ml.gate.facts import Facts, Orders, TableFacts, describe_forecasts

ITEMS = {"A": 1.0, "B": 2.0, "C": 4.0, "D": 0.5, "E": 8.0, "F": 0.1}
SPREAD = dict(zip(QUANTILES, (0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.5, 2, 3, 4, 6), strict=True))


def rows(items=ITEMS, *, kind="demand", frequency="D", as_of="2026-11-18", horizon=5, every=1):
    """FORECASTS rows, as far as facts need them: each item at its own level, on all days."""
    first = datetime.fromisoformat(as_of)
    due = periods_after(np.datetime64(as_of), horizon * every, Frequency(frequency))[::every]
    keys = [(item, n) for item in items for n in range(1, horizon + 1)]
    count = len(keys)
    columns = {
        "item_id": [item for item, _ in keys],
        "ds": pa.array(np.tile(due.astype("datetime64[us]"), len(items))),
        "frequency": [frequency] * count,
        "as_of": pa.array([first] * count, pa.timestamp("us")),
        "kind": [kind] * count,
        "forecast": [items[item] for item, _ in keys],
        "is_fallback": [False] * count,
    }
    columns |= {
        quantile_name(level): [items[item] * factor for item, _ in keys]
        for level, factor in SPREAD.items()
    }
    return pa.table(columns)


def facts(forecasts=None, **changes):
    """The facts of a version with these FORECASTS rows, and of sound files."""
    forecasts = rows() if forecasts is None else forecasts
    stock = TableFacts(ids=6, lacking=0, demanded=6, last="2026-11-19", total=500.0, lines=6,
                       set_aside=0)  # fmt: skip
    sound = Facts(
        version_id="20261120T021503Z-00000001",
        sources={"demand": "user_files"},
        panels=describe_forecasts(forecasts, dict.fromkeys(ITEMS, 10.0)),
        tables={"demand": TableFacts(ids=6, lines=1000, set_aside=3),
                "items": TableFacts(ids=6, lacking=0, demanded=6), "inventory": stock},
        bias={"demand": 0.1},
        coverage={"demand": 0.8},
        orders=Orders(items=6, count=3, value={"BRL": 300.0}),
    )  # fmt: skip
    return replace(sound, **changes)


def table(name, **changes):
    """The tables of :func:`facts`, one of them changed."""
    known = facts().tables
    return {**known, name: replace(known[name], **changes)}
