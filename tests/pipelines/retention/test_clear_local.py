"""``--gc --local``: what goes, what stays whatever the options, and that a crash harms nothing."""

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest

from ml import durable
from ml.artifacts.folder_store import folder_store
from ml.artifacts.reading import read_dataset
from ml.artifacts.version import commits, newest_whole_version, repair_flat_view, verify_version
from ml.errors import PublishError
from ml.locks import hold
from ml.logs import logger, logging_to
from ml.run.explain import _read_metrics
from ml.settings import settings
from pipelines.publish.collect_garbage import Retention
from pipelines.publish.publishing import newest_local
from pipelines.retention.clear_local import clear_local
from tests.commands import folders_below, run_here
from tests.pipelines.publish.drills import put
from tests.pipelines.publish.faults import Died
from tests.pipelines.publish.versions import make_version, version_id

NOW = datetime.now(UTC) + timedelta(days=400)  # records are of the moment of the test
IDS = [version_id(number, days=number) for number in range(1, 6)]  # of 2026-11-21 and later
LAST_TWO = Retention(versions=2, age=timedelta(0), grace=timedelta(0))


@pytest.fixture(autouse=True)
def _no_flushing(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folders of the settings, and five versions of five datasets with their models."""
    for name, folder in folders_below(tmp_path, ML_RESULTS_PATH="results").items():
        monkeypatch.setenv(name, folder)
    for number, name in enumerate(IDS):
        make_version(tmp_path / "results", name, run={"dataset_id": f"d{number}"})
        model = tmp_path / "models" / "nova_corrente" / f"d{number}" / "parts" / "model.json"
        model.parent.mkdir(parents=True)
        aged(model, text="{}", days=0)
    return tmp_path


def aged(path, *, text="x", days=0):
    """A file, and its folder, last written so many days before the real now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    for one in (path, path.parent):
        os.utime(one, times=((NOW - timedelta(days=400 + days)).timestamp(),) * 2)
    return path


def clear(home, retention=LAST_TWO, *, hours=0, **kwargs):
    now = NOW + timedelta(hours=hours)
    return list(clear_local(home / "results", retention, settings(), now=now, **kwargs))


def versions(home):
    return sorted(path.name for path in (home / "results" / "versions").iterdir())


def days(home):
    files = (home / "results").glob("metrics/*.parquet")
    return sorted(path.stem.removeprefix("metrics_") for path in files)


def files(home):
    """All files with their bytes, but the locks."""
    paths = (path for path in home.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in paths}


def usable(home):
    """All versions that are there are whole, the newest is read, and the view shows it."""
    results = home / "results"
    assert all(verify_version(results, name) == [] for name in versions(home))
    newest = newest_whole_version(results).version_id
    assert read_dataset(results, "metrics", newest).num_rows == 1
    assert repair_flat_view(results) == []
    assert newest_local(results).version_id == newest


def test_old_versions_are_marked_then_removed_with_plain_files_and_models(home):
    lines = clear(home)
    assert lines[0].endswith("2 versions kept (1 pinned or needed), 3 marked, 0 marked earlier and "
                             "waiting, 0 removed (0 bytes)")  # fmt: skip
    assert lines[1:] == [f"marked {name}" for name in IDS[:3]]
    assert versions(home) == IDS
    lines = clear(home, hours=1)
    assert versions(home) == IDS[3:]
    assert days(home) == ["2026-11-24", "2026-11-25"]
    assert sorted(path.name for path in (home / "models" / "nova_corrente").iterdir()) == [
        "d3", "d4"
    ]  # fmt: skip
    # 3 versions, of each day 2 tables and a description, 3 models, and the line of counts
    assert len(lines) == 3 + 3 * 3 + 3 + 1
    assert [record.version_id for record in commits(home / "results")] == IDS
    usable(home)
    assert make_version(home / "results", version_id(9, days=9)).version_id == version_id(9, days=9)


def test_what_the_newest_whole_version_and_partial_ones_since_need_stays(home):
    results = home / "results"
    partial = [version_id(number, days=number) for number in (7, 8)]
    for name in partial:
        make_version(results, name, partial=True)
    only_one = Retention(versions=1, age=timedelta(0), grace=timedelta(0))
    for hours in (0, 1):
        clear(home, only_one, hours=hours)
    assert versions(home) == [IDS[4], *partial]
    usable(home)
    store = folder_store(home / "out")
    assert put(store, newest_local(results)).record.version_id == IDS[4]


def test_pins_the_young_and_those_in_their_grace_stay(home):
    pinned = Retention(versions=2, age=timedelta(0), grace=timedelta(0), pins=(IDS[0],))
    for hours in (0, 1):
        clear(home, pinned, hours=hours)
    assert versions(home) == [IDS[0], *IDS[3:]]
    assert days(home) == ["2026-11-21", "2026-11-24", "2026-11-25"]
    usable(home)


def test_with_the_options_as_they_are_nothing_young_goes(home):
    assert len(clear(home, Retention())) == 1
    month = datetime.now(UTC) + timedelta(days=6)
    list(clear_local(home / "results", Retention(versions=1), settings(), now=month))
    assert versions(home) == IDS


def test_models_that_are_being_trained_or_were_trained_lately_stay(home):
    models = home / "models" / "nova_corrente"
    aged(models / "young" / "parts" / "model.json", days=-395)  # 5 days before NOW
    week = Retention(versions=1, age=timedelta(days=7), grace=timedelta(0))
    clear(home, week)
    with hold(models / "d1"):
        clear(home, week, hours=1)
    assert sorted(path.name for path in models.iterdir()) == ["d1", "d4", "young"]


def test_a_dry_run_says_the_same_and_changes_nothing(home):
    clear(home)
    before = files(home)
    would = clear(home, hours=1, dry_run=True)
    assert files(home) == before
    assert [line.replace("would be ", "") for line in would] == clear(home, hours=1)


def test_a_machine_without_results_is_cleared_of_the_rest(home):
    assert list(clear_local(home / "none", LAST_TWO, settings(), now=NOW)) == [
        f"'{home}/none': there is no such folder, so no version to clear"
    ]


def test_an_explanation_passes_over_versions_that_were_removed(home):
    for hours in (0, 1):
        clear(home, hours=hours)
    assert _read_metrics(home / "results", "d0", "demand", "demand") == []  # of a removed version


def test_nothing_is_cleared_while_a_run_is_at_work(home):
    with (
        hold(home / "results"),
        pytest.raises(PublishError, match="is held by another run"),
    ):
        clear(home)
    assert not (home / "results" / "_gc").exists()


def test_what_dead_runs_left_goes_with_age(home):
    results = home / "results"
    aged(results / ".staging" / IDS[0] / "metrics.parquet")
    aged(results / ".work" / "abc" / "chunk.parquet")
    aged(results / ".work" / "def" / "chunk.parquet", days=-400)
    clear(home, Retention())
    assert [path.name for path in (results / ".work").iterdir()] == ["def"]
    assert list((results / ".staging").iterdir()) == []


def test_logs_are_laid_aside_without_losing_a_line_and_removed_later(home):
    logs = home / "logs"
    with logging_to(logs, "generate_ml_results", "r1"):
        logger().info("before")
        lines = clear(home, Retention())
        logger().info("after")
    aside = logs / f"generate_ml_results.{NOW.date()}.jsonl"
    assert lines[0] == f"laid aside '{logs}/generate_ml_results.jsonl' as '{aside.name}'"
    assert [word in aside.read_text() for word in ("before", "after")] == [True, True]
    assert clear(home, Retention(age=timedelta(days=90)), hours=24 * 90)[1:] == []
    assert clear(home, Retention(), hours=24 * 30)[0].startswith("'")  # 30 days are not more
    assert clear(home, Retention(), hours=24 * 31)[0].startswith(f"removed '{aside}' (")
    assert not aside.exists()


def test_a_log_that_is_young_or_none_of_ours_stays(home):
    logs = home / "logs"
    aged(logs / "notes.jsonl", text="not ours\n")
    aged(logs / "night.jsonl", text=f'{{"timestamp": "{NOW - timedelta(days=29)}"}}\n')
    clear(home, Retention())
    assert sorted(path.name for path in logs.iterdir()) == ["night.jsonl", "notes.jsonl"]


def test_a_crash_at_any_removal_leaves_what_stays_whole_and_the_next_goes_on(home, monkeypatch):
    """Before and after each of the files of versions and marks; the clock goes on an hour a try."""
    clear(home)
    removals = 0
    for hours in range(1, 100):
        with monkeypatch.context() as patch:
            dying = Dying(step=hours % 3, after=hours % 2)
            patch.setattr(durable, "os", SimpleNamespace(**vars(os) | {"unlink": dying.unlink}))
            try:
                clear(home, hours=hours)
            except Died:
                removals += 1
            else:
                break
        usable_rest(home)
    assert removals > 5
    assert versions(home) == IDS[3:]
    assert days(home) == ["2026-11-24", "2026-11-25"]
    usable(home)


def usable_rest(home):
    """The versions that stay are whole, whatever became of the others."""
    results = home / "results"
    assert [verify_version(results, name) for name in IDS[3:]] == [[], []]
    assert newest_local(results).version_id == IDS[4]


class Dying:
    """``os.unlink`` that ends the process at one call, before or after it is done."""

    def __init__(self, step, after):
        self.left, self.after = step, after

    def unlink(self, path):
        self.left -= 1
        if self.left < 0 and not self.after:
            raise Died
        os.unlink(path)  # noqa: PTH108 - the function that is stood in for
        if self.left < 0:
            raise Died


@pytest.mark.parametrize("verb", [["deploy_ml_results.py", "--gc"], ["previsor.py", "gc"]])
def test_the_command_clears_the_results_folder_of_the_settings(home, verb):
    # and no version is a day old
    run = partial(run_here, home, {}, f"scripts/{verb[0]}", verb[1], "--local", "--keep", "2")
    done = run("--pin", IDS[0], "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"'{home}/results': 5 versions kept (2 pinned or needed), 0 would be" in done.stdout
    done = run("--pin", IDS[0].replace("2026", "2025"))
    assert (done.returncode, "error: --pin: " in done.stderr) == (2, True)
    done = run("--to", str(home / "out"))
    assert (done.returncode, "--local clears this machine" in done.stderr) == (2, True)
