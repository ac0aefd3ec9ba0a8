"""Nights that go on from what an earlier one fitted."""

import os
import shutil

import numpy as np
import pytest

from ml.errors import ConfigError
from ml.forecasters.base import read_items
from ml.run.fitted_state import STATE, digest_items
from ml.run.model_store import read_part
from tests.ml.run.nights import DAYS, DEMAND, PARTS, START, Company, inputs_until

pytestmark = pytest.mark.slow
NAME = "demand_d"
NIGHTS = 40 if os.environ.get("DRILLS") == "full" else 3


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Company:
    """The night on which everything is fitted; copied before another follows."""
    made = Company(tmp_path_factory.mktemp("first"))
    made.night(DAYS)
    return made


@pytest.fixture
def company(first, tmp_path) -> Company:
    made = Company(tmp_path / "company")
    shutil.copytree(first.folder, made.folder)
    return made


def rewritten(count: int) -> np.ndarray:
    demand = DEMAND.copy()
    demand[:count, 40] += 9
    return demand


def fitted_at(company: Company) -> dict:
    return company.run["fitted"][NAME]


def day(number: int) -> str:
    """The last of so many days."""
    return str(START + number - 1)


def test_a_night_goes_on_from_the_fits_of_the_one_before(company, capsys):
    output = company.night(DAYS + 1)
    assert fitted_at(company)["fitted_at"] == day(DAYS)
    assert str(output.plans[0].panel.cutoff) == day(DAYS + 1)
    assert "0 of 12 items are new or rewritten" in capsys.readouterr().err
    shown = {str(one) for one in output.plans[0].origins}
    assert shown == {str(START + DAYS - 1 - 7 * k) for k in (1, 2, 3)}


def test_the_way_to_a_night_changes_nothing_of_it(company, tmp_path):
    other = Company(tmp_path / "other")
    shutil.copytree(company.folder, other.folder)
    for days in (DAYS + 1, DAYS + 2, DAYS + 4):
        company.night(days)
    other.night(DAYS + 4)
    assert company.hashes == other.hashes
    assert fitted_at(company) == fitted_at(other)


def test_everything_fitted_anew_where_nothing_stands_is_as_if_there_had_been_no_nights(
    company, tmp_path
):
    fresh = Company(tmp_path / "fresh")
    for days in range(DAYS + 1, DAYS + NIGHTS + 1):
        company.night(days)
        assert fitted_at(company)["fitted_at"] == day(DAYS)
    company.night(DAYS + NIGHTS, refit_days=0)
    fresh.night(DAYS + NIGHTS)
    assert fitted_at(company) == {"fitted_at": day(DAYS + NIGHTS), "state": None}
    assert company.hashes == fresh.hashes


def test_a_rewritten_item_is_fitted_anew_and_the_others_go_on(company, first, capsys):
    company.night(DAYS, rewritten(1))
    assert "1 of 12 items are new or rewritten" in capsys.readouterr().err
    assert fitted_at(company) != fitted_at(first)
    root = company.folder / "models" / "nova_corrente"
    was, now = (
        {
            row["item_id"]: row["model"]
            for row in read_items(root / one.run["dataset_id"] / NAME / "arima")
        }
        for one in (first, company)
    )
    assert [item for item in was if was[item] != now[item]] == ["part-00"]


@pytest.mark.parametrize(
    ("days", "rewritten_items", "asked", "goes_on"),
    [
        (DAYS + 1, 0, {}, True),
        (DAYS + 1, 1, {}, True),
        (DAYS + 1, 2, {}, False),  # two of twelve are more than a tenth
        (DAYS + 6, 0, {"refit_days": 7}, True),
        (DAYS + 7, 0, {"refit_days": 7}, False),
        (DAYS + 1, 0, {"refit_days": 0}, False),
        (DAYS + 1, 0, {"refit": True}, False),
        (DAYS + 1, 0, {"refit_panels": (NAME,)}, False),
        (DAYS, 1, {"refit_days": 1}, True),
        (DAYS - 5, 0, {}, False),  # fits that saw more than this run may see
    ],
)
def test_fits_serve_while_they_are_young_and_their_history_stands(
    first, days, rewritten_items, asked, goes_on
):
    plan = first.plan(days, rewritten(rewritten_items), **asked)
    assert (plan.state is not None) == goes_on
    assert plan.fitted_at == (START + DAYS - 1 if goes_on else plan.panel.cutoff)


def test_a_panel_that_is_not_there_cannot_be_fitted_anew(first):
    with pytest.raises(ConfigError, match=r"no panel 'price_b'. There are: demand_d\."):
        first.plan(DAYS + 1, refit_panels=("price_b",))


def test_models_that_are_asked_for_before_their_time_have_to_prove_themselves(first):
    plan = first.plan(DAYS + 1, refit_panels=(NAME,))
    assert plan.champion.fitted_at == START + DAYS - 1


def test_a_state_that_is_damaged_is_none(company, first):
    state = company.folder / "models" / "nova_corrente" / first.run["dataset_id"] / NAME / STATE
    state.write_bytes(state.read_bytes()[:100])
    assert company.plan(DAYS + 1).state is None


def test_damaged_weights_are_fitted_anew(company, first):
    folder = company.folder / "models" / "nova_corrente" / first.run["dataset_id"] / NAME
    parts = sorted((folder / "ensemble").glob("[0-9]*"))
    next(parts[0].glob("*.npz")).write_bytes(b"")
    assert read_part(parts[0]) is None
    company.night(DAYS + 1)
    assert fitted_at(company) == {"fitted_at": day(DAYS + 1), "state": None}


def test_a_run_again_on_the_same_data_makes_orders_from_the_same_forecasts(company, first, capsys):
    company.night(DAYS)
    said = capsys.readouterr().err
    assert f"the forecasts of {first.record.version_id} stand" in said
    assert company.record.version_id != first.record.version_id
    assert company.hashes == first.hashes
    company.night(DAYS, refit=True)
    assert "stand (--refit" not in capsys.readouterr().err
    assert company.hashes == first.hashes


def test_a_history_is_named_by_what_it_holds_until_the_day():
    (before,), (after,) = inputs_until(DAYS).panels, inputs_until(DAYS + 3).panels
    until = before.cutoff
    assert digest_items(before, until) == digest_items(after, until)
    (changed,) = inputs_until(DAYS, rewritten(1)).panels
    ours, theirs = digest_items(before, until), digest_items(changed, until)
    assert [item for item in ours if ours[item] != theirs[item]] == ["part-00"]
    assert len(set(ours.values())) == PARTS
