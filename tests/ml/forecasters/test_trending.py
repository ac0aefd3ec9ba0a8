"""Models of demand with a trend against textbook recursions, simulation and statsmodels."""

import warnings

import numpy as np
import pytest

from ml.forecasters.references import exponential, smoothing, trending
from tests.ml.forecasters.test_smooth_models import COUNTS, LITRES, YEAR, rng


def damped_trend(months, seed, spread=6.0, growth=1.5):
    """A level whose growth fades by a tenth a month and moves with a fifth of each error."""
    draws, level, trend, values = np.random.default_rng(seed), 100.0, growth, []
    for error in draws.normal(0, spread, months):
        values.append(level + 0.9 * trend + error)
        level, trend = level + 0.9 * trend + 0.5 * error, 0.9 * trend + 0.1 * error
    return np.array(values)


# Exponential smoothing


@pytest.mark.parametrize("ratio", [False, True])
def test_recursions_are_those_of_the_textbook(ratio):
    # Holt and Winters in components: Hyndman & Athanasopoulos, 3rd ed., section 8.3
    alpha, own, damping, gamma = 0.4, 0.25, 0.9, 0.2
    forms = exponential.Forms(*(np.array([x]) for x in
                              (alpha, alpha * own, damping, gamma, False, 0)))  # fmt: skip
    season = np.array([0.8, 1.0, 1.2, 1.0]) if ratio else np.array([-0.2, 0.0, 0.2, 0.0])
    state = exponential.State(np.ones(1), np.array([0.05]), season[:, None].copy(), ratio)
    level, trend, index = 1.0, 0.05, season.copy()
    for step, y in enumerate(np.random.default_rng(4).uniform(0.7, 1.6, 30)):
        place = step % 4
        base, fit = state.expect(forms, place)
        expected = level + damping * trend
        assert fit[0] == pytest.approx(
            expected * index[place] if ratio else expected + index[place]
        )
        state.learn(forms, place, base, y - fit, 0.0)
        flat = y / index[place] if ratio else y - index[place]
        before, level = level, alpha * flat + (1 - alpha) * expected
        trend = own * (level - before) + (1 - own) * damping * trend
        # The season's gain is of what the level leaves, for both: (1 - alpha) of the error.
        left = (1 - alpha) * (y / expected - index[place]) if ratio else y - level - index[place]
        index[place] += gamma * left
        assert state.level[0] == pytest.approx(level)
        assert state.trend[0] == pytest.approx(trend)
        assert state.season[place, 0] == pytest.approx(index[place])


def test_ets_follows_a_trend_that_a_level_alone_misses():
    misses = {"ets": [], "shrunk_seasonal": []}
    for seed in range(30):
        series = (100 + 2.0 * np.arange(84)) * np.random.default_rng(seed).normal(1, 0.05, 84)
        for name, sampler in (("ets", exponential.ets), ("shrunk_seasonal",
                              smoothing.shrunk_seasonal)):  # fmt: skip
            paths = sampler(series[:72], LITRES(12, 200, rng(str(seed))))
            misses[name].append(np.median(paths, axis=0).mean() / series[72:].mean() - 1)
    # A level lags behind by half of a year's growth and more; ETS makes up a third at least.
    assert np.mean(misses["shrunk_seasonal"]) < -0.05
    assert np.mean(misses["ets"]) > 0.67 * np.mean(misses["shrunk_seasonal"])


def test_intervals_of_trending_series_cover_what_they_say():
    inside = []
    for seed in range(50):
        series = np.maximum(damped_trend(84, seed), 0.0)
        paths = exponential.ets(series[:72], LITRES(12, 200, rng(str(seed))))
        below = (paths < series[72:]).mean(axis=0)
        inside.append(np.mean((below >= 0.1) & (below < 0.9)))
    # By the odds of calm gains alone they cover 0.66. 50 series whose
    # months lean the same way: standard error 0.03
    assert np.mean(inside) == pytest.approx(0.8, abs=0.1)


def test_ets_learns_seasons_that_add_and_seasons_that_multiply():
    months, level = np.arange(108), np.linspace(50, 200, 108)
    noise = np.random.default_rng(3).normal(0, 1, 108)
    for series in (level * YEAR[months % 12] + noise, level + 30 * (YEAR[months % 12] - 1) + noise):
        paths = exponential.ets(series[:96], LITRES(12, 300, rng()))
        error = np.abs(np.median(paths, axis=0) - series[96:])
        assert error.mean() < 0.06 * series[96:].mean()


def test_a_change_of_unit_changes_nothing_of_ets_but_the_unit():
    series = damped_trend(60, 1)
    small, large = (exponential.ets(series * unit, LITRES(6, 50, rng())) for unit in (1.0, 1e6))
    np.testing.assert_allclose(large, small * 1e6, rtol=1e-9)


def test_missing_periods_leave_ets_as_it_was():
    series = damped_trend(60, 2)
    series[20:26] = np.nan
    paths = exponential.ets(series, LITRES(6, 200, rng()))
    assert np.median(paths) == pytest.approx(np.nanmean(series[-12:]), rel=0.1)


def test_counts_drawn_around_a_small_mean_keep_it():
    means = np.full(40_000, 0.8)
    errors = exponential.draw_errors(means, np.full(40_000, 1.1), rng())
    assert errors.mean() == pytest.approx(0.0, abs=0.02)  # standard error 0.0055
    assert errors.std() == pytest.approx(1.1, rel=0.03)
    assert (means + errors).min() >= 0


def test_the_combination_averages_quantiles_and_keeps_the_ties_of_ets():
    series, shared = damped_trend(60, 3), rng()
    parts = (exponential.ets, smoothing.shrunk_seasonal, trending.theta)
    drawn = [sampler(series, LITRES(6, 100, shared)) for sampler in parts]
    found = trending.combined(series, LITRES(6, 100, rng()))
    sorts = [np.sort(paths, axis=0) for paths in drawn]
    np.testing.assert_allclose(np.sort(found, axis=0), sum(sorts) / 3)
    np.testing.assert_array_equal(found.argsort(axis=0), drawn[0].argsort(axis=0))


# Theta


def test_theta_goes_on_with_half_of_the_trend():
    # Hyndman & Billah (2003): smoothing with a drift of half the slope
    values = 50 + 3.0 * np.arange(40)
    paths = trending.theta(values, LITRES(6, 2_000, rng()))
    np.testing.assert_allclose(np.diff(paths.mean(axis=0)), 1.5, atol=0.1)


def test_theta_spreads_as_its_errors_do():
    values = 50 + np.random.default_rng(12).normal(0, 4, 200)
    paths = trending.theta(values, LITRES(1, 4_000, rng()))
    assert paths.std() == pytest.approx(4.0, rel=0.1)


def test_theta_is_that_of_statsmodels_where_the_level_is_plain():
    from statsmodels.tsa.forecasting.theta import ThetaModel

    values = damped_trend(120, 9, spread=4.0, growth=0.0) + 0.5 * np.arange(120)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a bare array has no dates
        theirs = np.asarray(ThetaModel(values, period=12, deseasonalize=False).fit().forecast(8))
    ours = trending.theta(values, LITRES(8, 4_000, rng())).mean(axis=0)
    np.testing.assert_allclose(ours, theirs, rtol=0.02)


def test_noise_is_taken_for_a_season_as_often_as_the_test_says():
    draws = np.random.default_rng(10)
    found = [trending.is_seasonal(draws.normal(size=96), 12) for _ in range(400)]
    assert 0.02 < np.mean(found) < 0.12  # two-sided 10 %, less for estimated correlations
    assert trending.is_seasonal(np.tile(YEAR, 8) + draws.normal(0, 0.1, 96), 12)
    assert not trending.is_seasonal(np.ones(96), 12)


def test_a_growing_series_spreads_as_its_latest_years_do():
    # Errors of 10 % around a level that trebles: at its end 30, not the 20 of the whole history
    level = np.linspace(100, 300, 240)
    series = level * np.random.default_rng(6).normal(1, 0.1, 240)
    paths = trending.theta(series, LITRES(1, 4_000, rng()))
    assert paths.std() == pytest.approx(30.0, rel=0.15)


def test_theta_of_less_than_two_seasons_has_no_season_and_of_three_points_no_line():
    values = 20 + np.arange(9) + np.random.default_rng(5).normal(0, 0.1, 9)
    paths = trending.theta(values, LITRES(3, 400, rng()))
    np.testing.assert_allclose(np.diff(paths.mean(axis=0)), 0.5, atol=0.1)  # half of the slope
    thin = np.full(30, np.nan)
    thin[[0, 10, 29]] = 2.0
    with pytest.raises(ValueError, match="needs 4 observations, there are 3"):
        trending.theta(thin, COUNTS(3, 5, rng()))
