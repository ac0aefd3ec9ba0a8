"""What bad input gets: one clear line and exit code 3, or a quarantine and a run that goes on."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.commands import ROOT
from tests.pipelines.job.conftest import MONTHS, demand_rows, write_csv, write_demand
from tests.pipelines.publish.versions import make_version, version_id

HEADER = "item_id,ds,y\n"
DAYS = "".join(f"d,2025-{m:02d}-{d:02d},1\n" for m in range(1, 6) for d in range(1, 28))
FIRSTS = "".join(f"m,2025-{m:02d}-01,1\n" for m in range(1, 10))

BAD = [
    pytest.param(b"", "empty", id="empty file"),
    pytest.param((HEADER + DAYS + FIRSTS).encode(), "frequenc", id="two frequencies"),
    pytest.param((HEADER + "a,2025-01-01,1e12\na,2025-02-01,1e12\n").encode(), "usable|above",
                 id="absurd quantities"),
]  # fmt: skip


def one_line(done) -> str:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.parametrize(("content", "words"), BAD)
def test_a_file_without_anything_usable_ends_in_one_line_and_code_3(workspace, content, words):
    path = workspace.folder / "demand.csv"
    path.write_bytes(content)
    line = one_line(workspace.generate("--demand", str(path), expect=3))
    assert "demand.csv" in line
    assert any(word in line for word in words.split("|")), line
    assert not (workspace.results / "versions").exists()


def test_names_found_and_names_looked_for_are_listed(workspace):
    path = workspace.folder / "demand.csv"
    path.write_text("foo,bar,baz\n1,2,3\n")
    line = one_line(workspace.generate("--demand", str(path), expect=3, alone=True))
    for word in ("foo", "bar", "baz", "item_id", "--column"):
        assert word in line


def test_a_folder_without_files_is_named(workspace):
    folder = workspace.folder / "nothing"
    folder.mkdir()
    assert "nothing" in one_line(workspace.generate("--demand", str(folder), expect=3))


def test_a_path_that_is_not_there_is_a_usage_error(workspace):
    line = one_line(workspace.generate("--demand", "gone.csv", expect=2))
    assert "gone.csv" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--only-forecasts", "--only-recommendations"], "exclude", id="both onlys"),
        pytest.param(["--horizon", "0"], "at least 1", id="no horizon"),
        pytest.param(["--horizon", "99999999999999999999"], "1,000 periods at most", id="eternity"),
        pytest.param(["--items", ","], "names nothing", id="no item named"),
        pytest.param(["--items", "nobody"], "nobody", id="unknown item"),
        pytest.param(["--gaps", "maybe"], "missing", id="unknown gap rule"),
        pytest.param(["--sample"], "exclude each other", id="files and the sample"),
        pytest.param(["--accept", "change"], "goes with --publish", id="accepted for nothing"),
    ],
)
def test_wrong_options_end_in_code_2(workspace, options, words):
    path = write_demand(workspace.folder / "demand.csv")
    line = one_line(workspace.generate("--demand", str(path), *options, expect=2))
    assert words in line


def test_stock_without_demand_is_a_usage_error(workspace):
    path = workspace.folder / "stock.csv"
    path.write_text("item_id,on_hand\na,1\n")
    assert "--demand" in one_line(workspace.generate("--inventory", str(path), expect=2))


@pytest.mark.parametrize("command", ["prophet", "arima", "lstm", "trees", "ensemble"])
def test_training_without_data_says_what_to_run(workspace, command):
    line = one_line(workspace.run(f"ml/train_{command}.py", expect=3))
    assert "demand_etl.py" in line


def test_forecasting_before_training_says_what_to_run(workspace):
    demand = write_demand(workspace.folder / "demand.csv")
    workspace.run("pipelines/demand_etl.py", "--demand", str(demand))
    line = one_line(workspace.run("ml/generate_forecasts.py", expect=4))
    assert "python ml/train_prophet.py" in line


def test_only_recommendations_needs_a_version_to_copy_from(workspace):
    demand = write_demand(workspace.folder / "demand.csv")
    done = workspace.generate("--demand", str(demand), "--only-recommendations", expect=3)
    assert "no whole version" in one_line(done)


def test_an_id_in_both_panels_is_named(workspace):
    demand = write_demand(workspace.folder / "demand.csv", demand_rows(["slow", "brent"]))
    prices = write_csv(workspace.folder / "brent.csv", ["Date", "Price"],
                       [(str(day), "70") for day in MONTHS])  # fmt: skip
    done = workspace.generate("--demand", str(demand), "--prices", str(prices), expect=3)
    assert "'brent'" in one_line(done)


def test_naming_only_items_that_cannot_be_forecast_says_why(workspace):
    rows = [*demand_rows(["slow"]), ("bad", "2025-01-01", "1e12")]
    demand = write_demand(workspace.folder / "demand.csv", rows)
    line = one_line(workspace.generate("--demand", str(demand), "--items", "bad", expect=3))
    assert "bad: 1 of 1 values beyond 1e+09" in line


def test_without_data_the_sample_does_not_follow_results_that_may_be_real(workspace):
    make_version(workspace.results, version_id(1))
    line = one_line(workspace.generate(expect=3))
    assert version_id(1) in line
    assert "say --sample for made-up data" in line
    assert not (workspace.folder / "data" / "sample").exists()


def test_files_that_are_gone_from_the_users_folder_are_missed(workspace):
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True)
    path = write_demand(folder / "demand.csv")
    workspace.run("pipelines/demand_etl.py")
    path.rename(workspace.folder / "demand.csv")
    line = one_line(workspace.generate(expect=3))
    assert "there is no file of demand any more" in line
    assert "remove demand.parquet" in line


def test_tables_that_were_named_are_forecast_with_an_empty_users_folder(workspace):
    (workspace.folder / "data" / "raw" / "user").mkdir(parents=True)
    demand = write_demand(workspace.folder / "demand.csv", demand_rows(["slow"]))
    workspace.run("pipelines/demand_etl.py", "--demand", str(demand))
    # it goes on until it misses the item, which is after reading
    assert "nobody" in one_line(workspace.generate("--items", "nobody", expect=2))


def test_a_newest_version_of_the_future_is_named_before_the_run(workspace):
    """TODAY is 2025-11-20, the version is as of a later day: a clock was wrong at that run."""
    future = version_id(7, started=datetime(2999, 1, 1, tzinfo=UTC))
    make_version(workspace.results, future, as_of="2998-12-31")
    path = workspace.folder / "demand.csv"
    path.write_bytes(b"")
    line = workspace.generate("--demand", str(path), expect=3).stderr.splitlines()[0]
    assert line.startswith(f"warning: '{workspace.results}': version {future} lies in the future, ")
    assert "as of 2998-12-31 and begun on 2999-01-01, though today is 2025-11-20" in line


def test_a_last_period_after_today_is_refused_before_anything_is_read(workspace):
    line = one_line(workspace.generate("--demand", "no", "--as-of", "2025-11-21", expect=2))
    assert "--as-of 2025-11-21 lies after today, 2025-11-20" in line


UNREAD = """
import sys
from rich.console import Console
from pipelines.job.main_job import go_on_unread
with go_on_unread():
    Console().print("a summary")
print("a line of publishing")
print("published", file=sys.stderr)
"""


def test_a_job_goes_on_to_publish_where_nobody_reads_its_summary():
    read, write = os.pipe()
    os.close(read)  # as `| head -1` leaves it
    command, env = [sys.executable, "-c", UNREAD], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=env,
                          timeout=120)  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "published\n")
