"""Newly trained models against those in use, in whole runs."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from ml.run.model_sets import CHALLENGER, choose_by_hand, read_choices
from ml.run.plan import make_plans
from tests.ml.run.bad_models import plant_bad_models
from tests.ml.run.nights import DAYS, DEMAND, START, Company, inputs_until

pytestmark = pytest.mark.slow
NAME = "demand_d"
LATER = DAYS + 7  # the models in use are a week old, and a week's REFIT_DAYS are over


FEW = DEMAND[::2]


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Company:
    """The night on which everything is fitted; copied before another follows."""
    made = Company(tmp_path_factory.mktemp("first"))
    made.night(DAYS, FEW)
    return made


@pytest.fixture(scope="module")
def stayed(first, tmp_path_factory) -> Company:
    """A week later, when what is newly trained predicts ten times too much."""
    made = copy_of(first, tmp_path_factory.mktemp("stayed") / "company")
    plant_bad_models(inputs_until(LATER, FEW), made.request(refit=True))
    made.night(LATER, FEW, refit_days=7)
    return made


def copy_of(company: Company, folder) -> Company:
    made = Company(folder)
    shutil.copytree(company.folder, made.folder)
    made.record = company.record
    return made


def choices(company: Company) -> list:
    return read_choices(company.folder / "models")


def dataset(days: int, demand: np.ndarray = FEW) -> str:
    return inputs_until(days, demand).dataset_id()


def fitted_at(company: Company) -> str:
    return company.run["fitted"][NAME]["fitted_at"]


def day(number: int) -> str:
    return str(START + number - 1)


def test_the_first_models_are_taken_and_it_is_said_that_nothing_stood(first):
    (choice,) = choices(first)
    assert choice.promoted
    assert choice.reason == "no models of this panel stood before."
    assert first.run["chosen"][NAME]["taken"] == dataset(DAYS)


def test_models_that_predict_ten_times_too_much_stay_out_and_change_no_number(
    first, stayed, tmp_path
):
    choice = choices(stayed)[-1]
    assert (choice.champion, choice.taken) == (dataset(DAYS),) * 2
    assert choice.challenger == dataset(LATER) + CHALLENGER
    assert "are not surely better" in choice.reason
    assert choice.figures["origins"] == 3
    assert stayed.run["chosen"][NAME] == first_of(choice)
    other = copy_of(first, tmp_path / "other")
    other.night(LATER, FEW)
    assert "chosen" not in other.run or not other.run["chosen"]
    assert stayed.hashes == other.hashes
    assert fitted_at(stayed) == day(DAYS)


def first_of(choice) -> dict:
    """A choice as the manifest has it."""
    return {
        name: getattr(choice, name)
        for name in ("panel", "made_by", "challenger", "champion", "taken", "by", "as_of",
                     "reason", "figures")
    }  # fmt: skip


def test_what_has_stayed_is_not_tried_again_until_it_is_time(stayed):
    soon, due = (stayed.plan(LATER + days, FEW, refit_days=7) for days in (6, 7))
    assert (soon.champion, soon.fitted_at) == (None, START + DAYS - 1)
    assert due.champion.fitted_at == START + DAYS - 1
    again = stayed.plan(LATER, FEW, refit_days=7)  # the same data
    assert (again.champion, again.fitted_at) == (None, START + DAYS - 1)


def test_models_of_a_world_that_has_changed_take_over_with_the_hashes_of_a_fresh_folder(
    first, tmp_path
):
    demand = FEW.copy()
    rng = np.random.default_rng(9)
    rhythm = np.where(np.arange(200) % 7 < 2, 20.0, 4.0)
    demand[:, DAYS:] = rng.poisson(np.tile(rhythm, (len(demand), 1)))[:, DAYS:]
    company, fresh = copy_of(first, tmp_path / "company"), Company(tmp_path / "fresh")
    days = DAYS + 60
    company.night(days, demand)
    choice = choices(company)[-1]
    assert choice.promoted, choice.reason
    assert choice.reason.startswith("The new models take over: the new ones save ")
    assert choice.figures["saved"][1] > 0
    fresh.night(days, demand)
    assert company.hashes == fresh.hashes
    assert company.plan(days + 1, demand).state.fitted_at == START + days - 1
    choose_by_hand(company.folder / "models", f"{NAME}/{dataset(days, demand)}", promote=False)
    assert company.plan(days + 1, demand).state.fitted_at == START + DAYS - 1


def test_a_set_that_lost_can_be_put_in_use_by_hand_and_set_aside_again(stayed, tmp_path):
    company = copy_of(stayed, tmp_path / "company")
    models, name = company.folder / "models", f"{NAME}/{dataset(LATER)}{CHALLENGER}"
    choose_by_hand(models, name, promote=True)
    company.night(LATER + 1, FEW)
    assert fitted_at(company) == day(LATER)
    choose_by_hand(models, name, promote=False)
    assert company.plan(LATER + 1, FEW).fitted_at == START + DAYS - 1


def test_a_run_of_some_items_goes_on_with_what_is_in_use_however_old(first):
    request = replace(first.request(refit_days=7), items=("part-00",))
    (plan,) = make_plans(inputs_until(LATER, FEW), request, study=False)
    assert (plan.champion, plan.fitted_at) == (None, START + DAYS - 1)


def test_nothing_is_compared_where_every_run_takes_what_it_fits(first, tmp_path):
    company = copy_of(first, tmp_path / "company")
    assert company.plan(LATER, FEW, refit_days=0).champion is None
