"""The words of an explanation, on facts made up by hand."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from ml.ensemble.mixture import FittedEnsemble
from ml.evaluation.demand_class import demand_pattern
from ml.reporting.explanation import (
    ItemBacktest,
    ItemFacts,
    ItemHistory,
    draw_sparkline,
    explain_forecast,
)

MONTHS = np.arange("2024-01", "2024-09", dtype="datetime64[M]").astype("datetime64[D]")
VALUES = np.array([0.0, 2.0, 0.0, np.nan, 4.0, 0.0, 3.0, 0.0])
FIRST = {
    "kind": "demand", "frequency": "MS", "unit": "units", "as_of": datetime(2024, 8, 1),
    "dataset_id": "d-1", "n_train": 7, "train_end": datetime(2024, 8, 1),
    "model_used": "ensemble", "is_fallback": False, "fallback_reason": None,
}  # fmt: skip
HISTORY = ItemHistory(MONTHS, VALUES, demand_pattern(VALUES), same=True)
KNOWN = ItemFacts(
    item="A/1",
    panel="demand_ms",
    version="20240901T000000Z-0a",
    first=FIRST,
    history=HISTORY,
    ensemble=FittedEnsemble(
        weights={"*": {"tsb": 1.0}, "intermittent": {"lstm": 0.75, "tsb": 0.25}},
        spreads={"*": [1.0, 1.0, 1.0], "intermittent": [0.98, 1.0, 1.25]},
        sum_spreads={"*": 1.0, "intermittent": 1.1},
    ),
    shares={"lstm": 0.75, "tsb": 0.25, "zero": 0.0},
    idle=(),
    failures={},
    backtest=None,
    tried=500,
    metrics=(),
)


def metric(model, name, value, demand_class=None, count=1):
    return {
        "kind": "demand", "panel": "demand_ms", "item_id": None, "horizon_step": None,
        "demand_class": demand_class, "model": model, "metric": name, "value": value,
        "n_obs": count, "cutoff": None if model.startswith("driver") else MONTHS[0],
    }  # fmt: skip


def paragraph(known, label):
    """Lines of one paragraph, the label and the margin removed."""
    lines = explain_forecast(known).splitlines()
    start = next(row for row, line in enumerate(lines) if line.startswith(label))
    end = next((row for row in range(start + 1, len(lines)) if lines[row][0] != " "), len(lines))
    return [line[11:] for line in lines[start:end]]


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        pytest.param([0, 0, 0], "▁▁▁", id="nothing"),
        pytest.param([0, 7], "▁█", id="zero and the most"),
        pytest.param([100, 100.5, 101], "▁▅█", id="a level far from zero"),
        pytest.param([0, 1, 1000], "▁▂█", id="the least demand is seen"),
        pytest.param([np.nan, np.nan], "··", id="never observed"),
        pytest.param([-5, 5], "▁█", id="below zero"),
    ],
)
def test_sparkline_shows_what_matters(values, bars):
    assert draw_sparkline(values) == bars


def test_only_the_newest_periods_are_drawn():
    assert draw_sparkline([9.0] + [0.0] * 60) == "▁" * 60


PANEL_ALONE = {"ensemble": FittedEnsemble({"*": {"tsb": 1.0}}, {})}
NO_TABLES = {"history": "not to be shown: gone"}
NEVER_ANY = {"history": replace(HISTORY, values=np.zeros(8), pattern=demand_pattern(np.zeros(8)))}
FELL_BACK = {
    "first": {**FIRST, "is_fallback": True, "fallback_reason": "lstm: too short"},
    "shares": {"tsb": 1.0},
    "failures": {"lstm": "too short"},
}
CV2 = "variation of sizes (CV²)"
SAW = "7 observed periods, the last on 2024-08-01"
STRETCHED = "stretched by what class intermittent covered at origins: steps near 0.98, middle 1.00"


@pytest.mark.parametrize(
    ("changes", "label", "lines"),
    [
        # 8 months, one not observed; 4 of 7 zero; the last demand, of 3, in July, one month ago.
        pytest.param({}, "history", [
            "7 of 8 periods observed, 2024-01-01 to 2024-08-01",
            "4 of them without demand (57%); last demand 3 on 2024-07-01, 1 period before the end",
            "▁▅▁·█▁▇▁  0 to 4",
        ], id="zeros, gaps and the last demand are counted"),
        pytest.param(NEVER_ANY, "history", [
            "8 of 8 periods observed, 2024-01-01 to 2024-08-01",
            "8 of them without demand (100%); never any",
            "▁▁▁▁▁▁▁▁  0 to 0",
        ], id="never any demand"),
        pytest.param({"history": replace(HISTORY, same=False, pattern=None)}, "history", [
            "7 of 8 periods observed, 2024-01-01 to 2024-08-01",
            f"the tables have changed since: the run saw {SAW}",
            "▁▅▁·█▁▇▁  0 to 4",
        ], id="tables that changed since the run are pointed out"),
        pytest.param(NO_TABLES, "history", [SAW, "not to be shown: gone"],
                     id="without the tables the version says how much was seen"),
        # 7 months / 3 demands = 2.33; demands 2, 4, 3: variance 2/3 over mean 3 squared = 0.07.
        pytest.param({}, "class", [
            f"intermittent: periods per demand (ADI) 2.33 (cut 1.32), {CV2} 0.07 (cut 0.49)",
        ], id="the class is said with its reasons"),
        pytest.param(NEVER_ANY, "class", [
            f"no_demand: periods per demand (ADI) none, {CV2} none",
        ], id="no pattern without demand"),
        pytest.param(NO_TABLES, "class", ["not known without the history"], id="class not known"),
        pytest.param({}, "weights", ["of class intermittent: lstm 75%, tsb 25%",
                                     "of the whole panel: tsb 100%"],
                     id="weights of the class come first"),
        pytest.param(NO_TABLES, "weights", ["of the whole panel: tsb 100%"], id="no class"),
        pytest.param(PANEL_ALONE, "weights", ["of the whole panel: tsb 100%",
                                              "class intermittent has none of its own"],
                     id="a class that was not tried is served by the panel"),
        pytest.param({}, "intervals", [
            f"{STRETCHED}, far 1.25, sums over the protection interval 1.10 (1 = left alone)"
        ], id="stretched"),
        pytest.param(PANEL_ALONE, "intervals", ["as the models gave them"], id="not stretched"),
        pytest.param({"first": {**FIRST, "model_used": "empirical", "is_fallback": True}},
                     "intervals", ["as the models gave them"], id="a fallback is not stretched"),
        pytest.param({}, "made by", ["ensemble: lstm 75%, tsb 25%", "nothing fell back"],
                     id="all took part"),
        pytest.param(FELL_BACK, "made by", ["ensemble: tsb 100%", "fell back: lstm: too short",
                                            "lstm failed: too short"],
                     id="what failed and what stood in is said with reasons"),
        pytest.param({"idle": ("arima", "theta")}, "made by", [
            "ensemble: lstm 75%, tsb 25%", "nothing fell back",
            "no share and no forecast of it (refused, or not run for that reason): arima, theta",
        ], id="models without share and forecast are named"),
        pytest.param({}, "drivers", ["none are used"], id="no drivers"),
    ],
)  # fmt: skip
def test_a_paragraph_says_what_is_known(changes, label, lines):
    assert paragraph(replace(KNOWN, **changes), label) == lines


def test_scores_of_the_item_are_listed_best_first_and_failures_last():
    trial = ItemBacktest(("2023-08-01",), "lumpy", 2, {"a": 0.5, "b": None, "ensemble": 0.25},
                  {"a": 0.75, "b": None, "ensemble": 0.5})  # fmt: skip
    lines = paragraph(replace(KNOWN, backtest=trial), "backtest")
    assert "at 1 origins (2023-08-01)" in lines[0]
    assert [line.split()[:3] for line in lines[2:]] == [
        ["ensemble", "0.250", "0.500"],
        ["a", "0.500", "0.750"],
        ["b", "failed", "failed"],
    ]
    assert lines[1].split() == ["model", "periods", "sums", "of", "2"]
    assert [line.endswith("<- published") for line in lines[2:]] == [True, False, False]


def test_item_that_was_not_tried_is_shown_the_scores_of_its_class():
    # Two origins of 1 and 3 actuals: (0.2 * 1 + 0.6 * 3) / 4 = 0.5.
    metrics = (
        metric("tsb", "scaled_crps", 0.2, "intermittent", 1),
        metric("tsb", "scaled_crps", 0.6, "intermittent", 3),
        metric("lstm", "scaled_crps", 0.4, "intermittent", 4),
        metric("lstm", "scaled_crps", 9.0, "smooth", 4),
        metric("lstm", "scaled_crps", 8.0, None, 4),
        metric("zero", "scaled_crps", None, "intermittent", 4),
    )
    lines = paragraph(replace(KNOWN, metrics=metrics), "backtest")
    assert lines[0] == "not among the 500 items tried"
    assert [line.split() for line in lines[2:]] == [["lstm", "0.400"], ["tsb", "0.500"]]


def test_drivers_of_the_class_are_named_with_effects_that_are_clear_of_zero():
    clear = {"driver_effect": 0.3, "driver_effect_low": 0.1, "driver_effect_high": 0.5}
    vague = {"driver_effect": 0.3, "driver_effect_low": -0.1, "driver_effect_high": 0.7}
    metrics = (
        metric("drivers:climate", "driver_used", 1.0, "intermittent"),
        metric("drivers:economy", "driver_used", 0.0, "intermittent"),
        metric("drivers:economy", "driver_used", 1.0, "smooth"),
        *(metric("driver:storm_load", *pair, "intermittent") for pair in clear.items()),
        *(metric("driver:usd_brl", *pair, "intermittent") for pair in vague.items()),
    )
    assert paragraph(replace(KNOWN, metrics=metrics), "drivers") == [
        "used by class intermittent: climate; left out: economy",
        "storm_load: +0.30 (+0.10 to +0.50) on the log of the rate a standard deviation",
    ]
