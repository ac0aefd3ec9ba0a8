"""What items have in common is found, and totals are as unsure as it makes them."""

from dataclasses import replace

import numpy as np
import pytest

from ml.ensemble.common_shocks import PRIOR_HORIZON, PRIOR_PERIOD, CommonShocks, measure_shocks
from ml.ensemble.mixture import ENSEMBLE
from tests.ml.backtests import backtest

ITEMS, STEPS, RATE = 150, 6, 5.0
PASSING, STAYING = 0.15, 0.2
DRAWS = np.random.default_rng(0).poisson(RATE, (ITEMS, 400, STEPS)).astype(np.float32)
KNOWN = backtest({ENSEMBLE: DRAWS}, np.zeros((ITEMS, STEPS)), ["smooth"] * ITEMS)


def draw_shocks(rng, origins, staying, passing):
    """What multiplies the rate at each origin and step: gamma of mean 1, (origins, STEPS)."""

    def gamma(sd, shape):
        return rng.gamma(1 / sd**2, sd**2, shape) if sd else np.ones(shape)

    return gamma(staying, (origins, 1)) * gamma(passing, (origins, STEPS))


def origins_of(rng, count, staying=STAYING, passing=PASSING):
    """Origins at which the ensemble knows the rate of each item, and nothing of the shocks."""
    shocks = draw_shocks(rng, count, staying, passing)
    actuals = rng.poisson(RATE * shocks[:, None, :], (count, ITEMS, STEPS)).astype(float)
    return [replace(KNOWN, actual=one) for one in actuals]


def test_many_origins_tell_both_shocks_apart():
    found = measure_shocks(origins_of(np.random.default_rng(1), 120))
    assert found.horizon == pytest.approx(STAYING, abs=0.05)
    assert found.period == pytest.approx(PASSING, abs=0.03)


def test_items_without_anything_in_common_are_found_to_have_little():
    found = measure_shocks(origins_of(np.random.default_rng(2), 40, 0.0, 0.0))
    assert found.horizon < PRIOR_HORIZON / 2
    assert found.period < 0.03


def test_without_a_backtest_the_prior_is_taken_and_owned_to_be_one():
    found = measure_shocks([])
    assert found.period == pytest.approx(PRIOR_PERIOD)
    # Student's 95 % quantile with three degrees of freedom over the normal one, from tables.
    assert found.horizon == pytest.approx(PRIOR_HORIZON * 2.353 / 1.645, rel=1e-3)


def test_factors_keep_the_mean_and_have_the_spread_that_was_asked_for():
    drawn = CommonShocks(0.1, 0.2).draw(40_000, STEPS, np.random.default_rng(3))
    np.testing.assert_allclose(drawn.mean(axis=0), 1.0, rtol=1e-9)
    # Independent factors with variances .01 and .04: (1 + .01)(1 + .04) - 1 = .0504.
    assert drawn.std(axis=0) == pytest.approx(np.sqrt(0.0504), rel=0.03)
    # Shocks that pass are averaged over six periods: (1 + .01 / 6)(1 + .04) - 1.
    assert drawn.mean(axis=1).std() == pytest.approx(np.sqrt(0.0417), rel=0.03)


def test_totals_are_covered_as_they_say_where_items_share_shocks():
    """Two origins teach, a third is forecast: of 300 panels, by the definition of coverage."""
    rng = np.random.default_rng(4)
    inside, alone = [], []
    independent = rng.poisson(RATE * ITEMS, (1000, STEPS))
    for _ in range(300):
        known = measure_shocks(origins_of(rng, 2, staying=0.1, passing=0.05))
        (true,) = draw_shocks(rng, 1, 0.1, 0.05)
        came = rng.poisson(RATE * ITEMS * true).sum()
        for sums, hits in (
            ((independent * known.draw(1000, STEPS, rng)).sum(axis=1), inside),
            (independent.sum(axis=1), alone),
        ):
            hits.append(np.quantile(sums, 0.1) < came < np.quantile(sums, 0.9))
    assert 0.7 < np.mean(inside) < 0.9
    assert np.mean(alone) < 0.4  # what the items alone would say
