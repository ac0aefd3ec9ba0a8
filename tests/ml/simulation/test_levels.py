"""Levels by forecasts and rules, and the scene in which they are tried."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.frequency import Frequency
from ml.inventory.items import ItemPolicy
from ml.simulation.levels import (
    forecast_levels,
    interval_points,
    perfect_levels,
    promised_service,
    rule_levels,
    usage_levels,
)
from ml.simulation.scene import SETTLING, lead_time_strata, set_scene
from tests.conftest import find_shortages
from tests.ml.simulation.worlds import (
    HORIZON,
    MONTH,
    MONTHS,
    backtests_of,
    poisson_panel,
    policies_of,
)

RATES = [0.1, 1.0, 4.0]
TARGETS = np.array([0.5, 0.9, 0.99])


@pytest.fixture
def panel():
    return poisson_panel(RATES)


def scene_of(panel, policies, **options):
    return set_scene(backtests_of(panel, RATES), panel, policies, 0, **options)


def test_a_level_is_the_quantile_of_demand_over_review_and_lead_time(panel):
    scene = scene_of(panel, policies_of(panel, lead=2 * MONTH))
    assert scene.intervals.tolist() == [3]
    points = [interval_points(scene, one, "ensemble") for one in backtests_of(panel, RATES)]
    levels = forecast_levels(scene, points, TARGETS)
    means = 3 * np.array(RATES)[:, None]
    wanted = stats.poisson.ppf(TARGETS, means)
    np.testing.assert_array_equal(levels, np.broadcast_to(wanted, (3, 3, 3)))
    # points lie two hundredths apart, closer in the tail
    promised = promised_service(points, levels)[0]
    np.testing.assert_allclose(promised, stats.poisson.cdf(wanted, means), atol=0.02)


def test_a_random_lead_time_mixes_the_intervals_that_it_can_make(panel):
    scene = scene_of(panel, policies_of(panel, lead=2 * MONTH, std=MONTH))
    (newest, *_) = backtests_of(panel, RATES)
    levels = forecast_levels(scene, [interval_points(scene, newest, "ensemble")], TARGETS)[0]
    assert len(scene.intervals) > 2
    chances = scene.chances[:, 0]
    assert chances.sum() == pytest.approx(1)
    units = np.arange(60)
    for rate, own in zip(RATES, levels, strict=True):
        mixed = chances @ stats.poisson.cdf(units, rate * scene.intervals[:, None])
        assert own.tolist() == [units[np.argmax(mixed >= target)] for target in TARGETS]


def test_lead_times_are_the_middles_of_equal_strata_of_a_gamma_in_whole_periods():
    policy = ItemPolicy("a", 30.0, 9.0, 1.0, 0.95)
    drawn = lead_time_strata(policy, Frequency.DAILY)
    assert drawn.mean() == pytest.approx(30.0, abs=0.5)
    assert drawn.std() == pytest.approx(9.0, abs=0.7)
    # The first stratum's middle is 14.8 days, just below half a month, the last one's 49.7.
    assert lead_time_strata(policy, Frequency.MONTHLY).tolist() == [0] + [1] * 18 + [2]
    fixed = replace(policy, lead_time_days_std=0.0)
    assert set(lead_time_strata(fixed, Frequency.WEEKLY)) == {4}  # 30 / 7 = 4.3


def test_a_lead_time_beyond_the_backtests_horizon_is_cut_there(panel):
    scene = scene_of(panel, policies_of(panel, lead=50 * MONTH, review=2 * MONTH))
    assert scene.intervals.tolist() == [HORIZON]
    assert set(scene.items.lead.ravel()) == {HORIZON - 2}


def test_time_runs_from_a_warm_up_to_the_end_of_the_newest_horizon(panel):
    scene = scene_of(panel, policies_of(panel, lead=2 * MONTH))
    assert scene.start == MONTHS - 3 * HORIZON - SETTLING - 2
    warm_up = [-1] * (SETTLING + 2)
    assert scene.items.part.tolist() == warm_up + [part for part in range(3) for _ in range(6)]
    np.testing.assert_array_equal(scene.items.demand, panel.values[:, scene.start :])


def test_an_origin_is_held_until_the_next_one(panel):
    scene = scene_of(panel, policies_of(panel))
    held = scene.hold(np.arange(3.0)[:, None, None] * np.ones((3, 3, 1)))
    assert held[0, -3 * HORIZON :, 0].tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert not held[0, : -3 * HORIZON].any()


@pytest.mark.parametrize("status", ["do_not_stock", "last_buy"])
def test_what_is_not_ordered_again_and_again_is_not_simulated(panel, status):
    policies = policies_of(panel)
    policies["i001"] = replace(policies["i001"], status=status)
    scene = scene_of(panel, policies)
    assert scene.names == ("i000", "i002")
    (newest, *_) = backtests_of(panel, RATES)
    assert interval_points(scene, newest, "ensemble")[1, -1] == stats.poisson.ppf(0.9995, 8.0)
    none = {name: replace(one, status="obsolete") for name, one in policies.items()}
    assert scene_of(panel, none) is None
    assert set_scene([], panel, policies, 0) is None


def test_periods_without_stock_are_not_counted(panel):
    exposure = np.ones(panel.values.shape)
    exposure[1, -2] = 0.5
    served = find_shortages(panel.values, exposure, np.zeros(exposure.shape))
    scene = scene_of(replace(panel, shortages=served), policies_of(panel))
    assert np.argwhere(~scene.items.counted).tolist() == [[1, len(scene.items.part) - 2]]
    assert scene.left_out.tolist() == [0, 1, 0]


def test_stock_is_valued_where_every_cost_is_known_in_one_currency(panel):
    policies = policies_of(panel, unit_cost=2.5, currency="BRL")
    scene = scene_of(panel, policies)
    assert (scene.worth.tolist(), scene.unit) == ([2.5] * 3, "BRL")
    foreign = policies | {"i000": replace(policies["i000"], currency="USD")}
    unknown = policies | {"i000": replace(policies["i000"], unit_cost=None)}
    for mixed in (foreign, unknown):
        scene = scene_of(panel, mixed)
        assert (scene.worth.tolist(), scene.unit) == ([1.0] * 3, "units")


def test_a_model_that_failed_on_an_item_leaves_it_to_the_fallback(panel):
    (newest, *_) = backtests_of(panel, RATES, other=3.0)
    place = newest.models.index("other")
    newest.cum_points[place, 1] = np.nan
    scene = scene_of(panel, policies_of(panel))
    found = interval_points(scene, newest, "other")
    fallback, own = (stats.poisson.ppf(0.9995, 2 * rate) for rate in (1.0, 3 * 4.0))
    assert found[1:, -1].tolist() == [fallback, own]


def test_rules_are_what_their_formulas_say_by_hand(panel):
    values = panel.values.copy()
    values[0, 30:42] = [0, 4] * 6  # mean 2, sum of squares about it 12 x 4 = 48
    panel = replace(panel, values=values)
    scene = scene_of(panel, policies_of(panel, lead=3 * MONTH))  # P = 4
    known = np.array([42])
    # sigma = sqrt(48 / 11) = 2.0889; 2 x 4 + 1.96 x 2.0889 x 2 = 16.19, and whole units
    assert rule_levels(scene, panel, known, np.array([0.5, 0.975]))[0, 0].tolist() == [8, 17]
    # 2 x 4, half as much again, and four times as much
    safety = np.array([0.0, 0.5, 3.0])
    assert usage_levels(scene, panel, known, safety)[0, 0].tolist() == [8, 12, 32]


def test_rules_do_not_see_what_came_later(panel):
    later = panel.values.copy()
    later[:, 40:] = 99.0
    scene = scene_of(panel, policies_of(panel))
    for rule in (rule_levels, usage_levels):
        found = [rule(scene, one, np.array([36, 40]), np.array([0.5, 0.9]))
                 for one in (panel, replace(panel, values=later))]  # fmt: skip
        np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("frequency", "back", "seen"),
    [(Frequency.MONTHLY, 12, True), (Frequency.MONTHLY, 13, False), (Frequency.DAILY, 13, True)],
    ids=["a year", "more than a year", "days"],
)
def test_rules_look_back_a_year(panel, frequency, back, seen):
    values = panel.values.copy()
    values[1, 40 - back] += 50.0
    scene = scene_of(panel, policies_of(panel))
    found = [
        rule_levels(scene, replace(one, frequency=frequency), np.array([40]), TARGETS)[0, 1]
        for one in (panel, replace(panel, values=values))
    ]
    assert (found[0] != found[1]).any() == seen


def test_perfect_knowledge_asks_for_what_comes_until_the_next_order_can(panel):
    scene = scene_of(panel, policies_of(panel, lead=2 * MONTH))
    levels = perfect_levels(scene)[:, :, 0]
    demand = scene.items.demand
    for t in range(demand.shape[1]):
        np.testing.assert_array_equal(levels[:, t], demand[:, t : t + 3].sum(axis=1))
