"""The command: its lines, its exit codes, and that a refusal changes nothing."""

import errno
import json
import os
import shutil
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from ml import durable
from ml.artifacts.errors import VerificationError
from ml.artifacts.store import Body
from ml.settings import Settings
from pipelines.publish import collect_garbage
from tests.commands import folders_below, run_here
from tests.pipelines.publish.conftest import BUCKET
from tests.pipelines.publish.versions import make_version, version_id

PREVISOR = "scripts/previsor.py"
FIRST, SECOND = (version_id(number, days=number) for number in (1, 2))


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    make_version(folder, FIRST, as_of="2026-11-19")
    return folder


@pytest.fixture
def deploy(results, command):
    """Run the command; exit code, lines, and the error's line."""

    def run(*options, **where):
        code, lines, told = command(*options, **where)
        errors = [line for line in told.splitlines() if line.startswith("error: ")]
        assert len(errors) == (code != 0)
        return code, lines, errors[0][7:] if errors else ""

    return run


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_a_deployment_says_what_it_did_and_a_second_one_that_nothing_is_new(deploy, tmp_path):
    code, lines, _ = deploy()
    assert code == 0
    assert lines[0].startswith(f"published version {FIRST} (as of 2026-11-19) as record 1 in ")
    assert "4 files sent" in lines[0]
    before = tree(tmp_path / "out")
    code, lines, _ = deploy()
    assert (code, lines[0][:42]) == (0, f"nothing new: version {FIRST[:21]}")
    assert tree(tmp_path / "out") == before
    log = (tmp_path / "logs" / "deploy_ml_results.jsonl").read_text().splitlines()
    assert [json.loads(line).get("is_new") for line in log] == [None, True, None, False]


def test_nothing_is_published_while_others_can_read_the_keys_in_the_settings_file(
    deploy, tmp_path, monkeypatch
):
    path = tmp_path / ".env.ml"
    path.write_text("ALPHAVANTAGE_API_KEY=hidden\n")
    path.chmod(0o644)
    monkeypatch.setitem(Settings.model_config, "env_file", path)
    code, lines, error = deploy()
    assert (code, lines) == (2, [])
    assert error.endswith(f"chmod 600 '{path}'. It holds 'ALPHAVANTAGE_API_KEY': nothing was "
                          "published.")  # fmt: skip
    assert not (tmp_path / "out").exists()
    path.chmod(0o600)
    assert deploy()[0] == 0


def test_a_dry_run_says_what_would_be_sent_and_writes_nothing(deploy, tmp_path):
    code, lines, _ = deploy("--dry-run")
    assert code == 0
    assert lines[0].startswith(f"would publish version {FIRST} (as of 2026-11-19) to ")
    assert "4 of 4 files to send" in lines[0]
    assert not (tmp_path / "out").exists()


def test_the_log_is_listed_newest_first_with_a_star_at_what_readers_see(deploy, results):
    deploy()
    make_version(results, SECOND)
    deploy()
    assert deploy("--rollback")[0] == 0
    code, lines, _ = deploy("--list")
    assert code == 0
    assert [line[0] for line in lines[1:]] == ["*", " ", " "]
    assert [line.split()[-2] for line in lines[1:]] == [FIRST, SECOND, FIRST]
    code, lines, _ = deploy("--rollback", "--to-seq", "2")
    assert (code, lines[0].split()[3:6]) == (0, [FIRST, "to", SECOND])


@pytest.mark.parametrize("action", ["--list", "--gc", "--doctor"])
def test_a_folder_that_is_not_there_is_named_and_not_made(deploy, tmp_path, action):
    code, lines, error = deploy(action)
    assert (code, lines) == (2, [])
    assert error.startswith(f"--to: there is no folder '{tmp_path / 'out'}'. Name the one")
    assert not (tmp_path / "out").exists()


def test_where_nothing_is_published_yet_the_log_says_so(deploy, tmp_path):
    (tmp_path / "out").mkdir()
    code, lines, _ = deploy("--list")
    assert (code, lines[1:]) == (0, [f"nothing is published in '{tmp_path / 'out'}' yet"])


def test_each_verb_has_a_command_of_its_own_that_does_the_same(deploy, results, tmp_path):
    def run(*options):
        done = run_here(tmp_path, {}, PREVISOR, *options, "--to", str(tmp_path / "out"))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert run("publish", "--results", str(results))[0].startswith(f"published version {FIRST}")
    make_version(results, SECOND)
    assert run("publish", "--results", str(results))[0].startswith(f"published version {SECOND}")
    assert "is whole" in run("verify", FIRST)[0]
    assert run("rollback")[0].startswith(f"rolled back from {SECOND} to {FIRST}")
    assert run("versions") == deploy("--list")[1]
    assert run("doctor") == deploy("--doctor")[1]
    options = ("gc", "--keep", "1", "--days", "1", "--grace", "1")
    with clock_ahead(days=9):
        assert run(*options)[1:] == [f"marked {SECOND}"]
    with clock_ahead(days=10):
        would = run(*options, "--dry-run")
        assert would[1:] == [f"would be removed {SECOND}"]
        assert run(*options) == [line.replace("would be ", "") for line in would]
    assert "(0 bytes)" not in would[0]


def test_a_version_is_verified_and_damage_found(deploy, tmp_path):
    deploy()
    assert deploy("--verify") == (
        0, [f"version {FIRST} (record 1) in '{tmp_path}/out' is whole"], ""
    )  # fmt: skip
    assert deploy("--verify", FIRST)[0] == 0
    path = tmp_path / "out" / "versions" / FIRST / "metadata" / "model_versions.json"
    path.write_bytes(path.read_bytes().replace(b"2", b"3"))
    code, _, error = deploy("--verify")
    assert (code, error[:20]) == (5, "verification failed:")
    assert "1 problems: 'versions/" in error
    assert "model_versions.json: other content" in error
    code, _, error = deploy("--verify", SECOND)
    assert (code, error.split(":")[0]) == (5, "conflict")


def test_the_doctor_finds_all_well_and_then_what_is_not(deploy, tmp_path):
    deploy()
    code, lines, _ = deploy("--doctor")
    assert (code, {line.split()[0] for line in lines}) == (0, {"ok"})
    out = tmp_path / "out"
    (out / "metadata" / "last_updated.json").unlink()
    next((out / "forecasts").glob("*.parquet")).write_bytes(b"x")
    code, lines, _ = deploy("--doctor")
    warned = [line for line in lines if line.startswith("warning")]
    assert (code, len(warned)) == (0, 2)
    assert "last_updated.json lags" in warned[0]
    assert "the flat view lags in 'forecasts/" in warned[1]
    next((out / "versions" / FIRST / "metrics").glob("*.parquet")).unlink()
    code, lines, error = deploy("--doctor")
    assert code == 5
    assert "1 of 6 findings are problems" in error
    assert any(line.startswith("problem") and f"version {FIRST}" in line for line in lines)


def test_old_versions_are_marked_and_then_removed(deploy, results, tmp_path):
    deploy()
    make_version(results, SECOND)
    deploy()
    options = ("--gc", "--keep", "1", "--days", "1", "--grace", "1")
    with clock_ahead(days=9):
        assert deploy(*options, "--dry-run")[1][1:] == [f"would be marked {FIRST}"]
        assert deploy(*options)[1][1:] == [f"marked {FIRST}"]
    with clock_ahead(days=9, minutes=59):
        assert deploy(*options)[1][1:] == []
    with clock_ahead(days=9, hours=2):
        assert deploy(*options)[1][1:] == [f"removed {FIRST}"]
    assert [path.name for path in (tmp_path / "out" / "versions").iterdir()] == [SECOND]


@contextmanager
def clock_ahead(**by):
    """Let the janitor's clock run ahead."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(**by)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect_garbage, "datetime", Clock)
        yield


def test_a_pin_is_kept_in_the_store_until_it_is_removed(deploy, results):
    deploy()
    make_version(results, SECOND)
    deploy()
    options = ("--gc", "--keep", "1", "--days", "1", "--grace", "1")
    with clock_ahead(days=9):
        assert deploy(*options)[1][1:] == [f"marked {FIRST}"]
        lines = deploy(*options, "--pin", FIRST)[1]  # takes the mark back, too
        assert "2 versions kept (1 pinned), 0 marked, 0 marked earlier" in lines[0]
        assert "(1 pinned)" in deploy(*options)[1][0]
        assert deploy("--rollback")[0] == 0
        assert deploy("--rollback", "--to-seq", "2")[0] == 0
        assert deploy(*options, "--unpin", FIRST)[1][1:] == [f"marked {FIRST}"]
        assert deploy(*options, "--unpin", FIRST)[0] == 0


@pytest.mark.parametrize("option", ["--pin", "--unpin"])
@pytest.mark.parametrize("name", [SECOND, "yesterday", "../x"])
def test_a_pin_of_an_unknown_version_is_a_usage_error_and_nothing_is_done(
    deploy, tmp_path, option, name
):
    deploy()
    before = tree(tmp_path / "out")
    code, lines, error = deploy("--gc", option, FIRST, option, name)
    assert (code, lines) == (2, [])
    assert f"{name!r}, 1 of 2 named" in error
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize("number", ["inf", "1e300"])
def test_a_time_that_does_not_exist_is_a_usage_error(deploy, number):
    code, _, error = deploy("--gc", "--grace", number)
    assert (code, error.split(":")[0][:10]) == (2, "--days 7, ")


@pytest.mark.parametrize("option", ["--keep", "--days", "--grace"])
def test_no_option_lowers_what_gc_keeps_below_the_least(command, option):
    code, _, told = command("--gc", option, "0")
    assert code == 2
    assert "than or equal to 1" in " ".join(told.replace("│", "").split())


def test_the_policies_are_those_of_the_bucket_and_prefix(deploy, monkeypatch):
    assert deploy("--print-policies")[0] == 2
    monkeypatch.setenv("S3_BUCKET", "parts")
    monkeypatch.setenv("S3_PREFIX", "team/a")
    code, lines, _ = deploy("--print-policies")
    assert code == 0
    document = json.loads("\n".join(lines))
    assert list(document) == ["reader", "publisher", "janitor", "log"]
    resources = document["log"]["Statement"][0]["Resource"]
    kept = ("_commits", "history/past_forecasts", "history/scores")
    assert resources == [f"arn:aws:s3:::parts/team/a/{folder}/*" for folder in kept]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--list", "--gc"], "--list and --gc exclude each other"),
        (["--to-seq", "1"], "--to-seq goes with --rollback only"),
        ([FIRST], "goes with --verify or --repair only"),
        (["--rollback", "--dry-run"], "--dry-run goes with publishing or --gc or --repair only"),
        (["--list", "--force"], "--force goes with publishing only"),
        (["--verify", "--expect-parent", "3"], "--expect-parent goes with publishing only"),
        (["--doctor", "--pin", "x"], "--pin goes with --gc only"),
        (["--verify", "--all", FIRST], "exclude each other"),
        (["--verify", "--subset", "1/2"], "--subset goes with --all only"),
        (["--all"], "--all goes with --verify or --repair only"),
        (["--list", "--subset", "1/2"], "--subset goes with --verify or --repair only"),
        (["--list", "--accept", "change"], "goes with publishing"),
        (["--verify", "--allow-synthetic"], "goes with publishing"),
        (["--accept", "all"], "no rule 'all'"),
        (["--accept", "synthetic"], "nobody can"),
    ],
)
def test_options_that_cannot_be_used_are_a_usage_error(deploy, options, text):
    code, _, error = deploy(*options)
    assert code == 2
    assert text in error


def test_without_a_folder_the_settings_have_to_be_complete(deploy):
    code, _, error = deploy(to=None)
    assert (code, error.split(",")[0]) == (2, "settings: S3_ENDPOINT")


def test_the_results_folder_itself_and_a_folder_of_nowhere_are_refused(deploy, results, tmp_path):
    code, _, error = deploy(to=results)
    assert (code, "is the results folder itself" in error) == (2, True)
    code, _, error = deploy(to=tmp_path / "not" / "mounted")
    assert (code, "the folder above it" in error) == (2, True)


def refused(deploy, out, kind, *options, text="", **kwargs):
    """A refusal: exit code 5, its kind first, and nothing changed."""
    before = tree(out)
    code, _, error = deploy(*options, **kwargs)
    assert code == 5, error
    assert error.startswith(f"{kind}: "), error
    assert text in error
    assert tree(out) == before


def test_a_broken_local_file_is_refused(deploy, results, tmp_path):
    path = next((results / "versions" / FIRST / "metrics").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    refused(deploy, tmp_path / "out", "verification failed", text="1 of 4 files of version")


def test_a_half_written_local_version_is_refused_or_the_one_before_is_taken(
    deploy, results, tmp_path
):
    shutil.copytree(results / "versions" / FIRST, results / "versions" / SECOND)  # no commit
    assert deploy()[1][0].startswith(f"published version {FIRST}")
    shutil.rmtree(results / "_commits")
    (results / "metadata" / "last_updated.json").unlink()
    refused(deploy, tmp_path / "out", "verification failed", text="no whole version to publish")


def test_a_partial_version_is_not_published(deploy, results):
    make_version(results, SECOND, partial=True)
    assert deploy()[1][0].startswith(f"published version {FIRST}")


def failing_os(name, code):
    """``os`` with one function that always fails."""

    def fail(*_):
        raise OSError(code, os.strerror(code))

    return SimpleNamespace(**vars(os) | {name: fail})


def test_a_full_disk_is_refused_and_the_next_run_goes_on(deploy, results, tmp_path, monkeypatch):
    deploy()
    make_version(results, SECOND)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "os", failing_os("write", errno.ENOSPC))
        refused(deploy, tmp_path / "out", "store refused", text="No space left on device")
    assert deploy()[1][0].startswith(f"published version {SECOND}")


def test_a_file_system_without_hard_links_is_refused_unless_one_vouches(
    deploy, tmp_path, monkeypatch
):
    monkeypatch.setattr(durable, "os", failing_os("link", errno.EPERM))
    refused(deploy, tmp_path / "out", "store refused", text="--single-writer")
    assert deploy("--single-writer")[0] == 0


@pytest.fixture
def s3(fake, monkeypatch):
    """The settings of the server in this process."""
    fake.make_bucket(BUCKET)
    values = {"ENDPOINT": fake.endpoint, "BUCKET": BUCKET, "SECURE": "false"}
    values |= {"ACCESS_KEY": fake.access_key, "SECRET_KEY": fake.secret_key}

    def set_up(**changes):
        for name, value in (values | changes).items():
            monkeypatch.setenv(f"S3_{name}", value)
        return fake

    return set_up


def test_a_version_is_published_to_the_store_of_the_settings(deploy, s3):
    s3()
    assert deploy(to=None)[1][0].startswith(f"published version {FIRST}")
    assert deploy("--verify", to=None)[0] == 0
    code, lines, _ = deploy("--doctor", to=None)
    assert code == 0
    assert any("a request without a key is refused (403)" in line for line in lines)
    assert [line[:8] for line in lines if "remove records" in line] == ["warning "]


@pytest.mark.parametrize(
    ("changes", "answers", "kind", "text"),
    [
        ({"ACCESS_KEY": "somebody"}, {}, "denied", "S3_ACCESS_KEY"),
        ({"BUCKET": "other-bucket"}, {}, "store refused", "no such bucket"),
        ({}, {"*": (403, "RequestTimeTooSkewed")}, "denied", "clock"),
        ({}, {"PUT": (507, "XMinioStorageFull")}, "store refused", "no space left"),
        ({}, {"PUT": (403, "AccessDenied")}, "denied", "--print-policies"),
    ],
)
def test_a_store_that_says_no_changes_nothing(deploy, s3, tmp_path, changes, answers, kind, text):
    server = s3(**changes)
    server.answers.update(answers)
    before = {name: dict(objects) for name, objects in server.buckets.items()}
    refused(deploy, tmp_path / "out", kind, text=text, to=None)
    assert server.buckets == before


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"ACCESS_KEY": "somebody"}, "denied: "), ({"BUCKET": "other-bucket"}, "store refused: ")],
)
def test_a_job_that_could_not_publish_ends_before_its_work(s3, tmp_path, changes, kind):
    s3(**changes)
    env = folders_below(tmp_path) | {"ALLOW_SYNTHETIC": "true"}
    for job in (("generate_ml_results.py", "--publish"), ("auto_update_ml_results.py",)):
        done = run_here(tmp_path, env, f"scripts/{job[0]}", *job[1:])
        assert done.returncode == 5, done.stderr
        assert f"error: {kind}" in done.stderr
        assert not (tmp_path / "data" / "sample").exists()
        assert not (tmp_path / "data" / "ml_results").exists()


def test_bytes_that_are_not_what_they_should_be_are_never_sent(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"short")
    with (
        pytest.raises(VerificationError, match="has 5 bytes, 6 expected"),
        Body(path, 6, "0" * 64).view(),
    ):
        pass
