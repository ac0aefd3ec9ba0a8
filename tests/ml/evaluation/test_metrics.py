"""The metrics table keeps its contract on every panel, and says what calibration reached."""

from dataclasses import replace

import numpy as np
import pytest

from ml.contracts.base import check
from ml.contracts.metrics import METRICS
from ml.ensemble.leave_one_out import add_ensemble, final_spreads
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.ensemble.weights import fit_weights
from ml.reporting.metrics import metrics_table
from tests.ml.ensemble.backtests import backtest


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
    ensemble = FittedEnsemble(fit_weights(found, "demand"), final_spreads(found, "demand"))
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
