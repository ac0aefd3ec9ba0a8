"""What a night asks to train anew: where it tells people of drift, once a message."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ml.durable import write_sealed
from pipelines.messages.conditions import update_conditions
from pipelines.nightly import ledger, looks
from pipelines.nightly.found_drift import RETRAIN, ask_retraining, keep_seen, read_findings
from pipelines.nightly.night import run_night
from pipelines.nightly.steps import CHECKED, DRIFT, IN_LIFE
from tests.pipelines.job.conftest import demand_rows, write_demand
from tests.pipelines.nightly.conftest import DAY, begin_night, step_of
from tests.pipelines.nightly.test_night_kills import MONTHS

START = datetime(2026, 1, 20, 2, 15, tzinfo=UTC)
PANELS = {"panels": {"demand_ms": {}, "price_b": {}}}
ONE = {"told": {"demand_ms": ["1 of 9 items changed: A"]},
       "named": {"demand_ms": [["items more", "A"]]}}  # fmt: skip
OTHER = {"told": {"demand_ms": ["1 of 9 items changed: B"]},
         "named": {"demand_ms": [["items less", "B"]]}}  # fmt: skip
REWRITTEN = {
    "told": {"demand_ms, history": ["1 of 9 items' histories changed"]},
    "named": {"demand_ms, history": [["items' histories rewritten", "A 2025-03"]]},
}


@pytest.fixture
def look(workspace, monkeypatch):
    """Read files and look for what is no longer what it was; what there is to tell."""
    for name, value in (workspace.environment | {"TODAY": DAY}).items():
        monkeypatch.setenv(name, value)
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True)

    def run(more):
        rows = demand_rows(["A/1", "slow"], MONTHS)
        rows[3] = (*rows[3][:2], str(int(rows[3][2]) + more))
        write_demand(folder / "demand.csv", rows)
        workspace.run("pipelines/demand_etl.py", alone=True, TODAY=DAY)
        looks.look_for_drift(results=workspace.results)
        return [one.subject for one in read_findings(workspace.folder / "data")]

    return run


def test_a_history_that_was_rewritten_is_told_although_the_night_that_saw_it_was_killed(
    look, workspace
):
    assert look(0) == []
    keep_seen(workspace.folder / "data")
    assert look(5) == ["demand_ms, history"]
    assert look(5) == ["demand_ms, history"]  # nobody was told before
    keep_seen(workspace.folder / "data")
    assert look(5) == []


@pytest.fixture
def night(tmp_path):
    """What a night that found this asks for; what it told stays, as does that it trained."""

    def run(drift=None, life=None, *, trained=True):
        this = begin_night(tmp_path)
        data_dir, number = this.config.data_dir, this.run.number
        for place, found in ((CHECKED, PANELS), (DRIFT, drift or {}), (IN_LIFE, life or {})):
            write_sealed(data_dir / place, found)
        with ledger.night_ledger(data_dir) as db:
            asked = ask_retraining(data_dir, db)
        for panel, reason in (asked if trained else {}).items():
            this.note(RETRAIN, panel, reason)
        with ledger.night_ledger(data_dir) as db:
            update_conditions(
                db, [*read_findings(data_dir)], looked_at=("drift", "wrong_in_life"),
                run_id=this.run.run_id, now=START + timedelta(days=number),
            )  # fmt: skip
        ledger.end_run(data_dir, number, ledger.DONE, 0, "")
        return asked

    return run


def test_drift_asks_once_for_newly_trained_models_of_its_panel_and_says_why(night):
    assert night(ONE) == {
        "demand_ms": "demand_ms is trained anew, for drift was found: 1 of 9 items changed: A"
    }
    assert night(ONE) == {}
    assert night(ONE) == {}


def test_models_that_are_wrong_in_life_ask_for_others(night):
    (reason,) = night(life=ONE | {"coverage": {}}).values()
    assert "for the models are wrong in life: 1 of 9 items changed: A" in reason


def test_a_change_of_another_kind_asks_again(night):
    night(ONE)
    assert [*night(OTHER)] == ["demand_ms"]
    assert night(OTHER) == {}


def test_where_no_training_came_of_it_the_next_night_asks_again(night):
    night(ONE, trained=False)
    assert [*night(ONE)] == ["demand_ms"]
    assert night(ONE) == {}


def test_drift_that_had_ended_asks_anew_when_it_comes_again(night):
    asked = [night(*found) for found in [(ONE,), (), (), (), (ONE,)]]
    assert [len(one) for one in asked] == [1, 0, 0, 0, 1]


def test_history_that_was_rewritten_asks_for_nothing(night):
    assert night(REWRITTEN) == {}


@pytest.mark.parametrize(
    ("looked", "asked"), [(True, ["--refit-panels", "demand_ms"]), (False, [])]
)
def test_the_main_job_is_told_which_panels_where_the_night_has_looked(tmp_path, looked, asked):
    this = begin_night(tmp_path)
    for place, found in ((CHECKED, PANELS), (DRIFT, ONE)):  # perhaps of the night before
        write_sealed(this.config.data_dir / place, found)
    trace = tmp_path / "options"
    write = f"import json, sys; json.dump(sys.argv[1:], open({str(trace)!r}, 'w')); sys.exit(3)"
    look = [step_of("print('well')", "look_for_drift")] * looked
    run_night(this, [*look, step_of(write, "generate_ml_results", part="results")])
    assert json.loads(trace.read_text()) == asked
