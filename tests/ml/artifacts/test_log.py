import errno
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from ml.artifacts import log
from ml.artifacts.folder_store import results_store
from ml.artifacts.version import (
    commit_version,
    commits,
    newest_whole_version,
    read_manifest,
)
from ml.errors import PublishError

A, B, C = (f"2026112{day}T021503Z-1a2b3c4d" for day in "012")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_commit_record_has_the_documented_form(tmp_path, kit):
    kit.commit(tmp_path, A)
    kit.commit(tmp_path, B)
    record = json.loads((tmp_path / "_commits/00000000000000000002.json").read_text())
    assert list(record) == [
        "format", "min_reader", "seq", "parent", "kind", "version_id", "as_of", "partial",
        "published_at", "publisher", "nonce", "manifest", "manifest_sha256", "datasets",
        "gate",
        "parent_sha256", "run_at", "data_until",
    ]  # fmt: skip
    assert (record["seq"], record["parent"], record["kind"]) == (2, 1, "publish")
    assert record["manifest"] == f"versions/{B}/manifest.json"
    assert record["manifest_sha256"] == sha256(tmp_path / record["manifest"])
    assert len(record["nonce"]) == 32
    assert record["run_at"] == "2026-11-21T02:15:03Z"
    assert record["data_until"] == {"demand_ms": "2026-11-19"}
    assert sorted(record["datasets"]) == ["forecasts", "metrics", "recommendations", "refusals"]
    (file,) = record["datasets"]["forecasts"]
    assert file["sha256"] == sha256(tmp_path / file["path"])


def test_a_record_of_an_older_program_tells_nothing_of_its_run(tmp_path, kit):
    record = kit.commit(tmp_path, A)
    document = json.loads(log.record_bytes(record))
    for name in ("run_at", "data_until"):
        del document[name]
    older = log.parse_record(json.dumps(document).encode(), where="here")
    assert (older.run_at, older.data_until) == ("", {})
    assert older.version_id == record.version_id


def test_a_document_of_a_size_that_ours_never_have_is_not_read(tmp_path, kit):
    kit.commit(tmp_path, A)
    (tmp_path / "_commits/00000000000000000001.json").write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(PublishError, match="has more than the 1048576 bytes it can have"):
        commits(tmp_path)


def test_a_gap_in_the_log_is_an_error(tmp_path, kit):
    for version in (A, B, C):
        kit.commit(tmp_path, version)
    (tmp_path / "_commits/00000000000000000002.json").unlink()
    with pytest.raises(PublishError, match=r"has number 3 where 2 is due"):
        commits(tmp_path)


def test_a_record_for_readers_to_come_is_refused(tmp_path, kit):
    kit.commit(tmp_path, A)
    path = tmp_path / "_commits/00000000000000000001.json"
    path.write_text(path.read_text().replace('"min_reader": 1', '"min_reader": 2'))
    with pytest.raises(PublishError, match="Update the program"):
        commits(tmp_path)


def test_keys_that_a_later_program_added_are_passed_over(tmp_path, kit):
    record = kit.commit(tmp_path, A)
    for path in (tmp_path / "_commits/00000000000000000001.json", tmp_path / record.manifest):
        document = json.loads(path.read_text()) | {"added": {"later": [1]}}
        path.write_text(json.dumps(document))
    assert commits(tmp_path)[-1] == record
    assert read_manifest(tmp_path, A).version_id == A


def test_the_newest_whole_version_passes_over_partial_ones(tmp_path, kit):
    assert newest_whole_version(tmp_path) is None
    kit.commit(tmp_path, A, partial=True, only=["forecasts"])
    assert newest_whole_version(tmp_path) is None
    kit.commit(tmp_path, B)
    kit.commit(tmp_path, C, partial=True, only=["forecasts"])
    assert commits(tmp_path)[-1].partial
    assert newest_whole_version(tmp_path).version_id == B


def test_eight_committers_at_once_lose_nothing_and_leave_no_gap(tmp_path, kit):
    versions = [f"20261120T02150{i}Z-1a2b3c4d" for i in range(8)]
    for i, version in enumerate(versions):
        kit.version(tmp_path, version, level=float(i), only=["metrics"])
    start, done, seen = Barrier(9), Event(), []

    def publish(version):
        start.wait()
        return commit_version(tmp_path, version, publisher=version)

    def watch():
        start.wait()
        while not done.is_set():
            if (tmp_path / "metadata/last_updated.json").exists():
                seen.append(
                    json.loads((tmp_path / "metadata/last_updated.json").read_text())["seq"]
                )

    with ThreadPoolExecutor(9) as pool:
        watcher = pool.submit(watch)
        acknowledged = list(pool.map(publish, versions))
        done.set()
        watcher.result()
    log = commits(tmp_path)
    assert [record.seq for record in log] == list(range(1, 9))
    assert sorted(record.version_id for record in log) == versions
    assert sorted(acknowledged, key=lambda record: record.seq) == log
    assert seen == sorted(seen)
    newest = f"versions/{log[-1].version_id}/metrics/metrics_2026-11-20.parquet"
    flat = tmp_path / "metrics/metrics_2026-11-20.parquet"
    assert sha256(flat) == sha256(tmp_path / newest)
    assert list((tmp_path / ".staging").iterdir()) == []


def test_eight_committers_of_one_version_make_one_record(tmp_path, kit):
    kit.version(tmp_path, A, only=["metrics"])
    (tmp_path / "versions").mkdir()
    (tmp_path / ".staging" / A).rename(tmp_path / "versions" / A)  # as after a crash
    start = Barrier(8)

    def publish(name):
        start.wait()
        return commit_version(tmp_path, A, publisher=name)

    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(publish, map(str, range(8))))
    assert len(commits(tmp_path)) == 1
    assert len({record.nonce for record in records}) == 1


def test_an_own_record_that_is_reported_as_taken_is_recognised(tmp_path, kit, monkeypatch):
    kit.commit(tmp_path, A, only=["metrics"])
    kit.version(tmp_path, B, only=["metrics"])
    # A network file system that loses the answer to a link, repeats it and then says "exists".
    really = os.link

    def link_twice(new, target):
        really(new, target)
        raise FileExistsError(errno.EEXIST, "File exists", str(target))

    monkeypatch.setattr(os, "link", link_twice)
    head = commits(tmp_path)[-1]
    mine = log.next_record(read_manifest(tmp_path, A), head, "host/test")
    assert log.append(results_store(tmp_path), mine)
    commit_version(tmp_path, B, publisher="host/test")
    assert [record.version_id for record in commits(tmp_path)] == [A, A, B]
