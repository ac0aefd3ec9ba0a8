"""Intervals over items and origins cover as often as they say, where items alone would not."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.accuracy.comparison import estimate

ROUNDS, ORIGINS, ITEMS = 400, 6, 300


def differences(rng, shock, origins=ORIGINS):
    """Differences in loss between two models that are equally good, and the demand they are of."""
    demand = rng.lognormal(0, 1, ITEMS) * rng.lognormal(0, 0.3, (origins, ITEMS))
    shared, own = rng.normal(0, shock, (origins, 1)), rng.normal(0, 0.3, ITEMS)
    return demand * (shared + own + rng.normal(0, 0.5, (origins, ITEMS))), demand


def missed(shock, origins=ORIGINS, over="over_both"):
    rng = np.random.default_rng(12)
    found = [estimate(*differences(rng, shock, origins)) for _ in range(ROUNDS)]
    return np.mean([abs(one.value) > getattr(one, over) for one in found])


def test_a_shock_that_items_share_does_not_make_equal_models_look_apart():
    # A twentieth is what 95 % intervals may miss; 400 rounds leave ± .022 to chance.
    assert missed(shock=0.2, over="over_items") > 0.3
    assert missed(shock=0.2) < 0.072
    assert missed(shock=0.1, origins=2) < 0.072


def test_without_a_shock_items_alone_miss_one_in_twenty_and_both_fewer():
    assert missed(shock=0.0, over="over_items") == pytest.approx(0.05, abs=0.03)
    assert missed(shock=0.0, origins=1, over="over_items") == pytest.approx(0.05, abs=0.03)
    assert missed(shock=0.0) < 0.05


def test_at_one_cutoff_a_plain_mean_has_the_interval_of_students_t_and_no_other():
    values = np.array([3.0, 5.0, 4.0, 8.0, 1.0])
    known = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(values[None], np.ones((1, 5)))
    assert (found.ends[" low"], found.ends[" high"]) == pytest.approx((known.low, known.high))
    assert (found.value, np.isnan(found.over_both)) == (pytest.approx(4.2), True)
