"""The metrics table: its contract, what calibration reached, and who beats the references."""

from dataclasses import replace

import numpy as np
import pytest

from ml.contracts.base import check
from ml.contracts.metrics import METRICS
from ml.ensemble.leave_one_out import add_ensemble, fit_ensemble
from ml.ensemble.mixture import ENSEMBLE
from ml.evaluation.scores import measure_losses
from ml.reporting.metrics import compare_with_reference, metrics_table
from tests.ml.backtests import backtest


def table_of(horizon, *, items=40, origins=2):
    rng = np.random.default_rng(5)
    found = []
    for number in range(origins):
        draws = {name: rng.poisson(3.0, (items, 100, horizon)).astype(float)
                 for name in ("naive", "empirical", "tsb")}  # fmt: skip
        actual = rng.poisson(3.0, (items, horizon)).astype(float)
        one = backtest(draws, actual, ["smooth"] * (items // 2) + ["lumpy"] * (items - items // 2))
        cutoff = np.datetime64("2025-01-01") - 60 * number
        found.append(replace(one, cutoff=cutoff, length=40 - 6 * number))
    ensemble = fit_ensemble(found, "demand")
    return metrics_table(add_ensemble(found, "demand"), ensemble, "demand", "demand_ms")


@pytest.mark.parametrize("horizon", [1, 2, 3, 7])
@pytest.mark.parametrize("origins", [1, 2])
def test_every_horizon_gives_a_table_with_one_row_a_key(horizon, origins):
    check(table_of(horizon, origins=origins), METRICS, where="test")


def test_an_item_alone_gives_a_table():
    check(table_of(3, items=1), METRICS, where="test")


def test_spreads_and_coverage_stand_at_the_first_step_of_each_third():
    rows = table_of(7).to_pylist()
    for metric in ("spread", "coverage_80_interval"):
        mine = [r for r in rows if r["metric"] == metric and r["model"] == ENSEMBLE
                and r["horizon_step"] is not None]  # fmt: skip
        # Seven steps in thirds: 1-2, 3-5, 6-7.
        assert {row["horizon_step"] for row in mine} == {1, 3, 6}
        assert {row["demand_class"] for row in mine} == {None, "smooth", "lumpy"}
    assert {row["cutoff"] for row in rows if row["metric"] == "spread"} == {None}


def differences(backtests):
    losses = {model: [measure_losses(one, model) for one in backtests]
              for model in backtests[0].models}  # fmt: skip
    return compare_with_reference(backtests[0], losses, "demand")


def points_of(rng, items, *, horizon=4):
    """Backtest whose reference is off by one and whose model is right; truth is N(10, 1)."""
    draws = {
        "naive": rng.normal(14, 1, (items, 100, horizon)),
        "empirical": rng.normal(11, 1, (items, 100, horizon)),
        "right": rng.normal(10, 1, (items, 100, horizon)),
        "zero": np.zeros((items, 100, horizon)),
    }
    return backtest(draws, rng.normal(10, 1, (items, horizon)), ["smooth"] * items)


def figures(rng, items=60):
    found = differences([points_of(rng, items), points_of(rng, items)])
    return {(name, model): (values, count) for name, model, values, count in found}


def test_the_best_reference_is_no_better_than_itself():
    values, count = figures(np.random.default_rng(0))[None, "empirical"]
    assert values == {"vs_reference": 0.0, "vs_reference_low": 0.0, "vs_reference_high": 0.0}
    assert count == 60 * 4 * 2


def test_models_are_measured_against_the_best_reference_with_the_right_sign():
    found = figures(np.random.default_rng(1))
    assert found[None, "right"][0]["vs_reference_high"] < 0
    assert found[None, "naive"][0]["vs_reference_low"] > 0
    assert found[None, "right"] == found["smooth", "right"]


def test_the_interval_holds_the_true_difference_nineteen_times_in_twenty():
    truth = np.mean([figures(np.random.default_rng(100 + k), 40)[None, "right"][0]["vs_reference"]
                     for k in range(25)])  # fmt: skip
    held = []
    for k in range(40):
        values, _ = figures(np.random.default_rng(k), 40)[None, "right"]
        held.append(values["vs_reference_low"] <= truth <= values["vs_reference_high"])
    assert np.mean(held) == pytest.approx(0.95, abs=0.1)


def test_always_zero_is_no_rival():
    rng = np.random.default_rng(2)
    draws = {"empirical": rng.normal(9, 1, (20, 100, 2)), "zero": np.zeros((20, 100, 2))}
    found = differences([backtest(draws, np.zeros((20, 2)))])
    values = {model: one["vs_reference"] for name, model, one, _ in found if name is None}
    assert values["empirical"] == 0.0
    assert values["zero"] < 0
