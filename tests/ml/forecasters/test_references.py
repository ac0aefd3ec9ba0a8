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


def test_empirical_demand_is_that_of_the_last_eighteen_months():
    values = np.concatenate([np.full(30, 9.0), np.repeat([0.0, 1.0, 2.0], 6)])
    paths = resampling.empirical(values, MONTHS(2, 20_000, rng()))
    assert paths.mean() == pytest.approx(1.0, abs=0.02)
    assert (paths == 0).mean() == pytest.approx(1 / 3, abs=0.1)


def test_bootstrapped_days_keep_their_weekday():
    values = np.tile(np.arange(7.0), 30)  # each weekday has a value of its own
    paths = resampling.bootstrap(values, DAYS(21, 4000, rng()))
    np.testing.assert_allclose(paths.mean(axis=0), np.tile(np.arange(7.0), 3), atol=0.1)


def test_bootstrapped_months_keep_neighbours_together():
    values = np.arange(100.0, 124.0)  # so each of a block exceeds the one before it
    request = PathRequest("demand", Frequency.MONTHLY, 3, 50, rng(), is_count=False)
    assert (np.diff(resampling.bootstrap(values, request), axis=1) > 0.5).all()


SPARSE = {
    "empirical": resampling.empirical,
    "bootstrap": resampling.bootstrap,
    "tsb": intermittent.tsb,
    "sba": intermittent.sba,
    "adida": intermittent.adida,
}


@pytest.mark.parametrize("name", SPARSE)
def test_sums_of_half_a_year_are_covered_where_each_part_has_a_rate_of_its_own(name):
    # Poisson demand with a Gamma level that walks by a tenth a month. With that level taken as
    # certain .95 covers .87 to .90, and .99 covers .92 to .95.
    draws, parts = np.random.default_rng(4), 500
    walk = np.exp(np.cumsum(draws.normal(-0.005, 0.1, (parts, 42)), axis=1))
    demand = draws.poisson(draws.gamma(2.0, 1.0, (parts, 1)) * walk).astype(float)
    transform = []
    for number, (values, came) in enumerate(
        zip(demand[:, :36], demand[:, 36:].sum(1), strict=True)
    ):
        sums = SPARSE[name](values, MONTHS(6, 300, rng(str(number)))).sum(axis=1)
        transform.append((sums < came).mean() + draws.random() * (sums == came).mean())
    # Within two standard errors of 500 parts, and two of 300 paths.
    assert np.mean(np.array(transform) < 0.95) == pytest.approx(0.95, abs=0.02)
    assert np.mean(np.array(transform) < 0.99) == pytest.approx(0.99, abs=0.016)


@pytest.mark.parametrize("name", SPARSE)
def test_a_level_of_its_own_moves_no_mean(name):
    values = np.random.default_rng(5).poisson(0.6, 36).astype(float)
    plain = {"empirical": values[-18:].mean(), "tsb": intermittent.tsb_mean(values, 0.1, 0.1),
             "sba": intermittent.sba_mean(values, 0.1),
             "adida": intermittent.adida_mean(values, 0.1)}  # fmt: skip
    paths = SPARSE[name](values, MONTHS(6, 40_000, rng()))
    # Blocks of three months hold the first and the last month of the window less often.
    blocks = np.lib.stride_tricks.sliding_window_view(values, 3)
    assert paths.mean() == pytest.approx(plain.get(name, blocks.mean()), rel=0.02)


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
