"""What stays the same from run to run, and what a run leaves when it is cut short."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ml.artifacts.version import commits, verify_version
from tests.pipelines.job.conftest import (
    MONTHS,
    RATES,
    ROOT,
    Workspace,
    demand_rows,
    write_demand,
    write_stock,
)

pytestmark = pytest.mark.slow
POISON = {
    "nothing": [(str(day), "") for day in MONTHS],
    "zeros": [(str(day), "0") for day in MONTHS],
    "infinite": [(str(day), "inf") for day in MONTHS],
    "absurd": [(str(day), "1e12") for day in MONTHS],
    "far-future": [(str(day), "1") for day in MONTHS[:3]] + [("2099-01-01", "5")],
    "two-rows": [(str(day), "3") for day in MONTHS[-2:]],
    "../../etc/passwd": [(str(day), "1e12") for day in MONTHS],
    'quote"\nnewline': [(str(day), "") for day in MONTHS],
    "🔩" * 150: [(str(day), "-inf") for day in MONTHS],
}


def forecasts_of(workspace, items):
    rows = workspace.table("forecasts").to_pylist()
    ignored = {"generated_at", "model_version", "dataset_id"}
    return [{k: v for k, v in row.items() if k not in ignored} for row in rows
            if row["item_id"] in items]  # fmt: skip


def clone(tmp_path, name) -> Workspace:
    folder = tmp_path / name
    folder.mkdir()
    return Workspace(folder)


def test_poisoned_series_change_no_other_forecast_and_are_flagged(tmp_path):
    clean, poisoned = clone(tmp_path, "clean"), clone(tmp_path, "poisoned")
    rows = demand_rows()
    bad = [(item, day, y) for item, pairs in POISON.items() for day, y in pairs]
    clean.generate("--demand", str(write_demand(clean.folder / "d.csv", rows)))
    poisoned.generate("--demand", str(write_demand(poisoned.folder / "d.csv", bad + rows)))
    assert forecasts_of(poisoned, RATES) == forecasts_of(clean, RATES)
    refused = {row["item_id"]: row["reason"] for row in poisoned.table("refusals").to_pylist()}
    assert {"nothing", "absurd", "../../etc/passwd"} <= set(refused)
    assert "1e+09" in refused["absurd"]
    forecast = {row["item_id"] for row in poisoned.table("forecasts").to_pylist()}
    assert {"zeros", "two-rows", "far-future"} <= forecast
    quarantine = (poisoned.folder / "data" / "quarantine" / "demand.csv").read_text()
    assert "infinite_number" in quarantine
    assert "date_after_today" in quarantine
    assert not list(tmp_path.glob("**/etc"))


def test_two_runs_say_the_same_and_neither_overwrites_the_other(tmp_path):
    first, second = clone(tmp_path, "first"), clone(tmp_path, "second")
    for workspace in (first, second):
        demand = write_demand(workspace.folder / "demand.csv")
        stock = write_stock(workspace.folder / "stock.csv")
        options = ["--demand", str(demand), "--inventory", str(stock)]
        workspace.generate(*options, "--jobs", "1" if workspace is first else "2")
    assert first.hashes() == second.hashes()
    before = first.pointer()["version_id"]
    first.generate("--demand", str(first.folder / "demand.csv"), "--inventory",
                   str(first.folder / "stock.csv"))  # fmt: skip
    after = first.pointer()["version_id"]
    assert after != before
    assert after[:8] == before[:8]
    assert first.hashes(before) == first.hashes(after)
    assert [record.version_id for record in commits(first.results)] == [before, after]


def test_nothing_after_as_of_has_any_influence(tmp_path):
    plain, changed = clone(tmp_path, "plain"), clone(tmp_path, "changed")
    rows = demand_rows()
    day = str(MONTHS[35])
    spoiled = [(item, ds, y if ds <= day else "1e12") for item, ds, y in rows]
    spoiled += [("newcomer", str(MONTHS[40]), "7"), ("newcomer", "2025-10-17", "7")]
    plain.generate("--demand", str(write_demand(plain.folder / "d.csv", rows)), "--as-of", day)
    changed.generate(
        "--demand", str(write_demand(changed.folder / "d.csv", spoiled)), "--as-of", day
    )
    assert plain.hashes() == changed.hashes()
    assert {str(row["as_of"])[:10] for row in plain.table("forecasts").to_pylist()} == {day}


def test_items_limits_what_is_written_and_changes_no_number(tmp_path, company):
    few = clone(tmp_path, "few")
    demand = company.folder / "demand.csv"
    few.generate("--demand", str(demand), "--inventory", str(company.folder / "stock.csv"),
                 "--items", "slow,fast")  # fmt: skip
    assert {row["item_id"] for row in few.table("forecasts").to_pylist()} == {"slow", "fast"}
    alone = {(r["item_id"], r["ds"]): r["q90"] for r in few.table("forecast_models").to_pylist()
             if r["model"] == "lstm"}  # fmt: skip
    rows = company.table("forecast_models").to_pylist()
    together = {(r["item_id"], r["ds"]): r["q90"] for r in rows if r["model"] == "lstm"}
    assert alone
    assert alone.items() <= together.items()


def test_only_forecasts_then_only_recommendations(tmp_path):
    workspace = clone(tmp_path, "parts")
    demand = write_demand(workspace.folder / "demand.csv")
    stock = write_stock(workspace.folder / "stock.csv")
    options = ["--demand", str(demand), "--inventory", str(stock)]
    workspace.generate(*options, "--only-forecasts")
    assert workspace.manifest()["partial"] is True
    assert not (workspace.results / "recommendations").exists()
    workspace.generate(*options)
    whole = workspace.pointer()["version_id"]
    stock.write_text(stock.read_text().replace(",10,5,5,12.5", ",10,20,20,12.5"))
    workspace.generate(*options, "--only-recommendations")
    newest = workspace.pointer()["version_id"]
    assert newest != whole
    assert workspace.manifest()["partial"] is False
    hashes = [workspace.hashes(version) for version in (whole, newest)]
    for dataset in ("forecasts", "forecast_models", "metrics", "refusals"):
        assert hashes[0][dataset] == hashes[1][dataset]
    assert hashes[0]["recommendations"] != hashes[1]["recommendations"]
    assert all(row["order_qty"] % 20 == 0 for row in workspace.table("recommendations").to_pylist())


def test_families_trained_one_by_one_forecast_like_the_main_job(tmp_path):
    steps, whole = clone(tmp_path, "steps"), clone(tmp_path, "whole")
    for workspace in (steps, whole):
        write_demand(workspace.folder / "demand.csv")
    steps.run("pipelines/demand_etl.py", "--demand", str(steps.folder / "demand.csv"))
    for family in ("prophet", "arima", "lstm", "trees", "ensemble"):
        assert "trained: " in steps.run(f"ml/train_{family}.py").stdout
    steps.run("ml/generate_forecasts.py")
    whole.generate("--demand", str(whole.folder / "demand.csv"))
    assert steps.hashes()["forecasts"] == whole.hashes()["forecasts"]
    assert steps.manifest()["partial"] is True
    longer = steps.run("ml/generate_forecasts.py", "--horizon", "20", expect=4)
    assert "--horizon" in longer.stderr


def test_a_run_killed_at_any_moment_leaves_a_whole_version(tmp_path):
    workspace = clone(tmp_path, "killed")
    demand = write_demand(workspace.folder / "demand.csv")
    began = time.monotonic()
    workspace.generate("--demand", str(demand))
    took = time.monotonic() - began
    before = workspace.pointer()["version_id"]
    later = write_demand(workspace.folder / "later.csv", demand_rows(seed=1))
    killed = 0
    for share in (0.2, 0.4, 0.6, 0.8, 0.97):
        if not kill_after(workspace, share * took, "--demand", str(later)):
            break  # this machine was done before
        killed += 1
        named = workspace.pointer()["version_id"]
        assert verify_version(workspace.results, named) == []
        if named != before:
            break  # killed between naming the new version and the end of the process
    assert killed >= 2
    workspace.generate("--demand", str(later))
    newest = workspace.pointer()["version_id"]
    assert newest not in (before, named)
    assert verify_version(workspace.results, newest) == []
    assert not (workspace.results / ".work").exists()
    assert not any((workspace.results / ".staging").glob("*"))


def kill_after(workspace: Workspace, seconds: float, *options: str) -> bool:
    """Start the main job and kill it with all its workers; False if it ended before."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from tests.pipelines.job.conftest import Workspace; from pathlib import Path;"
        "Workspace(Path(sys.argv[2])).generate(*sys.argv[3:], expect=None)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT), str(workspace.folder), *options],
        start_new_session=True,
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True
