"""What was backed up comes back as it was, and serves as it did."""

import shutil
import sqlite3

import pytest

from ml.artifacts.version import commits
from ml.errors import ConfigError
from ml.locks import HeldError, hold
from pipelines.nightly import ledger
from pipelines.nightly.preflight import LOCK, RESTORING
from pipelines.retention.backup import back_up, restore
from tests.pipelines.job.conftest import Workspace, demand_rows, write_demand, write_stock
from tests.pipelines.nightly.conftest import begin_night, rows_of, settings_in
from tests.pipelines.nightly.test_night_kills import MONTHS

pytestmark = pytest.mark.slow
BACKUP = "pipelines/backup.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Workspace:
    """A small company after a run on the files in its folder."""
    workspace = Workspace(tmp_path_factory.mktemp("made"))
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True)
    write_demand(folder / "demand.csv", demand_rows(["A/1", "slow"], MONTHS))
    write_stock(folder / "stock.csv")
    workspace.generate(TODAY="2026-01-20")
    night = begin_night(workspace.folder)
    ledger.end_run(night.config.data_dir, night.run.number, ledger.DONE, 0, "well")
    return workspace


def restored(made, tmp_path) -> Workspace:
    """The company again, in an empty folder, out of a backup."""
    said = made.run(BACKUP, str(tmp_path / "backups")).stdout
    assert said.startswith("backed up to ")
    again = Workspace(tmp_path / "again")
    again.folder.mkdir()
    done = again.run("scripts/previsor.py", "restore", str(tmp_path / "backups"))
    assert "all whole" in done.stdout
    return again


def test_recommendations_after_a_restore_are_those_before_it(made, tmp_path):
    again = restored(made, tmp_path)
    assert [one.version_id for one in commits(again.results)] == [
        one.version_id for one in commits(made.results)
    ]
    for workspace in (made, again):
        workspace.generate("--only-recommendations", TODAY="2026-01-20")
    assert again.hashes() == made.hashes()
    assert len(again.hashes()) > 5


def test_the_ledger_comes_back(made, tmp_path):
    again = restored(made, tmp_path)
    runs = [rows_of(one.folder / "data", "runs") for one in (made, again)]
    assert runs[0] == runs[1] != []


def test_secrets_stay_where_they_are(made, tmp_path):
    secret = "do-not-copy-this"
    keys = {"S3_SECRET_KEY": secret, "S3_ACCESS_KEY": secret, "MESSAGE_URLS": secret}
    made.run(BACKUP, str(tmp_path), LEAD_TIME_DAYS="12", **keys)
    (backup,) = tmp_path.glob("backup-*")
    assert "LEAD_TIME_DAYS=12.0" in (backup / "settings.env").read_text()
    for path in backup.rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()


def test_a_damaged_backup_is_refused_before_anything_is_written(made, tmp_path):
    made.run(BACKUP, str(tmp_path))
    (backup,) = tmp_path.glob("backup-*")
    path = next(backup.glob("data/processed/demand.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    again = Workspace(tmp_path / "again")
    again.folder.mkdir()
    done = again.run("scripts/previsor.py", "restore", str(backup), expect=3)
    assert "1 of " in done.stderr
    assert "'data/processed/demand.parquet'" in done.stderr
    assert not any(again.folder.rglob("*.parquet"))


def test_a_folder_that_holds_something_is_never_restored_into(made, tmp_path):
    made.run(BACKUP, str(tmp_path))
    done = made.run("scripts/previsor.py", "restore", str(tmp_path), expect=2)
    assert "folders are not empty" in done.stderr


def test_a_restore_that_was_killed_goes_on_where_it_is_run_again(made, tmp_path):
    there, here = settings_in(made.folder), settings_in(tmp_path / "again")
    done = back_up(there, tmp_path)
    restore(here, tmp_path)
    marker = here.data_dir / LOCK / RESTORING
    assert not marker.exists()
    marker.write_text(done.folder.name)  # as a kill leaves it
    cut_off = here.data_dir / "processed" / "demand.parquet"
    whole = cut_off.read_bytes()
    cut_off.write_bytes(whole[:100])
    shutil.rmtree(here.models_dir)
    assert restore(here, tmp_path).files == done.files
    assert cut_off.read_bytes() == whole
    assert [*here.models_dir.rglob("*.json")]
    assert not marker.exists()
    with pytest.raises(ConfigError, match="folders are not empty"):
        restore(here, tmp_path)


def test_nothing_is_backed_up_or_restored_while_a_night_is_at_work(made, tmp_path):
    config = settings_in(made.folder)
    done = back_up(config, tmp_path)
    with hold(config.data_dir / LOCK):
        with pytest.raises(HeldError, match="held by another run"):
            back_up(config, tmp_path / "more")
        with pytest.raises(HeldError, match="held by another run"):
            restore(config, done.folder)


def test_a_backup_into_what_it_backs_up_is_refused(made):
    done = made.run(BACKUP, str(made.folder / "models" / "copies"), expect=2)
    assert "which is backed up: name another folder" in done.stderr


def test_a_ledger_that_is_being_written_is_copied_whole(made, tmp_path):
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(made.folder, copy.folder)
    db = sqlite3.connect(copy.folder / "data" / ledger.FILE, isolation_level=None)
    db.execute("BEGIN")
    db.execute("UPDATE runs SET last_line = 'not yet'")
    copy.run(BACKUP, str(tmp_path / "backups"))
    db.close()
    (backup,) = (tmp_path / "backups").glob("backup-*")
    with sqlite3.connect(backup / "data" / ledger.FILE) as there:
        assert [row[0] for row in there.execute("SELECT last_line FROM runs")] == ["well"]
