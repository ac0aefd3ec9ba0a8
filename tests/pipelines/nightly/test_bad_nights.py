"""What a night does where something is in its way before the work: each has a stated outcome."""

import itertools
import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, date, datetime

import pytest

from ml.errors import DataError, MachineError, PublishError
from ml.locks import HeldError, hold
from pipelines.messages.watch import find_missed_nights
from pipelines.nightly import ledger, preflight
from pipelines.publish.deploy import Deployment
from tests.commands import ROOT
from tests.pipelines.nightly.conftest import NIGHT, begin_night, rows_of, settings_in
from tests.pipelines.nightly.processes import await_file, held
from tests.pipelines.publish.fake_s3 import FakeS3
from tests.small_disk import Disk, with_disks


def decisions(folder):
    return {row["about"]: row for row in rows_of(folder / "data", "decisions")}


def test_a_night_that_meets_a_run_by_hand_waits_and_then_ends_with_5(files, tmp_path):
    with held(files.results, tmp_path):
        done = files.run(
            NIGHT, "--to", str(tmp_path / "store"), expect=5, NIGHT_WAIT_MINUTES="0.001"
        )
    assert "The night waits, for 0.001 minutes at most." in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "has waited 0.001 minutes (NIGHT_WAIT_MINUTES) and did nothing" in last
    assert rows_of(files.folder / "data", "steps") == []


def test_a_night_goes_on_when_the_run_by_hand_has_ended(tmp_path, capsys):
    results = tmp_path / "results"
    noted = []
    with held(results, tmp_path) as holder:

        def note(*words):
            noted.append(words)

        holder.stdin.close()  # it ends soon
        preflight.await_run_by_hand(results, 1.0, note)
        holder.stdin = None
    assert [words[:2] for words in noted] in ([], [("run by hand", "waited")])


def test_a_night_that_is_due_while_a_backup_is_made_waits_for_it_and_then_ends_with_5(tmp_path):
    config = settings_in(tmp_path, night_wait_minutes=0.001)
    folder = config.data_dir / preflight.LOCK
    with ExitStack() as stack:
        with ExitStack() as backup:
            backup.enter_context(hold(folder, name=preflight.KEEPING))
            backup.enter_context(hold(folder))
            with pytest.raises(HeldError, match=r"has waited 0\.001 minutes") as raised:
                preflight.hold_the_night(config, stack)
        assert raised.value.exit_code == 5
        assert preflight.hold_the_night(config, stack) == ""
        assert "is held by another run" in preflight.hold_the_night(config, stack)


def test_no_night_works_on_half_a_restore(tmp_path):
    config = settings_in(tmp_path)
    (config.data_dir / preflight.LOCK).mkdir(parents=True)
    (config.data_dir / preflight.LOCK / preflight.RESTORING).write_text("backup-1")
    with pytest.raises(MachineError, match="run previsor restore again"), ExitStack() as stack:
        preflight.hold_the_night(config, stack)


def spoil(path, how):
    """What may befall the ledger; what has to be kept alive for it."""
    if how == "damaged":
        path.write_bytes(b"no database" * 400)
    elif how == "a folder":
        path.unlink()
        path.mkdir()
    else:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA user_version = 99" if how == "newer" else "BEGIN IMMEDIATE")
        return db
    return None


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("damaged", DataError, r"is damaged .*previsor restore"),
        ("newer", DataError, "was written by newer code"),
        ("a folder", PublishError, "unable to open database file"),
        ("locked", PublishError, "database is locked"),
    ],
)
def test_a_ledger_that_cannot_be_used_is_one_line_and_no_night_begins(
    tmp_path, monkeypatch, how, error, words
):
    config = begin_night(tmp_path).config
    monkeypatch.setattr("pipelines.outside.ledger.SECONDS_TO_WAIT", 0.05)
    kept = spoil(config.data_dir / ledger.FILE, how)
    facts = ledger.RunFacts("run-2", config.current_day, {}, "code", 0, "here", 1)
    with pytest.raises(error, match=words) as raised:
        ledger.begin_run(config.data_dir, facts)
    assert "\n" not in str(raised.value)
    if kept is not None:
        kept.close()


def test_a_ledger_that_is_removed_while_a_night_is_at_work_is_told_at_its_end(tmp_path):
    night_ = begin_night(tmp_path)
    data_dir = night_.config.data_dir
    (data_dir / ledger.FILE).unlink()
    with pytest.raises(DataError, match="was removed or replaced while the night was at work"):
        ledger.end_run(data_dir, night_.run.number, ledger.DONE, 0, "well")


def test_a_night_waits_for_what_one_that_was_killed_has_left_to_die(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "DYING", 0.05)
    config = settings_in(tmp_path)
    lock = preflight.await_dying_steps(config)
    code = (
        "import fcntl, os, sys; from pathlib import Path\n"
        "fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_SH)\n"
        "Path(sys.argv[2]).touch(); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock), str(tmp_path / "ready")],
                              stdin=subprocess.PIPE)  # fmt: skip
    await_file(tmp_path / "ready")
    with pytest.raises(HeldError):
        preflight.await_dying_steps(config)
    holder.communicate()
    preflight.await_dying_steps(config)


def test_disks_without_the_room_that_is_asked_for_end_a_night_before_it_begins(files, tmp_path):
    done = files.run(NIGHT, "--to", str(tmp_path / "store"), expect=5, NIGHT_FREE_MIB="1e12")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: disk: ")
    assert "a night asks for 1e+12 MiB (NIGHT_FREE_MIB); nothing was done." in last
    assert rows_of(files.folder / "data", "steps") == []
    (run,) = rows_of(files.folder / "data", "runs")
    assert (run["outcome"], run["exit_code"]) == ("failed", 5)


def test_where_the_ledger_finds_no_room_nothing_is_done_and_one_line_says_so(files, tmp_path):
    nights = files.folder / "data" / "nights"
    command = [sys.executable, str(ROOT / NIGHT), "--to", str(tmp_path / "store")]
    env = os.environ | files.environment | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(with_disks({nights: Disk()}, command), env=env, cwd=files.folder,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "ledger.sqlite" in line
    assert not (files.folder / "data" / "processed").exists()


def test_a_key_that_has_expired_ends_a_night_before_the_work(files):
    server = FakeS3()
    server.make_bucket("results")
    server.answers["*"] = (403, "ExpiredToken")
    try:
        done = files.run(
            NIGHT, expect=5, S3_ENDPOINT=server.endpoint, S3_BUCKET="results", S3_SECURE="false",
            S3_ACCESS_KEY=server.access_key, S3_SECRET_KEY="expired",
        )  # fmt: skip
    finally:
        server.stop()
    assert done.stderr.splitlines()[-1].startswith("error: denied: ")
    assert rows_of(files.folder / "data", "steps") == []


def test_nights_that_were_missed_are_told_and_noted(tmp_path, capsys):
    first = begin_night(tmp_path, today="2026-01-16")
    ledger.end_run(first.config.data_dir, first.run.number, ledger.DONE, 0, "")
    night_ = begin_night(tmp_path, today="2026-01-20")
    preflight.check_days(night_.config, night_.run, date(2026, 1, 16), night_.note)
    assert "3 nights were missed: the last one was of 2026-01-16" in capsys.readouterr().err
    assert decisions(tmp_path)["missed nights"]["choice"] == "made up for"


@pytest.mark.parametrize(
    ("last", "today", "hours", "missed"),
    # by hand: nights of the 17th, 18th and 19th; none; of a weekly job those of the 8th and 15th
    [("16", "20", 24.0, 3), ("19", "20", 24.0, 0), ("20", "20", 24.0, 0), ("01", "20", 168.0, 2)],
)
def test_missed_nights_are_those_that_were_due_between_two_days(last, today, hours, missed):
    days = [preflight.date.fromisoformat(f"2026-01-{day}") for day in (last, today)]
    assert preflight.missed_nights(*days, hours) == missed


def test_a_clock_that_went_back_is_told_and_the_night_goes_on(tmp_path, capsys):
    begin_night(tmp_path, today="2026-02-20")
    night_ = begin_night(tmp_path, today="2026-01-20")
    preflight.check_days(night_.config, night_.run, None, night_.note)
    said = capsys.readouterr().err
    assert "a clock or TODAY was moved back: a night was of 2026-02-20" in said
    assert decisions(tmp_path)["clock"]["choice"] == "gone on"


def look_at_days(night_):
    last = ledger.last_night(night_.config.data_dir, night_.run.number)
    preflight.check_days(night_.config, night_.run, last and last[0], night_.note)


def test_a_clock_that_went_forward_is_told_as_missed_nights_and_then_forgotten(tmp_path, capsys):
    for today in ("2026-01-19", "2027-01-19"):  # by hand: 364 nights lie between
        night_ = begin_night(tmp_path, today=today)
        data_dir = night_.config.data_dir
        look_at_days(night_)
        ledger.end_run(data_dir, night_.run.number, ledger.DONE, 0, "")
    assert "364 nights were missed: the last one was of 2026-01-19" in capsys.readouterr().err
    for today in ("2026-01-20", "2026-01-23"):  # the clock is right again
        night_ = begin_night(tmp_path, today=today)
        look_at_days(night_)
        ledger.end_run(data_dir, night_.run.number, ledger.DONE, 0, "")
    said = capsys.readouterr().err
    assert "moved back: a night was of 2027-01-19" in said
    assert "2 nights were missed: the last one was of 2026-01-20" in said


def test_an_end_in_the_future_hides_no_night_that_is_missed_after_it(tmp_path):
    moments = ("2027-01-19T02:15:00.000+00:00", "2026-01-20T02:15:00.000+00:00")
    for moment in moments:
        night_ = begin_night(tmp_path)
        data_dir = night_.config.data_dir
        ledger.end_run(data_dir, night_.run.number, ledger.DONE, 0, "")
        with ledger.night_ledger(data_dir) as db:
            db.execute("UPDATE runs SET ended_at = ? WHERE id = ?", [moment, night_.run.number])
    _, last = ledger.last_night(data_dir, before=night_.run.number + 1)
    assert last.isoformat() == "2026-01-20T02:15:00+00:00"


@pytest.mark.parametrize(
    ("outcome", "missed"),
    [(ledger.FAILED, []), (ledger.DEGRADED, []), (ledger.STOPPED, ["1"]), (ledger.DIED, ["1"])],
)
def test_a_night_that_failed_or_published_nothing_was_not_missed_but_one_that_died_was(
    tmp_path, outcome, missed
):
    for day, ended in (("2026-01-18", ledger.DONE), ("2026-01-19", outcome)):
        night_ = begin_night(tmp_path, today=day)
        data_dir = night_.config.data_dir
        ledger.end_run(data_dir, night_.run.number, ended, 4, "the gate is closed")
        with ledger.night_ledger(data_dir) as db:
            db.execute("UPDATE runs SET ended_at = ? WHERE id = ?",
                       [f"{day}T02:15:00.000+00:00", night_.run.number])  # fmt: skip
    today, last = datetime(2026, 1, 20, 2, 15, tzinfo=UTC), ledger.last_night(data_dir, before=3)
    told = find_missed_nights(last[1], today, 24.0)
    assert [one.text.split(" ")[0] for one in told] == missed
    assert preflight.missed_nights(last[0], today.date(), 24.0) == len(missed)


def test_a_dry_run_says_the_steps_and_leaves_nothing(files, tmp_path):
    before = sorted(files.folder.rglob("*"))
    done = files.run(NIGHT, "--to", str(tmp_path / "store"), "--dry-run")
    assert done.stdout.splitlines() == [
        "would run, on 2025-11-20:",
        "  demand: demand_etl",
        "  checks: check_inputs",
        "  drift: look_for_drift",
        "  results: generate_ml_results",
        "  publish: deploy_ml_results",
        "  prune: clear",
    ]
    assert sorted(files.folder.rglob("*")) == before


def test_a_night_with_nothing_to_do_says_what_there_could_be(workspace):
    done = workspace.run(NIGHT, expect=2, ENABLE_ML_PROCESSING="false")
    assert done.stderr.startswith("error: night: nothing to do. ENABLE_EXTERNAL_APIS lets it")


def test_where_processing_is_off_the_data_are_read_and_no_place_to_publish_to_is_needed(files):
    done = files.run(NIGHT, ENABLE_ML_PROCESSING="false", NIGHT_FREE_MIB="1")
    assert done.stdout.splitlines()[-1] == (
        "night done: demand_etl; ENABLE_ML_PROCESSING is false: stopped after the data"
    )
    assert (files.folder / "data" / "processed" / "demand.parquet").exists()
    (run,) = rows_of(files.folder / "data", "runs")
    assert run["outcome"] == "done"


def test_a_night_reads_files_as_the_settings_say(workspace):
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True)
    (folder / "demand.csv").write_text("Peça,Quando,Qtd\nA,2025-01-03,1\nA,2025-02-07,2\n")
    names = "item_id=Peça;ds=Quando;y=Qtd"
    done = workspace.run(NIGHT, ENABLE_ML_PROCESSING="false", INTAKE_COLUMNS=names,
                         INTAKE_FREQUENCY="MS")  # fmt: skip
    assert done.returncode == 0
    table = workspace.folder / "data" / "processed" / "demand.parquet"
    assert "2025-01-01 to 2025-02-01, MS." in done.stderr
    assert table.exists()


def test_quiet_nights_say_nothing_when_they_end_well(files):
    done = files.run(NIGHT, "--quiet", ENABLE_ML_PROCESSING="false")
    assert (done.stdout, done.stderr) == ("", "")
    (text,) = (files.folder / "logs" / "nights").iterdir()
    assert "demand.csv: " in text.read_text()


def test_a_store_that_is_away_is_told_and_the_night_goes_on(tmp_path, monkeypatch, capsys):
    places = {"S3_ENDPOINT": "127.0.0.1:1", "S3_BUCKET": "results", "S3_SECURE": "false",
              "S3_ACCESS_KEY": "somebody", "S3_SECRET_KEY": "something"}  # fmt: skip
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    night_ = begin_night(tmp_path)
    clock = itertools.count(step=20.0)  # a minute's patience is over at once
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.publish.s3_connection.time.monotonic", lambda: next(clock))
        preflight.check_store(Deployment(None, tmp_path / "results"), night_.note)
    assert "The night goes on and publishes last." in capsys.readouterr().err
    assert decisions(tmp_path)["store"]["choice"] == "away"
