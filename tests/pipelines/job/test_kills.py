"""A run that is killed at any moment, with its workers or alone, is made by the next one."""

import os
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml.artifacts.version import commits, read_manifest, verify_version
from ml.contracts.demand import DEMAND
from ml.processed import read_table, reading
from tests.pipelines.job.conftest import demand_rows, write_demand
from tests.pipelines.job.test_power_cut import newest
from tests.power_cut import survive_kills

JOB = "tests.pipelines.job.generate_job:generate"


def read_drivers(results):
    """What moved orders since the version before, in the newest one."""
    files = read_manifest(results, commits(results)[-1].version_id).files
    paths = [results / one.path for one in files if one.dataset == "changes"]
    return {driver for path in paths for driver in pq.read_table(path)["driver"].to_pylist()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("months", "jobs", "kills", "sample"),
    [
        pytest.param(15, 1, 50, 6, id="too short for a network"),
        pytest.param(15, 2, 20, 2, id="too short for a network, with workers"),
        pytest.param(36, 2, 10, 0, id="all models, with workers"),
    ],
)
def test_a_run_killed_at_any_moment_leaves_whole_versions_and_is_made_by_the_next(
    tmp_path, months, jobs, kills, sample
):
    """80 kills by make drills, 8 of them elsewhere (about 50 s where nothing else runs)."""
    if not (sample or os.environ.get("DRILLS")):
        pytest.skip("training the network again and again is for make drills")
    place = tmp_path / "place"
    (place / "data" / "raw" / "user").mkdir(parents=True)
    periods = (np.datetime64("2026-01") - np.arange(months, 0, -1)).astype("datetime64[D]")
    rows = demand_rows(["A/1", "slow", "fast"], periods)
    write_demand(place / "data" / "raw" / "user" / "demand.csv", rows)
    results, tables, contents = place / "data" / "ml_results", [], []

    def whole(_):
        records = commits(results) if results.exists() else []
        assert [verify_version(results, one.version_id) for one in records] == [[]] * len(records)
        with reading(place / "data"):
            table = read_table(place / "data", DEMAND)
        if table is not None:
            tables.append(table)
            assert table == tables[0]

    def content():
        """The newest version without its changes: of the same run again there are none."""
        made, left = newest(place)
        made.pop("changes", None)
        return made, left

    def train_again(_):
        contents.append(content())
        assert read_drivers(results) <= {"none"}
        shutil.rmtree(place / "models")

    ended = survive_kills(JOB, place, whole, kills=kills, sample=sample,
                          arguments=[f"--jobs={jobs}"], finished=train_again)  # fmt: skip
    assert content() == contents[0]
    assert contents == [contents[0]] * (ended - 1)
    assert len(commits(results)) >= ended  # a run may be killed after its commit
