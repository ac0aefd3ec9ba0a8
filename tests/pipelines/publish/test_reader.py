"""Reading published results: what is checked, what is refused, and what it does not need."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from ml.artifacts import log
from ml.artifacts.errors import ConflictError, StoreRefusedError, VerificationError
from ml.artifacts.folder_store import FolderStore, folder_store
from ml.artifacts.log import record_bytes
from ml.artifacts.reading import verify
from ml.artifacts.store import Body, read_small
from ml.artifacts.version import commit_version, stage_version, write_document, write_manifest
from ml.errors import DataError
from pipelines.publish.collect_garbage import Retention, collect_garbage
from pipelines.publish.reader import fetch_version, open_ml_results, read_ml_results
from tests.pipelines.publish.drills import put
from tests.pipelines.publish.places import LIMIT


@pytest.fixture
def store(near_place, made):
    store = near_place.open()
    for number in (1, 2):
        put(store, made(number))
    return store


def version_of(table):
    return table["item_id"][0].as_py()[:25]


def rewritten(store, version, change):
    """Publish by hand a version whose manifest says something else, its hashes all in order."""
    key = f"versions/{version}/manifest.json"
    document = json.loads(read_small(store, key, limit=LIMIT))
    change(document)
    body = Body.of(json.dumps(document).encode())
    store.put(key, body)
    head = log.newest(store)
    record = json.loads(record_bytes(head)) | {"seq": head.seq + 1, "parent": head.seq}
    record |= {"version_id": version, "manifest": key, "manifest_sha256": body.sha256}
    for files in record["datasets"].values():
        for file in files:
            file["path"] = file["path"].replace(head.version_id, version)
    store.create(f"_commits/{head.seq + 1:020d}.json", Body.of(json.dumps(record).encode()))


def test_the_newest_version_is_read_though_the_pointer_lags(store, made):
    first = log.read_record(store, 1)
    store.put("metadata/last_updated.json", Body.of(record_bytes(first)))
    assert version_of(read_ml_results("forecasts", store=store)) == made(2).version_id


def test_a_version_can_be_named_and_columns_chosen(store, made):
    table = read_ml_results("metrics", made(1).version_id, store=store, columns=["item_id"])
    assert (version_of(table), table.column_names) == (made(1).version_id, ["item_id"])
    with pytest.raises(ConflictError, match="20200101T000000Z-00000000 was never published"):
        read_ml_results("metrics", "20200101T000000Z-00000000", store=store)
    with pytest.raises(DataError, match=r"holds no 'prices', only \['forecasts', 'metrics'\]"):
        read_ml_results("prices", store=store)


def test_what_readers_saw_at_a_moment_is_read(near_place, made):
    store = near_place.open()
    days = {1: "2026-11-21T06:00:00Z", 2: "2026-11-22T06:00:00Z"}
    for number, moment in days.items():
        put(store, made(number))
        record = json.loads(record_bytes(log.read_record(store, number)))
        document = json.dumps(record | {"published_at": moment}).encode()
        store.put(f"_commits/{number:020d}.json", Body.of(document))
        store.put("metadata/last_updated.json", Body.of(document))

    def seen(at):
        return version_of(read_ml_results("forecasts", at=at, store=store))

    assert seen("2026-11-22T05:59:59Z") == made(1).version_id
    assert seen("2026-11-22T06:00:00") == made(2).version_id
    assert seen("2026-11-22T03:00:00-03:00") == made(2).version_id  # the same moment in Brasília
    assert seen("2026-11-21") == made(1).version_id
    assert seen(date(2026, 11, 22)) == made(2).version_id
    with pytest.raises(ConflictError, match="nothing was published before 2026-11-20"):
        seen("2026-11-20")
    with pytest.raises(ValueError, match="exclude each other"):
        read_ml_results("forecasts", made(1).version_id, "2026-11-22", store=store)


def test_two_reads_across_a_publish_mix_versions_and_a_snapshot_does_not(near_place, made):
    store = near_place.open()
    put(store, made(1))
    results = open_ml_results(store)
    before = version_of(read_ml_results("forecasts", store=store)), results.read("forecasts")
    put(store, made(2))
    after = version_of(read_ml_results("metrics", store=store)), results.read("metrics")
    assert (before[0], after[0]) == (made(1).version_id, made(2).version_id)
    assert {version_of(before[1]), version_of(after[1])} == {made(1).version_id}
    assert version_of(open_ml_results(store).read("metrics")) == made(2).version_id


def test_a_snapshot_says_what_it_is_and_what_is_in_it(store, made):
    results = open_ml_results(store, made(1).version_id)
    assert (results.version_id, results.as_of) == (made(1).version_id, date(2026, 11, 19))
    assert (results.datasets, results.record.seq) == (("forecasts", "metrics"), 1)
    assert results.read("metrics", columns=["item_id"]).column_names == ["item_id"]
    assert results.document("metadata/model_versions.json")["model_version"] == made(1).version_id
    assert results.metadata("refusals")["version_id"] == made(1).version_id
    with pytest.raises(DataError, match=r"holds no .forecasts/forecasts_2026-11-21_meta"):
        results.metadata("forecasts")
    with pytest.raises(DataError, match="no dataset is called 'sales'"):
        results.metadata("sales")


def test_a_description_is_found_where_earlier_code_had_it(tmp_path):
    results, version = tmp_path / "results", "20261120T021503Z-00000001"
    staged = stage_version(results, version)
    for folder, table in (("recommendations", "changes"), ("history", "scores")):
        name = f"{folder}/{table}_2026-11-20_metadata.json"
        write_document(staged, name, {"dataset": table, "folder": folder})
    write_manifest(staged, [], as_of="2026-11-19", partial=False, run={})
    commit_version(results, version, publisher="host/test")
    found = open_ml_results(results)
    assert found.metadata("changes")["folder"] == "recommendations"
    assert found.metadata("scores")["folder"] == "history"
    with pytest.raises(DataError, match=r"holds no .history/history_2026-11-20_meta"):
        found.metadata("history")


def test_a_snapshot_whose_version_is_removed_meanwhile_says_so(near_place, made):
    store = near_place.open()
    for number in (1, 2):
        put(store, made(number))
    results = open_ml_results(store, made(1).version_id)
    for hours in (0, 25):  # marked, then removed
        collect_garbage(
            store,
            Retention(versions=1, age=timedelta(0)),
            now=datetime(2027, 1, 1, tzinfo=UTC) + timedelta(hours=hours),
        )
    gone = rf"^conflict: .*{made(1).version_id} \(record 1\) was removed by --gc"
    for read in (
        lambda: results.read("forecasts"),
        lambda: results.document("metadata/model_versions.json"),
        lambda: open_ml_results(store, made(1).version_id),
        lambda: fetch_version("nowhere", made(1).version_id, store=store),
    ):
        with pytest.raises(ConflictError, match=gone):
            read()
    store.remove(made(2).manifest.files[0].path)  # lost, and not by a janitor
    with pytest.raises(VerificationError, match="is missing in"):
        open_ml_results(store).read("forecasts")


def test_an_empty_store_says_that_nothing_was_published(near_place):
    with pytest.raises(ConflictError, match="nothing was published"):
        read_ml_results("forecasts", store=near_place.open())


def test_a_file_that_was_changed_is_not_read(store, made):
    file = next(f for f in made(2).manifest.files if f.dataset == "forecasts")
    store.put(file.path, Body.of(b"x" * file.bytes))
    with pytest.raises(VerificationError, match=r"^verification failed: .* not what was published"):
        read_ml_results("forecasts", store=store)
    store.put(file.path, Body.of(b"x" * (file.bytes + 1)))
    with pytest.raises(VerificationError, match="has more than the"):
        read_ml_results("forecasts", store=store)


def test_a_manifest_that_was_changed_is_not_read(store, made):
    key = f"versions/{made(2).version_id}/manifest.json"
    store.put(key, Body.of(read_small(store, key, limit=LIMIT) + b" "))
    with pytest.raises(VerificationError, match="was changed after it was committed"):
        read_ml_results("forecasts", store=store)


@pytest.mark.parametrize(
    "hostile",
    ["../../etc/passwd", "/etc/passwd", "%2e%2e/x", "x\ny", "a//b", "other", "versions/../x"],
)
def test_a_manifest_with_a_hostile_key_is_refused_whole(store, made, tmp_path, hostile):
    version = made(2).version_id
    path = f"versions/{version}/{hostile}" if hostile in ("%2e%2e/x", "a//b") else hostile

    def change(document):
        document["files"][0]["path"] = path

    rewritten(store, version, change)
    with pytest.raises(VerificationError, match=r"^verification failed: .*no key below"):
        fetch_version(tmp_path / "mirror", store=store)
    with pytest.raises(VerificationError, match=r"^verification failed: .*no key below"):
        read_ml_results("metrics", store=store)
    assert not (tmp_path / "mirror" / "versions").exists()


def test_a_manifest_of_an_unknown_format_is_refused(store, made):
    rewritten(store, made(2).version_id, lambda document: document.update(format=2))
    with pytest.raises(StoreRefusedError, match=r"^store refused: .*has format 2"):
        read_ml_results("metrics", store=store)


def test_a_version_is_mirrored_whole_and_again_without_sending(store, made, tmp_path):
    version = made(1)
    folder = fetch_version(tmp_path / "mirror", version.version_id, store=store)
    assert folder == tmp_path / "mirror" / "versions" / version.version_id
    assert verify(FolderStore(tmp_path / "mirror"), version.manifest) == []
    inode = (folder / "manifest.json").stat().st_ino
    assert fetch_version(tmp_path / "mirror", version.version_id, store=store) == folder
    assert (folder / "manifest.json").stat().st_ino == inode
    (folder / "manifest.json").with_name("extra").write_text("x")
    with pytest.raises(VerificationError, match="extra: not in the manifest"):
        fetch_version(tmp_path / "mirror", version.version_id, store=store)


def test_a_mirror_of_a_damaged_version_leaves_nothing_behind(store, made, tmp_path):
    file = made(2).manifest.files[-1]
    store.put(file.path, Body.of(b"x" * file.bytes))
    with pytest.raises(VerificationError, match="other content than was published"):
        fetch_version(tmp_path / "mirror", store=store)
    assert not [path for path in (tmp_path / "mirror").rglob("*") if path.is_file()]


def test_a_published_folder_is_read_by_its_path(near_place, made, tmp_path):
    put(folder_store(tmp_path / "out"), made(1))
    assert version_of(read_ml_results("forecasts", store=tmp_path / "out")) == made(1).version_id
    assert version_of(read_ml_results("metrics", store=str(tmp_path / "out"))) == made(1).version_id


def test_reading_loads_nothing_of_the_models():
    code = "import sys, pipelines.publish.reader, pipelines.publish.s3_store; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"tensorflow", "keras", "prophet", "pmdarima", "statsmodels", "pandas", "scipy"}
    assert "minio" in loaded
    assert not loaded & (heavy | {"joblib", "rich", "structlog", "typer"})


def test_published_times_are_utc_and_in_order(store):
    moments = [record.published_at for record in log.records(store)]
    assert moments == sorted(moments)
    assert all(moment.endswith("Z") for moment in moments)


def test_a_snapshot_is_read_where_nothing_but_the_readers_packages_is_there(made, tmp_path):
    put(folder_store(tmp_path / "out"), made(1))
    code = f"""
import sys
for name in ("numpy", "pandas", "scipy", "structlog", "rich", "typer", "httpx", "joblib"):
    sys.modules[name] = None  # to import it fails
from pipelines.publish.reader import open_ml_results
results = open_ml_results({str(tmp_path / "out")!r})
print(results.version_id, results.read("forecasts").num_rows, results.metadata("refusals")["rows"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [made(1).version_id, "1", "1"]
