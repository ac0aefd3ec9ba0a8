"""Outside data in a whole run: what was known in time moves the forecasts, nothing else does."""

import csv
import shutil
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml.run.plan import make_plans
from ml.run.request import RunRequest
from ml.settings import Settings
from pipelines.intake.request import ReadingRequest
from pipelines.job.find_inputs import find_inputs
from tests.ml.drivers.conftest import climate_table, wander_humidity
from tests.pipelines.job.conftest import Workspace, write_demand

pytestmark = pytest.mark.slow
TODAY, AS_OF = date(2025, 11, 20), np.datetime64("2025-09-30")
DAYS = np.arange(AS_OF - 600, AS_OF + 30, dtype="datetime64[D]")
HUMIDITY, LOAD = wander_humidity(np.random.default_rng(3), len(DAYS), 60)
VALUES = HUMIDITY[60:]


def demand_rows():
    rng = np.random.default_rng(11)
    rows = []
    for number, rate in enumerate((0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2)):
        counts = rng.poisson(rate * np.exp(0.9 * LOAD))
        rows += [(f"P{number}", str(day), str(y)) for day, y in zip(DAYS, counts, strict=True)]
    return rows


def write_climate(folder, *, changed=None):
    """The table that the ETL would leave; rows that came out after ``changed`` are nonsense."""
    values = VALUES if changed is None else np.where(changed < DAYS + 1, 1.0, VALUES)
    processed = folder / "data" / "processed"
    processed.mkdir(parents=True, exist_ok=True)
    table = climate_table(DAYS, {"humidity_percent": values})
    pq.write_table(table, processed / "climate.parquet")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A whole run, with what it printed."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    write_climate(folder)
    return run_in(folder)


def run_in(folder):
    made, demand = Workspace(folder), write_demand(folder / "demand.csv", demand_rows())
    return made, made.generate("--demand", str(demand), "--as-of", str(AS_OF), "--horizon", "14")


def plan_in(folder, **options):
    """What a run there would do, on the demand of the plain run."""
    files = {"demand": write_demand(folder / "demand.csv", demand_rows())}
    config = Settings(data_dir=folder / "data", models_dir=folder / "models", today=TODAY)
    request = RunRequest(
        command="test", as_of=AS_OF.item(), horizon=14, jobs=1, settings=config, **options
    )
    (plan,) = make_plans(find_inputs(ReadingRequest(files=files, today=TODAY), request), request)
    return plan


def test_a_driver_that_moves_demand_is_used_and_said(plain):
    made, done = plain
    used = [line for line in done.stdout.splitlines() if "drivers used" in line]
    assert any("climate" in line.partition("left out")[0] for line in used)
    rows = made.table("metrics").to_pylist()
    effects = [r for r in rows if r["model"] == "driver:humidity_load_60d"
               and r["demand_class"] is None]  # fmt: skip
    low = next(r["value"] for r in effects if r["metric"] == "driver_effect_low")
    assert low > 0
    gains = {r["metric"]: r["value"] for r in rows if r["model"] == "drivers:climate"
             and r["demand_class"] is None}  # fmt: skip
    assert gains["driver_gain_low"] <= gains["driver_gain"] <= gains["driver_gain_high"] < 0


def test_drivers_are_reported_as_table_and_picture(plain):
    folder = plain[0].folder / "reports" / "results"
    with (folder / "drivers.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["drivers"] for row in rows} >= {"climate", "calendar", "humidity_load_60d"}
    assert (folder / "drivers_demand_d.png").read_bytes().startswith(b"\x89PNG")


def test_outside_rows_that_came_out_after_the_last_period_change_nothing(plain, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(plain[0].folder / "models", folder / "models")
    write_climate(folder, changed=AS_OF)
    made, done = run_in(folder)
    assert "training" not in done.stderr  # the models are found: nothing they learn from changed
    assert made.hashes() == plain[0].hashes()


def test_outside_rows_that_were_known_do_change_what_models_learn_from(tmp_path):
    keys = []
    for changed in (None, AS_OF - 200):
        write_climate(tmp_path, changed=changed)
        keys.append(plan_in(tmp_path).drivers_key)
    assert keys[0]  # drivers are used
    assert keys[0] != keys[1]


def test_without_drivers_none_is_read(tmp_path):
    write_climate(tmp_path)
    plan = plan_in(tmp_path, drivers=False)
    assert plan.study.statements == ("demand_d: no drivers, as asked",)
    assert (plan.drivers_key, plan.panel.drivers, plan.study.gains) == ("", None, ())


def test_a_monthly_panel_without_outside_tables_says_that_none_are_used(company):
    said = (company.folder / "stdout.txt").read_text()
    assert "demand_ms: no drivers are used: there are no outside tables" in said
