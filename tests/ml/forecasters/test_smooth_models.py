"""Models of smooth demand against hand arithmetic, simulation and a second implementation."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from ml.forecasters.references import exponential, smoothing, trending
from ml.forecasters.references.sampling import PathRequest
from ml.frequency import Frequency
from ml.seeds import generator

COUNTS = partial(PathRequest, "demand", Frequency.MONTHLY, is_count=True)
LITRES = partial(PathRequest, "demand", Frequency.MONTHLY, is_count=False)
YEAR = 1 + 0.6 * np.sin(2 * np.pi * np.arange(12) / 12)  # mean 1


def rng(name="x"):
    return generator(0, name)


def local_level(months, gain, spread, seed):
    """A level that moves by ``gain`` of each error, by its definition."""
    level, values = 100.0, []
    for error in np.random.default_rng(seed).normal(0, spread, months):
        values.append(level + error)
        level += gain * error
    return np.array(values)


# The level


def test_two_observations_have_their_mean_for_a_level():
    # The second observation weighs 1/2, but for gains above 1/2: odds of e^-6.5 and less
    level = smoothing.smooth_level(np.array([2.0, 4.0]))
    assert level.value == pytest.approx(3.0, abs=0.001)
    assert level.errors[1] == pytest.approx(2.0)


def test_a_steady_series_has_a_calm_level_and_a_wandering_one_a_quick_one():
    noise = np.random.default_rng(1).normal(0, 5, 120)
    calm, quick = smoothing.smooth_level(50 + noise), smoothing.smooth_level(50 + np.cumsum(noise))
    assert calm.value == pytest.approx((50 + noise).mean(), abs=1.0)
    assert calm.gain < 0.1
    assert quick.gain > 0.6
    assert quick.value == pytest.approx(50 + noise.sum(), abs=5.0)


def test_a_gap_leaves_the_level_as_it_is():
    values = np.random.default_rng(2).poisson(9.0, 30).astype(float)
    holed = np.insert(values, [5, 5, 20, 30], np.nan)
    whole, gappy = smoothing.smooth_level(values), smoothing.smooth_level(holed)
    assert gappy.value == whole.value
    assert gappy.count == 30
    np.testing.assert_array_equal(np.isnan(gappy.errors), np.isnan(holed) | (np.arange(34) == 0))


def test_errors_are_carried_forward_as_the_recursion_does_it():
    level = smoothing.Level(value=0.0, gain=0.2, count=3, errors=np.empty(0))
    errors = np.random.default_rng(3).normal(size=6)
    now, values = 0.0, []
    for step, error in enumerate(errors):
        values.append(now + error)
        now += max(0.2, 1 / (4 + step)) * error  # the fourth observation weighs a quarter
    np.testing.assert_allclose(errors @ smoothing.carry_errors(level, 6), values)


def test_the_mean_of_a_short_history_is_uncertain_in_sums():
    # The mean of 24 months to come differs from that of 12 seen ones with variance 1/24 + 1/12
    carry = smoothing.carry_errors(smoothing.Level(0.0, 0.0, 12, np.empty(0)), 24)
    assert (carry.sum(axis=1) ** 2).sum() / 24**2 == pytest.approx(1 / 24 + 1 / 12, rel=0.1)


def test_tied_uniforms_are_even_at_each_step_and_correlated_along_a_path():
    carry = smoothing.carry_errors(smoothing.Level(0.0, 0.5, 99, np.empty(0)), 2)
    uniforms = smoothing.tie_uniforms(carry, 20_000, rng())
    strata = np.sort((uniforms * 20_000).astype(int), axis=0)
    np.testing.assert_array_equal(strata, np.tile(np.arange(20_000)[:, None], 2))
    # Values e1 and e2 + e1/2: covariance 1/2, variances 1 and 5/4
    found = np.corrcoef(stats.norm.ppf(uniforms).T)[0, 1]
    assert found == pytest.approx(0.5 / np.sqrt(1.25), abs=0.02)


@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_intervals_of_months_and_of_their_sums_cover_what_they_say(gain):
    # Months alone, drawn without ties, cover only .52 of the sums where the level moves.
    inside = []
    for seed in range(150):
        series = np.maximum(local_level(72, gain, 15.0, seed), 0.0)
        paths = smoothing.shrunk_seasonal(series[:60], LITRES(12, 200, rng(str(seed))))
        months = (paths < series[60:]).mean(axis=0)
        total = (paths.sum(axis=1) < series[60:].sum()).mean()
        inside.append((np.mean((months >= 0.1) & (months < 0.9)), 0.1 <= total < 0.9))
    months, totals = np.mean(inside, axis=0)
    assert months == pytest.approx(0.8, abs=0.04)
    assert totals == pytest.approx(0.8, abs=0.1)  # 150 sums: standard error 0.033


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param([np.nan, 3.0], "needs 2 observations, there are 1", id="one"),
        pytest.param([0.0] * 7 + [4.0] * 5, "7 of 12 periods are zero", id="sparse"),
    ],
)
@pytest.mark.parametrize(
    "sampler", [smoothing.shrunk_seasonal, trending.theta, trending.combined, exponential.ets]
)
def test_series_without_a_level_to_smooth_are_refused(sampler, values, reason):
    with pytest.raises(ValueError, match=reason):
        sampler(np.array(values), COUNTS(3, 5, rng()))


# The season


def test_means_around_a_period_hold_whole_seasons_and_skip_gaps():
    # m = 4, weights 1/2 1 1 1 1/2: of 0 4 8 12 around the third: (0 + 4 + 8 + 12 + 16/2 - 0) / 4
    values = 4.0 * np.arange(8)
    np.testing.assert_allclose(smoothing.yearly_mean(values, 4), [8, 8, 8, 12, 16, 20, 20, 20])
    values[2] = np.nan  # leaves (0/2 + 4 + 12 + 16/2) / 3 = 8, then (2 + 12 + 16 + 10) / 3
    np.testing.assert_allclose(smoothing.yearly_mean(values, 4)[2:4], [8, 40 / 3])


def test_a_plain_season_is_kept_and_noise_is_not():
    noise = np.random.default_rng(5)
    kept, weight = smoothing.shrink_indices(100 * np.tile(YEAR, 5) + noise.normal(0, 2, 60), 12)
    assert weight > 0.95
    np.testing.assert_allclose(kept, YEAR, atol=0.05)
    weights = [
        smoothing.shrink_indices(noise.poisson(100.0, 60).astype(float), 12)[1] for _ in range(100)
    ]
    assert np.mean(weights) < 0.3


def test_shrunk_indices_are_nearer_to_the_truth_than_those_measured():
    noise = np.random.default_rng(6)
    truth = 1 + 0.1 * np.sin(2 * np.pi * np.arange(12) / 12)
    gaps = []
    for _ in range(60):
        values = noise.poisson(40 * np.tile(truth, 5)).astype(float)
        measured, _ = smoothing.measure_indices(values, 12)
        shrunk, _ = smoothing.shrink_indices(values, 12)
        gaps.append((np.sum((measured - truth) ** 2), np.sum((shrunk - truth) ** 2)))
    raw, drawn = np.mean(gaps, axis=0)
    assert drawn < 0.8 * raw


@pytest.mark.parametrize("sampler", [smoothing.shrunk_seasonal, trending.theta])
def test_the_season_goes_on_where_the_history_stopped(sampler):
    months = np.arange(5, 5 + 55)  # starts in June, ends in December
    values = np.round(200 * YEAR[months % 12])
    means = sampler(values, COUNTS(12, 400, rng())).mean(axis=0)
    np.testing.assert_allclose(means, 200 * YEAR, rtol=0.05)


def test_without_two_seasons_the_level_stands_alone():
    values = np.round(200 * YEAR[np.arange(23) % 12])
    means = smoothing.shrunk_seasonal(values, COUNTS(12, 400, rng())).mean(axis=0)
    assert means.std() < 0.02 * means.mean()


def test_error_variance_counts_what_the_season_has_spent():
    errors = np.full(10, 2.0)  # sum of squares 40
    assert smoothing.error_variance(errors, 0.0, None) == pytest.approx(4.0)
    # 8 Poisson months of variance 1: (40 + 8) / 18
    assert smoothing.error_variance(errors, 0.0, 1.0) == pytest.approx(48 / 18)
    # 3 free indices of 10: 40 / 7 in sample, and their own error on top: times 1.3
    assert smoothing.error_variance(errors, 3.0, None) == pytest.approx(40 / 7 * 1.3)


def test_counts_that_scatter_like_a_poisson_are_forecast_so():
    values = np.random.default_rng(7).poisson(30.0, 84).astype(float)
    paths = smoothing.shrunk_seasonal(values, COUNTS(6, 4_000, rng()))
    assert paths.var(axis=0).mean() == pytest.approx(30.0, rel=0.3)
    assert paths.mean() == pytest.approx(values.mean(), rel=0.05)


def test_the_unit_of_a_quantity_in_fractions_does_not_matter():
    litres = np.random.default_rng(8).gamma(5.0, 0.3, 60)
    left = smoothing.shrunk_seasonal(litres, LITRES(6, 50, rng()))
    right = smoothing.shrunk_seasonal(litres * 1000, LITRES(6, 50, rng()))
    np.testing.assert_allclose(left * 1000, right, rtol=1e-6)


def test_counts_that_scatter_less_than_a_poisson_stay_steady():
    paths = smoothing.shrunk_seasonal(np.full(60, 30.0), COUNTS(6, 500, rng()))
    assert paths.var(axis=0).max() < 8.0  # 8 Poisson months of 68 leave about 4 of 30


def test_one_absurd_month_leaves_a_level_to_learn():
    values = np.full(24, 3.0)
    values[6], values[18] = 1e6, np.nan  # all of the season would be one month, seen once
    paths = smoothing.shrunk_seasonal(values, COUNTS(12, 100, rng()))
    assert np.isfinite(paths).all()
    assert paths.mean() < 1e6
