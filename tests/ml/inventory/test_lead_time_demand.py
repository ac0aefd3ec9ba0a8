import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml.frequency import Frequency
from ml.inventory.lead_time_demand import (
    demand_over,
    draw_lead_times,
    mean_demand,
    prepare_paths,
    protection_periods,
    sample_quantile,
    thin_units,
    time_to_exceed,
)
from tests.ml.inventory.builders import make_policy


def paths_of(demand, seed=0):
    return prepare_paths(np.asarray(demand), np.random.default_rng(seed))


def test_whole_periods_are_added_up_and_no_time_has_no_demand():
    paths = paths_of([[1, 2, 4], [10, 20, 40], [5, 5, 5]])
    assert demand_over(paths, np.array([2.0, 3.0, 0.0])).tolist() == [3.0, 70.0, 0.0]


def test_few_and_many_units_are_thinned_to_the_quantiles_of_another_implementation():
    rng = np.random.default_rng(0)
    units = np.concatenate([rng.integers(1, 6, 3000), rng.integers(1, 200, 3000)]).astype(float)
    share, uniforms = rng.random(6000), rng.random(6000)
    share[::5] = 0.5
    uniforms[::6], uniforms[1::6] = 1e-13 * uniforms[::6], 1.0 - 1e-13 * uniforms[1::6]
    want = stats.binom.ppf(uniforms, units, share)
    assert thin_units(units, share, uniforms).tolist() == want.tolist()


def test_a_part_of_a_period_thins_its_count_binomially():
    n_paths, units, share = 20_000, 6, 0.37
    got = demand_over(paths_of(np.full((n_paths, 2), units)), np.full(n_paths, 1 + share)) - units
    # Oracle: the definition. Each of the six units falls into the first 37 % with that chance.
    rng = np.random.default_rng(9)
    wanted = (rng.random((n_paths, units)) < share).sum(axis=1)
    seen, expected = (np.bincount(x.astype(int), minlength=7) / n_paths for x in (got, wanted))
    assert seen == pytest.approx(expected, abs=0.015)  # four times the spread of a difference
    assert got.mean() == pytest.approx(units * share, abs=0.03)


def test_thinning_is_independent_from_path_to_path_and_period_to_period():
    paths = paths_of(np.ones((20_000, 2)))
    first = demand_over(paths, np.full(20_000, 0.5))
    second = demand_over(paths, np.full(20_000, 1.5)) - 1.0
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.03


def test_a_part_of_a_large_count_is_a_whole_number_near_its_share():
    paths = paths_of(np.full((3, 1), 2e9 + 1))
    got = demand_over(paths, np.array([0.25, 0.5, 1.0]))
    assert got.tolist() == np.round(got).tolist()
    assert got == pytest.approx([0.5e9, 1e9, 2e9], rel=1e-6)


def test_a_demand_that_is_no_count_gives_its_linear_share():
    paths = paths_of([[1.5, 4.0]])
    assert demand_over(paths, np.array([1.25])).tolist() == [2.5]  # 1.5 + 4.0 / 4


@given(
    st.lists(st.integers(0, 8), min_size=4, max_size=4),
    st.lists(st.floats(0, 4), min_size=2, max_size=6),
)
def test_demand_never_falls_as_the_time_grows(demand, times):
    paths = paths_of([demand])
    sums = [demand_over(paths, np.array([time]))[0] for time in sorted(times)]
    assert sums == sorted(sums)
    assert sums[-1] <= sum(demand)


def test_a_longer_horizon_leaves_the_demand_of_the_first_periods_as_it_was():
    long = np.random.default_rng(3).integers(0, 9, (50, 12))
    times = np.linspace(0.1, 5.9, 50)
    assert demand_over(paths_of(long), times).tolist() == (
        demand_over(paths_of(long[:, :6]), times).tolist()
    )


@pytest.mark.parametrize(
    ("level", "periods"),
    [
        pytest.param(10.0, 5.0, id="2 a period use up 10 in 5"),
        pytest.param(5.0, 2.5, id="within a period"),
        pytest.param(0.0, 0.0, id="nothing there"),
        pytest.param(-3.0, 0.0, id="owing already"),
        pytest.param(12.0, np.inf, id="just enough for all 6 periods"),
    ],
)
def test_time_until_a_level_is_passed(level, periods):
    assert time_to_exceed(paths_of(np.full((1, 6), 2)), level).tolist() == [periods]


def test_owing_is_short_now_even_where_nobody_asks_for_more():
    assert time_to_exceed(paths_of([[0, 0]]), -1.0).tolist() == [0.0]


def test_used_up_is_not_short_until_someone_asks():
    # 4 units in period 1 use up the stock of 4; the next demand comes in period 4, after 3.
    assert time_to_exceed(paths_of([[4, 0, 0, 1]]), 4.0).tolist() == [3.0]


def test_each_path_can_have_its_own_level():
    paths = paths_of([[2, 2, 2], [2, 2, 2]])
    assert time_to_exceed(paths, np.array([1.0, 5.0])).tolist() == [0.5, 2.5]


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=40),
    st.sampled_from([0.1, 0.5, 0.8, 0.9, 0.95, 0.99]),
)
def test_sample_quantile_is_the_smallest_value_with_enough_at_or_below(sample, level):
    ordered = np.sort(np.array(sample, dtype=float))
    got = sample_quantile(ordered, level)
    assert np.mean(ordered <= got) >= level - 1e-9
    assert np.mean(ordered < got) < level


@pytest.mark.parametrize(
    ("level", "n_paths", "place"),
    [
        pytest.param(0.95, 500, 475.0, id="475th of 500"),
        pytest.param(0.55, 100, 55.0, id="0.55 * 100 is a little above 55"),
        pytest.param(0.951, 500, 476.0, id="475.5 is the 476th"),
    ],
)
def test_sample_quantile_takes_the_right_place(level, n_paths, place):
    assert sample_quantile(np.arange(1.0, n_paths + 1.0), level) == place


def test_mean_demand_shares_out_a_period_in_part_and_is_unknown_beyond_the_horizon():
    paths = paths_of([[2, 4], [4, 8]])
    assert mean_demand(paths, 1.5) == 6.0  # 3 + half of 6
    assert mean_demand(paths, 2.0) == 9.0
    assert mean_demand(paths, 2.01) is None


def test_draws_have_the_distribution_of_a_gamma_with_this_mean_and_spread():
    policy = make_policy(lead_time_days_mean=40.0, lead_time_days_std=20.0)
    draws = draw_lead_times(policy, 2000, np.random.default_rng(0), longest=1e9)
    # Oracle: NumPy's own sampler; mean 40 and std 20 give shape 4 and scale 10.
    simulated = np.random.default_rng(1).gamma(4.0, 10.0, 400_000)
    for level in (0.05, 0.5, 0.9, 0.99):
        assert np.quantile(draws, level) == pytest.approx(np.quantile(simulated, level), rel=0.02)
    assert draws.mean() == pytest.approx(40.0, rel=0.002)
    assert draws.std() == pytest.approx(20.0, rel=0.01)


def test_draws_come_in_random_order():
    policy = make_policy(lead_time_days_std=5.0)
    draws = draw_lead_times(policy, 1000, np.random.default_rng(0), longest=1e9)
    # Independent of the position: the correlation of 1000 draws has a spread of 0.03.
    assert abs(np.corrcoef(draws, np.arange(1000))[0, 1]) < 0.12


def test_without_spread_every_lead_time_is_the_mean():
    draws = draw_lead_times(make_policy(), 5, np.random.default_rng(0), longest=1e9)
    assert draws.tolist() == [14.0] * 5


def test_draws_end_where_the_forecast_ends():
    policy = make_policy(lead_time_days_mean=40.0, lead_time_days_std=20.0)
    draws = draw_lead_times(policy, 1000, np.random.default_rng(0), longest=60.0)
    assert draws.max() == 60.0
    assert draws.min() < 20.0


def test_a_longer_mean_is_longer_on_each_path():
    short, long = (
        draw_lead_times(
            make_policy(lead_time_days_mean=mean, lead_time_days_std=0.3 * mean),
            500,
            np.random.default_rng(7),
            longest=1e9,
        )
        for mean in (20.0, 21.0)
    )
    assert (long > short).all()


@pytest.mark.parametrize(
    ("frequency", "periods"),
    [
        pytest.param(Frequency.DAILY, 21, id="7 + 14 days"),
        pytest.param(Frequency.WEEKLY, 3, id="3 whole weeks are not 4"),
        pytest.param(Frequency.MONTHLY, 1, id="21 of 30.4 days"),
    ],
)
def test_periods_cover_review_and_a_constant_lead_time(frequency, periods):
    assert protection_periods(make_policy(), frequency) == periods


def test_a_sum_just_above_whole_periods_needs_no_further_one():
    policy = make_policy(review_period_days=7.0, lead_time_days_mean=1.4)
    assert protection_periods(policy, Frequency.BUSINESS) == 6  # 5 + 1 business days


def test_periods_reach_the_99_percent_quantile_of_a_random_lead_time():
    policy = make_policy(lead_time_days_mean=40.0, lead_time_days_std=20.0)
    simulated = np.random.default_rng(1).gamma(4.0, 10.0, 400_000)
    needed = protection_periods(policy, Frequency.DAILY)
    assert np.mean(simulated + 7.0 <= needed) == pytest.approx(0.99, abs=0.002)
