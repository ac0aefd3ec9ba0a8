"""A version of a night is made again from what was kept, with the same content."""

import os

import numpy as np
import pytest

from pipelines.nightly import kept_inputs, ledger
from pipelines.nightly.kept_inputs import FOLDER, keep_inputs, put_back, unneeded_inputs
from pipelines.nightly.steps import describe_files
from tests.pipelines.job.conftest import Workspace, demand_rows, write_demand
from tests.pipelines.nightly.conftest import DAY, NIGHT, begin_night, rows_of

REPRODUCE = "pipelines/reproduce.py"


def keep(data_dir, *names):
    files = {name: digest for name, _, digest in
             describe_files(data_dir, [data_dir / name for name in names])}  # fmt: skip
    keep_inputs(data_dir, files)
    return files


def test_what_is_kept_comes_back_byte_by_byte_and_the_same_bytes_are_kept_once(tmp_path):
    folder = tmp_path / "raw" / "user"
    folder.mkdir(parents=True)
    (folder / "demand.csv").write_bytes(b"item_id,ds,y\r\n\xff")
    (folder / "items.csv").write_bytes(b"item_id,ds,y\r\n\xff")
    files = keep(tmp_path, "raw/user/demand.csv", "raw/user/items.csv")
    assert len(list((tmp_path / FOLDER).iterdir())) == 1
    put_back(tmp_path, files, tmp_path / "again")
    for name in files:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_file_that_was_replaced_after_it_was_read_is_not_kept(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "demand.csv").write_text("old")
    (name, _, digest), = describe_files(tmp_path, [tmp_path / "raw" / "demand.csv"])  # fmt: skip
    (tmp_path / "raw" / "demand.csv").write_text("new")
    keep_inputs(tmp_path, {name: digest})
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_tables_that_the_users_files_make_need_not_be_kept_beside_them():
    inputs = dict.fromkeys(
        ["raw/user/demand.csv", "processed/demand.parquet", "processed/climate.parquet"], "x"
    )
    assert [*kept_inputs.needed_inputs(inputs)] == [
        "raw/user/demand.csv", "processed/climate.parquet"
    ]  # fmt: skip
    del inputs["raw/user/demand.csv"]
    assert [*kept_inputs.needed_inputs(inputs)] == [*inputs]


@pytest.fixture(scope="module")
def after_nights(tmp_path_factory):
    """Nights on some days of demand, on the same, and on a day more: fitted, kept, gone on with."""
    if not os.environ.get("DRILLS"):
        pytest.skip("seven runs of the main job are for make drills")
    workspace = Workspace(tmp_path_factory.mktemp("nights"))
    days = np.datetime64(DAY) - np.arange(200, 0, -1)
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True)
    for known in (days[:-1], days[:-1], days):
        write_demand(folder / "demand.csv", demand_rows(["A/1", "NA", "fast"], known))
        workspace.run(NIGHT, "--to", str(workspace.folder / "store"), alone=True, TODAY=DAY)
    return workspace


@pytest.mark.slow
def test_a_drill_makes_versions_of_all_kinds_of_nights_again_with_the_same_content(after_nights):
    """By make drills alone; a version is made again in the test of two nights at once."""
    data_dir = after_nights.folder / "data"
    versions = [row["version_id"] for row in rows_of(data_dir, "versions")]
    choices = [row["choice"] for row in rows_of(data_dir, "decisions") if row["about"] == "models"]
    assert choices == ["fitted anew", "kept", "gone on with"]
    for version in versions:
        done = after_nights.run(REPRODUCE, version, alone=True)
        same = done.stdout.splitlines()[-1].removeprefix("the same: ").split(", ")
        assert {"forecasts", "forecast_models", "recommendations", "metrics"} <= {*same}


def test_what_is_missing_is_named(workspace):
    night = begin_night(workspace.folder)
    data_dir, run = night.config.data_dir, night.run.number
    version = "20260120T021500Z-1a2b3c4d"
    ledger.note_inputs(data_dir, run, [("raw/user/demand.csv", 1, "5f" * 32)])
    facts = dict.fromkeys(("as_of", "dataset_id", "model_version", "code", "recipe", "forecasts",
                            "fitted", "rows"), "{}")  # fmt: skip
    ledger.note_version(data_dir, run, facts | {"version_id": version, "seed": 0, "gate": []})
    done = workspace.run(REPRODUCE, version, expect=3)
    assert "cannot be made again; missing: the code code (here is " in done.stderr
    assert "raw/user/demand.csv as it was on 2026-01-20 (sha256 5f5f5f5f5f5f…)" in done.stderr
    assert "no night has made a version 'x'" in workspace.run(REPRODUCE, "x", expect=3).stderr


def test_the_nights_that_fitted_the_models_come_first_and_no_others(workspace):
    fitted = {
        "d-1": {"state": None}, "d-2": {"state": "a", "lineage": ["d-1"]},
        "d-3": {"state": "a", "lineage": ["d-1", "d-3"]},  # a rewritten item was fitted that night
        "d-4": {"state": "b", "lineage": ["d-2-challenger"]},
    }  # fmt: skip
    for number, (dataset, state) in enumerate(fitted.items(), start=1):
        night = begin_night(workspace.folder, today=f"2026-01-2{number}")
        data_dir, run = night.config.data_dir, night.run.number
        ledger.note_inputs(data_dir, run, [(f"raw/user/{number}.csv", 1, f"{number}" * 64)])
        facts = dict.fromkeys(("as_of", "model_version", "code", "recipe", "forecasts", "rows"), "")
        own = {"version_id": dataset, "dataset_id": dataset, "fitted": {"demand_d": state}}
        ledger.note_version(data_dir, run, facts | own | {"seed": 0, "gate": []})
    said = workspace.run(REPRODUCE, "d-3", expect=3).stderr
    lacking = [f"raw/user/{number}.csv as it was on 2026-01-2{number}" for number in (1, 2, 3)]
    assert [one in said for one in lacking] == [True, False, True]
    said = workspace.run(REPRODUCE, "d-4", expect=3).stderr
    assert "its models go back to d-2-challenger, which no night has fitted" in said


def test_what_no_version_needs_any_more_is_to_be_removed(tmp_path):
    night = begin_night(tmp_path)
    data_dir, results = night.config.data_dir, night.config.ml_results_path
    (data_dir / "raw").mkdir()
    (data_dir / "raw" / "demand.csv").write_text("x")
    keep(data_dir, "raw/demand.csv")
    (path,) = (data_dir / FOLDER).iterdir()
    written = path.stat().st_mtime
    moments = [kept_inputs.datetime.fromtimestamp(written + days * 86400) for days in (-1, 1)]
    assert [*unneeded_inputs(data_dir, results, moments[0])] == []
    assert [*unneeded_inputs(data_dir, results, moments[1])] == [path]
