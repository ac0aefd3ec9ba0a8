import numpy as np
import pytest

from ml.drivers import rates
from ml.drivers.design import make_design
from ml.drivers.trial import TrialTask, class_totals, design_at, frame_at
from ml.frequency import Frequency, period_range


def design_of(world, cutoff=None):
    panel, tables, region = world
    day = cutoff or panel.cutoff
    task = TrialTask(panel, day, 30, tables, region)
    return design_at(frame_at(task, day, 30), panel.until(day), day, 30)


def effect(design, effects, name):
    return effects[[feature.name for feature in design.features].index(name)]


def test_a_planted_effect_is_recovered(world):
    panel = world[0]
    design = design_of(world)
    totals = rates.totals(rates.typical_counts(panel.values))
    found, errors = rates.effects_with_errors(design, totals)
    planted = effect(design, found, "humidity_load_60d")
    error = effect(design, errors, "humidity_load_60d")
    assert abs(planted - 0.5) < 3 * error
    assert planted - 3 * error > 0
    # Rain moves nothing in this world.
    assert abs(effect(design, found, "storm_load")) < 3 * effect(design, errors, "storm_load")


def test_the_ridge_agrees_with_the_plain_regression_where_data_is_plenty(world):
    panel = world[0]
    design = design_of(world)
    totals = rates.totals(rates.typical_counts(panel.values))
    every = np.ones(len(design.features), bool)
    ridge, _ = rates.fit(design, every, totals, totals)
    plain, _ = rates.effects_with_errors(design, totals)
    name = "humidity_load_60d"
    assert effect(design, ridge, name) == pytest.approx(effect(design, plain, name), abs=0.05)


def test_a_class_with_nothing_to_say_takes_the_panels_effect(world):
    panel = world[0]
    design = design_of(world)
    everyone = rates.totals(rates.typical_counts(panel.values))
    silent = rates.Totals(np.zeros(design.length), np.zeros(design.length))
    every = np.ones(len(design.features), bool)
    shared, _ = rates.fit(design, every, everyone, silent)
    own, _ = rates.fit(design, every, everyone, everyone)
    assert effect(design, shared, "humidity_load_60d") == pytest.approx(
        effect(design, own, "humidity_load_60d"), abs=0.05
    )


def test_drivers_that_take_no_part_have_no_effect(world):
    design = design_of(world)
    totals = rates.totals(rates.typical_counts(world[0].values))
    none = np.zeros(len(design.features), bool)
    effects, seasons = rates.fit(design, none, totals, totals)
    assert not effects.any()
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
    assert rates.alive(np.stack([padded, long, never])).tolist() == [True, False, False]


def test_demand_counts_in_typical_sizes_up_to_a_cap():
    # Mean size of 10, 10, 40 is 20: halves, and the large order counts as two.
    counts = rates.typical_counts(np.array([[10.0, 0.0, 10.0, np.nan, 40.0]]))
    assert counts[0, [0, 1, 2, 4]].tolist() == [0.5, 0.0, 0.5, 2.0]
    assert np.isnan(counts[0, 3])


def test_exposure_counts_what_was_observed_only():
    # Rates of 1 and 1/2: both seen on day 0, only the second on day 1.
    counts = np.array([[1.0, np.nan], [1.0, 0.0]])
    found = rates.totals(counts)
    assert found.demand.tolist() == [2.0, 0.0]
    assert found.exposure.tolist() == [1.5, 0.5]


def test_a_class_with_few_events_is_not_judged_on_its_own(world):
    panel = world[0]
    names = np.array(["common"] * 29 + ["rare"])
    quiet = panel.values.copy()
    quiet[29] = 0.0
    quiet[29, -5:] = 1.0
    from dataclasses import replace

    found = class_totals(replace(panel, values=quiet), names)
    assert set(found) == {"*", "common"}


def test_weeks_and_months_take_the_mean_of_their_days(world):
    panel, tables, region = world
    task = TrialTask(panel, panel.cutoff, 30, tables, region)
    frame = frame_at(task, panel.cutoff, 30)
    months = period_range(np.datetime64("2022-02-01"), np.datetime64("2023-12-01"),
                          Frequency.MONTHLY)  # fmt: skip
    design = make_design(frame, months[:-2], months[-2:], Frequency.MONTHLY)
    place = [feature.name for feature in frame.features].index("is_july")
    july = frame.values[:, place]
    assert set(july) == {0.0, 1.0}
    column = design.values[:, [f.name for f in design.features].index("is_july")]
    is_july = months.astype("datetime64[M]").astype(int) % 12 == 6
    assert (column[is_july] > 0).all()
    assert (column[~is_july] < 0).all()
