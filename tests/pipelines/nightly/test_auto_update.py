"""The nightly job, with the real commands on a folder as the store."""

from tests.pipelines.nightly.conftest import NIGHT
from tests.pipelines.nightly.processes import held


def test_without_a_place_to_publish_to_nothing_is_started(workspace):
    done = workspace.run(NIGHT, expect=2)
    assert "S3_ENDPOINT" in done.stderr
    assert not (workspace.folder / "data").exists()


def test_a_failed_step_passes_on_its_code_and_last_line(files):
    (files.folder / "data" / "raw" / "user" / "demand.csv").write_text("foo,bar\n1,2\n")
    done = files.run(NIGHT, "--to", str(files.folder / "store"), alone=True, expect=3)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: demand_etl failed (3): ")
    assert "item_id" in last
    assert not (files.folder / "store" / "metadata").exists()


def test_incomplete_keys_of_the_store_show_before_the_work(workspace):
    done = workspace.run(NIGHT, expect=2, S3_ENDPOINT="127.0.0.1:9000")
    assert "S3_BUCKET" in done.stderr
    assert not (workspace.folder / "data").exists()


def test_an_address_that_nobody_can_be_told_at_shows_before_the_work(workspace):
    done = workspace.run(NIGHT, "--to", "out", expect=2,
                         MESSAGE_URLS="json://127.0.0.1/x hooks.example.com/S3cret")  # fmt: skip
    assert "MESSAGE_URLS: address 2 does not begin with a scheme" in done.stderr
    assert "S3cret" not in done.stdout + done.stderr


def test_a_second_night_ends_at_once_and_touches_nothing_while_one_is_running(files, tmp_path):
    data = files.folder / "data"
    with held(data / ".nightly", tmp_path) as holder:
        before = sorted(data.rglob("*"))
        done = files.run(NIGHT, "--to", str(files.folder / "store"))
    (line,) = done.stdout.splitlines()
    assert line.startswith("nothing done, a night is running: ")
    assert str(holder.pid) in line
    assert done.stderr == ""
    assert sorted(data.rglob("*")) == before
    assert not (files.folder / "logs").exists()
