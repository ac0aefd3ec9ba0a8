"""One fill of all items, divided at each origin as it could have been then."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.ensemble.mixture import ENSEMBLE
from ml.evaluation.origins import LEVELS
from ml.simulation.levels import COMMON, common_levels, interval_points
from ml.simulation.scene import set_scene
from ml.simulation.study import study_stock
from ml.simulation.tables import tables_of
from tests.ml.simulation.worlds import (
    HORIZON,
    MONTH,
    MONTHS,
    backtests_of,
    poisson_panel,
    policies_of,
)

N = 60
RATES = np.random.default_rng(4).permutation(np.geomspace(0.3, 5.0, N))
COSTS = np.random.default_rng(5).lognormal(0.0, 1.5, N)
FILLS = np.array([0.8, 0.9, 0.95])


@pytest.fixture(scope="module")
def panel():
    return poisson_panel(RATES)


def priced(panel, costs=COSTS, **others):
    policies = policies_of(panel, lead=2 * MONTH, currency="BRL", **others)
    return {name: replace(policies[name], unit_cost=float(cost))
            for name, cost in zip(panel.items, costs, strict=True)}  # fmt: skip


def levels_of(panel, rates, policies, fills=FILLS):
    backtests = backtests_of(panel, rates)
    scene = set_scene(backtests, panel, policies, 0)
    return common_levels(scene, backtests, ENSEMBLE, policies, fills)


def test_demand_until_receipt_is_that_of_the_lead_time_alone(panel):
    policies = policies_of(panel, lead=2 * MONTH)
    backtests = backtests_of(panel, RATES)
    scene = set_scene(backtests, panel, policies, 0)
    whole, until = (interval_points(scene, backtests[0], ENSEMBLE, until_receipt=choice)
                    for choice in (False, True))  # fmt: skip
    for points, months in ((whole, 3), (until, 2)):
        np.testing.assert_array_equal(points, stats.poisson.ppf(LEVELS, months * RATES[:, None]))
    at_once = policies_of(panel, lead=0.001)
    scene = set_scene(backtests, panel, at_once, 0)
    assert not interval_points(scene, backtests[0], ENSEMBLE, until_receipt=True).any()


@pytest.fixture(scope="module")
def tables(panel):
    study = study_stock(backtests_of(panel, RATES), panel, priced(panel), 0)
    return [table.to_pylist() for table in tables_of(study, panel, 0)]


def test_a_common_fill_takes_far_less_value_than_equal_levels_at_equal_fill(tables):
    needed = {
        (row["method"], row["anchor"]): row["stock_value"]
        for row in tables[1] if row["measure"] == "unit_fill"
    }  # fmt: skip
    for anchor in ("service_80", "service_90", "service_95"):
        # Unit costs differ twentyfold and more: what is dear and what is cheap are far apart.
        assert needed[COMMON, anchor] < 0.9 * needed[ENSEMBLE, anchor]


def test_a_common_fill_comes_to_what_it_was_set_to(tables):
    own = {row["level"]: row for row in tables[0]
           if row["method"] == COMMON and row["demand_class"] == "*"}  # fmt: skip
    for fill in FILLS:
        # 60 items over 18 months; the forecast knows their rates
        assert own[fill]["unit_fill"] == pytest.approx(fill, abs=0.03)
        assert own[fill]["value_unit"] == "BRL"
    fills = [own[level]["unit_fill"] for level in sorted(own)]
    assert fills == sorted(fills)


def test_equal_items_of_equal_cost_are_given_equal_levels():
    panel = poisson_panel([2.0] * 12)
    levels = levels_of(panel, [2.0] * 12, priced(panel, np.full(12, 3.0)))
    assert levels.shape == (3, 12, 3)
    # the last step goes to as many as it takes: some are one unit ahead
    assert (np.ptp(levels, axis=1) <= 1.0).all()
    # and the fill between two such levels is that of the textbook: base stock S, demand over
    # two months and three
    units = np.arange(80)
    for fill, own in zip(FILLS, levels[0].T, strict=True):
        backlog = [(np.maximum(units[:, None] - level, 0) * stats.poisson.pmf(units, mean)[:, None])
                   .sum(axis=0) for mean in (6.0, 4.0) for level in [np.unique(own)]]  # fmt: skip
        reached = 1.0 - (backlog[0] - backlog[1]) / 2.0
        assert reached.min() - 0.02 <= fill <= reached.max() + 0.02


def test_cheap_items_are_given_more_than_dear_ones():
    panel = poisson_panel([2.0] * 12)
    levels = levels_of(panel, [2.0] * 12, priced(panel, np.geomspace(1.0, 50.0, 12)))
    assert (np.diff(levels, axis=1) <= 0).all()
    assert (levels[:, 0] > levels[:, -1]).all()


def test_no_item_is_given_less_than_its_floor_or_more_than_its_ceiling(panel):
    policies = priced(panel)
    first, second, third = panel.items[:3]
    policies[first] = replace(policies[first], criticality="A", unit_cost=1e6)
    policies[second] = replace(policies[second], min_stock=40.0, unit_cost=1e6)
    policies[third] = replace(policies[third], unit_cost=1e-6)
    assert (levels_of(panel, RATES, policies)[:, 2] > 2.0).all()
    policies[third] = replace(policies[third], max_stock=2.0)
    levels = levels_of(panel, RATES, policies)
    assert (levels[:, 0] >= stats.poisson.ppf(0.95, 3 * RATES[0])).all()
    assert (levels[:, 1] == 40.0).all()
    assert (levels[:, 2] <= 2.0).all()


def test_without_costs_in_one_currency_there_is_no_common_fill(panel):
    policies = priced(panel)
    name = panel.items[0]
    policies[name] = replace(policies[name], unit_cost=None)
    assert COMMON not in study_stock(backtests_of(panel, RATES), panel, policies, 0).runs


def test_what_comes_at_the_newest_origin_changes_no_level_before_it(panel):
    values = panel.values.copy()
    values[:, MONTHS - HORIZON :] += 7.0
    later = replace(panel, values=values)
    found = [study_stock(backtests_of(one, RATES), one, priced(one), 0).runs[COMMON].record
             for one in (panel, later)]  # fmt: skip
    for name in ("stock", "served", "owed"):
        before, after = (getattr(one, name)[:, :-1] for one in found)
        np.testing.assert_array_equal(before, after, err_msg=name)
