import numpy as np

from ml.forecasters.bucket_distribution import learn_buckets


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


def test_draws_have_the_probabilities_that_they_are_given():
    buckets = learn_buckets(np.array([0.0, 1.0, 1.0, 2.0, 5.0]), zero=True)
    chances = np.zeros((1, buckets.count))
    chances[0, 0], chances[0, -1] = 0.75, 0.25
    uniforms = (np.arange(400)[:, None] + 0.5) / 400
    drawn = buckets.draw(chances, uniforms)[:, 0]
    assert (drawn == 0).mean() == 0.75
    assert (np.diff(drawn) >= 0).all()
