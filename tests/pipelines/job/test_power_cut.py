"""A run whose power is cut while it forecasts and writes its version is made by the next one."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from ml.artifacts.version import commits, read_manifest, verify_version
from ml.errors import PublishError
from ml.run.request import RunRequest
from ml.run.run import run_batch
from ml.settings import Settings
from pipelines.intake.request import ReadingRequest
from pipelines.job.find_inputs import find_inputs
from tests.power_cut import survive_power_cuts

pytestmark = pytest.mark.slow
NAMES = {"demand": "demand.csv", "inventory": "stock.csv", "prices": "brent.csv"}


def forecast(folder):
    """Forecast two items with the models that lie below a workspace's folder."""
    place, day = Path(folder), date(2025, 11, 20)
    config = Settings(
        data_dir=place / "data", models_dir=place / "models", today=day,
        ml_results_path=place / "data" / "ml_results",
    )  # fmt: skip
    request = RunRequest(command="test", items=("slow", "brent"), jobs=1, settings=config)
    files = {table: place / name for table, name in NAMES.items()}
    run_batch(find_inputs(ReadingRequest(files=files, today=day), request), request)


def newest(place):
    """The content of the newest version, and what is left of the work on it."""
    results = place / "data" / "ml_results"
    version = commits(results)[-1].version_id
    assert verify_version(results, version) == []
    files = read_manifest(results, version).files
    left = [path for name in (".work", ".staging") for path in (results / name).glob("*")]
    return {one.dataset: one.content_sha256 for one in files}, left


def test_power_cuts_while_forecasting_leave_a_run_that_can_be_made(company, tmp_path):
    place = tmp_path / "place"
    shutil.copytree(company.folder, place)
    job = "tests.pipelines.job.test_power_cut:forecast"
    assert survive_power_cuts(job, place, newest, sample=12) >= 12


def test_a_damaged_chunk_of_a_run_that_died_is_made_again(company, tmp_path):
    place = tmp_path / "place"
    shutil.copytree(company.folder, place)
    forecast(place)
    expected, results = newest(place), place / "data" / "ml_results"
    shutil.rmtree(results / ".staging", ignore_errors=True)
    (results / ".staging").touch()  # nowhere to write a version to
    with pytest.raises(PublishError):
        forecast(place)
    chunks = [*results.glob(".work/*/*/*/forecasts.parquet")]
    assert len(chunks) == 2
    chunks[0].write_bytes(b"")
    (results / ".staging").unlink()
    forecast(place)
    assert newest(place) == expected
