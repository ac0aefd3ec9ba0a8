"""Stretching: intervals change, means do not, and counts stay counts."""

import numpy as np
import pytest
from scipy import stats

from ml.ensemble import stretching
from ml.ensemble.stretching import stretch_paths, stretch_points
from ml.evaluation.origins import LEVELS, SHARES
from ml.evaluation.scores import quantile_of


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def draws(rng, kind, shape=(2000, 6)):
    drawn = {
        "Poisson of .4": lambda: rng.poisson(0.4, shape),
        "rare and large": lambda: (rng.random(shape) < 0.08) * rng.geometric(0.1, shape),
        "gamma": lambda: rng.gamma(2, 3, shape),
        "two levels": lambda: rng.poisson(np.where(rng.random((shape[0], 1)) < 0.5, 2, 20), shape),
        "never": lambda: np.zeros(shape),
    }
    return drawn[kind]().astype(np.float32)


@pytest.mark.parametrize(
    "kind", ["Poisson of .4", "rare and large", "gamma", "two levels", "never"]
)
@pytest.mark.parametrize("spread", [0.7, 1.3])
@pytest.mark.parametrize("sum_spread", [0.8, 1.25])
def test_the_mean_of_every_step_and_of_sums_is_kept(rng, kind, spread, sum_spread):
    paths = draws(rng, kind)
    made = stretch_paths(paths, np.full(6, spread), sum_spread, 3, "a").astype(np.float64)
    assert made.mean(axis=0) == pytest.approx(paths.mean(axis=0, dtype=np.float64), rel=1e-6)
    assert made[:, :3].sum(axis=1).mean() == pytest.approx(
        paths[:, :3].sum(axis=1, dtype=np.float64).mean(), rel=1e-6
    )
    assert (made >= 0).all()
    if kind != "gamma":
        assert (made == np.round(made)).all()


@pytest.mark.parametrize("kind", ["Poisson of .4", "rare and large", "gamma"])
@pytest.mark.parametrize("sum_spread", [0.95, 1.2])
def test_sums_are_as_wide_as_asked_and_periods_are_left(rng, kind, sum_spread):
    paths = draws(rng, kind, (4000, 6))
    if sum_spread < 1:  # there has to be something in common that can be taken away
        walks = rng.normal(0, 2, (4000, 6)).cumsum(axis=1)
        ranks = walks.argsort(axis=0).argsort(axis=0)
        paths = np.take_along_axis(np.sort(paths, axis=0), ranks, axis=0)
    made = stretch_paths(paths, np.ones(6), sum_spread, 4, "a")
    width = made[:, :4].sum(axis=1).std() / paths[:, :4].sum(axis=1).std()
    assert width == pytest.approx(sum_spread, abs=0.05)
    np.testing.assert_array_equal(np.sort(made, axis=0), np.sort(paths, axis=0))


def test_what_has_nothing_in_common_is_not_drawn_apart_further(rng):
    paths = draws(rng, "gamma")
    made = stretch_paths(paths, np.ones(6), 0.5, 6, "a")
    # Independent already: what is taken away is what 2,000 paths have in common by chance.
    assert made.sum(axis=1).std() == pytest.approx(paths.sum(axis=1).std(), rel=0.05)


def test_stretched_normal_paths_have_the_stretched_deviation(rng):
    paths = rng.normal(10, 1, (4000, 3)).astype(np.float32)
    made = stretch_paths(paths, np.array([1.0, 1.2, 0.8]), 1.0, 1, "a")
    inner = np.quantile(made, 0.9, axis=0) - np.quantile(made, 0.1, axis=0)
    assert np.median(made, axis=0) == pytest.approx([10, 10, 10], abs=0.05)
    assert inner / (2 * stats.norm.ppf(0.9)) == pytest.approx([1.0, 1.2, 0.8], abs=0.04)
    assert (made[:, 0] == paths[:, 0]).all()


def test_stretching_single_periods_keeps_the_order_of_paths(rng):
    shared = rng.normal(0, 1, (2000, 1))
    paths = (20 + shared + rng.normal(0, 1, (2000, 2))).astype(np.float32)
    made = stretch_paths(paths, np.array([1.3, 0.7]), 1.0, 1, "a")
    for step in range(2):
        assert (np.diff(made[np.argsort(paths[:, step]), step]) >= 0).all()


def test_what_an_item_gets_belongs_to_its_name(rng):
    paths = draws(rng, "Poisson of .4")
    once, again, other = (stretch_paths(paths, np.full(6, 1.2), 1.2, 3, name) for name in "aab")
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()
    assert stretch_paths(paths, np.ones(6), 1.0, 3, "a") is paths


@pytest.mark.parametrize("spread", [0.75, 1.3])
def test_points_are_stretched_like_paths_and_keep_their_mean(rng, spread):
    paths = np.sort(rng.gamma(0.4, 9, (5000, 1)), axis=0).astype(np.float32)
    kept = np.quantile(paths[:, 0], LEVELS, method="inverted_cdf")
    points = stretch_points(kept[None, None, :], np.array([[spread]]))[0, 0]
    made = np.quantile(stretch_paths(paths, np.array([spread]), 1.0, 1, "a")[:, 0], LEVELS)
    assert points @ SHARES == pytest.approx(kept @ SHARES, rel=0.02)
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        assert quantile_of(points, level) == pytest.approx(quantile_of(made, level), rel=0.1)


@pytest.mark.parametrize("kind", ["Poisson of .4", "rare and large", "gamma", "never"])
def test_each_path_is_given_the_value_at_its_stretched_probability(rng, kind):
    values = np.sort(draws(rng, kind).T, axis=1)
    scores = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    spread, shift = np.linspace(0.6, 1.6, 6), np.linspace(-0.3, 0.3, 6)
    moved = stretching._move_ordered(values, spread, shift)
    for step in range(6):  # the definition, path by path
        places = (2000 * stats.norm.cdf(spread[step] * scores + shift[step])).astype(int)
        np.testing.assert_array_equal(moved[step], values[step, places.clip(max=1999)])
