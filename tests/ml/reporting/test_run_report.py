"""What people see of a run, on a small one made by hand."""

import csv
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.forecasts import FORECASTS
from ml.contracts.metrics import METRICS
from ml.contracts.simulation import PORTFOLIO_CURVES
from ml.drivers.study import DriverFinding, Study
from ml.reporting.metrics import driver_metrics, leaderboard
from ml.reporting.run_report import PanelReport, RunReport, show_result, write_reports
from tests.conftest import monthly_panel

PANEL = monthly_panel(2, 24)
DAYS = np.array(["2026-01-01", "2026-02-01"], "datetime64[us]")
STUDY = Study(
    gains=(
        DriverFinding("*", "climate", None, True, -0.3, -0.4, -0.2, 800),
        DriverFinding("*", "climate", None, False, -0.2, -0.3, -0.1, 800),
    ),
    effects=(DriverFinding("lumpy", "climate", "storm_load", False, 0.25, 0.1, 0.4),),
    used={"lumpy": ("climate",), "smooth": ()},
    drivers={},
    statements=("demand_ms, lumpy: drivers used: climate",),
)


def metric(model, name, value, cutoff, count=1):
    return {"kind": "demand", "panel": "demand_ms", "model": model, "metric": name, "value": value,
            "n_obs": count, "cutoff": cutoff}  # fmt: skip


def forecast_rows(fallbacks):
    rows = [{"kind": "demand", "frequency": "MS", "item_id": item,
             "is_fallback": item in fallbacks} for item in PANEL.items]  # fmt: skip
    names = list(rows[0])
    schema = pa.schema([FORECASTS.schema.field(name) for name in names])
    return pa.Table.from_pylist(rows, schema=schema)


def curve_rows():
    """An ensemble that takes three quarters of the rule's stock."""
    rows = [{"method": "ensemble", "measure": "unit_fill", "anchor": "rule_95", "service": 0.9,
             "ratio": 0.75, "ratio_low": 0.6, "ratio_high": 0.95}]  # fmt: skip
    schema = pa.schema([PORTFOLIO_CURVES.schema.field(name) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema=schema)


@pytest.fixture
def report():
    days = DAYS.tolist()
    metrics = [
        # Two origins of 1 and 3 actuals: (0.2 * 1 + 0.6 * 3) / 4 = 0.5.
        metric("tsb", "scaled_crps", 0.2, days[0], 1),
        metric("tsb", "scaled_crps", 0.6, days[1], 3),
        metric("ensemble", "scaled_crps", 0.4, days[0], 4),
        metric("ensemble", "fva_naive", 0.25, days[0], 4),
        metric("ensemble", "vs_reference", -0.1, None, 4),
        metric("ensemble", "skill", 0.05, None, 4),
        metric("ensemble", "skill_low", -0.1, None, 4),
        metric("ensemble", "skill_high", 0.2, None, 4),
        metric("ensemble", "stock_skill", 0.3, None, 4),
    ]
    panel = PanelReport("demand_ms", PANEL, 2, 2, 1, STUDY, synthetic=False)
    table = pa.Table.from_pylist(metrics, schema=METRICS.schema)
    forecasts = forecast_rows(PANEL.items[:1])
    return RunReport("v1", (panel,), table, forecasts, curve_rows())


def test_models_are_listed_best_first_by_means_over_all_actuals(report):
    lines = leaderboard(report.metrics.to_pylist())
    assert [(line["model"], line["scaled_crps"], line["n_obs"]) for line in lines] == [
        ("ensemble", 0.4, 4),
        ("tsb", 0.5, 4),
    ]
    assert (lines[0]["vs_reference"], lines[1]["vs_reference"]) == (-0.1, None)


def test_where_stock_is_decided_models_are_listed_by_the_tail_of_cumulative_demand(report):
    tail = [metric("tsb", "cum_tail_pinball", 0.3, DAYS.tolist()[0], 4),
            metric("ensemble", "cum_tail_pinball", 0.6, DAYS.tolist()[0], 4)]  # fmt: skip
    table = pa.Table.from_pylist(tail, schema=METRICS.schema)
    lines = leaderboard([*report.metrics.to_pylist(), *table.to_pylist()])
    assert [line["model"] for line in lines] == ["tsb", "ensemble"]


def test_reports_hold_tables_and_a_picture_of_drivers(report, tmp_path):
    written = write_reports(report, tmp_path)
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()} == {
        "leaderboard.csv", "drivers.csv", "drivers_demand_ms.png",
    }  # fmt: skip
    with (tmp_path / "leaderboard.csv").open() as stream:
        told = [(row["model"], row["scaled_crps"]) for row in csv.DictReader(stream)]
    assert told == [("ensemble", "0.4"), ("tsb", "0.5")]
    with (tmp_path / "drivers.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["what"], row["value"], row["used"]) for row in rows] == [
        ("gain had they been foreseen", "-0.3", "True"),
        ("gain as known", "-0.2", "True"),
        ("effect on the log rate", "0.25", "True"),
    ]


def test_pictures_of_the_same_drivers_stay_and_others_are_drawn_again(report, tmp_path):
    write_reports(report, tmp_path)
    picture = tmp_path / "drivers_demand_ms.png"
    first = picture.stat().st_ino
    assert picture in write_reports(replace(report, version_id="v2"), tmp_path)
    assert picture.stat().st_ino == first
    panel = replace(report.panels[0], synthetic=True)
    write_reports(replace(report, panels=(panel,)), tmp_path)
    assert b"SYNTHETIC SAMPLE" in picture.read_bytes()
    second = picture.read_bytes()
    other = replace(STUDY, gains=(replace(STUDY.gains[1], value=-0.15),))
    write_reports(replace(report, panels=(replace(panel, study=other),)), tmp_path)
    assert picture.read_bytes() != second


def test_a_run_without_a_backtest_or_drivers_writes_an_empty_leaderboard(report, tmp_path):
    (tmp_path / "drivers.csv").write_text("stale")
    panel = replace(report.panels[0], study=Study((), (), {}, {}, ()))
    write_reports(replace(report, panels=(panel,), metrics=report.metrics[:0]), tmp_path)
    assert (tmp_path / "leaderboard.csv").read_text().count("\n") == 1
    assert not (tmp_path / "drivers.csv").exists()


@pytest.mark.parametrize("synthetic", [True, False])
def test_pictures_of_made_up_data_say_so(report, tmp_path, synthetic):
    panel = replace(report.panels[0], synthetic=synthetic)
    (picture,) = (path for path in write_reports(replace(report, panels=(panel,)), tmp_path)
                  if path.suffix == ".png")  # fmt: skip
    assert (b"SYNTHETIC SAMPLE, demand_ms" in picture.read_bytes()) == synthetic


def test_the_table_at_the_end_counts_fallbacks_and_refusals(report, tmp_path, capsys):
    show_result(report, tmp_path, tmp_path / "reports", seconds=61.2, peak_mib=(100.4, 50.2))
    shown = capsys.readouterr().out
    (line,) = (one for one in shown.splitlines() if "demand_ms" in one and "│" in one)
    assert line.replace("│", "").split() == [
        "demand_ms", "2", "2", str(PANEL.cutoff), "1", "1", "+5%",
    ]  # fmt: skip
    assert (
        "demand_ms: skill +5% (-10% to +20%), in the tail of cumulative demand +30% (one" in shown
    )
    assert "- demand_ms, lumpy: drivers used: climate" in shown
    assert (
        "- stock in the backtest: 75% (60% to 95%) of what mean + z sigma root P holds with its "
        ".95, at the same 90% of units served at once"
    ) in shown
    assert "61 s, peak memory at most 151 MiB (100 + 50)" in shown


def test_the_study_of_drivers_becomes_rows_of_the_metrics_table():
    rows = driver_metrics(STUDY, "demand", "demand_ms").to_pylist()
    found = {(row["model"], row["demand_class"], row["metric"]): row["value"] for row in rows}
    assert found["drivers:climate", None, "driver_gain_low"] == -0.3
    assert found["drivers:climate", None, "driver_gain_foreseen"] == -0.3
    assert found["driver:storm_load", "lumpy", "driver_effect_high"] == 0.4
    assert found["drivers:climate", "lumpy", "driver_used"] == 1.0
    assert found["drivers:climate", "smooth", "driver_used"] == 0.0


def test_whether_the_version_may_go_out_is_said_and_kept_and_of_a_part_nothing(
    report, tmp_path, capsys
):
    told = ("gate: this version may not go out: 1 closed", "gate: items: [half] are gone")
    write_reports(replace(report, gate=told), tmp_path)
    assert (tmp_path / "gate.txt").read_text().splitlines() == ["version v1", *told]
    show_result(replace(report, gate=told), tmp_path, tmp_path, seconds=1, peak_mib=[1])
    assert "\n".join(told) in capsys.readouterr().out
    write_reports(report, tmp_path)
    assert not (tmp_path / "gate.txt").exists()
