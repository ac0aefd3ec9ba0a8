import pytest

from ml.artifacts.version import (
    commit_version,
    copy_dataset,
    read_manifest,
    stage_version,
    verify_version,
    write_manifest,
)
from ml.errors import DataError, PublishError

A, B = (f"2026112{day}T021503Z-1a2b3c4d" for day in "01")


def commit(results, version, kit, **how):
    kit.version(results, version, **how)
    return commit_version(results, version, publisher="host/test")


def test_a_dataset_is_carried_over_byte_for_byte_under_the_new_day(tmp_path, kit):
    commit(tmp_path, A, kit)
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
    commit(tmp_path, A, kit, only=["forecasts"])
    with pytest.raises(DataError, match=r"holds no 'metrics', only \['forecasts'\]"):
        copy_dataset(tmp_path, A, stage_version(tmp_path, B), "metrics")


def test_a_damaged_file_is_not_carried_over(tmp_path, kit):
    commit(tmp_path, A, kit)
    path = tmp_path / "versions" / A / "forecasts/forecasts_2026-11-20.parquet"
    path.write_bytes(path.read_bytes() + b"?")
    with pytest.raises(PublishError, match="verification failed"):
        copy_dataset(tmp_path, A, stage_version(tmp_path, B), "forecasts")
