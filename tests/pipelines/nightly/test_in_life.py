"""What a night reads of the newest version about forecasts that came true."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.version import (
    Provenance,
    commit_version,
    new_version_id,
    stage_version,
    write_manifest,
    write_metadata,
    write_model_versions,
)
from ml.contracts.history import PAST_FORECASTS, SCORES
from ml.contracts.metrics import METRICS
from pipelines.nightly.drift_watch import look_at_life
from tests.conftest import monthly_panel
from tests.ml.drift.test_tracking import said

STARTED = datetime(2026, 11, 20, 2, 15, 3, tzinfo=UTC)


def table(contract, **columns):
    """A table of a contract; what is not given is null, or plain."""
    count = len(next(iter(columns.values())))
    plain = {pa.string(): "x", pa.int64(): 1, pa.bool_(): False, pa.float64(): 1.0}
    arrays = []
    for one in contract.columns:
        fill = None if one.nullable else plain.get(one.dtype, datetime(2025, 12, 1))
        arrays.append(pa.array(columns.get(one.name, [fill] * count), one.dtype))
    return pa.Table.from_arrays(arrays, schema=contract.schema)


def version(results, **tables):
    """Commit a version of a few tables."""
    contracts = {"past_forecasts": PAST_FORECASTS, "scores": SCORES, "metrics": METRICS}
    staged = stage_version(results, new_version_id(results, STARTED, "1a2b3c4d"))
    provenance = Provenance("0.1.0", 0, {}, {}, ())
    files = []
    for name, rows in tables.items():
        about = footer(contracts[name], version_id=staged.version_id, as_of="2025-12-01",
                       generator="test")  # fmt: skip
        with DatasetWriter(staged.data_path(name), contracts[name], about) as writer:
            writer.append(rows)
            files.append(writer.close())
        write_metadata(staged, contracts[name], files[-1], provenance, as_of="2025-12-01",
                       refusals=0)  # fmt: skip
    write_model_versions(staged, {"model_version": "m"})
    write_manifest(staged, files, as_of="2025-12-01", partial=False, run={})
    commit_version(results, staged.version_id, publisher="host/test")


@pytest.fixture
def panel():
    one = monthly_panel(40)
    return replace(one, items=tuple(sorted(f"P{row}" for row in range(40))))


def past(factor):
    rows = said(np.random.default_rng(2), factor=factor)
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    count = rows.num_rows
    whole = columns | {"kind": ["demand"] * count, "frequency": ["MS"] * count}
    found = table(PAST_FORECASTS, **whole)
    return found.sort_by([(name, "ascending") for name in PAST_FORECASTS.key])


def metrics():
    common = {"kind": ["demand"] * 2, "panel": ["demand_ms"] * 2, "model": ["ensemble"] * 2,
              "demand_class": ["lumpy", "smooth"], "n_obs": [100] * 2}  # fmt: skip
    return table(METRICS, **common, metric=["coverage_80_interval"] * 2, value=[0.8, 0.8])


def scores():
    return table(
        SCORES, kind=["demand"] * 3, frequency=["MS"] * 3, item_id=["P1", None, None],
        span=["period"] * 3, lag=[1, 1, 3], coverage_80_interval=[0.1, 0.75, 0.9],
    )  # fmt: skip


@pytest.mark.parametrize(("factor", "broken"), [(1.0, False), (1.6, True)])
def test_promises_of_the_newest_version_are_held_against_what_came_true(
    tmp_path, panel, factor, broken
):
    version(tmp_path, past_forecasts=past(factor), scores=scores(), metrics=metrics())
    found = look_at_life(tmp_path, {"demand_ms": panel}, 0.02)
    assert bool(found.told["demand_ms"]) == broken
    (rows,) = found.tables
    assert set(rows["subject"].to_pylist()) == {"model"}
    assert rows.filter(pc.field("found")).num_rows == (4 if broken else 0)
    assert found.coverage == {"demand_ms": 0.75}


def test_where_nothing_was_ever_made_there_is_nothing_to_tell(tmp_path, panel):
    found = look_at_life(tmp_path, {"demand_ms": panel}, 0.02)
    assert (found.tables, found.told, found.coverage) == ([], {}, {})


def test_a_version_of_an_older_program_promises_and_tells_nothing(tmp_path, panel):
    version(tmp_path, metrics=metrics())
    found = look_at_life(tmp_path, {"demand_ms": panel}, 0.02)
    assert found.told == {"demand_ms": []}
    assert found.coverage == {}
