"""Reference models against their published recursions and against simulation."""

from functools import partial

import numpy as np
import pytest

from ml.forecasters.references import intermittent, resampling
from ml.forecasters.references.sampling import PathRequest, draw_demand
from ml.frequency import Frequency
from ml.seeds import generator, latin_uniforms

MONTHS = partial(PathRequest, "demand", Frequency.MONTHLY, is_count=True)
DAYS = partial(PathRequest, "demand", Frequency.DAILY, is_count=True)
CLOSES = partial(PathRequest, "price", Frequency.BUSINESS, is_count=False)


def rng(name: str = "x"):
    return generator(0, name)


@pytest.mark.parametrize(
    ("mean", "variance", "counts"),
    [
        pytest.param(0.3, 0.3, True, id="poisson"),
        pytest.param(2.0, 7.0, True, id="negative-binomial"),
        pytest.param(5_000.0, 90_000.0, True, id="large"),
        pytest.param(0.5, 0.1, False, id="gamma"),
    ],
)
def test_drawn_demand_has_the_asked_mean_and_variance(mean, variance, counts):
    drawn = draw_demand(mean, variance, latin_uniforms(rng(), 20_000, 1), counts=counts)
    assert drawn.mean() == pytest.approx(mean, rel=0.01)
    assert drawn.var() == pytest.approx(variance, rel=0.03)


def test_drawn_counts_follow_the_negative_binomial():
    # mean 2, variance 6: n = 4 / 4 = 1, p = 1/3, a geometric law: P(0) = 1/3, P(<= 1) = 5/9
    drawn = draw_demand(2.0, 6.0, latin_uniforms(rng(), 9_000, 1), counts=True)
    assert (drawn == 0).mean() == pytest.approx(1 / 3, abs=0.001)
    assert (drawn <= 1).mean() == pytest.approx(5 / 9, abs=0.001)


def test_sba_reacts_to_a_longer_interval():
    # sizes 4, 4; intervals 1 then 3: q = 1 + 0.5 * 2 = 2; (1 - 0.25) * 4 / 2 = 1.5
    assert intermittent.sba_mean(np.array([4.0, 0, 0, 4.0]), 0.5) == pytest.approx(1.5)


def test_tsb_forgets_a_part_that_is_no_longer_asked_for():
    alive = np.tile([0.0, 3.0], 20)
    dead = np.concatenate([alive, np.zeros(30)])
    assert intermittent.tsb_mean(dead, 0.1, 0.1) < 0.1 * intermittent.tsb_mean(alive, 0.1, 0.1)
    assert intermittent.sba_mean(dead, 0.1) == pytest.approx(intermittent.sba_mean(alive, 0.1))


def test_adida_is_the_mean_of_a_series_that_repeats():
    assert intermittent.adida_mean(np.tile([0.0, 0.0, 6.0], 10), 0.1) == pytest.approx(2.0)


def test_empirical_quantiles_are_those_of_the_last_eighteen_months():
    values = np.concatenate([np.full(30, 9.0), np.repeat([0.0, 1.0, 2.0], 6)])
    paths = resampling.empirical(values, MONTHS(2, 3000, rng()))
    shares = [(paths[:, 0] == level).mean() for level in (0, 1, 2, 9)]
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 1 / 3, 0], atol=0.001)


def test_bootstrapped_days_keep_their_weekday():
    values = np.tile(np.arange(7.0), 30)  # each weekday has a value of its own
    paths = resampling.bootstrap(values, DAYS(21, 40, rng()))
    np.testing.assert_array_equal(paths, np.tile(np.arange(7.0), (40, 3)))


def test_bootstrapped_months_keep_neighbours_together():
    values = np.arange(100.0, 124.0)
    paths = resampling.bootstrap(values, MONTHS(3, 50, rng()))
    np.testing.assert_array_equal(np.diff(paths, axis=1), 1.0)


def test_seasonal_naive_spread_grows_at_the_turn_of_each_season():
    # FPP3 5.5: k = floor((h - 1) / m) seasons, variance (k + 1) s^2: it doubles at h = 13
    noise = np.random.default_rng(0).integers(0, 10, 600).astype(float)
    paths = resampling.seasonal_naive(noise, MONTHS(36, 20_000, rng()))
    spread = paths.std(axis=0)
    assert spread[11] == pytest.approx(spread[0], rel=0.03)
    assert spread[12] / spread[11] == pytest.approx(np.sqrt(2), rel=0.03)
    assert spread[24] / spread[11] == pytest.approx(np.sqrt(3), rel=0.03)


def test_seasonal_naive_refuses_less_than_a_season():
    with pytest.raises(ValueError, match="shorter than a season of 12"):
        resampling.seasonal_naive(np.ones(11), MONTHS(3, 5, rng()))


def test_naive_price_spreads_with_the_root_of_time_around_the_last_close():
    closes = 50 + np.cumsum(np.random.default_rng(1).normal(0, 2, 800))
    paths = resampling.naive(closes, CLOSES(16, 20_000, rng()))
    assert paths[:, 0].mean() == pytest.approx(closes[-1], abs=0.1)
    assert paths[:, 15].std() / paths[:, 0].std() == pytest.approx(4.0, rel=0.03)
    assert paths[:, 0].std() == pytest.approx(np.diff(closes)[-250:].std(), rel=0.05)


def test_one_typo_of_ten_million_units_costs_neither_time_nor_memory():
    values = np.random.default_rng(2).binomial(1, 0.5, 1095).astype(float)
    values[-200] = 1e7
    paths = intermittent.tsb(values, DAYS(5, 50, rng()))
    assert np.isfinite(paths).all()


def test_a_holiday_in_the_last_season_of_a_price_keeps_the_price_before_it():
    closes = np.linspace(20.0, 100.0, 60)
    closes[-3] = np.nan
    paths = resampling.seasonal_naive(closes, CLOSES(5, 400, rng()))
    assert paths[:, 2].mean() > 90
