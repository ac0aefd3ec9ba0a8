"""Curves are read where they were drawn, and their intervals are those of sampling."""

import numpy as np
import pytest
from scipy import stats

from ml.simulation.curves import (
    Resampling,
    draw_samples,
    interval,
    mean_over_time,
    service_curve,
    stock_at,
    stock_curve,
)
from ml.simulation.engine import ServiceRecord

ONCE = Resampling(np.ones((1, 2)), np.ones((1, 2)))


def record_of(**parts):
    """A record of two items in two parts of the time at one level, zero where nothing is said."""
    names = ServiceRecord.__slots__
    shapes = {name: (2, 2) if name in {"periods", "asked", "lines", "cycles", "busy"} else (2, 2, 1)
              for name in names}  # fmt: skip
    return ServiceRecord(*(np.asarray(parts.get(name, np.zeros(shape)), float).reshape(shape)
                           for name, shape in shapes.items()))  # fmt: skip


def test_stock_at_a_service_lies_where_an_exact_curve_has_it():
    # Base stock of Poisson demand: stock and ready rate are known at every level in between.
    mean, levels = 60.0, np.arange(40.0, 100.0, 8)
    between = np.array([59.0, 67.0, 75.0])
    units = np.arange(300)

    def curve(held):
        stock = np.maximum(held[:, None] - units, 0) @ stats.poisson.pmf(units, mean)
        return stats.poisson.cdf(held, mean), stock

    service, stock = curve(levels)
    wanted, exact = curve(between)
    found = [stock_at(service[None], stock[None], one)[0] for one in wanted]
    assert found == pytest.approx(exact.tolist(), rel=0.05)
    assert stock_at(service[None], stock[None], service[3])[0] == pytest.approx(stock[3])


def test_nothing_is_extrapolated():
    service, stock = np.array([[0.5, 0.8, 0.9]]), np.array([[1.0, 2.0, 4.0]])
    assert np.isnan(stock_at(service, stock, 0.4)[0])
    assert np.isnan(stock_at(service, stock, 0.95)[0])
    assert stock_at(service, stock, 0.5)[0] == 1.0
    assert stock_at(service, stock, 0.9)[0] == 4.0
    # -log(1 - service) is 1.609 at .8 and 2.303 at .9; at .85 it is 1.897: 41.5 % of the way.
    assert stock_at(service, stock, 0.85)[0] == pytest.approx(2.83, abs=0.001)


def test_a_curve_that_stands_still_is_left_at_its_first_level():
    service, stock = np.array([[0.5, 0.8, 0.8, 0.9]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    assert stock_at(service, stock, 0.8)[0] == 2.0


def test_an_item_that_was_not_counted_held_what_it_held_elsewhere():
    record = record_of(periods=[[4, 2], [0, 2]], stock=[[8, 4], [0, 6]])
    # The first holds 2 at all times, the second 3; they cost 10 and 1.
    assert stock_curve(record, np.array([10.0, 1.0]), ONCE).tolist() == [[23.0]]
    assert mean_over_time(record.stock, record, np.ones(2), ONCE).tolist() == [[5.0]]


def test_service_is_a_ratio_of_sums_and_unknown_where_nothing_was_asked_for():
    record = record_of(asked=[[4, 0], [0, 6]], served=[[1, 0], [0, 4]])
    assert service_curve(record, "unit_fill", ONCE).tolist() == [[0.5]]
    first = np.array([True, False])
    assert service_curve(record.of(first), "unit_fill", ONCE.of(first)).tolist() == [[0.25]]
    assert np.isnan(service_curve(record, "cycle_service", ONCE)).all()


def test_an_interval_is_as_wide_as_the_sampling_of_items_makes_it():
    rng = np.random.default_rng(1)
    n = 400
    good = rng.binomial(10, 0.7, (n, 1)).astype(float)
    names = [f"i{k}" for k in range(n)]
    samples = draw_samples(names, 1, seed=0)
    draws = samples.add_up(good[:, :, None])[:, 0] / samples.add_up(np.full((n, 1), 10.0))
    low, high = interval(draws)
    # A mean of n items: 1.96 times the standard error of a binomial share.
    reach = 1.96 * np.sqrt(0.7 * 0.3 / (10 * n))
    assert draws[0] == pytest.approx(good.mean() / 10)
    assert (high - low) / 2 == pytest.approx(reach, rel=0.15)


def test_what_origins_share_widens_an_interval():
    good = np.ones((50, 3, 1)) * np.array([0.2, 0.8, 0.5])[:, None]
    samples = draw_samples([f"i{k}" for k in range(50)], 3, seed=0)
    low, high = interval((samples.add_up(good) / samples.add_up(np.ones((50, 3, 1))))[:, 0])
    assert low == pytest.approx(0.2, abs=0.11)
    assert high == pytest.approx(0.8, abs=0.11)


def test_how_often_an_item_counts_does_not_depend_on_the_others():
    both, alone = draw_samples(["a", "b"], 2, seed=0), draw_samples(["b"], 2, seed=0)
    np.testing.assert_array_equal(both.items[:, 1:], alone.items)
    np.testing.assert_array_equal(both.parts, alone.parts)


def test_an_interval_is_not_told_of_draws_that_mostly_say_nothing():
    draws = np.full(101, np.nan)
    draws[0], draws[1:60] = 1.0, 1.0
    assert interval(draws) == (None, None)
    assert interval(np.r_[np.nan, np.ones(100)]) == (None, None)
