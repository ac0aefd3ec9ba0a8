import numpy as np
import pytest

from ml.drivers import effects
from ml.drivers.trial import class_totals, design_at, frame_at


@pytest.fixture(scope="module")
def design(world):
    panel, tables, region = world
    frame = frame_at(panel, tables, region, panel.cutoff, 30)
    return design_at(frame, panel, panel.cutoff, 30)


@pytest.fixture(scope="module")
def totals(world):
    return effects.sum_counts(effects.count_typical_sizes(world[0].values))


def of(design, found, name="humidity_load_60d"):
    return found[[feature.name for feature in design.features].index(name)]


def test_the_ridge_agrees_with_the_plain_regression_where_data_is_plenty(design, totals):
    every = np.ones(len(design.features), bool)
    ridge, _ = effects.fit_rates(design, every, totals, totals)
    plain, _ = effects.estimate_effects(design, totals)
    assert of(design, ridge) == pytest.approx(of(design, plain), abs=0.05)


def test_a_class_with_nothing_to_say_takes_the_panels_effect(design, totals):
    silent = effects.ClassTotals(np.zeros(design.length), np.zeros(design.length))
    every = np.ones(len(design.features), bool)
    shared, _ = effects.fit_rates(design, every, totals, silent)
    own, _ = effects.fit_rates(design, every, totals, totals)
    assert of(design, shared) == pytest.approx(of(design, own), abs=0.05)


def test_drivers_that_take_no_part_have_no_effect(design, totals):
    none = np.zeros(len(design.features), bool)
    found, seasons = effects.fit_rates(design, none, totals, totals)
    assert not found.any()
    assert np.isfinite(seasons).all()


def test_an_item_that_fell_silent_teaches_nothing():
    # Demand on half of 20 days, then 12 silent ones: (1 - 10/32)^12 = 0.011, still chance.
    # With 40 silent days: (1 - 10/60)^40 = 0.0007 < 0.001, it has left.
    start = np.tile([1.0, 0.0], 10)
    short = np.concatenate([start, np.zeros(11)])
    long = np.concatenate([start, np.zeros(39)])
    width = len(long)
    padded = np.concatenate([np.full(width - len(short), np.nan), short])
    never = np.zeros(width)
    assert effects.find_active(np.stack([padded, long, never])).tolist() == [True, False, False]


def test_demand_counts_in_typical_sizes_up_to_a_cap():
    # Mean size of 10, 10, 40 is 20: halves, and the large order counts as two.
    counts = effects.count_typical_sizes(np.array([[10.0, 0.0, 10.0, np.nan, 40.0]]))
    assert counts[0, [0, 1, 2, 4]].tolist() == [0.5, 0.0, 0.5, 2.0]
    assert np.isnan(counts[0, 3])


def test_exposure_counts_what_was_observed_only():
    # Rates of 1 and 1/2: both seen on day 0, only the second on day 1.
    counts = np.array([[1.0, np.nan], [1.0, 0.0]])
    found = effects.sum_counts(counts)
    assert found.demand.tolist() == [2.0, 0.0]
    assert found.exposure.tolist() == [1.5, 0.5]


def test_a_class_with_few_events_is_not_judged_on_its_own(world):
    panel = world[0]
    names = np.array(["common"] * 29 + ["rare"])
    quiet = panel.values.copy()
    quiet[29] = 0.0
    quiet[29, -5:] = 1.0
    found = class_totals([(quiet, names)])
    assert set(found) == {"*", "common"}


def test_totals_of_items_that_come_in_parts_are_those_of_all_of_them(world):
    values = world[0].values
    names = np.array(["common", "rare", "common"] * 10)
    whole = class_totals([(values, names)])
    parts = class_totals((values[own], names[own]) for own in (slice(7), slice(7, 8), slice(8, 30)))
    assert set(whole) == set(parts)
    for name, one in whole.items():
        np.testing.assert_allclose(parts[name].demand, one.demand, rtol=1e-12)
        np.testing.assert_allclose(parts[name].exposure, one.exposure, rtol=1e-12)
