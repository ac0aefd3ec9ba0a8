"""Which conditions a night opens and ends, and what monitors are given."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ml.durable import write_sealed
from pipelines.messages.conditions import select_rows
from pipelines.nightly import ledger
from pipelines.nightly.night import run_night
from pipelines.nightly.notify import tell_how_it_went
from pipelines.nightly.steps import CHECKED, DRIFT, IN_LIFE, PARTS
from tests.pipelines.nightly.conftest import begin_night, step_of

GOOD = "print('well')"
FAILS = "print('error: the reason'); raise SystemExit({})"
FRESH = {"panels": {"demand_ms": {"items": 1, "until": "2025-12-01", "frequency": "MS"}}}


@pytest.fixture
def nights(tmp_path):
    """Run a night of some steps and tell how it went; the conditions since, oldest first."""

    def run(*steps, code=0, line="the line", last=None, checked=FRESH, planned=PARTS, **changes):
        night = begin_night(tmp_path, **changes)
        if checked is not None:
            write_sealed(tmp_path / "data" / CHECKED, checked)
        run_night(night, steps)
        tell_how_it_went(night.config, night.run.number, night.run.run_id, code=code, line=line,
                         last_night=last and (last.date(), last), planned=planned)  # fmt: skip
        with ledger.night_ledger(night.config.data_dir) as db:
            rows = select_rows(db, "SELECT * FROM conditions ORDER BY id")
            sent = select_rows(db, "SELECT event FROM messages ORDER BY id")
        return ([(row["kind"], row["subject"], row["ended_at"] is None) for row in rows],
                [row["event"] for row in sent])  # fmt: skip

    return run


def test_a_failure_is_told_once_however_many_nights_it_lasts_and_once_when_it_ends(nights):
    bad = step_of(FAILS.format(3), "demand_etl")
    assert nights(bad, code=3) == ([("failed", "", True)], ["opened"])
    assert nights(bad, code=3) == ([("failed", "", True)], ["opened"])
    conditions, events = nights(step_of(GOOD, "demand_etl"))
    assert conditions == [("failed", "", False)]
    assert events[0] == "opened"
    assert len(events) == 2


def test_a_night_of_some_steps_does_not_end_the_failure_of_whole_ones(nights):
    nights(step_of(FAILS.format(3), "demand_etl"), code=3)
    conditions, _ = nights(step_of(GOOD, "demand_etl"), planned=("demand",))
    assert conditions == [("failed", "", True)]


def test_each_source_that_fails_is_a_condition_of_its_own(nights):
    weather, prices = (step_of(FAILS.format(3), name, needed=False) for name in ("a_etl", "b_etl"))
    conditions, _ = nights(weather, prices)
    assert conditions == [("degraded", "a_etl", True), ("degraded", "b_etl", True)]
    conditions, _ = nights(weather, step_of(GOOD, "b_etl", needed=False))
    assert conditions == [("degraded", "a_etl", True), ("degraded", "b_etl", False)]


def test_series_that_no_source_serves_are_told_although_their_command_ended_well(nights):
    said = "degraded: no source served selic, ipca; what is stored reaches 2026-01-05."
    dead = step_of(f"print('warning: {said}'); print('selic  1  300')", "economic_etl",
                   needed=False, part="outside")  # fmt: skip
    assert nights(dead) == ([("degraded", "economic_etl", True)], ["opened"])
    assert nights(dead) == ([("degraded", "economic_etl", True)], ["opened"])
    back = replace(dead, command=("-c", "print('warning: degraded: bcb_sgs: selic: HTTP 403')"))
    conditions, events = nights(back)  # another source stood in
    assert conditions == [("degraded", "economic_etl", False)]
    assert len(events) == 2


def test_a_closed_gate_is_no_failure(nights):
    gate = step_of(FAILS.format(4), "deploy_ml_results")
    assert nights(gate, code=4)[0] == [("gate_closed", "", True)]
    assert nights(step_of(FAILS.format(3), "demand_etl"), code=3)[0] == [
        ("gate_closed", "", True), ("failed", "", True),
    ]  # fmt: skip
    assert nights(step_of(GOOD, "deploy_ml_results"))[0] == [
        ("gate_closed", "", False), ("failed", "", False),
    ]  # fmt: skip


def test_data_that_stay_away_and_missed_nights_are_conditions(nights):
    long_ago = datetime(2026, 6, 16, 2, 15, tzinfo=UTC)
    check = step_of(GOOD, "check_inputs")
    conditions, _ = nights(check, today="2026-06-20", last=long_ago)
    assert conditions == [("missed_night", "", True), ("data_late", "demand_ms", True)]


def test_monitors_hear_of_a_night_whose_ledger_takes_nothing_more(tmp_path):
    figures = tmp_path / "previsor.prom"
    night = begin_night(tmp_path, metrics_textfile=figures)
    with ledger.night_ledger(night.config.data_dir) as db:
        db.execute("CREATE VIEW conditions AS SELECT 1 AS id")  # what takes no row
    (told,) = tell_how_it_went(
        night.config,
        night.run.number,
        "run",
        code=5,
        line="no room",
        last_night=None,
        planned=PARTS,
    )
    assert told.startswith("nobody was told how this night went: ")
    lines = figures.read_text().splitlines()
    assert "previsor_last_run_exit_code 5" in lines
    assert not any(line.startswith("previsor_open_conditions") for line in lines)


def test_data_of_the_sample_are_never_late(nights):
    check = step_of(GOOD, "check_inputs")
    assert nights(check, today="2026-06-20", checked=FRESH | {"synthetic": True})[0] == []


def test_drift_is_told_by_panel(nights, tmp_path):
    write_sealed(
        tmp_path / "data" / DRIFT,
        {
            "told": {"demand_ms": ["3 of 9 items changed: A"]},
            "named": {"demand_ms": [["items more", "A"]]},
        },
    )
    conditions, _ = nights(step_of(GOOD, "look_for_drift"))
    assert conditions == [("drift", "demand_ms", True)]


def test_models_that_are_wrong_in_life_are_told_by_panel_and_their_coverage_to_monitors(
    nights, tmp_path
):
    figures = tmp_path / "previsor.prom"
    found = {"told": {"demand_ms": ["demand_ms: 1 of 4 classes and lags changed: smooth"]},
             "named": {}, "coverage": {"demand_ms": 0.71}}  # fmt: skip
    write_sealed(tmp_path / "data" / IN_LIFE, found)
    conditions, _ = nights(step_of(GOOD, "look_for_drift"), metrics_textfile=figures)
    assert conditions == [("wrong_in_life", "demand_ms", True)]
    assert 'previsor_realised_coverage{panel="demand_ms"} 0.7100' in figures.read_text()


def test_figures_for_a_monitor_say_what_the_night_took(nights, tmp_path):
    figures = tmp_path / "previsor.prom"
    nights(step_of(GOOD, "check_inputs"), metrics_textfile=figures)
    text = figures.read_text()
    assert 'previsor_step_seconds{step="check_inputs"}' in text
    assert "previsor_last_run_exit_code 0" in text
    assert 'previsor_data_cutoff_timestamp_seconds{panel="demand_ms"} 1764547200' in text
