"""Which steps a night consists of, how it goes from one to the next, and what it goes on with."""

import json
from datetime import UTC, datetime, timedelta

import pytest

import ml.settings
from ml.errors import ConfigError
from pipelines.nightly import ledger
from pipelines.nightly.night import Failure, night, run_night
from pipelines.nightly.steps import NightRequest, plan_steps
from tests.commands import folders_below
from tests.pipelines.nightly.conftest import begin_night, rows_of, settings_in, step_of


def touch(path, name="touch", **fields):
    return step_of(f"import pathlib; pathlib.Path({str(path)!r}).touch()", name, **fields)


def count_up(path, name="counted", **fields):
    """A step that leaves a trace each time it runs."""
    return step_of(f"open({str(path)!r}, 'a').write('x')", name, **fields)


def planned(folder, asked=None, **settings):
    steps = plan_steps(settings_in(folder, **settings), asked or NightRequest())
    return [step.name for step in steps]


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "data" / "raw" / "user"
    folder.mkdir(parents=True)
    (folder / "demand.csv").write_text("item_id,ds,y\nA,2025-01-01,1\n")
    return tmp_path


def test_a_whole_night_reads_checks_forecasts_publishes_and_clears(files):
    assert planned(files) == [
        "demand_etl", "check_inputs", "look_for_drift", "generate_ml_results",
        "deploy_ml_results", "clear",
    ]  # fmt: skip
    assert planned(files, enable_external_apis=True)[:5] == [
        "climate_etl", "economic_etl", "anatel_5g_etl", "price_etl", "feature_calculation_etl"
    ]  # fmt: skip


def test_where_processing_is_off_a_night_stops_after_the_data(files):
    assert planned(files, enable_ml_processing=False) == ["demand_etl"]


def test_a_night_without_files_of_the_user_takes_what_is_there(tmp_path):
    assert "demand_etl" not in planned(tmp_path)


def test_steps_that_are_named_are_done_alone_and_results_are_checked_first(files):
    assert planned(files, NightRequest(steps=("demand", "prune"))) == ["demand_etl", "clear"]
    assert planned(files, NightRequest(steps=("results",))) == [
        "check_inputs", "generate_ml_results"
    ]  # fmt: skip
    assert "deploy_ml_results" not in planned(files, NightRequest(publish=False))


def test_a_step_of_another_name_is_refused():
    with pytest.raises(ConfigError, match="there is no step 'bake'"):
        NightRequest(steps=("demand", "bake"))


def test_steps_after_a_failed_one_do_not_run_but_those_that_always_do(tmp_path):
    night = begin_night(tmp_path)
    first = step_of("import sys; print('first'); print('the reason'); print(); sys.exit(4)")
    steps = [first, touch(tmp_path / "next"), touch(tmp_path / "last", always=True)]
    run_night(night, steps)
    assert night.failures == [Failure(first, 4, "the reason")]
    assert not (tmp_path / "next").exists()
    assert (tmp_path / "last").exists()


def test_outside_data_that_cannot_be_had_is_said_and_does_not_end_the_night(tmp_path):
    night = begin_night(tmp_path)
    first = step_of("import sys; print('error: nobody answers'); sys.exit(3)", "weather",
                    needed=False)  # fmt: skip
    run_night(night, [first, touch(tmp_path / "next")])
    (failure,) = night.failures
    assert failure.text == "weather failed (3): nobody answers"
    assert (tmp_path / "next").exists()


def test_a_source_that_is_dead_for_months_is_told_with_its_first_day(tmp_path):
    dead = step_of("import sys; print('error: nobody answers'); sys.exit(3)", "weather",
                   needed=False)  # fmt: skip
    for day in ("2025-11-02", "2025-12-01", "2026-01-20"):
        night = begin_night(tmp_path, today=day)
        run_night(night, [dead])
        ledger.end_run(night.config.data_dir, night.run.number, ledger.DEGRADED, 0, "")
    (failure,) = night.failures
    assert failure.text == "weather failed (3, on 3 nights since 2025-11-02): nobody answers"


def test_the_ledger_says_of_each_step_how_it_ended_and_what_it_took(tmp_path):
    night = begin_night(tmp_path)
    run_night(night, [step_of("print('well')", "one"), step_of("raise SystemExit(4)", "two")])
    one, two = rows_of(night.config.data_dir, "steps")
    assert (one["outcome"], one["exit_code"], one["last_line"]) == ("done", 0, "well")
    assert (two["outcome"], two["exit_code"]) == ("failed", 4)
    assert one["seconds"] > 0
    assert one["ended_at"] > one["started_at"]


def again(tmp_path, steps, outcome=ledger.DIED, **changes):
    """What a step was run on how often, when a run ended so and the next one goes on."""
    first = begin_night(tmp_path)
    run_night(first, steps)
    if outcome != ledger.DIED:
        ledger.end_run(first.config.data_dir, first.run.number, outcome, 1, "")
    second = begin_night(tmp_path, **changes)
    run_night(second, steps)
    return second


@pytest.mark.parametrize("outcome", [ledger.DIED, ledger.FAILED, ledger.STOPPED])
def test_a_run_goes_on_with_what_one_that_did_not_come_to_its_end_has_done(tmp_path, outcome):
    step = count_up(tmp_path / "trace", inputs=lambda: "same")
    second = again(tmp_path, [step], outcome)
    assert (tmp_path / "trace").read_text() == "x"
    assert second.done == ["counted"]
    assert [row["outcome"] for row in rows_of(second.config.data_dir, "steps")] == ["done", "kept"]
    assert rows_of(second.config.data_dir, "runs")[0]["outcome"] == outcome
    third = begin_night(tmp_path)  # what was kept is kept on
    run_night(third, [step])
    assert (tmp_path / "trace").read_text() == "x"


def test_a_run_after_one_that_ended_well_begins_anew(tmp_path):
    again(tmp_path, [count_up(tmp_path / "trace", inputs=lambda: "same")], ledger.DONE)
    assert (tmp_path / "trace").read_text() == "xx"


def test_a_run_of_another_day_begins_anew(tmp_path):
    step = count_up(tmp_path / "trace", inputs=lambda: "same")
    again(tmp_path, [step], today="2026-01-21")
    assert (tmp_path / "trace").read_text() == "xx"


def test_a_step_whose_inputs_have_changed_or_cannot_be_told_is_done_again(tmp_path):
    inputs = iter(["a", "a", "b", "b", "b"])
    changing = count_up(tmp_path / "changing", "changing", inputs=lambda: next(inputs))
    unknown = count_up(tmp_path / "unknown", "unknown")
    again(tmp_path, [changing, unknown])
    assert (tmp_path / "changing").read_text() == "xx"
    assert (tmp_path / "unknown").read_text() == "xx"


def test_a_failed_step_is_done_again(tmp_path):
    code = f"import sys, pathlib; p = pathlib.Path({str(tmp_path / 'ran')!r})\n"
    step = step_of(code + "there = p.exists(); p.touch(); sys.exit(0 if there else 3)",
                   inputs=lambda: "same")  # fmt: skip
    second = again(tmp_path, [step], ledger.FAILED)
    assert second.failures == []


def test_decisions_are_noted_with_their_reasons_and_facts(tmp_path):
    night = begin_night(tmp_path)
    night.note("store", "away", "nobody answers", seconds=60)
    (row,) = rows_of(night.config.data_dir, "decisions")
    assert (row["about"], row["choice"], row["reason"]) == ("store", "away", "nobody answers")
    assert json.loads(row["facts"]) == {"seconds": 60}


def test_all_steps_of_a_night_are_of_the_day_on_which_it_began(files, monkeypatch):
    class Clock(datetime):
        """Each look at it is a day later; the first one is in the evening of 4 May 2024."""

        looks = -1

        @classmethod
        def now(cls, tz=UTC):
            cls.looks += 1
            return datetime(2024, 5, 5, 1, tzinfo=tz) + timedelta(days=cls.looks)

    for name, value in folders_below(files).items() | {("NIGHT_FREE_MIB", "0")}:
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ml.settings, "datetime", Clock)
    user = files / "data" / "raw" / "user" / "demand.csv"
    user.write_text("item_id,ds,y\nA,2024-05-03,1\nA,2024-05-04,2\nA,2024-05-05,4\n")
    code, said = night(NightRequest(steps=("demand",)), quiet=True)
    assert (code, said) == (0, "night done: demand_etl")
    (run,), (step,) = rows_of(files / "data", "runs"), rows_of(files / "data", "steps")
    assert run["day"] == "2024-05-04"
    assert step["last_line"].endswith("2 rows, 1 item, 2024-05-03 to 2024-05-04, D.")
