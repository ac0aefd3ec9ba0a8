import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ml import errors, generate_forecasts
from ml.cli import exit_on_error, name_list
from ml.errors import ConfigError, first_few
from ml.logs import logging_to
from pipelines import backup, import_history, report
from scripts import deploy_ml_results as deploy
from scripts import generate_ml_results as main_job

ROOT = Path(__file__).resolve().parents[2]
CODES = {
    "PipelineError": 1,
    "ConfigError": 2,
    "DataError": 3,
    "ContractError": 3,
    "ModelError": 4,
    "PublishError": 5,
    "MachineError": 5,
}
FAMILIES = ("prophet", "arima", "lstm", "trees", "ensemble")
TRAINING = (*(f"train_{family}" for family in FAMILIES), "tune", "generate_forecasts")
TAKEN_DOWN = """
import atexit, os, sys, tempfile, threading, time
import typer
import scripts.previsor  # all doors: what they import has registered nothing
from ml.cli import exit_on_error, start
from ml.errors import DataError

class Native:
    def __del__(self):  # as what is aborted by the end of the interpreter
        os.abort()

_kept = Native()

def late():
    while threading.main_thread().is_alive():
        time.sleep(0.001)
    print("the thread has ended")

def main(code: int):
    with exit_on_error():
        sys.folder = tempfile.TemporaryDirectory()
        print(sys.folder.name)
        threading.Thread(target=late).start()
        atexit.register(print, "what was registered is done")
        if code == 3:
            raise DataError("no demand.")
        if code == 1:
            raise ZeroDivisionError
        raise typer.Exit(code)

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(main)
start(app)
"""
NEEDS_ML = [*(f"ml/{name}.py" for name in TRAINING), "scripts/generate_ml_results.py"]


@pytest.mark.parametrize(("name", "code"), CODES.items(), ids=CODES)
def test_an_error_that_a_user_can_fix_is_one_line_and_its_exit_code(capsys, name, code):
    with pytest.raises(typer.Exit, match=str(code)) as stopped, exit_on_error():
        raise getattr(errors, name)("demand.csv: 2 of 9 rows\n   have no date. Correct them.")
    assert stopped.value.exit_code == code
    printed = capsys.readouterr()
    assert printed.err == "error: demand.csv: 2 of 9 rows have no date. Correct them.\n"
    assert printed.out == ""


def test_every_error_of_the_project_has_an_exit_code_of_the_documentation():
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    found = {one.__name__: one.exit_code for one in kinds if issubclass(one, Exception)}
    assert found == CODES


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError, match="division by zero"), exit_on_error():
        _ = 1 / 0


def test_an_interrupted_command_says_that_what_is_published_is_whole(capsys):
    with pytest.raises(typer.Exit, match="130") as stopped, exit_on_error():
        raise KeyboardInterrupt
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err.startswith("interrupted: what was published is whole")


@pytest.mark.parametrize(
    ("code", "told"),
    [(0, ""), (1, "ZeroDivisionError\n"), (3, "error: no demand.\n")],
)
def test_a_process_does_what_is_left_to_do_and_ends_before_the_interpreter_does(code, told):
    done = subprocess.run(
        [sys.executable, "-c", TAKEN_DOWN, str(code)], env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    folder, *lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr[-len(told) :]) == (code, told)
    assert lines == ["the thread has ended", "what was registered is done"]
    assert not Path(folder).exists()


def test_a_command_that_merely_returns_has_done_its_work():
    script = "from ml.cli import start; start(lambda: print('done'))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(
    ("text", "items"),
    [
        pytest.param(None, None, id="not given = all"),
        pytest.param("a", ("a",), id="one"),
        pytest.param(" b , a ,", ("b", "a"), id="spaces and a comma too many"),
        pytest.param("a,b,a", ("a", "b"), id="repeated"),
        pytest.param("NA,007", ("NA", "007"), id="ids are text"),
        pytest.param("Ø 12 mm,X", ("Ø 12 mm", "X"), id="spaces within an id"),
    ],
)
def test_items_of_the_command_line(text, items):
    assert name_list(text, "--items") == items


@pytest.mark.parametrize("text", ["", " ", ",, ,"])
def test_an_option_that_names_no_item_is_refused_and_not_taken_for_all(text):
    with pytest.raises(ConfigError, match="--items names nothing"):
        name_list(text, "--items")


def test_explaining_has_a_command_of_its_own_and_an_option_that_does_the_same(tmp_path):
    results = ["--results", str(tmp_path)]
    alone = CliRunner().invoke(generate_forecasts.explain_app, ["A", *results])
    option = CliRunner().invoke(generate_forecasts.app, ["--explain", "A", *results])
    assert (alone.exit_code, alone.stderr) == (option.exit_code, option.stderr)
    assert alone.exit_code == 3
    assert "no committed version" in alone.stderr


@pytest.mark.parametrize(
    ("app", "words"),
    [
        pytest.param(main_job.app, ["--results", ""], id="results"),
        pytest.param(main_job.app, ["--demand", ""], id="file"),
        pytest.param(report.app, ["--output="], id="output"),
        pytest.param(deploy.app, ["--to", ""], id="store"),
        pytest.param(backup.app, [""], id="argument"),
        pytest.param(import_history.app, ["a.csv", ""], id="one of several"),
    ],
)
def test_an_empty_name_is_not_the_folder_that_a_command_runs_in(app, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "an empty name is no file and no folder" in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_an_address_that_is_none_is_refused_before_anything_is_read():
    done = CliRunner().invoke(main_job.app, ["--ray-address", "nowhere"])
    assert done.exit_code == 2
    assert done.stderr == (
        "error: --ray-address nowhere: write the head of the Ray cluster as HOST:PORT, its port "
        "usually 6379.\n"
    )


def test_what_libraries_warn_of_goes_to_the_log_and_not_to_the_screen(tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with exit_on_error(), logging_to(tmp_path, "run", "1") as path:
            warnings.warn("overflow in 'power'", RuntimeWarning, stacklevel=1)
    assert capfd.readouterr() == ("", "")
    (told,) = [one for one in map(json.loads, path.read_text().splitlines()) if "text" in one]
    assert told["text"] == "RuntimeWarning: overflow in 'power'"


def test_a_day_that_is_none_is_refused_with_the_way_to_write_it():
    done = CliRunner().invoke(generate_forecasts.app, ["--as-of", "20/11/2026"])
    assert done.exit_code == 2
    assert "2026-11-20" in done.stderr


@pytest.mark.parametrize("command", NEEDS_ML)
def test_commands_that_train_or_forecast_stop_where_they_are_forbidden(command, tmp_path):
    folders = ("DATA_DIR", "MODELS_DIR", "REPORTS_DIR", "LOG_DIR", "ML_RESULTS_PATH")
    done = subprocess.run(
        [sys.executable, ROOT / command],
        cwd=tmp_path,
        env=os.environ | dict.fromkeys(folders, str(tmp_path)) | {"ENABLE_ML_PROCESSING": "false"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ENABLE_ML_PROCESSING is false")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param(["a"], "'a'", id="one"),
        pytest.param(["a", "b", "c"], "'a', 'b', 'c'", id="as many as are shown"),
        pytest.param(list("abcde"), "'a', 'b', 'c' (+2 more)", id="more"),
        pytest.param([], "", id="none"),
    ],
)
def test_first_offenders_are_named_and_the_rest_counted(values, text):
    assert first_few(values) == text
