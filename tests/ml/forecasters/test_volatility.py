"""The price model against simulated markets whose volatility is known."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from ml.forecasters.references.sampling import PathRequest
from ml.forecasters.references.volatility import (
    VarianceModel,
    count_changes,
    degrees_of_freedom,
    fit_exponential,
    fit_garch,
    relative_changes,
    volatility,
)
from ml.frequency import Frequency
from ml.seeds import generator, latin_uniforms

CLOSES = partial(PathRequest, "price", Frequency.BUSINESS, is_count=False)
HORIZON = 30
SKIP = np.nan


def rng(name: str = "x"):
    return generator(0, name)


def walked(prices, n_paths: int = 600, name: str = "x"):
    return volatility(np.asarray(prices, float), CLOSES(HORIZON, n_paths, rng(name)))


def width(paths, step: int = HORIZON) -> float:
    """Width of the 80 % interval of a step."""
    low, high = np.quantile(paths[:, step - 1], [0.1, 0.9])
    return high - low


def market(days: int, daily: float = 0.02, name: str = "market"):
    """Prices near 100 whose independent t(5) changes have this standard deviation, in shares."""
    shocks = rng(name).standard_t(5, days) / np.sqrt(5 / 3)  # t(5) has the variance 5/3
    return 100 * np.exp(np.cumsum(daily * shocks - daily**2 / 2))


def clustered(days: int, *, constant: float, reaction: float, memory: float, degrees: float):
    """GARCH(1,1) changes by its definition."""
    shocks = rng("garch").standard_t(degrees, days) * np.sqrt((degrees - 2) / degrees)
    variance = constant / (1 - reaction - memory)
    changes = np.empty(days)
    for day in range(days):
        changes[day] = np.sqrt(variance) * shocks[day]
        variance = constant + reaction * changes[day] ** 2 + memory * variance
    return changes


def test_half_of_all_paths_lie_on_either_side_of_the_last_close():
    prices = market(900) + np.arange(900.0)  # a trend of the past is no forecast
    above = walked(prices) - prices[-1]
    np.testing.assert_array_equal((above > 0).mean(axis=0), 0.5)
    np.testing.assert_allclose(above.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("days", [40, 300, 2500], ids=["one part", "two parts", "all parts"])
def test_independent_changes_spread_with_the_root_of_time(days):
    prices = market(days)
    paths = walked(prices, 2000)
    # 30 independent changes of 2 % of the price are close to normal: 2 * 1.2816 * 2 % * sqrt(30)
    # = 28.1 % wide. Forty days tell a volatility to a fifth or so.
    level = np.median(prices[-20:])
    assert width(paths) / level == pytest.approx(0.281, rel=0.3 if days == 40 else 0.15)
    assert width(paths, 30) / width(paths, 3) == pytest.approx(np.sqrt(10), rel=0.1)


def test_eight_of_ten_prices_of_simulated_markets_fall_inside_the_interval():
    inside = []
    for number in range(250):
        prices = market(230, name=f"market {number}")
        paths = walked(prices[:200], 200)
        low, high = np.quantile(paths, [0.1, 0.9], axis=0)
        inside.append(((low < prices[200:]) & (prices[200:] < high)).mean())
    # One market's share varies by about .3, so the mean of 250 does by .02.
    assert np.mean(inside) == pytest.approx(0.8, abs=0.05)


def test_a_wild_month_widens_the_interval_and_a_quiet_one_narrows_it():
    calm = np.diff(np.log(market(1200)))
    after = {}
    for name, factor in (("quiet", 0.5), ("as ever", 1.0), ("wild", 3.0)):
        changes = calm.copy()
        changes[-22:] *= factor
        after[name] = width(walked(100 * np.exp(np.cumsum(changes) - changes.sum())))
    assert after["quiet"] < 0.95 * after["as ever"]
    assert after["wild"] > 1.3 * after["as ever"]


def test_volatility_is_a_share_of_the_price_so_it_follows_the_level():
    prices = market(1500, daily=0.01)
    rising = prices * np.geomspace(0.1, 1.0, 1500)
    assert width(walked(rising)) == pytest.approx(width(walked(prices)), rel=0.1)


def test_a_price_in_cents_is_forecast_a_hundred_times_higher():
    prices = market(800)
    np.testing.assert_allclose(walked(100 * prices), 100 * walked(prices), rtol=1e-3)


def test_prices_below_zero_are_forecast_like_others():
    prices = market(800)
    below, above = walked(-prices, 2000), walked(prices, 2000)
    assert np.median(below[:, 0]) == pytest.approx(-prices[-1], rel=0.005)
    assert width(below) == pytest.approx(width(above), rel=0.05)


def test_a_day_below_zero_is_a_wild_day_and_not_an_error():
    prices = np.append(market(800) / 5, -36.98)  # West Texas crude on 20 April 2020
    paths = walked(prices)
    assert np.isfinite(paths).all()
    assert np.median(paths[:, 0]) == pytest.approx(-36.98, abs=0.5)
    assert width(paths) < 36.98 * 10


def test_a_misplaced_decimal_point_of_the_past_does_not_rule_the_forecast():
    prices = market(1500)
    spoiled = prices.copy()
    spoiled[700] *= 1e6
    assert width(walked(spoiled)) < 2.5 * width(walked(prices))


def test_what_happened_more_than_two_thousand_changes_ago_does_not_matter():
    prices = market(2600)
    other = prices.copy()
    other[:500] *= np.linspace(5, 1, 500)
    np.testing.assert_array_equal(walked(prices), walked(other))


def test_holidays_of_the_past_change_nothing_but_the_number_of_changes_ahead():
    prices = market(700)
    holed = np.full(800, SKIP)
    holed[np.sort(rng("holes").permutation(799)[:699])] = prices[:-1]
    holed[-1] = prices[-1]
    # 7 of 8 days have a price, so that after 30 days 1 + 29 * 7/8 = 26 changes were made.
    assert width(walked(holed), 30) == pytest.approx(width(walked(prices), 26), rel=0.1)


def test_a_price_that_was_not_seen_for_weeks_is_less_certain():
    prices = market(700)
    late = np.concatenate([prices, np.full(20, SKIP)])
    # 21 changes until the first day ahead
    assert width(walked(late), 1) == pytest.approx(width(walked(prices), 21), rel=0.1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1, 2, 3, 4], [1, 2, 3, 4], id="every day"),
        pytest.param([1, SKIP, 2, 3, SKIP], [1, 2, 3, 3], id="today is a holiday"),  # 3 of 4 days
        pytest.param([1, 2, 3, SKIP, SKIP], [3, 4, 5, 6], id="two days late"),
        pytest.param([1, SKIP, SKIP, SKIP, 2], [1, 1, 2, 2], id="rarely"),  # 2 of 5 days
    ],
)
def test_changes_until_each_day_ahead(values, expected):
    found = count_changes(np.array(values, float), 4, window=10)
    assert found.tolist() == expected


def test_changes_are_taken_over_the_level_before_them():
    # The median of ten 10s and ten 14s is 12; with 30 in place of the first 10 it is 14.
    changes, level = relative_changes(np.array([10.0] * 10 + [14.0] * 10 + [30.0]))
    assert changes[-1] == pytest.approx(16 / 12)
    assert level == 14


def test_near_zero_a_change_is_taken_over_a_tenth_of_the_typical_price():
    falling = np.concatenate([np.full(60, 10.0), np.full(30, 0.01), [0.02]])
    changes, level = relative_changes(falling)
    assert level == pytest.approx(1.0)
    assert changes[-1] == pytest.approx(0.01)


def test_the_exponential_variance_follows_its_recursion():
    # Mean square 13/5 = 2.6; then 2.552, 2.50544, 2.460277, 2.416468 after changes of 1 and
    # .97 * 2.416468 + .03 * 9 = 2.613974 after the last.
    model = fit_exponential(np.array([1.0, -1.0, 1.0, -1.0, 3.0]))
    assert model.following == pytest.approx(2.613974, abs=1e-6)


def test_garch_finds_the_model_that_made_the_changes():
    truth = {"constant": 4e-6, "reaction": 0.08, "memory": 0.9, "degrees": 6.0}
    found = fit_garch(clustered(6000, **truth))
    assert found.reaction == pytest.approx(0.08, abs=0.025)
    assert found.memory == pytest.approx(0.9, abs=0.03)
    assert found.degrees == pytest.approx(6, abs=1.2)
    # Its variance in the long run is that of the truth, 4e-6 / (1 - .98) = 2e-4.
    long_run = found.constant / (1 - found.reaction - found.memory)
    assert long_run == pytest.approx(2e-4, rel=0.35)


def test_a_single_change_in_years_has_no_likeliest_model_and_is_forecast_without_one():
    prices = np.repeat([10.0, 20.0], 800)
    assert fit_garch(relative_changes(prices)[0]) is None
    assert np.isfinite(walked(prices)).all()


def test_variances_ahead_return_to_the_long_run():
    model = VarianceModel(0.1, 0.1, 0.8, degrees=8.0, shock=1.0, following=4.0, usual=1.0)
    drawn = model.draw(latin_uniforms(rng(), 60_000, 10))
    # Long run .1 / (1 - .9) = 1; of the distance 4 - 1 the k-th day keeps .9^(k-1).
    expected = 1 + 3 * 0.9 ** np.arange(10)
    np.testing.assert_allclose((drawn**2).mean(axis=0), expected, rtol=0.06)


def test_wild_days_follow_each_other_on_simulated_paths():
    model = VarianceModel(0.05, 0.15, 0.8, degrees=8.0, shock=1.0, following=1.0, usual=1.0)
    sizes = np.abs(model.draw(latin_uniforms(rng(), 20_000, 10)))
    together = np.corrcoef(sizes[:, 5], sizes[:, 6])[0, 1]
    calm = np.corrcoef(sizes[:, 5], rng("other").permutation(sizes[:, 6]))[0, 1]
    assert together > 0.1
    assert abs(calm) < 0.03


@pytest.mark.parametrize("degrees", [3.5, 6.0])
def test_degrees_of_freedom_are_found_again(degrees):
    shocks = stats.t.rvs(degrees, size=8000, random_state=rng())
    unit = shocks / np.sqrt(np.mean(shocks**2))
    assert degrees_of_freedom(unit) == pytest.approx(degrees, rel=0.15)


def test_gaussian_shocks_have_many_degrees_of_freedom():
    assert degrees_of_freedom(rng().standard_normal(8000)) > 30


@pytest.mark.parametrize("n_paths", [1, 2, 7, 60])
def test_any_number_of_paths_can_be_asked_for(n_paths):
    paths = walked(market(700), n_paths)
    assert paths.shape == (n_paths, HORIZON)
    assert np.isfinite(paths).all()


@pytest.mark.parametrize("days", [2, 3, 20, 61, 100, 501])
def test_short_histories_are_forecast_with_what_they_hold(days):
    prices = market(days)
    paths = walked(prices)
    assert np.isfinite(paths).all()
    assert paths.std(axis=0).min() > 0
    assert np.quantile(paths[:, -1], 0.5) == pytest.approx(prices[-1], rel=0.02)


@pytest.mark.parametrize(
    "prices", [[50.0], [50.0] * 700, [0.0] * 700], ids=["one price", "constant", "zero"]
)
def test_a_price_that_never_changed_stays(prices):
    np.testing.assert_array_equal(walked(prices), prices[-1])


@pytest.mark.parametrize(
    "prices",
    [
        pytest.param(np.where(np.arange(900) % 90 == 3, 5.0, 0.0), id="mostly zero"),
        pytest.param(np.repeat(market(30), 30), id="changes once a month"),
        pytest.param(np.repeat([10.0, 20.0], 800), id="one jump"),
        pytest.param(np.arange(900.0), id="straight line"),
        pytest.param(np.exp(np.cumsum(rng().normal(size=900))), id="explosive"),
        pytest.param(1e15 * market(900), id="enormous"),
        pytest.param(1e-12 * market(900), id="tiny"),
    ],
)
def test_odd_series_get_finite_paths_without_a_warning(prices):
    assert np.isfinite(walked(prices).astype(np.float32)).all()


def test_a_series_without_a_price_is_refused():
    with pytest.raises(ValueError, match="no observed value"):
        walked([SKIP, SKIP])
