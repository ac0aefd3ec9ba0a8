"""Scores against simulation of their definitions and hand arithmetic."""

import numpy as np
import pytest

from ml.evaluation import scores
from ml.evaluation.origins import LEVELS, SHARES, K


def points_of(draw):
    return np.quantile(draw, LEVELS, method="inverted_cdf")


def test_pinball_charges_a_shortage_by_the_level_and_an_excess_by_the_rest():
    # level 0.9: 3 short costs 2.7, 3 over costs 0.3
    losses = scores.pinball(np.array([10.0, 10.0]), np.array([7.0, 13.0]), 0.9)
    np.testing.assert_allclose(losses, [2.7, 0.3])


def test_crps_is_twice_the_pinball_loss_averaged_over_levels():
    draw = np.random.default_rng(0).gamma(2.0, 3.0, 4000)
    points = points_of(draw)
    losses = [scores.pinball(np.array(4.0), points[i], q) for i, q in enumerate(LEVELS)]
    mean = SHARES @ np.array(losses)
    assert scores.crps(points, np.array(4.0), SHARES) == pytest.approx(2 * mean, rel=2e-3)


def test_crps_of_a_normal_at_its_mean_is_the_published_value():
    # Gneiting & Raftery (2007): CRPS(N(0, 1), 0) = (sqrt(2) - 1) / sqrt(pi) = 0.23370
    draw = np.random.default_rng(0).standard_normal(400_000)
    assert scores.crps(points_of(draw), np.array(0.0), SHARES) == pytest.approx(0.2337, abs=0.002)


def test_crps_of_a_certain_forecast_is_its_error():
    assert scores.crps(np.full(100, 3.0), np.array(5.0)) == pytest.approx(2.0)
    assert scores.crps(np.full(K, 3.0), np.array(5.0), SHARES) == pytest.approx(2.0)


def test_crps_of_draws_is_their_mean_distance_less_half_of_that_between_them():
    draw = np.random.default_rng(3).poisson(2.0, 7).astype(float)
    apart = np.abs(draw[:, None] - draw[None, :]).mean()
    assert scores.crps(draw, np.array(4.0)) == pytest.approx(np.abs(draw - 4).mean() - apart / 2)


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda rng, count: rng.poisson(0.7, count), id="Poisson"),
        pytest.param(lambda rng, count: rng.negative_binomial(1, 0.3, count), id="overdispersed"),
    ],
)
def test_the_transform_of_a_perfect_forecast_of_counts_is_uniform(draw):
    rng = np.random.default_rng(5)
    points, actual = points_of(draw(rng, 200_000)), draw(rng, 30_000).astype(float)
    many = np.broadcast_to(points, (len(actual), K))
    pit = scores.transform(many, actual, rng.random(len(actual)))
    shares = np.histogram(pit, bins=10, range=(0, 1))[0] / len(pit)
    np.testing.assert_allclose(shares, 0.1, atol=0.012)
    plain = (actual <= scores.quantile_of(points, 0.8)).mean()
    assert plain > 0.8 + 0.01  # what the randomisation is for


def test_mixture_points_are_the_quantiles_of_the_pooled_draws():
    rng = np.random.default_rng(6)
    low, high = rng.normal(0, 1, 100_000), rng.normal(10, 2, 100_000)
    both = np.stack([points_of(low), points_of(high)])
    mixed = scores.mixture_points(both, np.array([0.25, 0.75]))
    pooled = np.concatenate([low[:25_000], high[:75_000]])
    inner = np.r_[3:12, 14:-3]  # where the two meet, the quantile jumps from one to the other
    np.testing.assert_allclose(mixed[inner], points_of(pooled)[inner], atol=0.3)


def test_mixture_of_many_rows_is_the_mixture_of_each_row():
    rng = np.random.default_rng(7)
    points = np.sort(rng.poisson(3, (3, 4, 5, K)).astype(float), axis=-1)
    weights = rng.dirichlet(np.ones(3), 4).T
    together = scores.mixture_points(points, weights)
    for row in range(4):
        alone = scores.mixture_points(points[:, row], weights[:, row])
        np.testing.assert_array_equal(together[row], alone)


@pytest.mark.parametrize("level", [*scores.DECILES, *scores.TAIL])
def test_every_level_that_is_scored_is_read_exactly(level):
    draw = np.sort(np.random.default_rng(8).gamma(0.5, 4.0, 500))
    assert scores.quantile_of(points_of(draw), level) == draw[round(level * 500) - 1]


def test_each_of_500_draws_counts_in_the_upper_fiftieth():
    draw = np.sort(np.random.default_rng(9).gamma(0.5, 4.0, 500))
    above = np.concatenate([draw[-10:], draw[-10:] + 5.0])
    changed = points_of(np.concatenate([draw[:-10], above[10:]]))
    assert SHARES.sum() == pytest.approx(1.0)
    assert SHARES @ (changed - points_of(draw)) == pytest.approx(10 * 5.0 / 500, rel=0.1)
