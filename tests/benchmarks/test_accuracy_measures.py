"""Figures of the accuracy table agree with simulations of what they claim to measure."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.accuracy.cases import LEVELS, PEER, SUM_LEVELS, Prediction
from benchmarks.accuracy.drawn_periods import independent, together
from benchmarks.accuracy.measures import expected_inside

RATE = 0.8


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.8), (0.0, 0.9), (0.1, 0.9)])
def test_a_perfect_forecast_of_counts_is_covered_as_often_as_it_says(rng, low, high):
    actual = rng.poisson(RATE, (20000, 1)).astype(float)
    quantiles = np.broadcast_to(stats.poisson.ppf(LEVELS, RATE), (20000, 1, len(LEVELS)))
    # Quantiles say where F lies between two levels only; a few points of slack are theirs.
    assert expected_inside(quantiles, actual, low, high).mean() == pytest.approx(
        high - low, abs=0.04
    )


def test_a_perfect_forecast_of_many_values_is_covered_as_often_as_it_says(rng):
    actual = rng.normal(0, 1, (20000, 1)) + 100
    quantiles = np.broadcast_to(stats.norm.ppf(LEVELS) + 100, (20000, 1, len(LEVELS)))
    for low, high in ((0.0, 0.8), (0.0, 0.95), (0.1, 0.9)):
        inside = expected_inside(quantiles, actual, low, high).mean()
        assert inside == pytest.approx(high - low, abs=0.01)


def normal_periods(items=4, horizon=12):
    quantiles = np.broadcast_to(stats.norm.ppf(LEVELS) + 50, (items, horizon, len(LEVELS)))
    return Prediction("m", PEER, quantiles, np.full((items, horizon), 50.0), None)


def test_independent_periods_add_up_like_independent_normals():
    sums = independent(normal_periods(items=200), (3, 6)).mean(axis=0)
    place = SUM_LEVELS.index(0.9)
    for row, steps in enumerate((3, 6)):
        # Variances add up, so a sum's deviation is the root of its length; the quantiles beyond
        # .05 and .99 are cut, which costs a few hundredths.
        wanted = 50 * steps + stats.norm.ppf(0.9) * np.sqrt(steps)
        assert sums[row, place] == pytest.approx(wanted, abs=0.15 * np.sqrt(steps))


def test_periods_at_one_level_add_up_level_by_level():
    sums = together(normal_periods(), (3, 6))
    for row, steps in enumerate((3, 6)):
        wanted = steps * (stats.norm.ppf(SUM_LEVELS) + 50)
        assert sums[0, row] == pytest.approx(wanted)
