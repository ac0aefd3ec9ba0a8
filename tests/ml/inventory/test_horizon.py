import numpy as np
import pytest
from scipy import stats

from ml.inventory.horizon import extend_paths, start_later
from ml.inventory.lead_time_demand import prepare_paths


def drawn(n_paths, steps, *, shape, seed=1):
    """Poisson demand of mean 2 a period, whose level is drawn once a path (Gamma)."""
    rng = np.random.default_rng(seed)
    levels = rng.gamma(shape, 2.0 / shape, (n_paths, 1))
    return rng.poisson(levels, (n_paths, steps))


def extended(paths, periods, season=1):
    return extend_paths(paths, periods, np.random.default_rng(7), season=season)


@pytest.mark.parametrize("shape", [1.5, 6.0, 1e6])
def test_sums_beyond_the_forecast_have_the_spread_of_a_level_that_is_not_known(shape):
    # Given the level, 40 periods are Poisson of 40 levels: sums are negative binomial.
    sums = extended(drawn(4000, 10, shape=shape), 40).sum(axis=1)
    truth = stats.nbinom(shape, shape / (shape + 80.0))
    assert sums.mean() == pytest.approx(80.0, rel=0.03)
    assert sums.std() == pytest.approx(truth.std(), rel=0.1)
    for level in (0.8, 0.95, 0.99):
        assert truth.cdf(np.quantile(sums, level)) == pytest.approx(level, abs=0.02)


def test_the_forecast_itself_stays_and_every_block_holds_every_path():
    paths = drawn(50, 4, shape=3.0)
    longer = extended(paths, 11)
    assert longer.shape == (50, 11)
    assert (longer[:, :4] == paths).all()
    assert sorted(map(tuple, longer[:, 4:8])) == sorted(map(tuple, paths.astype(float)))
    assert (extended(paths, 3) == paths).all()


def test_weekdays_stay_weekdays():
    week = np.array([5, 4, 3, 2, 1, 0, 0])
    paths = np.tile(week, (20, 2))[:, :10]  # ten days: the week and three days of the next
    assert (extended(paths, 35, season=7) == np.tile(week, 5)).all()


def test_a_forecast_of_one_period_goes_on():
    paths = np.arange(100.0)[:, None]
    sums = extended(paths, 2).sum(axis=1)
    assert sums.mean() == pytest.approx(99.0)
    assert paths.std() * np.sqrt(2) < sums.std() < paths.std() * 2  # neither alone nor alike


def test_paths_that_start_later_ask_for_what_is_left():
    paths = prepare_paths(np.full((3, 4), 8.0) * [1, 2, 3, 4], np.random.default_rng(0))
    half = start_later(prepare_paths(paths.demand + 0.5, np.random.default_rng(0)), 0.5,
                       np.random.default_rng(1))  # fmt: skip
    # Half of the first period and half of the second; no counts, so nothing is drawn.
    assert half.demand.tolist() == [[12.5, 20.5, 28.5]] * 3
    assert start_later(paths, 0.0, np.random.default_rng(1)) is paths
    assert start_later(paths, 1.0, np.random.default_rng(1)).demand.tolist() == [[16, 24, 32]] * 3


def test_counts_that_start_later_stay_counts_with_the_same_mean():
    demand = np.random.default_rng(2).poisson(3.0, (4000, 5))
    later = start_later(
        prepare_paths(demand, np.random.default_rng(0)), 0.3, np.random.default_rng(1)
    )
    assert later.are_counts
    assert later.horizon == 4
    assert later.demand.mean(axis=0) == pytest.approx(np.full(4, 3.0), abs=0.12)
    assert later.demand.var() == pytest.approx(3.0, rel=0.06)  # thinned Poisson is Poisson
