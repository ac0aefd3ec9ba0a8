"""Demand around the means of Prophet and ARIMA: means and empty periods of a simulated series."""

import numpy as np
import pytest

from ml.forecasters.base import predict
from ml.forecasters.registry import forecaster
from ml.forecasters.sparse_draws import SparseDemand, draw_sparse, measure_sparse
from ml.frequency import Frequency, period_range
from ml.panel import Panel

DAY = np.datetime64("2025-01-01")


def sparse_panel(unit: float | None) -> Panel:
    """Six series of which nine days in ten are empty, of 30 metres or of whole pieces else."""
    draws = np.random.default_rng(8)
    sizes = draws.gamma(2.0, 15.0, (6, 300))
    values = np.where(draws.random((6, 300)) < 0.1, sizes, 0.0)
    values = values if unit is None else np.ceil(values / unit)
    items = tuple(f"item{row}" for row in range(6))
    days = period_range(DAY, DAY + 299, Frequency.DAILY)
    return Panel("demand", Frequency.DAILY, items, days, values, (None,) * 6)


@pytest.mark.parametrize("unit", [None, 15.0], ids=["metres", "pieces"])
@pytest.mark.parametrize("name", ["prophet", "arima"])
def test_sparse_demand_keeps_its_rate_and_its_empty_days(name, unit):
    # Normal errors cut at zero gave twice the mean and 40 % of empty days.
    panel = sparse_panel(unit)
    paths = predict(forecaster(name).fit(panel), panel.items, 14, seed=0, n_paths=300).paths
    # 180 demands whose size varies by 0.7 of its mean: standard error 9 %
    assert paths.mean() == pytest.approx(panel.values.mean(), rel=0.2)
    assert (paths == 0).mean() == pytest.approx((panel.values == 0).mean(), abs=0.04)


@pytest.mark.parametrize("counts", [False, True])
def test_each_period_keeps_the_mean_of_the_model(counts):
    law = SparseDemand(mean=2.0, scale=1.0, orders=0.3, sizes=(0.5, 1.5), doubt=0.02)
    means = np.array([0.5, 2.0, 6.0])
    drawn = draw_sparse(law, np.tile(means, (60_000, 1)), np.random.default_rng(1), counts=counts)
    np.testing.assert_allclose(drawn.mean(axis=0), means, rtol=0.05)
    # Chances of none: exp(-0.3 * mean / 2), and fewer pieces than half may round to none
    empty = np.exp(-0.3 * means / 2)
    assert ((drawn == 0).mean(axis=0) > empty - 0.01).all()
    if not counts:
        np.testing.assert_allclose((drawn == 0).mean(axis=0), empty, atol=0.01)


def test_a_mean_below_zero_becomes_a_small_one():
    law = SparseDemand(mean=2.0, scale=1.0, orders=0.3, sizes=(1.0,), doubt=0.0)
    drawn = draw_sparse(law, np.full((50_000, 1), -3.0), np.random.default_rng(2), counts=False)
    assert drawn.mean() == pytest.approx(0.1, rel=0.1)  # a twentieth of 2


def test_doubt_of_the_level_is_common_to_a_path():
    law = SparseDemand(mean=50.0, scale=1.0, orders=9.0, sizes=(0.9, 1.1), doubt=0.04)
    drawn = draw_sparse(law, np.full((4_000, 2), 50.0), np.random.default_rng(3), counts=False)
    # Variances over the square: 0.04 of the level, 0.01 of sizes: correlation 0.04 / 0.05
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(0.8, abs=0.05)


def test_sizes_are_told_over_what_was_expected_of_a_period_with_demand():
    values = np.array([0.0, 4.0, 0.0, 8.0])
    law = SparseDemand.load(measure_sparse(values, np.full(4, 6.0)))
    # Demand 12 of means 24: scale 1/2. Half of the periods busy: -ln(1/2) orders, sizes over 6
    assert law.scale == pytest.approx(0.5)
    assert law.orders == pytest.approx(np.log(2))
    assert law.sizes == pytest.approx((4 / 6, 8 / 6))
    assert measure_sparse(np.ones(12), np.ones(12)) is None
    assert measure_sparse(np.zeros(12), np.zeros(12)) is None


def test_two_years_of_noise_have_no_yearly_season_for_prophet():
    months = period_range(np.datetime64("2023-01-01"), np.datetime64("2025-03-01"),
                          Frequency.MONTHLY)  # fmt: skip
    values = np.random.default_rng(5).poisson(2.0, (1, len(months))).astype(float)
    panel = Panel("demand", Frequency.MONTHLY, ("a",), months, values, (None,))
    paths = predict(forecaster("prophet").fit(panel), ("a",), 12, seed=0, n_paths=400).paths[0]
    # With twenty terms for 27 months the means of the year to come lay units apart.
    assert np.diff(paths.mean(axis=0)).std() < 0.4
