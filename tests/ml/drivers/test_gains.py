import numpy as np
import pytest

from ml.drivers.study import LEAST_ORIGINS, average_gains, choose_groups, select_known
from ml.drivers.trial import Trial
from ml.frequency import Frequency


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
    assert found.change == pytest.approx(-2.0)
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
