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
    ),
    shares={"lstm": 0.75, "tsb": 0.25, "zero": 0.0},
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


def test_history_counts_zeros_gaps_and_the_last_demand():
    # 8 months, one not observed; 4 of 7 zero; the last demand, of 3, in July, one month ago.
    assert paragraph(KNOWN, "history") == [
        "7 of 8 periods observed, 2024-01-01 to 2024-08-01",
        "4 of them without demand (57%); last demand 3 on 2024-07-01, 1 period before the end",
        "▁▅▁·█▁▇▁  0 to 4",
    ]


def test_class_is_said_with_its_reasons():
    # 7 months / 3 demands = 2.33; demands 2, 4, 3: variance 2/3 over mean 3 squared = 0.07.
    (line,) = paragraph(KNOWN, "class")
    assert line.startswith("intermittent: ")
    assert "(ADI) 2.33 (cut 1.32)" in line
    assert "(CV²) 0.07 (cut 0.49)" in line


def test_item_that_never_had_demand_has_no_pattern():
    nothing = np.zeros(8)
    known = replace(
        KNOWN, history=replace(HISTORY, values=nothing, pattern=demand_pattern(nothing))
    )
    assert "8 of them without demand (100%); never any" in paragraph(known, "history")
    assert paragraph(known, "class")[0].startswith("no_demand: periods per demand (ADI) none")


def test_tables_that_changed_since_the_run_are_pointed_out():
    known = replace(KNOWN, history=replace(HISTORY, same=False))
    assert (
        "the tables have changed since: the run saw 7 observed periods, the last on 2024-08-01"
        in paragraph(known, "history")
    )


def test_without_the_tables_the_version_says_how_much_was_seen():
    known = replace(KNOWN, history="not to be shown: gone")
    assert paragraph(known, "history") == [
        "7 observed periods, the last on 2024-08-01",
        "not to be shown: gone",
    ]
    assert paragraph(known, "class") == ["not known without the history"]
    assert paragraph(known, "weights") == ["of the whole panel: tsb 100%"]


def test_weights_of_the_class_come_before_those_of_the_panel():
    assert paragraph(KNOWN, "weights") == [
        "of class intermittent: lstm 75%, tsb 25%",
        "of the whole panel: tsb 100%",
    ]


def test_class_that_was_not_tried_is_served_by_the_panel():
    known = replace(KNOWN, ensemble=FittedEnsemble({"*": {"tsb": 1.0}}, {}))
    assert paragraph(known, "weights") == [
        "of the whole panel: tsb 100%",
        "class intermittent has none of its own",
    ]


def test_intervals_say_how_far_they_were_stretched():
    said = "stretched by what class intermittent covered at origins: steps near 0.98, middle 1.00, "
    assert paragraph(KNOWN, "intervals") == [f"{said}far 1.25 (1 = left alone)"]
    known = replace(KNOWN, ensemble=FittedEnsemble({"*": {"tsb": 1.0}}, {}))
    assert paragraph(known, "intervals") == ["as the models gave them"]


def test_intervals_of_a_fallback_are_not_stretched():
    known = replace(KNOWN, first={**FIRST, "model_used": "empirical", "is_fallback": True})
    assert paragraph(known, "intervals") == ["as the models gave them"]


def test_what_failed_and_what_stood_in_is_said_with_reasons():
    fell = {**FIRST, "is_fallback": True, "fallback_reason": "lstm: too short"}
    known = replace(KNOWN, first=fell, shares={"tsb": 1.0}, failures={"lstm": "too short"})
    assert paragraph(known, "made by") == [
        "ensemble: tsb 100%",
        "fell back: lstm: too short",
        "lstm failed: too short",
    ]
    assert paragraph(KNOWN, "made by") == ["ensemble: lstm 75%, tsb 25%", "nothing fell back"]


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
    assert paragraph(KNOWN, "drivers") == ["none are used"]
