import numpy as np
import pytest

from ml.forecasters.bucket_distribution import Buckets, keep_total, learn_buckets


def test_one_wild_value_is_drawn_for_no_other_item():
    # Counts of 1 to 4, and a typing error of a million among 2,000: the top bucket must not
    # hold it, or every item may be drawn a million.
    counts = np.random.default_rng(1).integers(0, 5, 2000).astype(float)
    clean = learn_buckets(counts, zero=True)
    counts[17] = 1e6
    wild = learn_buckets(counts, zero=True)
    assert clean.points.max() == 4.0
    assert wild.points.max() <= 40.0


def test_large_orders_that_belong_to_the_panel_stay():
    # One order in fifty is of 500: that is no error but this panel's business.
    sizes = np.ones(1000)
    sizes[::50] = 500.0
    assert learn_buckets(sizes, zero=True).points.max() == 500.0


def test_values_in_an_unknown_unit_are_drawn_for_nobody_else():
    sizes = np.random.default_rng(2).gamma(4.0, 0.25, 2000)
    strange = np.append(np.full(60, 700.0), sizes[:40])
    buckets = learn_buckets(sizes, zero=True, strange=strange)
    np.testing.assert_array_equal(buckets.points[-1], 700)
    np.testing.assert_array_equal(buckets.points[:-1], learn_buckets(sizes, zero=True).points)
    assert buckets.of(np.array([sizes.max(), 700.0])).tolist() == [
        buckets.count - 2,
        buckets.count - 1,
    ]
    # A handful is an accident.
    assert learn_buckets(sizes, zero=True, strange=strange[55:]).points.max() == sizes.max()


def test_draws_have_the_probabilities_that_they_are_given():
    buckets = learn_buckets(np.array([0.0, 1.0, 1.0, 2.0, 5.0]), zero=True)
    chances = np.zeros((1, buckets.count))
    chances[0, 0], chances[0, -1] = 0.75, 0.25
    uniforms = (np.arange(400)[:, None] + 0.5) / 400
    drawn = buckets.draw(chances, uniforms)[:, 0]
    assert (drawn == 0).mean() == 0.75
    assert (np.diff(drawn) >= 0).all()


def test_values_are_scaled_until_predictions_add_up_to_what_came():
    # A thousand items of unit 1 and as many of unit 9; each is expected to ask for 2 units. Those
    # of unit 1 ask for 2.6 and those of 9 for 1.4: 2.6 + 9 x 1.4 = 15.2 of the 20 that were said.
    buckets = Buckets(np.array([0.0]), np.stack([np.zeros(64), np.full(64, 4.0)]))
    units = np.repeat([1.0, 9.0], 1000)
    truth = np.repeat([2.6, 1.4], 1000)
    kept = keep_total(buckets, np.full((2000, 2), 0.5), truth, units, np.arange(2000))
    assert kept.points[1, 0] == pytest.approx(4 * 15.2 / 20, rel=0.01)
    assert kept.edges == buckets.edges


def test_one_item_that_asks_for_most_says_little_of_the_others():
    # The same demand, but all that differs from what was said is of one item.
    buckets = Buckets(np.array([0.0]), np.stack([np.zeros(64), np.full(64, 4.0)]))
    units, truth = np.append(np.ones(1000), 500.0), np.append(np.full(1000, 2.0), 1.0)
    kept = keep_total(buckets, np.full((1001, 2), 0.5), truth, units, np.arange(1001))
    assert 3.5 < kept.points[1, 0] < 4  # 4 x 2,500 / 3,000 = 3.3 if it were believed
