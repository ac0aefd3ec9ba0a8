"""The metrics table: its contract, what calibration reached, and who beats the references."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.contracts.base import check
from ml.contracts.metrics import METRICS
from ml.ensemble.fitting import fit_ensemble
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.evaluation.origins import add_models
from ml.reporting.comparison import ENDS, two_way_reach
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
    ensemble, said = fit_ensemble(found, "demand")
    judged = [add_models(*pair) for pair in zip(found, said, strict=True)]
    return metrics_table(judged, ensemble, "demand", "demand_ms")


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
    names = tuple(name + end for name in ("vs_reference", "skill", "stock_skill") for end in ENDS)
    ensemble = FittedEnsemble({}, {})
    rows = metrics_table(backtests, ensemble, "demand", "demand_ms").to_pylist()
    found = {}
    for row in rows:
        if row["metric"] in names:
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


def figures(rng, items=60, origins=2):
    return compare([points_of(rng, items) for _ in range(origins)])


def test_the_best_reference_is_no_better_than_itself():
    found = figures(np.random.default_rng(0))[None, "empirical"]
    assert {value for value, _ in found.values()} == {0.0}
    assert found["vs_reference"] == (0.0, 60 * 4 * 2)
    assert found["stock_skill"] == (0.0, 60 * 2)


def test_models_are_measured_against_the_best_reference_with_the_right_sign():
    found = figures(np.random.default_rng(1), origins=4)
    assert found[None, "right"]["vs_reference_high"][0] < 0
    assert found[None, "naive"]["vs_reference_low"][0] > 0
    assert found[None, "right"] == found["smooth", "right"]


def test_the_difference_is_the_true_one():
    # E CRPS(N(m, 1), N(10, 1)) = E|N(m - 10, 2)| - 1 / sqrt(pi), a folded normal: m = 10 and 11.
    folded = 2 / np.sqrt(np.pi) * np.exp(-1 / 4) + 1 - 2 * stats.norm.cdf(-1 / np.sqrt(2))
    truth = 2 / np.sqrt(np.pi) - folded
    found = figures(np.random.default_rng(3), 300, origins=4)[None, "right"]
    assert found["vs_reference"][0] == pytest.approx(truth, abs=0.04)
    # Periods' CRPS is 1 / sqrt(pi) of the right one. Sums of 4 are N(40, 4) against N(44, 4),
    # over sqrt(4): their scores are as those of N(0, 1) against N(2, 1).
    right, off = 1 / np.sqrt(np.pi), folded - 1 / np.sqrt(np.pi)
    apart = 2 * stats.norm.pdf(2 / np.sqrt(2)) * np.sqrt(2) - 1 / np.sqrt(np.pi)
    apart += 2 * (2 * stats.norm.cdf(2 / np.sqrt(2)) - 1)
    assert found["skill"][0] == pytest.approx(1 - 2 * right / (off + apart), abs=0.03)


@pytest.mark.parametrize("origins", [2, 3, 6])
@pytest.mark.parametrize("shock", [0.0, 0.15, 1.0])
def test_what_all_items_share_at_an_origin_widens_the_interval(origins, shock):
    # True mean 0; of the old interval over 200 items alone, 4 to 87 % leave it out.
    rng = np.random.default_rng([origins, int(100 * shock)])
    inside, known = [], np.ones((200, origins), bool)
    for _ in range(1000):
        found = rng.normal(size=(200, origins)) + shock * rng.normal(size=origins)
        mean = float(found.mean())
        inside.append(abs(mean) <= two_way_reach((found - mean) / found.size, known))
    assert np.mean(inside) > 0.93


def test_one_origin_cannot_tell_how_sure_a_difference_is():
    found = figures(np.random.default_rng(1), origins=1)[None, "right"]
    assert found["vs_reference"][0] < 0
    assert found["vs_reference_low"][0] is None
    assert found["skill_high"][0] is None


def test_always_zero_is_no_rival():
    rng = np.random.default_rng(2)
    draws = {"naive": rng.normal(9, 1, (20, 100, 2)), "zero": np.zeros((20, 100, 2))}
    found = compare([backtest(draws, np.zeros((20, 2)))])
    assert found[None, "naive"]["vs_reference"][0] == 0.0
    assert found[None, "zero"]["vs_reference"][0] < 0


def test_always_zero_is_told_as_worthless_where_stock_is_decided():
    # A part is asked for in one month of twenty. "Always zero" has the least absolute error, and
    # at .95 loses .95 of all that is asked for.
    rng = np.random.default_rng(3)
    rates = {"empirical": 0.05, "naive": 0.3, "zero": 0.0}
    draws = {name: rng.poisson(rate, (400, 200, 3)).astype(float) for name, rate in rates.items()}
    made = [backtest(draws, rng.poisson(0.05, (400, 3)).astype(float)) for _ in range(3)]
    rows = metrics_table(made, FittedEnsemble({}, {}), "demand", "demand_ms").to_pylist()
    found = {row["metric"]: row["value"] for row in rows if row["model"] == "zero"
             and row["demand_class"] is None and row["item_id"] is None}  # fmt: skip
    # P(sum of three = 0) = exp(-.15) = .861: sums are zero, or above all that was foreseen.
    assert found["cum_coverage_95"] == pytest.approx(0.95 * 0.861, abs=0.04)
    # Poisson(.15): E pinball at .8 (q 0), .9, .95 (q 1), .99 (q 2), from its first terms.
    p = stats.poisson(0.15)

    def loss(level):
        q, y = p.ppf(level), np.arange(12)
        return float((p.pmf(y) * np.maximum(level * (y - q), (level - 1) * (y - q))).sum())

    levels = np.array([0.8, 0.9, 0.95, 0.99])
    expected = 1 - levels.sum() * 0.15 / sum(map(loss, levels))
    assert found["stock_skill"] == pytest.approx(expected, abs=0.1)


def test_every_item_that_was_tried_has_the_figures_that_people_ask_for():
    draws = {"naive": np.full((2, 100, 2), 4.0), "ensemble": np.full((2, 100, 2), 4.0)}
    actual = np.array([[5.0, 5.0], [4.0, np.nan]])
    made = [backtest(draws, actual), backtest(draws, np.array([[2.0, 8.0], [0.0, 0.0]]))]
    rows = metrics_table(made, FittedEnsemble({}, {}), "demand", "demand_ms").to_pylist()
    found = {(row["item_id"], row["metric"]): (row["value"], row["n_obs"]) for row in rows
             if row["item_id"] is not None and row["model"] == ENSEMBLE}  # fmt: skip
    # i0: errors 1, 1, 2, 4 of 20 asked for, 16 forecast. i1: errors 0, 4, 4 of 4, 12 forecast.
    assert found["i0", "wape"] == (0.4, 4)
    assert found["i0", "bias"] == (-0.2, 4)
    assert found["i1", "wape"] == (2.0, 3)
    assert found["i1", "bias"] == (2.0, 3)
    assert found["i0", "coverage_80_interval"] == (0.0, 4)
    assert {metric for item, metric in found if item == "i1"} == {
        "scaled_crps", "mae", "wape", "bias", "coverage_80_interval",
    }  # fmt: skip
