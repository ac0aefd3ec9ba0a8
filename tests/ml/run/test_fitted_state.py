"""Nights that go on from what an earlier one fitted."""

import os
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

from ml.artifacts.reading import read_dataset
from ml.drivers.study import Study, select_recent
from ml.drivers.trial import class_names
from ml.errors import ConfigError
from ml.forecasters.base import read_items
from ml.panel import Drivers
from ml.run.fitted_state import (
    STATE,
    FittedState,
    StateSearch,
    digest_items,
    find_state,
    read_drivers,
    save_state,
)
from ml.run.model_store import read_part
from ml.run.standing import name_items
from tests.ml.run.nights import DAYS, DEMAND, PARTS, START, Company, inputs_until

pytestmark = pytest.mark.slow
NAME = "demand_d"
STATE_OF = FittedState(
    "d-1", START, START + DAYS - 1, ("d-1",), (), (), 9, "", Study((), (), {}, {}, ()), START
)
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
    kept = [
        {path.name: path.stat().st_ino for path in root.glob(f"{NAME}/measures/*/*.parquet")}
        for root in sorted((company.folder / "models" / "nova_corrente").iterdir())
    ]
    assert len(kept) == 2
    assert len(kept[0]) == 3
    assert kept[0] == kept[1]  # the very files: the backtest is that of the night before


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


@pytest.mark.parametrize(
    ("missing", "days", "corrected", "goes_on", "stands"),
    [
        (2, DAYS + 1, 0, True, 0),  # came a day later, with the values of that day
        (2, DAYS, 0, True, PARTS - 3),  # at the same end: what was said of the three is old
        (2, DAYS, 1, True, PARTS - 4),  # one of twelve is rewritten
        (2, DAYS, 2, False, 0),  # two are more than a tenth
        (6, DAYS, 0, True, PARTS - 3),
        (7, DAYS, 0, False, 0),  # three items that models have not seen for a week
    ],
)
def test_values_that_come_late_are_new_data_and_no_other_history(
    tmp_path, missing, days, corrected, goes_on, stands
):
    demand = DEMAND.copy()
    demand[-3:, DAYS - missing : DAYS] = np.nan
    (then,), (now,) = (
        inputs_until(DAYS, demand).panels,
        inputs_until(days, rewritten(corrected)).panels,
    )
    search = StateSearch(tmp_path, "d-1", NAME, "code", 9, 7.0, "o", again=False)
    save_state(search, then, STATE_OF, None)
    state = find_state(replace(search, dataset_id="d-2"), now, of_any_age=True)
    assert (state is not None) == goes_on
    if state is not None:
        assert state.kept == {*now.items[corrected:]}
        assert len(state.standing) == stands


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


def rows_of(company: Company, dataset: str) -> dict:
    """Rows by item, without what names the run and its data."""
    table = read_dataset(company.folder / "results", dataset, company.record.version_id)
    ignored = {"generated_at", "model_version", "dataset_id", "run_id"}
    found: dict = {}
    for row in table.to_pylist():
        found.setdefault(row["item_id"], []).append({k: row[k] for k in row.keys() - ignored})
    return found


@pytest.mark.parametrize("dataset", ["forecasts", "forecast_models", "recommendations"])
def test_rows_of_items_that_nobody_revised_are_those_of_the_run_before(revised, first, dataset):
    before, after = rows_of(first, dataset), rows_of(revised, dataset)
    assert [item for item in before if before[item] != after[item]] == ["part-00"]


@pytest.fixture(scope="module")
def revised(first, tmp_path_factory) -> Company:
    """A run after one item of twelve was revised; looked at only."""
    made = Company(tmp_path_factory.mktemp("revised") / "company")
    shutil.copytree(first.folder, made.folder)
    made.night(DAYS, rewritten(1))
    return made


@pytest.mark.parametrize("lost", ["all", "damaged"])
def test_what_stands_is_what_would_be_made_again(company, first, revised, lost, capsys):
    kept = company.folder / "models" / "nova_corrente" / first.run["dataset_id"] / NAME
    if lost == "all":
        shutil.rmtree(kept / "paths")
        shutil.rmtree(kept / "measures")
    else:
        min((kept / "paths").rglob("forecast_models.parquet")).write_bytes(b"")
    company.night(DAYS, rewritten(1))
    said = capsys.readouterr().err
    assert ("items stand" in said) == (lost != "all")
    assert company.hashes == revised.hashes
    assert fitted_at(company) == fitted_at(revised)


def test_a_second_revision_takes_over_what_the_first_one_did(company, revised, capsys):
    shutil.rmtree(company.folder)
    shutil.copytree(revised.folder, company.folder)
    demand = rewritten(1)
    demand[1, 41] += 7
    company.night(DAYS, demand)
    assert "the forecasts of 11 of 12 items stand" in capsys.readouterr().err
    hashes = company.hashes
    for folder in company.folder.glob(f"models/nova_corrente/*/{NAME}/paths"):
        shutil.rmtree(folder)
    company.night(DAYS, demand)  # all are drawn, by the models that each rests on
    assert company.hashes == hashes


def test_a_forecast_is_named_by_all_that_it_rests_on(first):
    plan = replace(first.plan(DAYS), tuned={})
    needed = {"empirical": frozenset(plan.wanted)}
    labels = dict.fromkeys(plan.wanted, ("seals", 2.0, "BRL"))
    names = name_items(plan, needed, labels, "files")
    assert len(set(names.values())) == PARTS
    one = plan.wanted[3]
    (other,) = inputs_until(DAYS, rewritten(1)).panels
    moved = replace(plan, panel=other)
    longer = replace(plan, protection=(plan.protection[0] + 1, *plan.protection[1:]))
    elsewhere = replace(plan, search=replace(plan.search, dataset_id="d"))
    changes = {
        "history": (moved, needed, labels, "files"),
        "interval": (longer, needed, labels, "files"),
        "label": (plan, needed, labels | {one: ("pumps", 2.0, "BRL")}, "files"),
        "models": (plan, needed | {"zero": frozenset([one])}, labels, "files"),
        "source": (plan, needed, labels, "sample"),
        "data": (elsewhere, needed, labels, "files"),
    }
    found = {
        what: [item for item, name in name_items(*asked).items() if names[item] != name]
        for what, asked in changes.items()
    }
    own, every = [one], list(plan.wanted)
    assert found == {
        "history": every[:1], "interval": every[:1], "label": own, "models": own, "source": every,
        "data": every,
    }  # fmt: skip


def test_other_outside_rows_let_no_forecast_stand(first):
    plan = first.plan(DAYS, rewritten(1))
    assert len(plan.state.standing) == PARTS - 1
    other = replace(plan.search, outside="other")
    assert find_state(other, plan.panel).standing == {}
    assert first.plan(DAYS + 1).state.standing == {}


def test_contributions_of_drivers_come_back_for_items_of_the_classes_that_there_were(tmp_path):
    (panel,) = inputs_until(DAYS).panels
    names = class_names(select_recent(panel))
    places = {name: place for place, name in enumerate(sorted(set(names)))}
    draw = np.random.default_rng(0).random
    drivers = Drivers(
        groups=("rain",), features=("mm", "hours"), contribution=draw((len(places), DAYS + 9, 2)),
        group_of=np.zeros(2, np.int64), ahead=np.array([True, False]), persistence=draw(2),
        lag=np.array([0, 3]), last=DAYS - 1, class_of=np.array([places[one] for one in names]),
    )  # fmt: skip
    plan_search = StateSearch(tmp_path, "d-1", NAME, "code", 9, 7.0, "o", again=False)
    save_state(plan_search, replace(panel, drivers=drivers), STATE_OF, None)
    folder = plan_search.folder("d-1")
    found = read_drivers(folder, panel)
    for field in fields(Drivers):
        left, right = getattr(found, field.name), getattr(drivers, field.name)
        assert np.array_equal(left, right) if isinstance(right, np.ndarray) else left == right
    some = read_drivers(folder, panel.rows([2, 5]))
    assert some.class_of.tolist() == drivers.class_of[[2, 5]].tolist()
    (folder / "drivers.npz").write_bytes(b"")
    assert read_drivers(folder, panel) is None


def test_a_history_is_named_by_what_it_holds_until_the_day():
    (before,), (after,) = inputs_until(DAYS).panels, inputs_until(DAYS + 3).panels
    until = before.cutoff
    assert digest_items(before, until) == digest_items(after, until)
    (changed,) = inputs_until(DAYS, rewritten(1)).panels
    ours, theirs = digest_items(before, until), digest_items(changed, until)
    assert [item for item in ours if ours[item] != theirs[item]] == ["part-00"]
    assert len(set(ours.values())) == PARTS
