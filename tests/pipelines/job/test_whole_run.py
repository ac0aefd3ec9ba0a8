"""One run from files to a version, looked at from every side."""

import json

import pyarrow.compute as pc
import pytest

from ml.artifacts.version import verify_version
from ml.contracts import PUBLISHED
from ml.contracts.base import check
from ml.contracts.forecasts import (
    QUANTILES,
    quantile_name,
)
from ml.forecasters.registry import models_of
from tests.pipelines.job.conftest import RATES, demand_rows

SMOOTH = {"shrunk_seasonal", "theta", "ets", "combined"}
MODELS = {kind: set(models_of(kind)) for kind in ("demand", "price")}


def test_every_table_of_the_version_keeps_its_contract(company):
    for contract in PUBLISHED:
        check(company.table(contract.name), contract)


def test_every_item_gets_all_steps_of_its_panel(company):
    rows = company.table("forecasts").to_pylist()
    steps = {}
    for row in rows:
        steps.setdefault((row["kind"], row["item_id"]), []).append(row["horizon_step"])
    assert set(steps) == {("demand", item) for item in RATES} | {("price", "brent")}
    for (kind, _), found in steps.items():
        assert found == list(range(1, (12 if kind == "demand" else 30) + 1))


def test_totals_are_those_of_the_items_forecasts(company):
    items = [row for row in company.table("forecasts").to_pylist() if row["kind"] == "demand"]
    rows = company.table("totals").to_pylist()
    assert {row["measure"] for row in rows} == {"quantity", "value"}
    rows = [row for row in rows if (row["measure"], row["grouping"]) == ("quantity", "all")]
    assert [row["horizon_step"] for row in rows] == list(range(1, 13))
    for row in rows:
        own = [item["forecast"] for item in items if item["ds"] == row["ds"]]
        assert row["n_items"] == len(own) == len(RATES)
        assert row["forecast"] == pytest.approx(sum(own), rel=0.05)  # half the paths are added up
        assert row["q05"] <= row["forecast"] <= row["q95"]


def test_the_outlook_of_a_price_is_of_the_paths_of_its_forecast(company):
    prices = {row["ds"]: row for row in company.table("forecasts").to_pylist()
              if row["kind"] == "price"}  # fmt: skip
    rows = company.table("price_outlook").to_pylist()
    assert [row["ds"] for row in rows] == sorted(prices)
    for row in rows:
        forecast = prices[row["ds"]]
        assert row["expected_price"] == pytest.approx(forecast["forecast"], rel=1e-5)
        at_risk = row["reference_price"] + row["price_at_risk_95"]
        assert at_risk == pytest.approx(forecast["q95"], rel=1e-5)
        below = forecast["q50"] < row["reference_price"]
        assert (row["p_above_reference"] < 0.5) == below or row["p_above_reference"] == 0.5


def test_an_exposure_costs_what_the_outlook_of_its_day_says(company):
    (row,) = company.table("price_exposure").to_pylist()
    outlook = {one["ds"]: one for one in company.table("price_outlook").to_pylist()}[row["ds"]]
    assert f"{row['ds']:%Y-%m-%d}" == "2025-11-12"
    assert row["unhedged_volume"] == 300.0
    assert row["expected_spot_cost"] == pytest.approx(300 * outlook["expected_price"])
    assert row["break_even_price"] == pytest.approx(outlook["break_even_price"])
    assert row["break_even_less_quote"] == pytest.approx(row["break_even_price"] - 71.5)
    assert "currency_assumed" in row["quality_flags"]
    (coverage,) = [
        one["value"] for one in company.table("metrics").to_pylist()
        if (one["item_id"], one["model"], one["metric"])
        == (row["item_id"], "ensemble", "coverage_80_interval")
    ]  # fmt: skip
    assert row["interval_coverage"] == coverage
    assert (row["decision_support"] == "breakeven") == (0.65 <= coverage <= 0.95)
    said = (company.folder / "stdout.txt").read_text() + (company.folder / "stderr.txt").read_text()
    line = "exposure: 1 of 2 series are in no prices, nothing is computed for them: 'gas'."
    assert line in said


def test_curves_are_drawn_of_what_is_stocked_and_a_grid_only_without_stock(company):
    curves = company.table("service_curves").to_pylist()
    assert {row["item_id"] for row in curves} <= set(RATES)
    assert len(curves) % 36 == 0
    assert curves
    assert company.table("policy_grid").num_rows == 0
    assert company.table("changes").num_rows == 0  # nothing was there before


def test_the_series_are_told_as_they_were_read(company):
    rows = company.table("history").to_pylist()
    told = {}
    for row in rows:
        told.setdefault(row["item_id"], []).append((str(row["ds"])[:10], row["y"]))
    assert set(told) == {*RATES, "brent"}
    read = {}
    for item, ds, y in demand_rows():
        read.setdefault(item, []).append((ds, float(y)))
    assert {item: told[item] for item in RATES} == {item: read[item][-36:] for item in RATES}
    assert {row["source"] for row in rows} == {"user_files"}


def test_rows_say_where_they_come_from(company):
    for row in company.table("forecasts").to_pylist():
        assert row["source"] == "user_files"
        assert row["model_used"] == "ensemble"
        assert row["is_fallback"] == (row["fallback_reason"] is not None)
        assert row["ds"] > row["as_of"] >= row["train_end"]
        assert row["frequency"] == ("MS" if row["kind"] == "demand" else "B")
        assert (row["lower"], row["upper"]) == (row["q10"], row["q90"])


def test_quantiles_never_cross_and_counts_are_whole(company):
    names = [quantile_name(level) for level in QUANTILES]
    for row in company.table("forecasts").to_pylist():
        cuts = [row[name] for name in names]
        assert cuts == sorted(cuts)
        if row["kind"] == "demand":
            assert all(cut == int(cut) and cut >= 0 for cut in cuts)
            assert row["cum_q90"] >= row["q90"] or row["horizon_step"] > 1
        else:
            assert row["cum_q90"] is None


def test_every_model_really_ran_on_every_item(company):
    rows = company.table("forecast_models")
    found = {}
    for row in rows.select(["kind", "item_id", "model"]).to_pylist():
        found.setdefault((row["kind"], row["item_id"]), set()).add(row["model"])
    for (kind, item), models in found.items():
        # Models of smooth demand refuse what is mostly zeros.
        refused = SMOOTH if kind == "demand" and RATES[item] < 0.7 else set()
        assert models == MODELS[kind] - refused


def test_weights_of_an_item_add_up_to_one(company):
    rows = company.table("forecast_models")
    first = rows.filter(pc.equal(rows["horizon_step"], 1))
    sums = first.group_by("item_id").aggregate([("weight", "sum")])["weight_sum"].to_pylist()
    assert all(abs(total - 1) < 1e-4 for total in sums)


def test_recommendations_order_in_lots_and_only_below_the_reorder_point(company):
    rows = company.table("recommendations").to_pylist()
    assert {row["item_id"] for row in rows} == set(RATES)
    for row in rows:
        assert row["mode"] == "full"
        assert row["order_qty"] % 5 == 0
        if row["inventory_position"] > row["reorder_point"]:
            assert row["order_qty"] == 0
    assert any(row["order_qty"] > 0 for row in rows)
    assert sorted(row["priority_rank"] for row in rows) == list(range(1, len(rows) + 1))


def test_metrics_judge_the_ensemble_and_every_reference(company):
    rows = company.table("metrics").to_pylist()
    judged = {(row["kind"], row["model"]) for row in rows if row["metric"] == "scaled_crps"}
    for kind, models in MODELS.items():
        assert judged >= {(kind, model) for model in models | {"ensemble"}}
    zero = {row["kind"] for row in rows if row["model"] == "zero"}
    assert zero == {"demand"}


def test_manifest_metadata_and_pointer_agree(company):
    manifest, pointer = company.manifest(), company.pointer()
    assert pointer["version_id"] == manifest["version_id"]
    assert manifest["partial"] is False
    assert verify_version(company.results, manifest["version_id"]) == []
    for name in ("forecasts", "recommendations", "metrics"):
        (path,) = (company.results / "versions").glob(f"*/{name}/{name}_*_metadata.json")
        about = json.loads(path.read_text())
        table = company.table(name)
        assert (about["dataset"], about["rows"]) == (name, table.num_rows)
        assert [column["name"] for column in about["schema"]] == table.column_names
        assert about["seed"] == 0


def test_model_versions_keeps_its_documented_keys(company):
    document = json.loads((company.results / "metadata" / "model_versions.json").read_text())
    assert {"model_version", "generated_at", "source", "dataset_id", "models", "metrics"} <= set(
        document
    )
    assert set(document["models"]) == {"prophet", "arima", "lstm", "trees", "ensemble"}
    assert {"mape", "rmse", "accuracy"} <= set(document["metrics"])


def test_log_carries_one_run_id_on_every_line(company):
    lines = (company.folder / "logs" / "generate_ml_results.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert {event["run_id"] for event in events} == {company.manifest()["run"]["run_id"]}
    assert [event["event"] for event in events[:2]] == ["started", "run_started"]
    assert events[-1]["event"] == "run_done"


def test_reports_hold_leaderboard_and_page(company):
    folder = company.folder / "reports" / "results"
    head, *lines = (folder / "leaderboard.csv").read_text().splitlines()
    assert head.startswith("kind,panel,demand_class,model,")
    assert {line.partition(",")[0] for line in lines} == {"demand", "price"}
    assert (folder / "report.html").is_file()


def test_table_at_the_end_says_what_was_done(company):
    shown = (company.folder / "stdout.txt").read_text()
    assert company.pointer()["version_id"] in shown
    for word in ("fallbacks", "refusals", "skill", "best reference", "demand_ms", "price_b"):
        assert word in shown


def test_without_a_terminal_progress_is_plain_lines(company):
    shown = (company.folder / "stderr.txt").read_text()
    assert "forecasting: " in shown
    assert "\x1b[" not in shown
    assert "SYNTHETIC" not in shown
