"""What stays the same from run to run, and what differs as it was asked for."""

import json
import shutil

import pytest

from ml.artifacts.version import commits
from tests.pipelines.job.conftest import (
    MONTHS,
    RATES,
    Workspace,
    demand_rows,
    write_demand,
    write_stock,
)

pytestmark = pytest.mark.slow
POISON = {
    "nothing": [(str(day), "") for day in MONTHS],
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


def write_files(workspace, rows=None) -> list[str]:
    """Files of demand and stock, and the options that name them."""
    demand = write_demand(workspace.folder / "demand.csv", rows)
    stock = write_stock(workspace.folder / "stock.csv")
    return ["--demand", str(demand), "--inventory", str(stock)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Workspace:
    """A whole run on demand and stock, by one process; looked at, or copied before it changes."""
    made = Workspace(tmp_path_factory.mktemp("plain"))
    made.generate(*write_files(made))
    return made


def test_poisoned_series_change_no_other_forecast_and_are_flagged(tmp_path, plain):
    poisoned = clone(tmp_path, "poisoned")
    bad = [(item, day, y) for item, pairs in POISON.items() for day, y in pairs]
    done = poisoned.generate(*write_files(poisoned, bad + demand_rows()), "--no-drivers")
    assert "demand_ms: no drivers, as asked" in done.stdout
    assert forecasts_of(poisoned, RATES) == forecasts_of(plain, RATES)
    refused = {row["item_id"]: row["reason"] for row in poisoned.table("refusals").to_pylist()}
    assert {"nothing", "absurd", "../../etc/passwd"} <= set(refused)
    assert "1e+09" in refused["absurd"]
    forecast = {row["item_id"] for row in poisoned.table("forecasts").to_pylist()}
    assert {"two-rows", "far-future"} <= forecast
    quarantine = (poisoned.folder / "data" / "quarantine" / "demand.csv").read_text()
    assert "infinite_number" in quarantine
    assert "date_after_today" in quarantine
    assert not list(tmp_path.glob("**/etc"))


def test_two_runs_say_the_same_and_neither_overwrites_the_other(tmp_path, plain):
    other, again = clone(tmp_path, "other"), Workspace(tmp_path / "again")
    other.generate(*write_files(other), "--jobs", "2", alone=True)
    assert plain.hashes() == other.hashes()
    shutil.copytree(plain.folder, again.folder)
    before = again.pointer()["version_id"]
    again.generate(*write_files(again))
    after = again.pointer()["version_id"]
    assert after != before
    assert after[:8] == before[:8]
    assert again.hashes(before) == again.hashes(after)
    assert [record.version_id for record in commits(again.results)] == [before, after]


def test_nothing_after_as_of_has_any_influence(tmp_path):
    plain, changed = clone(tmp_path, "plain"), clone(tmp_path, "changed")
    rows = demand_rows(["slow", "NA", "fast"])
    day = str(MONTHS[35])
    spoiled = [(item, ds, y if ds <= day else "1e12") for item, ds, y in rows]
    spoiled += [("newcomer", str(MONTHS[40]), "7"), ("newcomer", "2025-10-17", "7")]
    plain.generate("--demand", str(write_demand(plain.folder / "d.csv", rows)), "--as-of", day)
    changed.generate(
        "--demand", str(write_demand(changed.folder / "d.csv", spoiled)), "--as-of", day
    )
    assert plain.hashes() == changed.hashes()
    assert {str(row["as_of"])[:10] for row in plain.table("forecasts").to_pylist()} == {day}


def test_items_limits_what_is_written_and_changes_no_number(tmp_path, plain):
    few = clone(tmp_path, "few")
    few.generate(*write_files(few), "--items", "slow,fast")
    assert {row["item_id"] for row in few.table("forecasts").to_pylist()} == {"slow", "fast"}
    alone = {(r["item_id"], r["ds"]): r["q90"] for r in few.table("forecast_models").to_pylist()
             if r["model"] == "lstm"}  # fmt: skip
    rows = plain.table("forecast_models").to_pylist()
    together = {(r["item_id"], r["ds"]): r["q90"] for r in rows if r["model"] == "lstm"}
    assert alone
    assert alone.items() <= together.items()


def test_only_forecasts_then_only_recommendations(tmp_path, plain):
    workspace = clone(tmp_path, "parts")
    shutil.copytree(plain.folder / "models", workspace.folder / "models")
    options, stock = write_files(workspace), workspace.folder / "stock.csv"
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
    judged = ("metrics", "simulation", "portfolio_curves")
    for dataset in ("forecasts", "forecast_models", "refusals", "history", *judged):
        assert hashes[0][dataset] == hashes[1][dataset]
    assert hashes[0]["recommendations"] != hashes[1]["recommendations"]
    assert all(row["order_qty"] % 20 == 0 for row in workspace.table("recommendations").to_pylist())


def test_recommendations_made_after_the_forecasts_alone_equal_a_whole_run(tmp_path, plain):
    workspace = Workspace(tmp_path / "parts")
    shutil.copytree(plain.folder, workspace.folder)
    shutil.rmtree(workspace.results)
    options = write_files(workspace)
    workspace.generate(*options, "--only-forecasts")
    assert workspace.manifest()["partial"] is True
    done = workspace.generate(*options, "--only-recommendations")
    assert "forecasting: " not in done.stderr
    assert workspace.manifest()["partial"] is False
    assert workspace.hashes() == plain.hashes()
    verdicts = [json.loads((one.results / "metadata" / "gate.json").read_text())
                for one in (workspace, plain)]  # fmt: skip
    for one in verdicts:
        del one["version_id"], one["facts"]["version_id"]
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize("asked", [["--only-recommendations"], []])
def test_new_stock_is_recommended_from_saved_paths_as_a_whole_run_would(tmp_path, plain, asked):
    whole, quick = Workspace(tmp_path / "whole"), Workspace(tmp_path / "quick")
    for workspace in (whole, quick):
        shutil.copytree(plain.folder, workspace.folder)
        stock = workspace.folder / "stock.csv"
        stock.write_text(stock.read_text().replace(",0,45,10,", ",3,45,10,"))
    options = ["--demand", str(quick.folder / "demand.csv"), "--inventory"]
    expected = whole.generate(*options, str(whole.folder / "stock.csv"), "--refit")
    assert "forecasting: " in expected.stderr
    done = quick.generate(*options, str(quick.folder / "stock.csv"), *asked)
    assert ("stand (--refit" in done.stderr) == (not asked)
    assert quick.hashes() == whole.hashes()
    assert "forecasting: " not in done.stderr
    assert "no saved paths" not in done.stderr
    changes = quick.table("changes").to_pylist()
    assert {row["forecast_changed"] for row in changes} == {"no"}
    moved = {row["item_id"] for row in changes if row["order_qty"] != row["order_qty_before"]}
    assert moved == {row["item_id"] for row in changes if row["driver"] == "stock"} != set()
    for row in changes:
        assert row["order_from_stock"] == row["order_qty"] - row["order_qty_before"]
        assert row["forecast_periods"] == 12
        assert row["forecast"] == row["forecast_before"] > 0.0
    reports = "reports/results"
    names = {one.name for one in (whole.folder / reports).iterdir()}
    assert {one.name for one in (quick.folder / reports).iterdir()} == names
    tell = [line for line in expected.stdout.splitlines() if line.startswith("- ")]
    assert [line for line in done.stdout.splitlines() if line.startswith("- ")] == tell


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_damaged_paths_are_forecast_again_with_a_line(tmp_path, plain, damage):
    workspace = Workspace(tmp_path / "copy")
    shutil.copytree(plain.folder, workspace.folder)
    paths = min(workspace.folder.glob("models/*/*/demand_ms/paths/*/*/paths.parquet"))
    if damage == "gone":
        paths.unlink()
    else:
        paths.write_bytes(paths.read_bytes()[:-50])
    done = workspace.generate(*write_files(workspace), "--only-recommendations")
    assert "demand_ms: 1 of 6 items have no saved paths" in done.stderr
    assert "forecasting: 1 of 1" in done.stderr
    assert workspace.hashes() == plain.hashes()


def test_a_longer_lead_time_forecasts_its_own_item_again(tmp_path, plain):
    workspace = Workspace(tmp_path / "copy")
    shutil.copytree(plain.folder, workspace.folder)
    options, stock = write_files(workspace), workspace.folder / "stock.csv"
    stock.write_text(stock.read_text().replace(",0,45,10,", ",0,90,10,", 1))
    done = workspace.generate(*options, "--only-recommendations")
    assert "demand_ms: 1 of 6 items have no saved paths" in done.stderr
    rows = [
        {row["item_id"]: row | dict.fromkeys(("run_id", "priority_rank"))
         for row in one.table("recommendations").to_pylist()} for one in (plain, workspace)
    ]  # fmt: skip
    assert [item for item in RATES if rows[0][item] != rows[1][item]] == ["A/1"]
    assert rows[1]["A/1"]["reorder_point"] > rows[0]["A/1"]["reorder_point"]


def test_a_common_fill_is_divided_from_saved_paths(tmp_path, plain):
    workspace = Workspace(tmp_path / "copy")
    shutil.copytree(plain.folder, workspace.folder)
    options = (*write_files(workspace), "--only-recommendations")
    done = workspace.generate(*options, "--portfolio-fill", ".8")
    assert "portfolio: 6 items share a fill of 80.0%" in done.stderr
    assert "forecasting: " not in done.stderr
    rows = workspace.table("recommendations").to_pylist()
    assert {row["target_source"] for row in rows} == {"portfolio"}
    assert len({row["tau_nominal"] for row in rows}) > 1
    made = workspace.hashes()
    workspace.generate(*options, PORTFOLIO_FILL=".8")
    assert workspace.hashes() == made
    refused = workspace.generate(*options, "--portfolio-fill", "A=2", expect=2)
    assert "'A=2': write one fill as .95" in refused.stderr


def test_suppliers_and_a_budget_size_orders_from_saved_paths_as_a_whole_run_would(tmp_path, plain):
    whole, quick = Workspace(tmp_path / "whole"), Workspace(tmp_path / "quick")
    for workspace in (whole, quick):
        shutil.copytree(plain.folder, workspace.folder)
    items = tmp_path / "items.csv"
    items.write_text("sku,fornecedor\n" + "".join(f'"{item}",ACME\n' for item in RATES))
    suppliers = tmp_path / "suppliers.csv"
    suppliers.write_text("fornecedor,pedido_minimo,moeda\nACME,900,\nNobody,5,\n")
    options = (*write_files(quick), "--items-file", str(items), "--suppliers", str(suppliers))
    whole.generate(*options)
    done = quick.generate(*options, "--only-recommendations")
    assert "forecasting: " not in done.stderr
    assert "suppliers: 1 of 2 suppliers deliver no item" in done.stderr
    assert quick.hashes() == whole.hashes()
    (told,) = quick.table("joint_orders").to_pylist()
    assert told["supplier"] == "ACME"
    value = sum(row["order_value"] for row in quick.table("recommendations").to_pylist())
    assert told["order_value"] == pytest.approx(value)
    assert told["order_value_alone"] < 900.0 <= told["order_value"]
    for minimum, least in ((900, 0.0), (100, 100.0)):  # one that the budget cannot meet, one it can
        suppliers.write_text(f"fornecedor,pedido_minimo,moeda\nACME,{minimum},\n")
        spent = quick.generate(*options, "--only-recommendations", "--budget", "200")
        assert "budget: " in spent.stderr
        rows = quick.table("recommendations").to_pylist()
        assert least <= sum(row["order_value"] for row in rows) <= (200.0 if least else 0.0)
    for row in quick.table("changes").to_pylist():
        moved = row["order_qty"] - row["order_qty_before"]
        assert row["order_from_parameters"] == pytest.approx(moved)
    assert {row["driver"] for row in quick.table("changes").to_pylist()} == {"none", "parameters"}


def test_families_trained_one_by_one_forecast_like_the_main_job(tmp_path, plain):
    steps, one = clone(tmp_path, "steps"), ("--jobs", "1")
    steps.run("pipelines/demand_etl.py", *write_files(steps))
    for family in ("prophet", "arima", "lstm", "trees", "ensemble"):
        assert "trained: " in steps.run(f"ml/train_{family}.py", *one).stdout
    steps.run("ml/generate_forecasts.py", *one)
    assert steps.hashes()["forecasts"] == plain.hashes()["forecasts"]
    assert steps.manifest()["partial"] is True
    longer = steps.run("ml/generate_forecasts.py", "--horizon", "20", *one, expect=4)
    assert "--horizon" in longer.stderr
