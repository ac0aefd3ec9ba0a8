"""What the ledger answers: runs, one run, and the questions that people ask."""

import json
import sqlite3

import pytest

from pipelines.nightly import ledger
from pipelines.nightly.history import QUESTIONS
from pipelines.nightly.night import run_night
from tests.pipelines.nightly.conftest import begin_night, rows_of, step_of

HISTORY = "pipelines/history.py"
VERSIONS = ("20260119T021500Z-00000001", "20260120T021500Z-00000002")


@pytest.fixture
def known(workspace):
    """Two nights, each with a version that was published; the second one's models are others."""
    for day, version in zip(("2026-01-19", "2026-01-20"), VERSIONS, strict=True):
        night = begin_night(workspace.folder, today=day)
        run_night(night, [step_of("print('well')", "generate_ml_results")])
        data_dir, run = night.config.data_dir, night.run.number
        night.note("models", "fitted anew" if run == 2 else "kept", f"reason {run}")
        ledger.note_inputs(data_dir, run, [("raw/user/demand.csv", 10 * run, f"{run}" * 64)])
        facts = {"version_id": version, "as_of": day, "dataset_id": f"d-{run}", "code": "0.1+x",
                 "model_version": f"m-{run}", "seed": run, "recipe": {}, "forecasts": "",
                 "fitted": {}, "rows": {"forecasts": 3}, "gate": []}  # fmt: skip
        ledger.note_version(data_dir, run, facts)
        ledger.note_published(data_dir, run, version, "s3://results", 40 + run)
        ledger.end_run(data_dir, run, ledger.DONE, 0, f"night done: {day}")
    return workspace


def lines(workspace, *options, **how):
    done = workspace.run(HISTORY, *options, **how)
    return (done.stdout + done.stderr).splitlines()


def test_without_a_night_there_is_nothing_to_show(workspace):
    (line,) = lines(workspace, expect=3)
    assert "there was no night yet. previsor night runs one." in line


def test_a_file_where_the_data_should_be_is_named(workspace):
    path = workspace.folder / "data"
    path.write_text("item_id,ds,y\n")
    assert lines(workspace, expect=2) == [
        f"error: DATA_DIR: '{path}' is a file. Set it to the folder of the data."
    ]


def test_runs_are_shown_newest_first(known):
    head, *rows = lines(known)
    assert head.split()[:4] == ["run", "day", "begun", "(UTC)"]
    assert [row.split()[:2] for row in rows] == [["2", "2026-01-20"], ["1", "2026-01-19"]]
    assert len(lines(known, "--last", "1")) == 2


def test_a_run_is_shown_with_its_steps_and_decisions(known):
    _, step, decision = lines(known, "--run", "2")
    assert step.split()[:3] == ["generate_ml_results", "done", "0"]
    assert decision.endswith("models: fitted anew, for reason 2")
    assert "has nothing of such a run" in lines(known, "--run", "9", expect=2)[0]


def test_which_data_code_model_and_seed_made_a_row(known):
    text = "\n".join(lines(known, "--version", VERSIONS[1]))
    for fact in ("by run 2 of 2026-01-20", "model m-2, seed 2", "code 0.1+x", "dataset d-2",
                 f"{'2' * 64}            20  raw/user/demand.csv"):  # fmt: skip
        assert fact in text
    assert "no night made 'x'" in lines(known, "--version", "x", expect=2)[0]


def test_why_the_model_was_changed(known):
    assert lines(known, "--models") == [
        f"2026-01-20  run 2: models fitted anew, for reason 2 -> {VERSIONS[1]}, model m-2"
    ]


def test_which_models_were_put_in_use_and_why(known):
    night = begin_night(known.folder, today="2026-01-21")
    night.note("models", "gone on with", "what was fitted is young enough")  # no change
    night.note("promotion", "demand_d stays", "demand_d/d-1 stays in use beside d-2: figures.")
    assert lines(known, "--models")[0] == (
        "2026-01-21  run 3: demand_d/d-1 stays in use beside d-2: figures."
    )


def test_what_was_said_on_a_day_is_that_of_the_version_published_until_then(known):
    for day, version, seq in (("2026-01-19", VERSIONS[0], 41), ("2026-02-01", VERSIONS[1], 42)):
        first, second = lines(known, "--item", "A", "--on", day)
        assert f"on {day} readers saw version {version}" in first
        assert f"record {seq} in s3://results" in first
        assert "its tables are no longer here" in second
    (line,) = lines(known, "--item", "A", "--on", "2026-01-18", expect=2)
    assert "no night had published anything until then" in line
    assert "--item and --on go together" in lines(known, "--item", "A", expect=2)[0]


def test_facts_of_a_decision_may_bear_the_names_of_its_columns(tmp_path):
    night = begin_night(tmp_path)
    night.note("promotion", "demand_ms stays", "a sentence", reason="another", run=7)
    (row,) = rows_of(night.config.data_dir, "decisions")
    assert (row["reason"], row["run"]) == ("a sentence", 1)
    assert json.loads(row["facts"]) == {"reason": "another", "run": 7}


def test_what_it_cost(known):
    newest, step, *_ = lines(known, "--cost")
    assert newest.startswith("2026-01-20  run 2: ")
    assert step.split()[0] == "generate_ml_results:"


def test_the_documented_queries_are_plain_sql_that_any_program_can_ask(known):
    parameters = {"version": VERSIONS[0], "all": True, "last": 5, "day": "2026-01-20"}
    with sqlite3.connect(known.folder / "data" / ledger.FILE) as db:
        found = {name: db.execute(one.sql, parameters).fetchall()
                 for name, one in QUESTIONS.items()}  # fmt: skip
    assert {name: len(rows) for name, rows in found.items()} == {
        "made": 1, "models": 2, "said": 1, "cost": 2
    }  # fmt: skip
    assert "Why was the model changed?" in "\n".join(lines(known, "--sql"))
