"""The effects that the sample was made with are found again by the study of its drivers."""

from datetime import date

import pytest

from ml.drivers.study import StudyTask, average_gains, effects_at, fit_at, trial_tasks
from ml.drivers.trial import ALL, try_origin
from ml.panel import learnable_items
from ml.run.inputs import RunInputs
from ml.run.request import RunRequest
from ml.settings import Settings
from pipelines.intake.request import ReadingRequest
from pipelines.job.find_inputs import find_inputs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> RunInputs:
    folder = tmp_path_factory.mktemp("sample")
    day = date(2026, 11, 20)
    request = RunRequest(command="test", settings=Settings(data_dir=folder, today=day))
    return find_inputs(ReadingRequest(today=day), request)


@pytest.fixture(scope="module")
def study(sample) -> StudyTask:
    panel = next(one for one in sample.panels if one.is_demand)
    learned = panel.select(learnable_items(panel))
    tasks = trial_tasks(learned, sample.outside, sample.region)
    trials = tuple(trial for task in tasks for trial in try_origin(task))
    return StudyTask(panel, learned.items, panel.cutoff, 30, sample.outside, sample.region,
                     trials)  # fmt: skip


# Storms, damp months and 5G ask for parts, Carnival and holidays stop the work: what the
# generator plants (truth/effects.json of the sample).
@pytest.mark.parametrize(
    ("driver", "sign"),
    [
        ("storm_load", 1),
        ("humidity_load_60d", 1),
        ("fiveg_adoption", 1),
        ("is_carnival", -1),
        ("is_holiday", -1),
        ("is_year_end", -1),
    ],
)
def test_a_planted_effect_is_found_with_its_sign_beyond_doubt(study, driver, sign):
    found = {one.feature: one for one in effects_at(study) if one.demand_class == ALL}
    effect = found[driver]
    assert effect.value * sign > 0
    assert (effect.low > 0) == (sign > 0)
    assert (effect.high < 0) == (sign < 0)


def test_the_dollar_which_moves_no_demand_is_left_out(study):
    found = {one.feature: one for one in effects_at(study) if one.demand_class == ALL}
    dollar = found["usd_brl_change_60d"]
    assert dollar.low < 0 < dollar.high
    used = fit_at(study)[2]
    assert all("economy" not in groups for groups in used.values())


def test_the_calendar_helps_the_forecast_beyond_noise(study):
    known = {one.group: one for one in average_gains(study.trials)
             if one.demand_class == ALL and not one.foreseen}  # fmt: skip
    assert known["calendar"].high < 0
    assert all("calendar" in groups for groups in fit_at(study)[2].values())
