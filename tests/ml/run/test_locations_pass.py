"""Rows a location stand beside those of all locations, which stay as they are."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.demand import DEMAND, INVENTORY, SITE_DEMAND, STOCK_BY_LOCATION
from ml.run.changes import ForecastIdentity, Supply, find_before, keep_recommended
from ml.run.inputs import inputs_of
from ml.run.recommend import order_context, recommend_panel
from ml.run.request import RunRequest
from ml.run.run import _inputs_hash
from ml.settings import Settings
from tests.conftest import monthly_panel
from tests.ml.run.test_saved_paths import ACHIEVED, ITEMS, Job

COUNTED = datetime(2025, 12, 31)
PLACES = ("NORTH", "SOUTH")


def stock_at(contract, places, units):
    base = {"snapshot_at": COUNTED, "on_order": 0.0, "lead_time_days_mean": 30.0, "unit_cost": 2.0}
    rows = [base | {"item_id": item, "location_id": place, "on_hand": units}
            for item in ITEMS for place in places]  # fmt: skip
    return pa.Table.from_pylist(rows, contract.schema)


def site_demand(until=COUNTED, items=ITEMS[2:]):
    days = {"since": datetime(2025, 1, 1), "until": until, "demands": 9, "units": 9.0}
    rows = [days | {"item_id": item, "location_id": "NORTH"} for item in items]
    return pa.Table.from_pylist(rows, SITE_DEMAND.schema)


def demand_table():
    panel = monthly_panel()
    rows = [{"item_id": item, "ds": day.astype("datetime64[us]").item(),
             "y": None if np.isnan(value) else float(value), "frequency": "MS", "source": "test"}
            for item, values in zip(panel.items, panel.values, strict=True)
            for day, value in zip(panel.periods, values, strict=True)]  # fmt: skip
    return pa.Table.from_pylist(rows, DEMAND.schema)


def read(request, **tables):
    given = {"demand": demand_table(), "inventory": stock_at(INVENTORY, ("ALL",), 8.0),
             "stock_by_location": stock_at(STOCK_BY_LOCATION, PLACES, 4.0),
             "site_demand": site_demand()}  # fmt: skip
    return inputs_of(given | tables, request, {}, "", statements=())


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    made = Job(
        tmp_path_factory.mktemp("job"), stock=stock_at(INVENTORY, ("ALL",), 8.0),
        decision_day=COUNTED.date(),
    )  # fmt: skip
    made.forecast()
    made.apart = read(made.request)
    return made


def recommend(job, inputs, before=None, name="work"):
    work = job.work / name
    files = recommend_panel(job.plan, job.find(), ACHIEVED, before, inputs, job.request, work)
    tables = {name: [pq.read_table(path) for path in paths] for name, paths in files.items()}
    return {name: pa.concat_tables(parts) for name, parts in tables.items() if parts}


def test_rows_of_all_stay_and_rows_a_location_are_added(job):
    whole = replace(job.apart, stock_by_location=None, sites=None)
    rows = recommend(job, job.apart, name="apart")["recommendations"].to_pylist()
    alone = recommend(job, whole, name="whole")["recommendations"].to_pylist()
    assert [row for row in rows if row["location_id"] == "ALL"] == alone
    added = [(row["item_id"], row["location_id"]) for row in rows if row["location_id"] != "ALL"]
    assert added == [(item, place) for item in ITEMS[2:] for place in PLACES]
    keys = [(row["item_id"], row["location_id"]) for row in rows]
    assert keys == sorted(keys)
    shares = {row["location_share"] for row in rows if row["location_id"] == "NORTH"}
    assert shares == {(9 + 0.5) / 10}
    for row in rows:
        assert row["on_hand"] == (8.0 if row["location_id"] == "ALL" else 4.0)
        assert (row["location_share"] is None) == (row["location_id"] == "ALL")


def test_changes_compare_rows_of_all_alone(job, tmp_path):
    rows = recommend(job, job.apart, name="apart")["recommendations"]
    identity = ForecastIdentity("d-1", "m-1")
    context = order_context(job.plan, job.apart, job.request)
    keep_recommended(
        tmp_path, "demand_ms", Supply(job.plan.policies, job.apart.inventory, None), context,
        rows.filter(pa.array([one == "ALL" for one in rows["location_id"].to_pylist()])),
        version_id="20260101T000000Z-00000001", identity=identity,
    )  # fmt: skip
    before = find_before(tmp_path, "demand_ms", identity)
    changes = recommend(job, job.apart, before, name="again")["changes"].to_pylist()
    assert [row["item_id"] for row in changes] == list(ITEMS)
    assert {(row["location_id"], row["driver"]) for row in changes} == {("ALL", "none")}


def test_what_is_matched_and_what_not_is_one_line(job):
    (line,) = [text for text in job.apart.statements if text.startswith("locations: ")]
    assert line == (
        f"locations: rows a location for {len(ITEMS) - 2} of {len(ITEMS)} items with stock in "
        "several; of the others, demand since 2025-01-01 is none, or not all of places where stock "
        "lies; locations without demand (1): 'SOUTH'."
    )
    without = read(job.request, stock_by_location=None)
    assert (without.sites, without.stock_by_location) == (None, None)
    assert not [text for text in without.statements if text.startswith("locations: ")]


def test_shares_of_a_time_after_the_run_are_not_used(job):
    late = site_demand(datetime(2026, 1, 1))
    request = RunRequest(command="test", as_of=COUNTED.date().replace(day=1), settings=Settings(),
                         clock=job.request.clock)  # fmt: skip
    inputs = read(request, site_demand=late)
    assert inputs.sites is None
    assert any("counted until 2026-01-01, after the end" in text for text in inputs.statements)
    assert read(job.request, site_demand=late).sites is not None


def test_stock_and_shares_by_location_name_the_inputs_of_a_run(job):
    names = {
        _inputs_hash(one, job.request, "d-1")
        for one in (
            job.apart, replace(job.apart, sites=None), read(job.request),
            read(job.request, site_demand=site_demand(items=ITEMS)),
            read(job.request, stock_by_location=stock_at(STOCK_BY_LOCATION, PLACES, 3.0)),
        )
    }  # fmt: skip
    assert len(names) == 4
