"""Trained models after a power cut, with damage, or by other code: they are trained again."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from ml.errors import ModelError
from ml.forecasters.base import read_items
from ml.forecasters.registry import TRAINED
from ml.run.backtest import read_backtests, read_ensemble
from ml.run.model_store import DONE, MADE_BY, ModelStore, read_part
from tests.ml.run.training_jobs import plan_of, train_all, train_pooled
from tests.power_cut import survive_power_cuts

JOBS = "tests.ml.run.training_jobs"
ROOT = "nova_corrente/d-1/demand_ms"


def require_all(place, plan):
    ModelStore(place, "d-1").require(plan, dict.fromkeys(TRAINED, plan.wanted))


def files(place):
    """Names and bytes of all that was trained; of networks only that they are there."""
    found = {}
    for path in sorted(place.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            same = path.suffix != ".keras" and path.name != DONE
            found[path.relative_to(place).as_posix()] = path.read_bytes() if same else b""
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of trained models, to be copied before it is damaged."""
    place = tmp_path_factory.mktemp("trained") / "models"
    train_all(str(place))
    return place


@pytest.fixture
def place(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "models")


def test_every_part_vouches_for_its_files(trained):
    parts = [path.parent for path in trained.rglob(DONE)]
    # Three cutoffs of the network, a part for each family with one model a series, and chunks.
    assert len(parts) >= 3 + 2 + 1
    for part in parts:
        assert set(read_part(part)["files"]) == {path.name for path in part.iterdir()} - {DONE}


def test_training_again_changes_nothing(place):
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*.*") if path.is_file()}
    train_all(str(place))
    assert {
        path: path.stat().st_mtime_ns for path in place.rglob("*.*") if path.is_file()
    } == before


@pytest.mark.parametrize("damage", ["emptied", "torn", "gone"])
@pytest.mark.parametrize(
    "name", ["items.parquet", "2025-09-01.npz", DONE, MADE_BY, "fitted/done.json"]
)
def test_what_is_damaged_is_trained_again_and_said_so(place, trained, capsys, name, damage):
    path = min(place.rglob(name))
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 40 if damage == "torn" else 0])
    train_all(str(place))
    assert files(place) == files(trained)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("models: ")]
    silent = name.endswith(DONE) and damage == "gone"
    assert len(said) == (0 if silent else 1)


@pytest.mark.parametrize("name", ["items.parquet", "2025-09-01.npz", MADE_BY, "fitted/done.json"])
def test_a_forecast_from_damaged_models_names_the_command_that_trains_them(place, name):
    for path in place.rglob(name):
        path.write_bytes(b"")
    with pytest.raises(ModelError, match="python ml/train_"):
        require_all(place, plan_of(14))


def test_a_forecast_of_more_steps_than_were_trained_is_refused(place):
    with pytest.raises(ModelError, match=r"lstm .* was trained for 3 steps, this run needs 5"):
        require_all(place, replace(plan_of(14), reach=5))


def test_models_of_older_code_are_trained_again_with_one_line_a_family(place, trained, capsys):
    for path in place.rglob(MADE_BY):  # as the code wrote it that saved without checksums
        path.write_text('{"fingerprint": "0123456789ab", "code": "1.0+aa", "drivers": ""}')
    train_all(str(place))
    assert files(place) == files(trained)
    said = capsys.readouterr().err
    for family in (*TRAINED, "ensemble"):
        assert said.count(f"the saved {family} is of other code or settings") == 1


def test_a_panel_too_small_for_the_network_says_so_of_every_item(trained):
    rows = read_items(trained / ROOT / "lstm" / "2025-12-01")
    assert [row["item_id"] for row in rows] == ["A", "B"]
    assert all("needs 32 windows to learn from, has 16" in row["failure"] for row in rows)


def test_the_backtest_holds_every_origin_latest_first(trained):
    backtests = read_backtests(trained / ROOT / "ensemble")
    assert [str(one.cutoff) for one in backtests] == ["2025-09-01", "2025-06-01"]
    lstm = backtests[0].models.index("lstm")
    assert np.isnan(backtests[0].points[lstm]).all()
    assert sum(read_ensemble(trained / ROOT / "ensemble").weights["*"].values()) == pytest.approx(1)


@pytest.mark.slow
def test_training_goes_on_after_a_power_cut_at_any_step(tmp_path):
    place = tmp_path / "models"
    place.mkdir()
    assert survive_power_cuts(f"{JOBS}:train_all", place, files, sample=20) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["2025-06-01", "2025-12-01"])
def test_networks_that_are_lost_are_made_again_from_those_of_earlier_cutoffs(tmp_path, lost):
    train_pooled(str(tmp_path))
    before = files(tmp_path)
    shutil.rmtree(tmp_path / ROOT / "lstm" / lost)
    train_pooled(str(tmp_path))
    assert files(tmp_path) == before


@pytest.mark.slow
def test_networks_do_not_depend_on_the_horizon_of_an_earlier_run(tmp_path):
    train_pooled(str(tmp_path / "after"), "2")
    assert plan_of(36, 2).reach == plan_of(36, 3).reach
    assert plan_of(36, 2).origins != plan_of(36, 3).origins
    for place in ("after", "alone"):
        train_pooled(str(tmp_path / place), "3")
    made = {place: files(tmp_path / place / ROOT / "lstm") for place in ("after", "alone")}
    kept = {name: data for name, data in made["after"].items() if name in made["alone"]}
    assert kept == made["alone"]


@pytest.mark.slow
def test_networks_are_trained_again_after_a_power_cut(tmp_path):
    """At 4 steps, for TensorFlow is loaded in each process."""
    place = tmp_path / "models"
    place.mkdir()
    assert survive_power_cuts(f"{JOBS}:train_pooled", place, files, sample=4) >= 4
