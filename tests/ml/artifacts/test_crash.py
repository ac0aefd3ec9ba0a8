"""A run that dies anywhere leaves the last version whole, and the next run puts all right."""

import hashlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml.artifacts.version import (
    commit_version,
    discard_stale_staging,
    repair_flat_view,
    results_lock,
)

OLD, NEW = "20261120T021503Z-1a2b3c4d", "20261121T021503Z-1a2b3c4d"
PARTS = ["forecasts", "metrics"]
COMMITTER = Path(__file__).with_name("committer.py")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def whole_version(results, record):
    """Whether all that a record names is there, followed by hand and not by our reader."""
    manifest = results / record["manifest"]
    assert sha256(manifest) == record["manifest_sha256"]
    for file in json.loads(manifest.read_text())["files"]:
        assert sha256(results / file["path"]) == file["sha256"]


def log_of(results):
    paths = sorted((results / "_commits").iterdir())
    assert [path.name for path in paths] == [f"{n:020d}.json" for n in range(1, len(paths) + 1)]
    return [json.loads(path.read_text()) for path in paths]


def readers_are_served(results):
    """Pointer, log and every flat file are those of whole versions; the log's version ids."""
    pointer = json.loads((results / "metadata/last_updated.json").read_text())
    log = log_of(results)
    assert pointer in log
    for record in log:
        whole_version(results, record)
    published = {
        sha256(path)
        for record in log
        for path in (results / "versions" / record["version_id"]).rglob("*.*")
    }
    for folder in ("forecasts", "metrics"):
        assert {sha256(path) for path in (results / folder).iterdir()} <= published
    return [record["version_id"] for record in log]


def next_run(results, kit):
    """What the job does when it is started again: clear up, build unless built, commit."""
    with results_lock(results):
        discard_stale_staging(results)
        repair_flat_view(results)
        if not (results / "versions" / NEW).exists():
            kit.version(results, NEW, level=2.0, only=PARTS)
        commit_version(results, NEW, publisher="host/test")


def put_right(results):
    assert readers_are_served(results) == [OLD, NEW]
    pointer = json.loads((results / "metadata/last_updated.json").read_text())
    assert pointer["version_id"] == NEW
    for path in (results / "versions" / NEW).rglob("*.*"):
        flat = results / path.relative_to(results / "versions" / NEW)
        assert path.name == "manifest.json" or sha256(flat) == sha256(path)
    assert list((results / ".staging").iterdir()) == []


@pytest.fixture
def published(tmp_path, kit):
    """A folder with one committed version, to be copied for each crash."""
    folder = tmp_path / "published"
    kit.version(folder, OLD, level=1.0, only=PARTS)
    commit_version(folder, OLD, publisher="host/test")
    return folder


@pytest.fixture
def built(published, tmp_path, kit):
    """The same with the next version built, but not committed."""
    folder = tmp_path / "built"
    shutil.copytree(published, folder)
    kit.version(folder, NEW, level=2.0, only=PARTS)
    return folder


def crash_everywhere(start, run, rig, tmp_path, kit):
    """Die before, after and in the middle of every operation; how many crashes that were."""
    shutil.copytree(start, tmp_path / "rehearsal")
    rehearsal = rig()
    run(tmp_path / "rehearsal")
    crashes = 0
    for step, (operation, *_) in enumerate(rehearsal.notes):
        for when in ("before", "after", "torn") if operation == "write" else ("before", "after"):
            results = tmp_path / f"{step}-{when}"
            shutil.copytree(start, results)
            rig(step, when)
            with pytest.raises(rig.Died):
                run(results)
            rig.off()
            assert readers_are_served(results)[0] == OLD
            next_run(results, kit)
            put_right(results)
            shutil.rmtree(results)
            crashes += 1
    return crashes


@pytest.mark.slow
def test_a_run_may_die_at_any_step_of_building_a_version(published, rig, tmp_path, kit):
    def build(results):
        kit.version(results, NEW, level=2.0, only=PARTS)

    assert crash_everywhere(published, build, rig, tmp_path, kit) > 60


def test_a_run_may_die_at_any_step_of_committing_a_version(built, rig, tmp_path, kit):
    def commit(results):
        commit_version(results, NEW, publisher="host/test")

    assert crash_everywhere(built, commit, rig, tmp_path, kit) > 80


@pytest.mark.parametrize("operation", ["rename", "link", "replace"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_may_die_around_the_steps_that_publish(built, rig, tmp_path, kit, operation, when):
    shutil.copytree(built, tmp_path / "rehearsal")
    notes = rig().notes
    commit_version(tmp_path / "rehearsal", NEW, publisher="host/test")
    rig([note[0] for note in notes].index(operation), when)
    with pytest.raises(rig.Died):
        commit_version(built, NEW, publisher="host/test")
    rig.off()
    committed = operation == "replace" or (operation, when) == ("link", "after")
    assert readers_are_served(built) == ([OLD, NEW] if committed else [OLD])
    next_run(built, kit)
    put_right(built)


def test_everything_is_on_the_disk_before_the_log_names_it(published, rig, kit):
    """A power cut takes what was not flushed: each file, then each folder, then the record."""
    notes = rig().notes
    kit.version(published, NEW, level=2.0, only=PARTS)
    commit_version(published, NEW, publisher="host/test")
    rig.off()
    did = [(note[0], Path(note[1]).relative_to(published).as_posix()) for note in notes]
    moved = did.index(("rename", f".staging/{NEW}"))
    linked = next(i for i, note in enumerate(did) if note[0] == "link")
    version = published / "versions" / NEW
    for path in [version, *version.rglob("*")]:
        name = (Path(".staging") / NEW / path.relative_to(version)).as_posix()
        last_write = max((i for i, d in enumerate(did) if d == ("write", name)), default=0)
        assert ("fsync", name) in did[last_write:moved], name
    assert ("fsync", "versions") in did[moved:linked]
    record = did[linked][1]
    assert did.index(("write", record)) < did.index(("fsync", record)) < linked
    pointed = next(i for i, note in enumerate(did) if note[0] == "replace")
    assert ("fsync", "_commits") in did[linked:pointed]


@pytest.mark.slow
def test_a_killed_process_leaves_whole_versions_and_no_acknowledged_one_is_lost(tmp_path):
    """SIGKILL at twelve random moments; each process goes on with what the one before left."""
    chance = random.Random(20261120)
    acknowledged = []
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, COMMITTER, tmp_path], stdout=subprocess.PIPE, text=True
        ) as process:
            for _ in range(chance.randrange(1, 250)):  # a line an operation on the disk
                line = process.stdout.readline()
                assert line, "the process ended by itself"
                if line.startswith("committed "):
                    acknowledged.append(line.split()[1])
            process.kill()
            rest = process.stdout.read().splitlines()
            acknowledged += [text.split()[1] for text in rest if text.startswith("committed ")]
        if (tmp_path / "metadata/last_updated.json").exists():
            log = readers_are_served(tmp_path)
            assert set(acknowledged) <= set(log)
            assert len(log) == len(set(log))
    assert len(acknowledged) > 3
