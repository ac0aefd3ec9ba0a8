"""Panels of which a study of drivers can say little, or nothing."""

import numpy as np
import pytest

from ml.drivers.design import make_design
from ml.drivers.effects import count_typical_sizes, estimate_effects, sum_counts
from ml.drivers.study import StudyTask, average_gains, effects_at, fit_at, trial_tasks
from ml.drivers.trial import design_at, frame_at, try_origin
from ml.features.compute import FeatureFrame
from ml.features.declarations import BY_NAME
from ml.frequency import Frequency, period_range
from ml.panel import Panel, learnable_items

REGION = "salvador_ba"


def panel_of(values, first, frequency, kind="demand"):
    last = np.datetime64(first) + 2000
    periods = period_range(np.datetime64(first), last, frequency)[: values.shape[1]]
    items = tuple(f"I{i}" for i in range(len(values)))
    return Panel(kind, frequency, items, periods, values, (None,) * len(values))


def studied(panel):
    learned = learnable_items(panel)
    tasks = trial_tasks(panel.select(learned), {}, REGION)
    trials = tuple(trial for task in tasks for trial in try_origin(task))
    task = StudyTask(panel, learned, panel.cutoff, 20, {}, REGION, trials)
    return trials, fit_at(task), effects_at(task)


# 2024-01-01 is a Monday, 2024-01-07 a Sunday: weeks that hold all of Carnival and what follows.
@pytest.mark.parametrize("first", ["2021-01-04", "2021-01-10", "2021-01-06"])
@pytest.mark.parametrize("weeks", [52, 104, 156])
def test_weeks_in_which_two_drivers_are_one_are_studied(first, weeks):
    values = np.random.default_rng(weeks).integers(0, 7, (2, weeks)).astype(float)
    _, _, effects = studied(panel_of(values, first, Frequency.WEEKLY))
    assert all(abs(one.value) < 12 and np.isfinite([one.low, one.high]).all() for one in effects)


def test_of_two_drivers_that_are_one_only_the_first_gets_an_effect():
    values = np.random.default_rng(1).poisson(2.0, (3, 156)).astype(float)
    panel = panel_of(values, "2021-01-04", Frequency.WEEKLY)
    frame = frame_at(panel, {}, REGION, panel.cutoff, 8)
    design = design_at(frame, panel, panel.cutoff, 8)
    names = [feature.name for feature in design.features]
    same = [names.index(name) for name in ("is_carnival", "is_after_carnival")]
    assert np.allclose(*(design.values[: design.length, place] for place in same))
    effects, _ = estimate_effects(design, sum_counts(count_typical_sizes(values)))
    assert np.isfinite(effects[same[0]])
    assert np.isnan(effects[same[1]])


@pytest.mark.parametrize("kind", ["all left", "all zero", "one day"])
def test_a_panel_that_teaches_nothing_has_no_effects(kind):
    values = np.zeros((1, 900))
    if kind == "all left":
        values[0, :300:3] = 2.0
    if kind == "one day":
        values[0, 400] = 1.0
    panel = panel_of(values, "2022-01-01", Frequency.DAILY)
    trials, fitted, effects = studied(panel)
    assert effects == []
    assert fitted[1] is None
    assert all(np.isfinite(one.value) for one in average_gains(trials))


def test_a_price_that_starts_late_is_studied_without_a_word(recwarn):
    values = 50 + np.cumsum(np.random.default_rng(2).normal(0, 1, (2, 900)), axis=1)
    values[1, :700] = np.nan
    studied(panel_of(values, "2022-01-03", Frequency.BUSINESS, "price"))
    assert not recwarn.list


def test_a_quote_that_is_only_carried_counts_as_late():
    days = np.arange("2025-01-01", "2025-03-01", dtype="datetime64[D]")
    dollar = np.random.default_rng(3).normal(size=len(days))
    dollar[45:50] = dollar[44]  # the last quote before the cutoff is five days old
    frame = FeatureFrame((BY_NAME["usd_brl_change_60d"],), days, dollar[:, None])
    design = make_design(frame, days[:50], days[50:], Frequency.DAILY)
    assert design.lags().tolist() == [5]
