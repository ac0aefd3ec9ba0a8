"""The chain of the log, and files in the folders of the results that are none of ours."""

import hashlib
import json

import pytest

from ml.artifacts import log
from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import is_stray
from ml.artifacts.reading import find_strays
from ml.artifacts.version import commits, newest_whole_version, repair_flat_view, verify_version
from ml.errors import PublishError

A, B, C = (f"2026112{day}T021503Z-1a2b3c4d" for day in "012")


@pytest.fixture
def results(tmp_path, kit):
    for version in (A, B, C):
        kit.commit(tmp_path, version, only=["metrics"])
    return tmp_path


def record(results, number):
    return results / f"_commits/{number:020d}.json"


def change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_each_record_holds_the_hash_of_the_one_before(results):
    documents = [json.loads(record(results, number).read_text()) for number in (1, 2, 3)]
    hashes = [hashlib.sha256(record(results, n).read_bytes()).hexdigest() for n in (1, 2)]
    assert [document["parent_sha256"] for document in documents] == ["", *hashes]
    assert not any("sha256" in document for document in documents)


def test_a_record_that_was_changed_breaks_the_chain_for_whoever_walks_it(results):
    change(record(results, 1), as_of="2026-11-18")
    broken = r"verification failed: .*the chain of the log is broken: record 2 was made after .* 1 "
    with pytest.raises(PublishError, match=broken):
        commits(results)
    store = results_store(results)
    with pytest.raises(PublishError, match=broken):
        log.find_record(store, lambda one: one.version_id == A)
    assert log.find_record(store, lambda one: one.version_id == B).seq == 2  # found before that


def test_a_record_behind_a_lagging_pointer_has_to_follow_the_one_that_it_names(results):
    pointer = results / "metadata/last_updated.json"
    pointer.write_bytes(record(results, 2).read_bytes())
    change(record(results, 2), publisher="somebody else")
    with pytest.raises(PublishError, match="record 3 was made after a record 2 with sha256"):
        log.newest(results_store(results))


def test_the_parent_of_a_partial_version_is_checked_for_the_flat_view(results, kit):
    kit.commit(results, "20261123T021503Z-1a2b3c4d", only=["metrics"], partial=True)
    change(record(results, 3), publisher="somebody else")
    change(record(results, 4), publisher="the newest has no one after it")
    with pytest.raises(PublishError, match="record 4 was made after a record 3"):
        repair_flat_view(results)


def test_records_of_older_programs_have_no_hash_and_the_chain_begins_after_them(results, kit):
    for number in (1, 2, 3):
        document = json.loads(record(results, number).read_text())
        del document["parent_sha256"]
        record(results, number).write_text(json.dumps(document))
    repair_flat_view(results)
    kit.commit(results, "20261123T021503Z-1a2b3c4d", only=["metrics"])
    assert [bool(one.parent_sha256) for one in commits(results)] == [False, False, False, True]
    change(record(results, 1), as_of="2026-11-18")
    assert len(commits(results)) == 4  # older records can only be compared with their manifests
    change(record(results, 3), as_of="2026-11-18")
    with pytest.raises(PublishError, match="record 4 was made after a record 3"):
        commits(results)


STRAYS = [
    "_commits/.DS_Store", "_commits/._00000000000000000001.json", "_commits/Thumbs.db",
    "_commits/00000000x.json", "_commits/00000000000000000002 (copy).json", "_commits/old/1.txt",
    "versions/.DS_Store", "versions/notes.txt", "versions/old/forecasts.parquet",
    f"versions/{C}/.DS_Store", f"versions/{C}/metrics/._metrics_2026-11-22.parquet",
    "metrics/desktop.ini", "metadata/._last_updated.json",
]  # fmt: skip


def test_stray_files_are_passed_over_and_named_to_who_looks(results, kit):
    for key in STRAYS:
        (results / key).parent.mkdir(exist_ok=True)
        (results / key).write_bytes(b"x")
    assert [one.version_id for one in commits(results)] == [A, B, C]
    assert newest_whole_version(results).version_id == C
    assert verify_version(results, C) == []
    assert sorted(find_strays(results_store(results))) == sorted(STRAYS)
    assert kit.commit(results, "20261123T021503Z-1a2b3c4d", only=["metrics"]).seq == 4


@pytest.mark.parametrize("name", ["3.json", "000000000000000000003.json", "4"])
def test_a_number_in_another_form_may_be_meant_for_a_record_and_is_refused(results, name):
    (results / "_commits" / name).write_bytes(b"{}")
    with pytest.raises(PublishError, match=f"_commits/{name} has a number, but not the name of a"):
        commits(results)


@pytest.mark.parametrize("name", ["metrics/metrics_2026-11-23.parquet", "notes.txt"])
def test_a_file_that_is_seen_beside_those_of_the_manifest_is_no_stray_one(results, name):
    key = f"versions/{C}/{name}"
    (results / key).write_bytes(b"x")
    assert not is_stray(key)
    assert verify_version(results, C) == [f"{key}: not in the manifest"]


def test_a_record_that_was_renamed_leaves_a_gap_or_is_missed_by_the_pointer(results):
    record(results, 3).rename(results / "_commits/00000000000000000003 (1).json")
    with pytest.raises(PublishError, match="the pointer names record 3, the log ends at 2"):
        newest_whole_version(results)
    record(results, 2).rename(results / "_commits/old.json")
    with pytest.raises(PublishError, match="the pointer names record 3, the log ends at 1"):
        newest_whole_version(results)
