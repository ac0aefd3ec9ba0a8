from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.drivers.study import (
    StudyTask,
    average_gains,
    describe_choice,
    effects_at,
    fit_at,
    trial_tasks,
)
from ml.drivers.trial import try_origin


@pytest.fixture(scope="module")
def tried(world):
    panel, tables, region = world
    tasks = trial_tasks(panel, tables, region)
    return tasks, [trial for task in tasks for trial in try_origin(task)]


def study(world, tried, cutoff=None):
    panel, tables, region = world
    return StudyTask(panel, panel.items, cutoff or panel.cutoff, 45, tables, region,
                     tuple(tried[1]))  # fmt: skip


def disturbed(tables, after):
    """The same tables with everything that came out after a day turned into nonsense."""
    found = {}
    for name, table in tables.items():
        limit = pa.scalar(after.astype("datetime64[us]").astype(object), pa.timestamp("us"))
        later = pc.greater(table["available_at"], limit)
        value = pc.if_else(later, 1.0, table["value"])
        found[name] = table.set_column(table.column_names.index("value"), "value", value)
    return found


def test_the_driver_that_moves_demand_is_chosen(world, tried):
    used = fit_at(study(world, tried))[2]
    assert "climate" in set().union(*used.values())


def test_drivers_that_move_nothing_are_mostly_left_out(world, tried):
    found = {(g.demand_class, g.group): g for g in average_gains(tried[1]) if not g.foreseen}
    climate, calendar = found["*", "climate"], found["*", "calendar"]
    assert climate.high < 0
    assert calendar.change > climate.change


def test_trials_as_known_do_not_see_what_came_out_after_their_origin(world, tried):
    task = tried[0][4]
    wrong = replace(task, tables=disturbed(task.tables, task.origin))
    plain = [trial for trial in try_origin(task) if not trial.foreseen]
    assert [trial for trial in try_origin(wrong) if not trial.foreseen] == plain


def test_foreseen_trials_do_see_it(world, tried):
    task = tried[0][4]
    wrong = replace(task, tables=disturbed(task.tables, task.origin))
    plain = [trial for trial in try_origin(task) if trial.foreseen]
    assert [trial for trial in try_origin(wrong) if trial.foreseen] != plain


def test_contributions_at_a_cutoff_do_not_depend_on_anything_later(world, tried):
    panel, tables, region = world
    cutoff = panel.periods[-120]
    values = panel.values.copy()
    values[:, -119:] = 7.0
    wrong = (replace(panel, values=values), disturbed(tables, cutoff), region)
    one = fit_at(study(world, tried, cutoff))
    other = fit_at(study(wrong, tried, cutoff))
    assert one[2] == other[2]
    assert one[1] is not None
    np.testing.assert_array_equal(one[1].contribution, other[1].contribution)


def test_effects_come_with_intervals_that_hold_the_planted_one(world, tried):
    found = {(e.demand_class, e.feature): e for e in effects_at(study(world, tried))}
    planted = found["*", "humidity_load_60d"]
    assert planted.low < 0.5 < planted.high
    assert planted.low > 0


def test_a_short_history_is_not_tried_and_says_so(world):
    panel, tables, region = world
    short = panel.until(panel.periods[200])
    assert trial_tasks(short, tables, region) == []
    (sentence,) = describe_choice("demand_d", {}, [])
    assert sentence.startswith("demand_d: no drivers are used: too few origins")


def test_a_group_that_could_not_be_tried_is_named(world, tried):
    used = fit_at(study(world, tried))[2]
    sentences = describe_choice("demand_d", used, average_gains(tried[1]), ["climate", "telecom"])
    assert sentences[-1].endswith("too little of the history is covered: telecom")


def test_what_is_used_and_what_is_left_out_is_said_by_class(world, tried):
    used = fit_at(study(world, tried))[2]
    sentences = describe_choice("demand_d", used, average_gains(tried[1]))
    assert len(sentences) == len(used)
    assert all("drivers used" in text and "left out" in text for text in sentences)
