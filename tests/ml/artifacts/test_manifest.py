import hashlib
import json

import pytest

from ml.artifacts.version import (
    read_manifest,
    stage_version,
    verify_version,
    write_manifest,
)
from ml.errors import PublishError

A, B = (f"2026112{day}T021503Z-1a2b3c4d" for day in "01")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_manifest_lists_every_file_with_what_it_is(tmp_path, kit):
    kit.commit(tmp_path, A)
    document = json.loads((tmp_path / "versions" / A / "manifest.json").read_text())
    assert list(document) == ["format", "version_id", "as_of", "partial", "run", "files", "past"]
    run = {"seed": 7, "data_until": {"demand_ms": "2026-11-19"}}
    assert (document["format"], document["partial"], document["run"]) == (1, False, run)
    assert document["past"] == []
    assert len(document["files"]) == 9
    for file in document["files"]:
        path = tmp_path / file["path"]
        assert (file["bytes"], file["sha256"]) == (path.stat().st_size, sha256(path))
        if path.suffix == ".json":
            assert file["dataset"] == "metadata"
            assert file["content_sha256"] is file["rows"] is file["schema_sha256"] is None
    forecasts = document["files"][0]
    assert list(forecasts) == [
        "path", "dataset", "bytes", "sha256", "content_sha256", "rows", "schema_sha256",
        "min_ds", "max_ds",
    ]  # fmt: skip
    assert (forecasts["rows"], forecasts["min_ds"], forecasts["max_ds"]) == (
        9,  # 3 items, 3 steps from the day after 2026-11-19
        "2026-11-20",
        "2026-11-22",
    )


def test_a_table_that_nobody_listed_is_not_published(tmp_path, kit):
    staged = stage_version(tmp_path, A)
    staged.data_path("metrics").parent.mkdir()
    staged.data_path("metrics").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"metrics_2026-11-20.parquet"):
        write_manifest(staged, [], as_of="2026-11-19", partial=False, run={})


def test_verify_names_what_is_missing_changed_or_too_much(tmp_path, kit):
    kit.commit(tmp_path, A)
    assert verify_version(tmp_path, A) == []
    base = tmp_path / "versions" / A
    (base / "metrics/metrics_2026-11-20.parquet").unlink()
    (base / "metadata/model_versions.json").write_bytes(b"{}")
    refusals = base / "forecasts/refusals_2026-11-20.parquet"
    refusals.write_bytes(b"?" * refusals.stat().st_size)
    (base / "forecasts/extra.parquet").write_bytes(b"")
    problems = verify_version(tmp_path, A)
    expected = [
        ("forecasts/refusals_2026-11-20.parquet", "other content"),
        ("metadata/model_versions.json", "other content (2 bytes)"),
        ("metrics/metrics_2026-11-20.parquet", "missing"),
        ("forecasts/extra.parquet", "not in the manifest"),
    ]
    assert len(problems) == len(expected)
    for problem, (name, what) in zip(problems, expected, strict=True):
        assert problem.startswith(f"versions/{A}/{name}: {what}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("format", 2), "Update the program"),
        (("version_id", B), "is of version"),
        (("files", [{"path": "x"}]), "not a Manifest"),
        (("as_of", "yesterday"), "not a Manifest"),
        (("files", None), "not a Manifest"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, kit, change, message):
    kit.commit(tmp_path, A)
    path = tmp_path / "versions" / A / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | dict([change])))
    with pytest.raises(PublishError, match=message):
        read_manifest(tmp_path, A)


def test_a_version_named_by_a_path_is_refused(tmp_path):
    with pytest.raises(PublishError, match="is not the id of a version"):
        read_manifest(tmp_path, "../../somewhere")
