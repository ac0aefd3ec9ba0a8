import errno
import json
import os
import stat

import pyarrow.parquet as pq
import pytest

from ml.artifacts.version import (
    commit_version,
    commits,
    copy_dataset,
    discard_stale_staging,
    read_manifest,
    stage_version,
    verify_version,
    write_manifest,
)
from ml.errors import DataError, PublishError

A, B = (f"2026112{day}T021503Z-1a2b3c4d" for day in "01")


def test_a_version_has_the_documented_files(tmp_path, kit):
    kit.commit(tmp_path, A)
    base = tmp_path / "versions" / A
    assert sorted(p.relative_to(base).as_posix() for p in base.rglob("*") if p.is_file()) == [
        "forecasts/forecasts_2026-11-20.parquet",
        "forecasts/forecasts_2026-11-20_metadata.json",
        "forecasts/refusals_2026-11-20.parquet",
        "forecasts/refusals_2026-11-20_metadata.json",
        "manifest.json",
        "metadata/model_versions.json",
        "metrics/metrics_2026-11-20.parquet",
        "metrics/metrics_2026-11-20_metadata.json",
        "recommendations/recommendations_2026-11-20.parquet",
        "recommendations/recommendations_2026-11-20_metadata.json",
    ]


def test_the_metadata_describes_a_dataset(tmp_path, kit):
    kit.commit(tmp_path, A)
    path = tmp_path / "forecasts" / "forecasts_2026-11-20_metadata.json"
    document = json.loads(path.read_text())
    schema = document.pop("schema")
    assert document == {
        "dataset": "forecasts",
        "version_id": A,
        "as_of": "2026-11-19",
        "rows": 9,
        "items": 3,
        "refusals": 0,
        "min_ds": "2026-11-20",
        "max_ds": "2026-11-22",
        "data_cutoff": {"demand": "2026-11-19"},
        "model_versions": {"arima": "a1"},
        "code_version": "0.1.0",
        "seed": 7,
        "quality_flags": ["short"],
    }
    assert schema[1]["name"] == "ds"
    assert schema[1]["type"] == "timestamp[us]"
    assert {tuple(column) for column in schema} == {("name", "type", "unit", "description")}


def test_committing_again_changes_nothing(tmp_path, kit):
    first = kit.commit(tmp_path, A)
    kit.commit(tmp_path, B)
    again = commit_version(tmp_path, A, publisher="somebody else")
    assert again == first
    assert [record.version_id for record in commits(tmp_path)] == [A, B]
    assert commits(tmp_path)[-1].version_id == B


def test_a_run_on_older_data_becomes_the_newest_here(tmp_path, kit):
    kit.commit(tmp_path, A, as_of="2026-11-19")
    record = kit.commit(tmp_path, B, as_of="2026-11-18")
    assert commits(tmp_path)[-1] == record


def test_a_damaged_version_is_not_committed(tmp_path, kit):
    staged = kit.version(tmp_path, A)
    path = staged.data_path("metrics")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(PublishError, match=r"verification failed: .*1 of 9 files .*metrics_2026"):
        commit_version(tmp_path, A, publisher="host/test")
    assert commits(tmp_path) == []


def test_a_version_that_was_never_built_is_not_committed(tmp_path):
    with pytest.raises(PublishError, match=rf"\.staging/{A}/manifest.json: is missing"):
        commit_version(tmp_path, A, publisher="host/test")


def test_the_same_tables_have_the_same_content_in_two_versions(tmp_path, kit):
    for version in (A, B):
        kit.commit(tmp_path, version)
    first, second = (read_manifest(tmp_path, version).datasets for version in (A, B))
    for name in first:
        assert first[name][0].content_sha256 == second[name][0].content_sha256
        assert first[name][0].sha256 != second[name][0].sha256  # the footer names the version


def test_files_have_the_permissions_that_the_umask_gives(tmp_path, kit):
    before = os.umask(0o022)
    try:
        kit.commit(tmp_path / "results", A)
    finally:
        os.umask(before)
    modes = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode))
        for path in (tmp_path / "results").rglob("*")
    }
    assert modes == {(True, 0o755), (False, 0o644)}


def test_leftovers_of_a_dead_run_are_removed_and_versions_are_not(tmp_path, kit):
    kit.commit(tmp_path, A)
    kit.version(tmp_path, B)
    (tmp_path / ".staging/1234.tmp").write_bytes(b"half")
    assert discard_stale_staging(tmp_path) == ["1234.tmp", B]
    assert list((tmp_path / ".staging").iterdir()) == []
    assert verify_version(tmp_path, A) == []
    assert discard_stale_staging(tmp_path / "nowhere") == []


@pytest.mark.parametrize("step", [0, 5, 40])
def test_a_full_disk_publishes_nothing_and_says_so_in_one_line(tmp_path, kit, rig, step):
    kit.commit(tmp_path, A, level=1.0)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    rig(step, error=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(PublishError, match="No space left on device") as caught:
        kit.commit(tmp_path, B, level=2.0)
    assert "\n" not in str(caught.value)
    now = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert {p: now[p] for p in before} == before
    assert all(".staging" in p.parts for p in set(now) - set(before))
    rig.off()
    discard_stale_staging(tmp_path)
    kit.commit(tmp_path, B, level=2.0)
    assert pq.read_table(tmp_path / "metrics/metrics_2026-11-21.parquet").num_rows == 2


def test_a_dataset_is_carried_over_byte_for_byte_under_the_new_day(tmp_path, kit):
    kit.commit(tmp_path, A)
    before = read_manifest(tmp_path, A)
    staged = stage_version(tmp_path, B)
    copies = copy_dataset(tmp_path, A, staged, "forecasts")
    assert copy_dataset(tmp_path, A, staged, "model_versions") == ()
    write_manifest(staged, copies, as_of="2026-11-19", partial=False, run={})
    commit_version(tmp_path, B, publisher="host/test")
    assert verify_version(tmp_path, B) == []
    (old,), (new,) = (m.datasets["forecasts"] for m in (before, read_manifest(tmp_path, B)))
    assert new.path == f"versions/{B}/forecasts/forecasts_2026-11-21.parquet"
    assert (new.sha256, new.content_sha256, new.rows) == (old.sha256, old.content_sha256, 9)
    base = tmp_path / "versions" / B
    assert (base / "forecasts/forecasts_2026-11-21_metadata.json").exists()
    assert (base / "metadata/model_versions.json").exists()
    assert not list(base.rglob("refusals*"))


def test_a_dataset_that_is_not_there_cannot_be_carried_over(tmp_path, kit):
    kit.commit(tmp_path, A, only=["forecasts"])
    with pytest.raises(DataError, match=r"holds no 'metrics', only \['forecasts'\]"):
        copy_dataset(tmp_path, A, stage_version(tmp_path, B), "metrics")


def test_a_damaged_file_is_not_carried_over(tmp_path, kit):
    kit.commit(tmp_path, A)
    path = tmp_path / "versions" / A / "forecasts/forecasts_2026-11-20.parquet"
    path.write_bytes(path.read_bytes() + b"?")
    with pytest.raises(PublishError, match="verification failed"):
        copy_dataset(tmp_path, A, stage_version(tmp_path, B), "forecasts")
