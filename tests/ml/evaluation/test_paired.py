"""Differences to the best reference, with intervals that hold what they say."""

import numpy as np
import pytest

from ml.evaluation.scores import measure_losses
from ml.reporting.metrics import compare_with_reference
from tests.ml.ensemble.backtests import backtest


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
