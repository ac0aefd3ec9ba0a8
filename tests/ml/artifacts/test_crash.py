"""A run that dies anywhere leaves the last version whole, and the next run puts all right."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.ml.artifacts.run_job import NEW, OLD, PARTS
from tests.power_cut import survive_power_cuts


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


def everything(results):
    """The bytes of all versions and of the flat view, and the log without its clock and nonces."""
    files = {
        path.relative_to(results).as_posix(): sha256(path)
        for folder in ("versions", "forecasts", "metrics", "metadata")
        for path in (results / folder).rglob("*.*")
        if path.name != "last_updated.json"
    }
    pointer = json.loads((results / "metadata/last_updated.json").read_text())
    return files, readers_are_served(results), pointer["version_id"]


@pytest.fixture
def published(tmp_path, kit):
    """A folder with one committed version."""
    folder = tmp_path / "published"
    kit.commit(folder, OLD, level=1.0, only=PARTS)
    return folder


def end_a_run(published, sample, *, cut):
    def old_or_new(results):
        assert readers_are_served(results) in ([OLD], [OLD, NEW])

    steps = survive_power_cuts(
        "tests.ml.artifacts.run_job:run", published, everything,
        cut=cut, sample=sample, meanwhile=old_or_new,
    )  # fmt: skip
    assert everything(published)[1:] == ([OLD, NEW], NEW)
    for path in (published / "versions" / NEW).rglob("*.*"):
        flat = published / path.relative_to(published / "versions" / NEW)
        assert path.name == "manifest.json" or sha256(flat) == sha256(path)
    return steps


def test_the_power_may_go_at_eight_steps_of_building_and_committing_a_version(published):
    assert end_a_run(published, 8, cut=True) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("cut", [True, False], ids=["power cut", "killed"])
def test_a_run_may_end_at_any_step_of_building_and_committing_a_version(published, cut):
    assert end_a_run(published, 20, cut=cut) >= 20


def test_everything_is_on_the_disk_before_the_log_names_it(published, rig, kit):
    """A power cut takes what was not flushed: each file, then each folder, then the record."""
    notes = rig().notes
    kit.commit(published, NEW, level=2.0, only=PARTS)
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
