"""Small versions with every kind of column and with ids that mean harm, for the server to serve."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from ml.artifacts import version as local
from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.staging import Provenance
from ml.contracts.base import Column, Contract
from ml.contracts.forecasts import FORECASTS, REFUSALS
from ml.contracts.metrics import METRICS
from pipelines.publish.publishing import newest_local
from tests.ml.artifacts.conftest import made
from tests.pipelines.publish.versions import version_id

HOSTILE = (
    "<script>alert(1)</script>", "x" * 300, "\u202egnp.exe", "a/b/../c", "50%", "a+b&c=d", "'; --",
    '"', "=1+1", "ção", "\u0000", "%2F", "NA", "null", "..", "a\nb", "?", "#1", " ", "versions",
)  # fmt: skip
PLAIN = tuple(f"PART-{number:03d}" for number in range(40))
STEPS = 6
NEWER = Contract(  # of a program newer than this one: a column and types that are not known here
    "forecasts",
    key=FORECASTS.key,
    columns=(
        *FORECASTS.columns,
        Column("novel", pa.string(), nullable=True),
        Column("day", pa.date32(), nullable=True),
    ),
)


def forecast_rows(items, version, seed=0):
    """Rows with numbers of all lengths and nulls here and there, each naming its version."""
    rng = np.random.default_rng(seed)
    keys = [(item, step) for item in sorted(items) for step in range(1, STEPS + 1)]
    size = len(keys)

    def numbers():
        drawn = rng.normal(size=size) * 10.0 ** rng.integers(-12, 12, size)
        return [
            None if gap else float(x) for x, gap in zip(drawn, rng.random(size) < 0.1, strict=True)
        ]

    free = {c.name: numbers() for c in FORECASTS.columns
            if c.dtype == pa.float64() and c.nullable}  # fmt: skip
    full = {c.name: np.abs(rng.normal(size=size)) for c in FORECASTS.columns
            if c.dtype == pa.float64() and not c.nullable}  # fmt: skip
    return made(
        FORECASTS, size, **free, **full,
        item_id=[item for item, _ in keys],
        ds=[datetime(2026, 11, 19) + timedelta(days=step) for _, step in keys],
        horizon_step=[step for _, step in keys],
        is_fallback=[bool(flag) for flag in rng.random(size) < 0.5],
        fallback_reason=[None] * size,
        model_version=[version] * size,
    )  # fmt: skip


def with_news(table):
    """The rows as a newer program would write them."""
    size = table.num_rows
    table = table.append_column("novel", pa.array(["new"] * size))
    return table.append_column("day", pa.array([datetime(2026, 11, 20).date()] * size))


def tables_of(version, items, seed=0):
    """Contract and rows of each table; the last one is of a name that is not known here."""
    known = [None, *sorted(items)[:3]]
    return {
        "forecasts": (NEWER, with_news(forecast_rows(items, version, seed))),
        "refusals": (REFUSALS, made(REFUSALS, 1, item_id=["REFUSED"], n_obs=[1])),
        "metrics": (METRICS, made(
            METRICS, 4, item_id=known, demand_class=[None] * 4, cutoff=[None] * 4,
            horizon_step=[1] * 4, value=[1.5, None, 0.1, 1e-300])),
        "of_tomorrow": (REFUSALS, made(REFUSALS, 2, item_id=["PART-001", "PART-002"])),
    }  # fmt: skip


def make_served(results, number=0, *, items=(*PLAIN, *HOSTILE), as_of="2026-11-19"):
    """Commit a version whose rows name it; the local version, to be published."""
    version = version_id(number, days=number)
    staged = local.stage_version(results, version)
    files = []
    for name, (contract, table) in tables_of(version, items, number).items():
        about = footer(contract, version_id=version, as_of=as_of, generator="test")
        path = staged.data_path("forecasts" if name == "forecasts" else "metrics")
        path = path.with_name(path.name.replace("metrics_", f"{name}_"))
        with DatasetWriter(path, contract, about) as writer:
            writer.append(table)
            files.append(replace(writer.close(), dataset=name))
    provenance = Provenance("0.1.0", 7)
    local.write_metadata(staged, NEWER, files[0], provenance, as_of=as_of)
    local.write_model_versions(staged, {"model_version": version})
    local.write_manifest(staged, files, as_of=as_of, partial=False, run={})
    local.commit_version(results, version, publisher="host/test")
    return newest_local(results)
