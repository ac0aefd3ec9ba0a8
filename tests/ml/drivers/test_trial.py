"""What a trial of drivers takes quantiles from, next to a second implementation."""

import numpy as np
import pytest
from scipy import stats

from ml.drivers.trial import (
    DEMAND_LEVELS,
    GRID,
    NegativeBinomials,
    quantile_of_counts,
    tabulate_quantiles,
)


@pytest.mark.parametrize("level", DEMAND_LEVELS)
def test_quantiles_of_counts_are_those_that_scipy_searches_for(level):
    rng = np.random.default_rng(5)
    mean = rng.gamma(0.4, 4.0, (400, 6))  # from hardly ever to more than are tried one by one
    spread = 1.05 + rng.gamma(1.0, 2.0, (400, 6))
    size, stop = mean / (spread - 1), 1 / spread
    np.testing.assert_array_equal(
        quantile_of_counts(level, size, stop), stats.nbinom.ppf(level, size, stop)
    )


def test_a_level_that_a_step_reaches_exactly_is_that_step():
    # Of one failure at even chances none comes with 1/2, one with 1/4: 1/2 and 3/4 are reached.
    size, stop = np.array([1.0, 1.0]), np.array([0.5, 0.5])
    assert quantile_of_counts(0.5, size, stop).tolist() == [0, 0]
    assert quantile_of_counts(0.75, size, stop).tolist() == [1, 1]
    assert quantile_of_counts(0.75 + 1e-6, size, stop).tolist() == [2, 2]


def test_quantiles_never_fall_as_demand_grows():
    demand = NegativeBinomials(np.array([0.0, 0.02, 1.0, 40.0]), np.array([1.05, 1.5, 1.1, 3.0]))
    table = tabulate_quantiles(demand, GRID)
    assert table.shape == (4, len(GRID), len(DEMAND_LEVELS))
    assert (np.diff(table, axis=1) >= 0).all()
    assert (table[0] == 0).all()
