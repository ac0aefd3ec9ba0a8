"""`previsor report`: the page of any version, out of the results folder or a store."""

import shutil

import pytest

from benchmarks.made_up_version import VERSION
from ml.artifacts.version import read_manifest, verify_version
from ml.errors import ConfigError, PublishError
from ml.page.report import REPORT, copy_report
from pipelines.job.report_job import write_report
from tests.commands import run_here
from tests.pages.committed import commit_made_up


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    commit_made_up(folder, 20)
    return folder


def test_the_report_is_a_file_of_the_version_without_rows(results):
    (file,) = [one for one in read_manifest(results, VERSION).files if one.dataset == "report"]
    assert file.path == f"versions/{VERSION}/{REPORT}"
    assert (file.rows, file.schema_sha256) == (None, None)
    assert verify_version(results, VERSION) == []
    assert "report" not in read_manifest(results, VERSION).datasets


def test_the_report_of_a_committed_version_is_that_of_its_run(results, tmp_path):
    made = (results / "versions" / VERSION / REPORT).read_text()
    (line,) = write_report(VERSION, "pt", results=results, output=tmp_path / "again.html")
    assert f"version {VERSION}, 21 items: " in line
    # The run's own is written before row counts are known to the manifest; all numbers agree.
    again = (tmp_path / "again.html").read_text()
    for name in ("items", "forecasts-0", "history-0", "service", "models", "past", "scores"):
        block = f'id="block-{name}">'
        pair = [page[page.index(block) :].split("<", 1)[0] for page in (made, again)]
        assert pair[0] == pair[1], name


def test_the_report_is_read_from_a_store_in_a_folder_as_well(results, tmp_path):
    shutil.copytree(results, tmp_path / "store")
    (line,) = write_report(None, "en", folder=tmp_path / "store", output=tmp_path / "store.html")
    assert VERSION in line
    assert '<html lang="en-GB"' in (tmp_path / "store.html").read_text()


def test_a_command_writes_it_below_the_reports(results, tmp_path):
    env = {"REPORTS_DIR": str(tmp_path / "reports"), "ML_RESULTS_PATH": str(results)}
    done = run_here(tmp_path, env, "pipelines/report.py")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports" / "results" / "report.html").exists()
    assert run_here(tmp_path, env, "pipelines/report.py", "--lang", "de").returncode == 2
    for output in (tmp_path, tmp_path / "page"):
        done = run_here(tmp_path, env, "pipelines/report.py", "--output", str(output))
        assert (done.returncode, done.stderr.count("name a file that ends in .html")) == (2, 1)
    assert not (tmp_path / "page").exists()
    assert (
        run_here(tmp_path, env, "pipelines/report.py", "20200101T000000Z-00000000").returncode == 5
    )


def test_options_that_exclude_each_other_are_refused(results, tmp_path):
    with pytest.raises(ConfigError, match="exclude each other"):
        list(write_report(None, None, folder=tmp_path, results=results))


def test_a_damaged_version_is_refused(results, tmp_path):
    shutil.copytree(results, tmp_path / "damaged")
    path = next((tmp_path / "damaged" / "versions").rglob("history_*.parquet"))
    path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
    with pytest.raises(PublishError, match="is not what was published"):
        list(write_report(VERSION, "pt", results=tmp_path / "damaged", output=tmp_path / "x.html"))


def test_reports_of_a_run_hold_a_copy(results, tmp_path):
    copy_report(results, VERSION, tmp_path)
    made = (results / "versions" / VERSION / REPORT).read_bytes()
    assert (tmp_path / "report.html").read_bytes() == made
