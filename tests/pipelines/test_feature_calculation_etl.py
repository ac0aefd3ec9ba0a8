"""The command, as people run it."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.base import check
from ml.contracts.outside import FEATURES_TABLE
from ml.features.compute import features_at
from tests.commands import run_alone, run_here
from tests.ml.features.outside_tables import world

SCRIPT = "pipelines/feature_calculation_etl.py"
TODAY = "2024-05-04"


def command(folder, *arguments, today=TODAY, run=run_here, **environment):
    places = {"DATA_DIR": folder / "data", "REPORTS_DIR": folder / "reports", "TODAY": today}
    places |= {"HISTORY_START": "2022-01-01", **environment}
    env = {name: str(value) for name, value in places.items()}
    return run(folder, env | {"PYTHONWARNINGS": "error"}, SCRIPT, *arguments)


def write(folder, **tables):
    processed = folder / "data" / "processed"
    processed.mkdir(parents=True)
    for name, table in tables.items():
        pq.write_table(table, processed / f"{name}.parquet")
    return processed


def features(folder, below="processed"):
    return check(pq.read_table(folder / "data" / below / "features.parquet"), FEATURES_TABLE)


def test_features_of_the_processed_tables_are_written_and_summed_up(tmp_path):
    processed = write(tmp_path, **world())
    done = command(tmp_path, "--ahead", "30", run=run_alone)
    assert done.returncode == 0, done.stderr
    table = features(tmp_path)
    assert set(table["cutoff"].to_pylist()) == {datetime(2024, 5, 4)}
    assert table["ds"].to_numpy().max() == np.datetime64("2024-06-03")
    assert "climate         16    855  2022-01-01   2024-05-03" in done.stdout
    assert f"features.parquet: {table.num_rows:,} rows of 45 features" in done.stdout
    assert "no table" not in done.stdout
    names = ["anatel_5g", "climate", "economic", "features", "prices"]
    assert sorted(path.stem for path in processed.iterdir()) == names  # nothing is left over


def test_a_region_that_is_none_is_refused_and_nothing_is_written(tmp_path):
    done = command(tmp_path, "--region", "x")
    assert (done.returncode, done.stderr) == (
        2, "error: --region x: write a city as salvador_ba, with its state, or a state as BA.\n",
    )  # fmt: skip
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_pictures_are_drawn_where_wanted(tmp_path):
    write(tmp_path, **world())
    done = command(tmp_path, "--plot")
    assert done.returncode == 0, done.stderr
    assert "features: 5 pictures." in done.stdout
    pictures = sorted(path.name for path in (tmp_path / "reports" / "features").iterdir())
    assert pictures == [f"{g}.png" for g in ("calendar", "climate", "economy", "prices", "telecom")]


def test_a_second_run_writes_the_same_bytes(tmp_path):
    path = write(tmp_path, **world()) / "features.parquet"
    assert command(tmp_path).returncode == 0
    first = path.read_bytes()
    assert command(tmp_path).returncode == 0
    assert path.read_bytes() == first


def test_an_earlier_cutoff_of_another_city_sees_only_what_was_known_then_and_there(tmp_path):
    tables = world()
    write(tmp_path, **tables)
    assert command(tmp_path, "--cutoff", "2023-06-30", "--region", "recife_pe").returncode == 0
    table = features(tmp_path)
    day = np.datetime64("2023-06-30")
    frame = features_at(tables, day, np.datetime64("2022-01-01"), day, region="recife_pe")
    load = table.filter(pa.compute.equal(table["feature"], "storm_load"))
    written = load["value"].to_numpy()
    np.testing.assert_array_equal(written, frame.column("storm_load"))
    assert len(written) == 546
    assert set(table["region"].to_pylist()) == {"recife_pe", "PE", None}


def test_without_any_outside_table_the_calendar_is_written_and_that_is_said(tmp_path):
    done = command(tmp_path, "--ahead", "0")
    assert done.returncode == 0, done.stderr
    table = features(tmp_path)
    assert set(table["feature_group"].to_pylist()) == {"calendar"}
    assert table.num_rows == 10 * 855  # 1 January 2022 to 4 May 2024
    assert (
        "no table 'climate': its features are left out. python pipelines/climate_etl.py"
        in done.stdout
    )
    assert "there is no outside table at all: the calendar alone was computed." in done.stdout


def test_no_day_lies_before_the_start_of_the_history(tmp_path):
    write(tmp_path, climate=world()["climate"])
    assert command(tmp_path, HISTORY_START="2023-03-01").returncode == 0
    assert features(tmp_path)["ds"].to_numpy().min() == np.datetime64("2023-03-01")


def test_a_region_that_is_missing_is_replaced_aloud(tmp_path):
    write(tmp_path, climate=world()["climate"])
    done = command(tmp_path, HOME_REGION="natal_rn")
    assert "climate: nothing of 'natal_rn' by 2024-05-04; the mean of 2 regions" in done.stdout
    assert set(features(tmp_path)["region"].to_pylist()) == {"mean", "RN"}


def test_a_table_that_breaks_its_contract_leaves_the_last_features_as_they_are(tmp_path):
    processed = write(tmp_path, **world())
    before = b"the features of last night"
    (processed / "features.parquet").write_bytes(before)
    pq.write_table(world()["climate"].drop_columns(["available_at"]), processed / "climate.parquet")
    done = command(tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "climate.parquet: table 'climate' must have exactly the columns" in done.stderr
    assert (processed / "features.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("--cutoff", "2024-05-05"), "lies after today, 2024-05-04", id="future"),
        pytest.param(("--cutoff", "4 May"), "'--cutoff'", id="no date"),
        pytest.param(("--ahead", "-1"), "'--ahead'", id="ahead below zero"),
    ],
)
def test_wrong_options_end_with_2(tmp_path, arguments, said):
    done = command(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "data").exists()


def test_the_sample_gives_features_of_every_group(tmp_path):
    done = command(tmp_path, "--sample", today="2026-11-20")
    assert done.returncode == 0, done.stderr
    table = features(tmp_path, "sample")
    assert not (tmp_path / "data" / "processed").exists()
    assert set(table["published_by"].to_pylist()) == {"synthetic_sample", None}
    assert set(table["cutoff"].to_pylist()) == {datetime(2026, 10, 31)}
    groups = {"calendar", "climate", "economy", "telecom", "prices"}
    assert set(table["feature_group"].to_pylist()) == groups
