import numpy as np
import pytest

from ml.frequency import Frequency
from ml.inventory.lead_times import draw_lead_times, longest_protection, protection_periods
from ml.settings import PolicySettings


def test_draws_have_the_distribution_of_a_gamma_with_this_mean_and_spread(make_policy):
    policy = make_policy(lead_time_days_mean=40.0, lead_time_days_std=20.0)
    draws = draw_lead_times(policy, 2000, np.random.default_rng(0), longest=1e9)
    # Oracle: NumPy's own sampler; mean 40 and std 20 give shape 4 and scale 10.
    simulated = np.random.default_rng(1).gamma(4.0, 10.0, 400_000)
    for level in (0.05, 0.5, 0.9, 0.99):
        assert np.quantile(draws, level) == pytest.approx(np.quantile(simulated, level), rel=0.02)
    assert draws.mean() == pytest.approx(40.0, rel=0.002)
    assert draws.std() == pytest.approx(20.0, rel=0.01)


def test_draws_come_in_random_order(make_policy):
    policy = make_policy(lead_time_days_std=5.0)
    draws = draw_lead_times(policy, 1000, np.random.default_rng(0), longest=1e9)
    # Independent of the position: the correlation of 1000 draws has a spread of 0.03.
    assert abs(np.corrcoef(draws, np.arange(1000))[0, 1]) < 0.12


def test_without_spread_every_lead_time_is_the_mean(make_policy):
    draws = draw_lead_times(make_policy(), 5, np.random.default_rng(0), longest=1e9)
    assert draws.tolist() == [14.0] * 5


def test_draws_end_where_the_forecast_ends(make_policy):
    policy = make_policy(lead_time_days_mean=40.0, lead_time_days_std=20.0)
    draws = draw_lead_times(policy, 1000, np.random.default_rng(0), longest=60.0)
    assert draws.max() == 60.0
    assert draws.min() < 20.0


def test_a_longer_mean_is_longer_on_each_path(make_policy):
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
def test_periods_cover_review_and_a_constant_lead_time(make_policy, frequency, periods):
    assert protection_periods(make_policy(), frequency) == periods


def test_a_sum_just_above_whole_periods_needs_no_further_one(make_policy):
    policy = make_policy(review_period_days=7.0, lead_time_days_mean=1.4)
    assert protection_periods(policy, Frequency.BUSINESS) == 6  # 5 + 1 business days


def test_periods_reach_the_99_percent_quantile_of_a_random_lead_time(make_policy):
    policy = make_policy(lead_time_days_mean=40.0, lead_time_days_std=20.0)
    simulated = np.random.default_rng(1).gamma(4.0, 10.0, 400_000)
    needed = protection_periods(policy, Frequency.DAILY)
    assert np.mean(simulated + 7.0 <= needed) == pytest.approx(0.99, abs=0.002)


def test_an_item_beyond_the_limit_does_not_lengthen_the_others_forecast(make_policy):
    policies = [make_policy(), make_policy("B", lead_time_days_mean=400.0)]
    assert longest_protection(policies, Frequency.WEEKLY, PolicySettings()) == 3


def test_no_item_at_all_needs_one_period():
    assert longest_protection([], Frequency.DAILY, PolicySettings()) == 1
