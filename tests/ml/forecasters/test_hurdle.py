"""The hurdle against simulations whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from ml.features.holiday_calendar import carnival_days, holiday_days
from ml.forecasters.base import predict
from ml.forecasters.references import hurdle
from ml.forecasters.references import level_regression as levels
from ml.forecasters.references.day_shares import measure_shares
from ml.forecasters.references.histories import event_states, past_outcomes, remember
from ml.forecasters.references.hurdle import Hurdle
from ml.frequency import Frequency, periods_after, weekday
from ml.panel import Panel

MONTHS, HORIZON, SEED = 36, 6, 2


def panel_of(values) -> Panel:
    items = tuple(f"{number:04d}" for number in range(len(values)))
    periods = periods_after(np.datetime64("2022-01"), values.shape[1], Frequency.MONTHLY)
    return Panel("demand", Frequency.MONTHLY, items, periods, values, (None,) * len(items))


def sampled(values, n_paths=300, **known):
    """Paths (N, S, H) of all items."""
    panel = panel_of(values)
    fitted = Hurdle(HORIZON).fit(panel, **known)
    return predict(fitted, panel.items, HORIZON, seed=SEED, n_paths=n_paths).paths


def test_sums_of_parts_with_rates_of_their_own_are_covered():
    rng = np.random.default_rng(1)
    rates = rng.gamma(1.0, 0.5, (900, 1))  # a Gamma-Poisson panel
    demand = rng.poisson(rates, (900, MONTHS + HORIZON)).astype(float)
    sums = sampled(demand[:, :MONTHS]).sum(axis=2)
    came = demand[:, MONTHS:].sum(axis=1)[:, None]
    ties = rng.random(900)
    transform = (sums < came).mean(axis=1) + ties * (sums == came).mean(axis=1)
    for level in (0.8, 0.95, 0.99):  # within three standard errors of 900 items
        error = 3 * np.sqrt(level * (1 - level) / 900)
        assert (transform < level).mean() == pytest.approx(level, abs=error + 1 / 300)
    assert sums.mean() == pytest.approx(came.mean(), rel=0.06)


def test_parts_never_sold_get_the_rate_of_those_that_were_unsold_so_far():
    # Each month 1 % of the parts are first sold, and every second month from then on.
    rng = np.random.default_rng(2)
    first = rng.geometric(0.01, (2000, 1))
    now = np.arange(MONTHS + HORIZON)
    demand = ((now >= first) & ((now - first) % 2 == 0)).astype(float)
    unsold = ~demand[:, :MONTHS].any(axis=1)
    mean = sampled(demand[:, :MONTHS], n_paths=40)[unsold].mean()
    # Of 6 months the first sees 1 % start, later ones 1 % more each, half of them in demand.
    assert mean == pytest.approx(demand[unsold, MONTHS:].mean(), rel=0.5)
    assert 0.01 < mean < 0.05


@pytest.mark.parametrize("mortal", [True, False])
def test_silence_means_the_end_only_where_parts_end(mortal):
    rng = np.random.default_rng(3)
    ends = rng.integers(6, 60, (800, 1)) if mortal else np.full((800, 1), 99)
    demand = (rng.random((800, MONTHS)) < 0.5) * (np.arange(MONTHS) < ends).astype(float)
    demand[0], demand[1] = np.resize([0.0, 1.0], MONTHS), np.resize([1.0, 0.0], MONTHS)
    demand[0, -6:] = 0.0  # six months without any, where every second had been usual
    silent, alive = sampled(demand, n_paths=100)[:2].mean(axis=(1, 2))
    assert (silent < 0.4 * alive) if mortal else (silent > 0.8 * alive)


def test_a_launch_starts_from_what_launches_did():
    # New parts sell 4 a month from the first month on; old ones one every tenth month.
    rng = np.random.default_rng(4)
    old = (rng.random((300, MONTHS)) < 0.1).astype(float)
    new = rng.poisson(4.0, (120, MONTHS)).astype(float)
    start = rng.integers(1, MONTHS - 4, 120)
    new[np.arange(MONTHS) < start[:, None]] = np.nan
    new[-1] = np.nan
    new[-1, -1] = 2.0  # one month old
    assert sampled(np.concatenate([old, new]), n_paths=60)[-1].mean() > 1.0  # ten times an old part


def test_sizes_follow_the_item_and_not_the_panel():
    rng = np.random.default_rng(5)
    scale = np.geomspace(1, 500, 80)[:, None]
    demand = np.where(
        rng.random((80, MONTHS)) < 0.4, np.ceil(scale * rng.gamma(4, 0.25, (80, 1))), 0
    )
    means = sampled(demand).mean(axis=(1, 2))
    np.testing.assert_allclose(means / demand.mean(axis=1), 1.0, atol=0.7)
    assert np.median(means / demand.mean(axis=1)) == pytest.approx(1.0, abs=0.1)


def test_items_that_do_not_teach_change_nothing_for_those_that_do():
    demand = np.random.default_rng(6).poisson(1.0, (20, MONTHS)).astype(float)
    teach = [f"{number:04d}" for number in range(15)]
    wild = demand.copy()
    wild[15:] = 1e6
    left, right = (sampled(one, learn_from=teach)[:15] for one in (demand, wild))
    np.testing.assert_array_equal(left, right)


def test_items_are_told_what_to_expect_a_few_at_a_time_as_all_at_once(monkeypatch):
    demand = np.random.default_rng(7).poisson(1.0, (20, MONTHS)).astype(float)
    whole = Hurdle(HORIZON).fit(panel_of(demand)).learned
    monkeypatch.setattr(hurdle, "TOGETHER", 7)
    parts = Hurdle(HORIZON).fit(panel_of(demand)).learned
    np.testing.assert_allclose(parts.chances, whole.chances, rtol=1e-12)
    np.testing.assert_allclose(parts.sizes, whole.sizes, rtol=1e-12)


def test_a_panel_without_demand_is_refused_with_a_reason(tmp_path):
    panel = panel_of(np.zeros((3, MONTHS)))
    fitted = Hurdle(HORIZON).fit(panel)
    fitted.save(tmp_path)
    for one in (fitted, Hurdle(HORIZON).load(tmp_path, panel.rows([1]))):
        failures = predict(one, one.panel.items, HORIZON, seed=SEED).failures
        assert failures == dict.fromkeys(one.panel.items, "no demand to learn from")


def test_the_logistic_regression_finds_the_most_likely_effects():
    rng = np.random.default_rng(7)
    states, periods = rng.normal(size=(50, 3)), rng.integers(1, 9, 50).astype(float)
    events, default = rng.binomial(periods.astype(int), 0.3).astype(float), np.array([0, 1.0, 0])

    def penalised(effects):
        odds = states @ effects
        fit = (periods * np.logaddexp(0, odds) - events * odds).sum()
        return fit + 2.0 * ((effects - default) ** 2).sum() / 2

    found = levels.fit_logistic(states, events, periods, default, 2.0)
    np.testing.assert_allclose(found, optimize.minimize(penalised, default).x, atol=1e-4)


def test_the_size_regression_finds_the_most_likely_effects():
    rng = np.random.default_rng(8)
    states, weights = rng.normal(size=(50, 2)), rng.random(50)
    ratios, default = rng.gamma(2.0, 0.5, 50), np.array([0.0, 0.0])

    def penalised(effects):  # minus the gamma log-likelihood, but for its constants
        logs = states @ effects
        return (weights * (ratios * np.exp(-logs) + logs)).sum() + 3.0 * (effects**2).sum() / 2

    found = levels.fit_sizes(states, ratios, weights, default, 3.0)
    np.testing.assert_allclose(found, optimize.minimize(penalised, default).x, atol=1e-4)


def test_levels_that_stray_are_measured_by_their_variance():
    rng = np.random.default_rng(9)
    chance = rng.beta(2.0, 6.0, 40_000)  # mean 1/4, correlation 1 / (2 + 6 + 1)
    events, periods = rng.binomial(8, chance).astype(float), np.full(40_000, 8.0)
    found = levels.shared_chance(events, periods, np.full(40_000, 0.25))
    assert found == pytest.approx(1 / 9, abs=0.005)
    level = rng.gamma(25.0, 0.04, (40_000, 1))  # mean 1, variance 1/25
    sizes = level + rng.normal(0, 0.2, (40_000, 5))
    found = levels.shared_size(sizes.mean(axis=1), np.full(40_000, 5.0), 0.04)
    assert found == pytest.approx(0.04, abs=0.004)


def days_of(rates, count, rng) -> Panel:
    """Orders by Poisson at rates (N, 1) a day, none on Sundays and half of them on holidays."""
    days = periods_after(np.datetime64("2023-01-01"), count, Frequency.DAILY)
    closed = holiday_days(days, None) | carnival_days(days)[0]
    factor = np.where(weekday(days) == 6, 0.0, np.where(closed, 0.5, 1.0))
    orders = rng.poisson(rates * factor)
    items = tuple(f"{number:04d}" for number in range(len(rates)))
    return Panel("demand", Frequency.DAILY, items, days, orders.astype(float), (None,) * len(items))


WEEK_AHEAD = np.arange(np.datetime64("2024-08-05"), np.datetime64("2024-08-12"))  # from Monday


def test_days_have_the_shares_of_the_panel_even_of_rare_parts():
    rates = np.geomspace(0.01, 0.2, 400)[:, None]
    panel = days_of(rates, 730, np.random.default_rng(12))
    shares = measure_shares(panel, np.ones(400, bool))
    week = shares.on(WEEK_AHEAD)
    # Six days of seven: 7/6 each.
    np.testing.assert_allclose(week[0], [7 / 6] * 6 + [0.0], atol=0.12)
    holiday = shares.on(np.array(["2024-05-01"], "datetime64[D]"))[0, 0] / week[0, 2]
    assert holiday == pytest.approx(0.5, abs=0.12)  # rare parts: half the rate, half the chance


def test_parts_have_shares_of_their_own_as_far_as_their_orders_tell():
    rates = np.geomspace(0.005, 1.0, 120)[:, None]
    panel = days_of(rates, 730, np.random.default_rng(14))
    late = np.ix_(np.arange(120) % 2 == 1, weekday(panel.periods) < 3)
    values = panel.values.copy()
    values[late] = 0.0  # every second part is asked for from Thursday to Saturday only
    week = measure_shares(replace(panel, values=values), np.ones(120, bool)).on(WEEK_AHEAD)
    np.testing.assert_allclose(week[-1], [0, 0, 0, 7 / 3, 7 / 3, 7 / 3, 0], atol=0.4)
    np.testing.assert_allclose(week[-2], [7 / 6] * 6 + [0.0], atol=0.2)
    assert 0.3 < week[1, :3].mean() < 0.9  # about three orders tell it from others but little


def test_sums_of_days_of_rare_parts_are_covered():
    rng = np.random.default_rng(13)
    rates = rng.gamma(0.7, 0.02, (700, 1))  # about five orders a year, most parts fewer
    panel = days_of(rates, 400 + 30, rng)
    past, came = panel.until(panel.periods[399]), panel.values[:, 400:].sum(axis=1)[:, None]
    fitted = Hurdle(30).fit(past)
    sums = predict(fitted, past.items, 30, seed=SEED, n_paths=200).paths.sum(axis=2)
    ties = rng.random(700)
    transform = (sums < came).mean(axis=1) + ties * (sums == came).mean(axis=1)
    for level in (0.8, 0.95, 0.99):  # within three standard errors of 700 items
        error = 3 * np.sqrt(level * (1 - level) / 700)
        assert (transform < level).mean() == pytest.approx(level, abs=error + 1 / 200)
    assert sums.mean() == pytest.approx(came.mean(), rel=0.19)  # of 255 orders


def test_states_of_the_past_do_not_see_what_came_after():
    demand = np.random.default_rng(10).poisson(0.5, (5, MONTHS)).astype(float)
    whole, part = panel_of(demand), panel_of(demand[:, :20])
    states = [event_states(one, 0.4, np.arange(20)) for one in (whole, part)]
    np.testing.assert_allclose(*states)
    outcomes = past_outcomes(whole, HORIZON)
    at = 3
    window = demand[:, outcomes.origins[at] + 1 : outcomes.ends[at]]
    np.testing.assert_array_equal(outcomes.total[:, at], window.sum(axis=1))
    assert outcomes.ends.max() <= MONTHS


def test_memory_halves_in_its_half_life():
    np.testing.assert_allclose(remember(np.array([[8.0, 0, 0, 0]]), 1.0), [[8, 4, 2, 1]])
