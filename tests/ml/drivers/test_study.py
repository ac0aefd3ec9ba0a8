from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.drivers.study import (
    LEAST_ORIGINS,
    StudyTask,
    average_gains,
    choose_groups,
    describe_choice,
    effects_at,
    fit_at,
    select_known,
    trial_tasks,
)
from ml.drivers.trial import Trial, try_origin
from ml.frequency import Frequency


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


@pytest.fixture(scope="module")
def used(world, tried):
    return fit_at(study(world, tried))[2]


def test_the_driver_that_moves_demand_is_chosen(used):
    assert "climate" in set().union(*used.values())


def test_drivers_that_move_nothing_are_mostly_left_out(tried):
    found = {(g.demand_class, g.group): g for g in average_gains(tried[1]) if not g.foreseen}
    climate, calendar = found["*", "climate"], found["*", "calendar"]
    assert climate.high < 0
    assert calendar.value > climate.value


@pytest.mark.parametrize("foreseen", [False, True])
def test_only_foreseen_trials_see_what_came_out_after_their_origin(tried, foreseen):
    task = tried[0][4]
    wrong = replace(task, tables=disturbed(task.tables, task.origin))
    plain, other = (
        [trial for trial in try_origin(one) if trial.foreseen == foreseen] for one in (task, wrong)
    )
    assert (plain != other) == foreseen


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
    assert 0 < planted.low < 0.5 < planted.high
    # Rain moves nothing in this world.
    assert found["*", "storm_load"].low < 0 < found["*", "storm_load"].high


def test_a_short_history_is_not_tried_and_says_so(world):
    panel, tables, region = world
    short = panel.until(panel.periods[200])
    assert trial_tasks(short, tables, region) == []
    (sentence,) = describe_choice("demand_d", {}, [])
    assert sentence.startswith("demand_d: no drivers are used: too few origins")


def test_what_is_used_left_out_and_not_tried_is_said_by_class(tried, used):
    sentences = describe_choice("demand_d", used, average_gains(tried[1]), ["climate", "telecom"])
    assert len(sentences) == len(used) + 1
    assert all("drivers used" in text and "left out" in text for text in sentences[:-1])
    assert sentences[-1].endswith("too little of the history is covered: telecom")


def trials(changes, *, name="*", group="climate", foreseen=False):
    first = np.datetime64("2025-01-01")
    return [
        Trial(first + 30 * k, name, group, foreseen, change, 100)
        for k, change in enumerate(changes)
    ]


def test_a_gain_is_the_mean_over_origins_with_students_interval():
    # Mean -2, standard deviation 1, eight origins; the tables' t at 95 % with 7 degrees of
    # freedom is 1.895, so the interval reaches 1.895 / sqrt(8) = 0.670 to both sides.
    changes = np.array([-1, -3, -1, -3, -1, -3, -1, -3]) * np.sqrt(7 / 8)
    changes += -2 - changes.mean()
    (found,) = average_gains(trials(changes))
    assert found.value == pytest.approx(-2.0)
    assert (found.low, found.high) == pytest.approx((-2.670, -1.330), abs=1e-3)
    assert found.count == 800


def test_too_few_origins_say_nothing():
    assert average_gains(trials([-1.0] * (LEAST_ORIGINS - 1))) == []


def chosen(*groups):
    rows = [trial for group in groups for trial in group]
    return choose_groups(average_gains(rows), ["lumpy", "smooth"])


HELPS, NOISE, HARMS = (-1.0, -1.2) * 4, (1.0, -1.1) * 4, (1.0, 1.2) * 4


def test_a_group_is_used_where_it_helps_beyond_noise():
    assert chosen(trials(HELPS, name="lumpy")) == {"lumpy": ("climate",), "smooth": ()}
    assert chosen(trials(NOISE, name="lumpy")) == {"lumpy": (), "smooth": ()}


def test_a_class_follows_the_panel_unless_it_speaks_against_it():
    both = chosen(trials(HELPS), trials(NOISE, name="lumpy"), trials(HARMS, name="smooth"))
    assert both == {"lumpy": ("climate",), "smooth": ()}


def test_what_drivers_explain_with_hindsight_chooses_nothing():
    assert chosen(trials(HELPS, foreseen=True)) == {"lumpy": (), "smooth": ()}


def test_a_cutoff_chooses_by_origins_whose_outcomes_it_knew():
    rows = trials(HELPS)
    # Origins on day 0, 30, 60 with 30 steps each are over on day 90; the next one is not.
    known = select_known(rows, np.datetime64("2025-01-01") + 90, 30, Frequency.DAILY)
    assert len(known) == 3


def test_of_pure_noise_groups_are_chosen_in_few_panels():
    # Five useless groups and four classes share the shocks of their origins. By 90 % intervals
    # alone, some group was chosen in two panels of three.
    rng = np.random.default_rng(8)
    panels, some = 80, 0
    for _ in range(panels):
        rows = []
        for group in "abcde":
            shared = rng.standard_t(5, 24)
            rows += trials(shared.tolist(), group=group)
            for name in ("lumpy", "smooth", "erratic", "intermittent"):
                own = shared / 2 + rng.standard_t(5, 24)
                rows += trials(own.tolist(), name=name, group=group)
        some += any(choose_groups(average_gains(rows), ["lumpy", "smooth", "erratic"]).values())
    assert some / panels <= 0.16  # 10 %, and two errors of the simulation more


def test_one_useful_group_among_useless_ones_is_found():
    rng = np.random.default_rng(9)
    rows = [row for group in "abcd" for row in trials(rng.normal(size=24).tolist(), group=group)]
    rows += trials((rng.normal(size=24) - 1.0).tolist(), group="climate")  # five errors ahead
    assert "climate" in choose_groups(average_gains(rows), ["smooth"])["smooth"]


def test_origins_with_first_releases_are_tried_on_those_alone():
    released = trials(NOISE)
    late = [replace(one, origin=one.origin - 300, estimated=True) for one in trials(HELPS)]
    (found,) = average_gains([*released, *late])
    assert found == average_gains(released)[0]
    (alone,) = average_gains([*released[:3], *late])
    assert (alone.estimated, found.estimated) == (True, False)
    assert alone.count == 1100
    said = describe_choice("demand_d", {"lumpy": ()}, [alone])
    assert "may be revisions: climate" in said[-1]


def test_values_asked_for_long_after_make_the_trials_before_estimates(world):
    panel, tables, region = world
    task = trial_tasks(panel, tables, region)[3]
    table = tables["climate"]
    came = table["available_at"].to_numpy().astype("datetime64[D]")
    for day, late in ((task.origin - 30, True), (task.origin - 200, False)):
        place = table.column_names.index("estimated")
        marked = table.set_column(place, "estimated", pa.array(came == day))
        found = try_origin(replace(task, tables={"climate": marked}))
        assert {one.group: one.estimated for one in found} == {"climate": late, "calendar": False}
