"""Intervals over items and origins cover as often as they say, where items alone would not."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.accuracy.intervals import estimate

ROUNDS, ORIGINS, ITEMS = 400, 6, 300


def differences(rng, shock, origins=ORIGINS):
    """Differences in loss between two models that are equally good, and the demand they are of."""
    demand = rng.lognormal(0, 1, ITEMS) * rng.lognormal(0, 0.3, (origins, ITEMS))
    shared, own = rng.normal(0, shock, (origins, 1)), rng.normal(0, 0.3, ITEMS)
    return demand * (shared + own + rng.normal(0, 0.5, (origins, ITEMS))), demand


def missed(shock, origins=ORIGINS):
    rng = np.random.default_rng(12)
    found = [estimate([differences(rng, shock, origins)]) for _ in range(ROUNDS)]
    return np.mean([not one.low <= 0 <= one.high for one in found])


def missed_over_items_alone(shock):
    rng = np.random.default_rng(12)
    found = []
    for _ in range(ROUNDS):
        top, bottom = differences(rng, shock)
        found.append(estimate([(top.sum(axis=0)[None], bottom.sum(axis=0)[None])]))
    return np.mean([not one.low <= 0 <= one.high for one in found])


def test_a_shock_that_items_share_does_not_make_equal_models_look_apart():
    # A twentieth is what 95 % intervals should miss; 400 rounds leave ± .022 to chance.
    assert missed_over_items_alone(shock=0.2) > 0.3
    assert missed(shock=0.2) < 0.1


def test_without_a_shock_the_interval_misses_one_in_twenty():
    assert missed(shock=0.0) == pytest.approx(0.05, abs=0.03)
    assert missed(shock=0.0, origins=1) == pytest.approx(0.05, abs=0.03)


def test_at_one_origin_a_plain_mean_has_the_interval_of_students_t():
    values = np.array([3.0, 5.0, 4.0, 8.0, 1.0])
    known = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate([(values[None], np.ones((1, 5)))])
    assert (found.value, found.low, found.high) == pytest.approx((4.2, known.low, known.high))


def test_a_mean_of_two_ratios_lies_between_them():
    rng = np.random.default_rng(1)
    one, two = (differences(rng, 0.1) for _ in range(2))
    ratios = [top.sum() / bottom.sum() for top, bottom in (one, two)]
    assert estimate([one, two]).value == pytest.approx(np.mean(ratios))
