"""A results folder and a store of earlier code stay usable; tests/fixtures/README.md tells them."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.artifacts import log
from ml.artifacts.folder_store import folder_store, results_store
from ml.artifacts.reading import read_dataset, verify
from ml.artifacts.store import read_small
from ml.artifacts.version import (
    commit_version,
    commits,
    copy_dataset,
    newest_whole_version,
    repair_flat_view,
    stage_version,
    verify_version,
    write_manifest,
)
from ml.settings import settings
from pipelines.publish.collect_garbage import Retention, collect_garbage
from pipelines.publish.publishing import newest_local, publish
from pipelines.publish.reader import fetch_version, read_ml_results
from pipelines.publish.repair import repair
from pipelines.publish.rollback import roll_back
from pipelines.publish.upkeep import live_versions
from pipelines.retention.clear_local import clear_local

OLD = Path(__file__).resolve().parents[2] / "fixtures" / "old_results.tar.gz"
VERSIONS = [f"202611{day}T021503Z-0000000{day % 10}" for day in (20, 21, 22, 23)]


@pytest.fixture
def old(tmp_path):
    shutil.unpack_archive(OLD, tmp_path)
    return tmp_path


def level(table):
    """What tells the versions apart: the first forecast, 1.0 in the first version and so on."""
    return table["forecast"][0].as_py()


def test_results_are_listed_verified_and_read(old):
    results = old / "results"
    assert [(record.seq, record.version_id) for record in commits(results)] == [
        *enumerate(VERSIONS, start=1)
    ]
    assert newest_whole_version(results).version_id == VERSIONS[2]
    assert [verify_version(results, version) for version in VERSIONS] == [[]] * 4
    assert [level(read_dataset(results, "forecasts", one)) for one in VERSIONS] == [1, 2, 3, 4]
    assert level(read_dataset(results, "forecasts")) == 4.0
    assert read_dataset(results, "metrics")["value"][0].as_py() == 3.0
    assert repair_flat_view(results) == []


def test_results_are_gone_on_with(old):
    results = old / "results"
    (results / "metrics/metrics_2026-11-22.parquet").write_bytes(b"")
    assert repair_flat_view(results) == ["metrics/metrics_2026-11-22.parquet"]
    staged = stage_version(results, "20261124T021503Z-00000004")
    files = copy_dataset(results, VERSIONS[2], staged, "metrics")
    write_manifest(staged, files, as_of="2026-11-23", partial=False, run={})
    assert commit_version(results, staged.version_id, publisher="host/now").seq == 5
    assert (results / "metrics/metrics_2026-11-24.parquet").is_file()


def test_a_store_is_listed_verified_read_and_mirrored(old, tmp_path):
    store = folder_store(old / "store")
    records = list(log.records(store))
    assert [record.kind for record in records] == ["publish", "publish", "rollback"]
    assert log.read_pointer(store) == log.newest(store) == records[2]
    for record in records:
        manifest = log.record_manifest(store, record)
        assert verify(store, manifest) == []
    assert level(read_ml_results("forecasts", store=store)) == 1.0
    assert level(read_ml_results("forecasts", VERSIONS[1], store=store)) == 2.0
    assert fetch_version(tmp_path / "mirror", VERSIONS[1], store=store).name == VERSIONS[1]


def test_a_store_is_published_onto_rolled_back_and_cleared_up(old):
    store = folder_store(old / "store")
    done = publish(store, newest_local(old / "results"), publisher="host/now")
    assert (done.record.seq, done.record.version_id, done.is_new) == (4, VERSIONS[2], True)
    assert level(read_ml_results("forecasts", store=store)) == 3.0
    _, record = roll_back(store, publisher="host/now")
    assert (record.seq, record.version_id) == (5, VERSIONS[0])
    flat = read_small(store, "forecasts/forecasts_2026-11-22.parquet", limit=1 << 20)
    path = f"versions/{VERSIONS[0]}/forecasts/forecasts_2026-11-20.parquet"
    assert flat == read_small(store, path, limit=1 << 20)
    retention = Retention(versions=1, age=timedelta(0))
    collected = collect_garbage(store, retention, now=datetime(2026, 12, 3, tzinfo=UTC))
    assert (collected.removed, collected.marked) == ((VERSIONS[1],), (VERSIONS[2],))
    assert level(read_ml_results("forecasts", store=store)) == 1.0


def test_results_and_store_are_repaired_and_cleared(old, monkeypatch):
    results, store = old / "results", folder_store(old / "store")
    (file, *_) = log.record_manifest(store, log.read_record(store, 2)).files
    before = read_small(store, file.path, limit=1 << 20)
    for root in (results, old / "store"):
        (root / file.path).write_bytes(b"damaged")
    record = next(one for one in commits(results) if one.version_id == VERSIONS[1])
    assert repair(store, record, results_store(results)).lost
    (results / file.path).write_bytes(before)
    assert repair(store, record, results_store(results)).restored == (file.path,)
    assert [one.version_id for one in live_versions(store).records] == [VERSIONS[0]]  # 1 is marked
    monkeypatch.setenv("DATA_DIR", str(old / "data"))
    monkeypatch.setenv("MODELS_DIR", str(old / "models"))
    monkeypatch.setenv("LOG_DIR", str(old / "logs"))
    retention = Retention(versions=1, age=timedelta(0), grace=timedelta(0))
    for day in (3, 4):
        now = datetime(2026, 12, day, tzinfo=UTC)
        list(clear_local(results, retention, settings(), now=now))
    # The newest is a part: the whole one before it stays as well.
    assert sorted(path.name for path in (results / "versions").iterdir()) == VERSIONS[2:]
    assert level(read_dataset(results, "forecasts")) == 4.0
    assert read_dataset(results, "metrics")["value"][0].as_py() == 3.0
    assert repair_flat_view(results) == []
