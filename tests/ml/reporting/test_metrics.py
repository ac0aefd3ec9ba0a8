"""The metrics table: its contract, what calibration reached, and who beats the references."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.contracts.base import check
from ml.contracts.metrics import METRICS
from ml.ensemble.fitting import add_ensemble, fit_ensemble
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.reporting.metrics import metrics_table
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
@pytest.mark.parametrize(("origins", "items"), [(1, 40), (2, 40), (2, 1)])
def test_every_horizon_gives_a_table_with_one_row_a_key(horizon, origins, items):
    check(table_of(horizon, origins=origins, items=items), METRICS, where="test")


def test_spreads_and_coverage_stand_at_the_first_step_of_each_third():
    rows = table_of(7).to_pylist()
    for metric in ("spread", "coverage_80_interval"):
        mine = [r for r in rows if r["metric"] == metric and r["model"] == ENSEMBLE
                and r["horizon_step"] is not None]  # fmt: skip
        # Seven steps in thirds: 1-2, 3-5, 6-7.
        assert {row["horizon_step"] for row in mine} == {1, 3, 6}
        assert {row["demand_class"] for row in mine} == {None, "smooth", "lumpy"}
    assert {row["cutoff"] for row in rows if row["metric"] == "spread"} == {None}


def compare(backtests):
    """Figures of the comparison with the best reference, by class and model."""
    ensemble = FittedEnsemble({}, {})
    rows = metrics_table(backtests, ensemble, "demand", "demand_ms").to_pylist()
    found = {}
    for row in rows:
        if row["metric"].startswith("vs_reference"):
            key = (row["demand_class"], row["model"])
            found.setdefault(key, {})[row["metric"]] = row["value"], row["n_obs"]
    return found


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
    return compare([points_of(rng, items), points_of(rng, items)])


def test_the_best_reference_is_no_better_than_itself():
    found = figures(np.random.default_rng(0))[None, "empirical"]
    assert set(found) == {"vs_reference", "vs_reference_low", "vs_reference_high"}
    assert set(found.values()) == {(0.0, 60 * 4 * 2)}


def test_models_are_measured_against_the_best_reference_with_the_right_sign():
    found = figures(np.random.default_rng(1))
    assert found[None, "right"]["vs_reference_high"][0] < 0
    assert found[None, "naive"]["vs_reference_low"][0] > 0
    assert found[None, "right"] == found["smooth", "right"]


def test_the_interval_holds_the_true_difference_nineteen_times_in_twenty():
    # E CRPS(N(m, 1), N(10, 1)) = E|N(m - 10, 2)| - 1 / sqrt(pi), a folded normal: m = 10 and 11.
    folded = 2 / np.sqrt(np.pi) * np.exp(-1 / 4) + 1 - 2 * stats.norm.cdf(-1 / np.sqrt(2))
    truth = 2 / np.sqrt(np.pi) - folded
    inside = []
    for k in range(40):
        found = figures(np.random.default_rng(k), 40)[None, "right"]
        low, high = found["vs_reference_low"][0], found["vs_reference_high"][0]
        inside.append(low <= truth <= high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.1)


def test_always_zero_is_no_rival():
    rng = np.random.default_rng(2)
    draws = {"naive": rng.normal(9, 1, (20, 100, 2)), "zero": np.zeros((20, 100, 2))}
    found = compare([backtest(draws, np.zeros((20, 2)))])
    assert found[None, "naive"]["vs_reference"][0] == 0.0
    assert found[None, "zero"]["vs_reference"][0] < 0
