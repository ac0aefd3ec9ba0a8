"""What a publish leaves in a store, what it refuses, and that nothing is sent twice."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ml.artifacts import log
from ml.artifacts.errors import ConflictError, StaleError, StoreRefusedError, VerificationError
from ml.artifacts.log import record_bytes
from ml.artifacts.reading import verify
from ml.artifacts.store import Body, read_small
from pipelines.publish.collect_garbage import Retention, collect_garbage, put_mark
from pipelines.publish.probe import require_conditions
from pipelines.publish.reader import read_ml_results
from pipelines.publish.rollback import roll_back
from tests.pipelines.publish.drills import put
from tests.pipelines.publish.faults import Faults
from tests.pipelines.publish.places import LIMIT, keys
from tests.pipelines.publish.versions import STARTED


def first_item(store, **kwargs):
    return read_ml_results("forecasts", store=store, **kwargs)["item_id"][0].as_py()[:25]


def test_a_published_version_is_read_back_as_it_was_written(place, made):
    store, version = place.open(), made(1)
    done = put(store, version)
    assert (done.record.seq, done.record.parent, done.record.kind) == (1, 0, "publish")
    assert done.is_new
    assert verify(store, version.manifest) == []
    assert first_item(store) == version.version_id
    pointer = json.loads(read_small(store, "metadata/last_updated.json", limit=LIMIT))
    assert pointer == json.loads(record_bytes(done.record))
    for file in version.manifest.files:
        local = (version.results / file.path).read_bytes()
        assert read_small(store, file.path, limit=LIMIT) == local
        flat = file.path.split("/", 2)[2]
        assert read_small(store, flat, limit=LIMIT) == local


def test_publishing_again_sends_nothing_and_commits_nothing(place, made):
    store, version = place.open(), made(1)
    first = put(store, version)
    faults = Faults()
    again = put(place.open(faults), version)
    assert (again.record, again.is_new, again.sent, again.flat_keys) == (
        first.record, False, (), ()
    )  # fmt: skip
    writes = ("create", "put", "PUT", "remove", "DELETE")
    assert not [name for name in faults.names if name.startswith(writes)]


def content(store):
    return {key: read_small(store, key, limit=LIMIT) for key in keys(store)}


@pytest.fixture
def unchanged(near_place, made):
    """A store with a version in it; after the test nothing of it may have changed."""
    store = near_place.open()
    put(store, made(2))
    before = content(store)
    yield store
    assert content(store) == before


def test_files_sent_some_at_a_time_make_the_same_version(place, made):
    one, four = place.fresh().open(), place.fresh().open()
    put(one, made(1))
    done = put(four, made(1), streams=4)
    assert done.sent == made(1).manifest.files
    assert keys(four) == keys(one)
    same = [key for key in keys(one) if not key.startswith(("_commits/", "metadata/last"))]
    for key in same:
        assert read_small(four, key, limit=LIMIT) == read_small(one, key, limit=LIMIT)


def test_an_interrupted_upload_goes_on_where_it_ended(place, made):
    version = made(1)
    files = version.manifest.files
    store = place.open()
    for file in files[:2]:
        assert store.create(file.path, version.body(file))
    done = put(store, version)
    assert done.sent == files[2:]


def test_an_older_day_than_the_published_one_is_refused_until_it_is_forced(place, made):
    store = place.open()
    put(store, made(1, as_of="2026-11-19"))
    older = made(2, as_of="2026-11-18")
    with pytest.raises(StaleError, match=r"^stale: version \S+02 is as of 2026-11-18.*--force"):
        put(store, older)
    assert not keys(store, f"versions/{older.version_id}")
    assert put(store, older, force=True).record.seq == 2
    assert first_item(store) == older.version_id


def test_a_version_that_is_in_the_log_is_nothing_new_though_a_later_day_was_published(place, made):
    store = place.open()
    first = put(store, made(1))
    put(store, made(3, as_of="2026-11-25"))
    again = put(store, made(1))
    assert (again.record, again.is_new) == (first.record, False)


@pytest.mark.parametrize(("streams", "file"), [(1, 1), (4, -1)], ids=["one", "four at a time"])
def test_a_file_that_is_there_with_other_content_is_a_conflict(near_place, made, streams, file):
    store, version = near_place.open(), made(1)
    store.create(version.manifest.files[file].path, Body.of(b"something else"))
    with pytest.raises(ConflictError, match=r"^conflict: .*is there with other content"):
        put(store, version, streams=streams)
    assert not keys(store, "_commits/")


def test_what_changed_on_the_way_is_found_by_reading_it_back(near_place, made):
    store, version = near_place.open(), made(1)
    file = version.manifest.files[0]
    damaged = bytes([1]) * file.bytes
    store.put(file.path, Body(damaged, file.bytes, file.sha256))  # the store was told another hash
    expected = r"^verification failed: .*1 of 4 files" if near_place.name != "folder" else "^conf"
    with pytest.raises((VerificationError, ConflictError), match=expected):
        put(store, version)
    assert not keys(store, "_commits/")


def test_a_version_marked_for_removal_is_not_published(unchanged, made):
    put_mark(unchanged, made(3).version_id, STARTED)
    try:
        with pytest.raises(ConflictError, match=r"^conflict: .*marked for removal or was removed"):
            put(unchanged, made(3))
    finally:
        unchanged.remove(f"_gc/{made(3).version_id}.json")


def test_a_publisher_that_expects_another_parent_publishes_nothing(near_place, made):
    store = near_place.open()
    put(store, made(1))
    with pytest.raises(ConflictError, match=r"^conflict: the newest record is number 1, not 0"):
        put(store, made(2), expect_parent=0)
    assert [record.seq for record in log.records(store)] == [1]
    assert put(store, made(2), expect_parent=1).is_new


def test_a_pointer_of_an_unknown_format_stops_before_anything_is_written(near_place, made):
    store = near_place.open()
    put(store, made(1))
    store.put("metadata/last_updated.json", Body.of(b'{"format": 2, "min_reader": 2}'))
    before = content(store)
    with pytest.raises(StoreRefusedError, match=r"^store refused: .*format 2 .*Update"):
        put(store, made(2))
    with pytest.raises(StoreRefusedError, match=r"^store refused: .*format 2"):
        first_item(store)
    assert content(store) == before


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"format": 1, "seq": 1}'])
def test_a_damaged_pointer_is_mended_from_the_log(near_place, made, damage):
    store = near_place.open()
    put(store, made(1))
    if damage:
        store.put("metadata/last_updated.json", Body.of(damage))
    else:
        store.remove("metadata/last_updated.json")
    assert first_item(store) == made(1).version_id
    put(store, made(1))
    assert log.read_pointer(store) == log.newest(store)


def test_a_log_that_lost_its_end_is_not_gone_on_with(near_place, made):
    store = near_place.open()
    put(store, made(1))
    put(store, made(2))
    store.remove("_commits/00000000000000000002.json")
    before = content(store)
    with pytest.raises(VerificationError, match=r"names record 2, the log ends at 1: records were"):
        put(store, made(3))
    assert content(store) == before
    store.remove("metadata/last_updated.json")
    assert put(store, made(3)).record.seq == 2


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_written(careless):
    store = careless.open()
    with pytest.raises(
        StoreRefusedError, match=r"^store refused: .*ignores the condition.*--single-writer"
    ):
        require_conditions(store)
    assert keys(store) == []


def test_who_vouches_for_a_single_writer_may_use_such_a_store(careless, made):
    store = careless.open(single_writer=True)
    require_conditions(store)
    put(store, made(1))
    put(store, made(2))
    assert [record.version_id for record in log.records(store)] == [
        made(1).version_id, made(2).version_id
    ]  # fmt: skip


def test_a_store_that_passed_the_probe_is_not_tried_again_on_that_day(place, tmp_path):
    require_conditions(place.open(), tmp_path / "notes")
    faults = Faults()
    require_conditions(place.open(faults), tmp_path / "notes")
    assert faults.names == []


def test_the_flat_view_shows_the_version_that_was_rolled_back_to_under_later_days_too(place, made):
    store = place.open()
    put(store, made(1))
    put(store, made(2))
    assert roll_back(store, publisher="host/test")[1].version_id == made(1).version_id
    flat = [key for key in keys(store, "forecasts/") if key.endswith(".parquet")]
    assert flat == [f"forecasts/forecasts_2026-11-{day}.parquet" for day in (21, 22)]
    local = made(1).results / "versions" / made(1).version_id / flat[0]
    assert {read_small(store, key, limit=LIMIT) for key in flat} == {local.read_bytes()}
    assert first_item(store) == made(1).version_id


def test_two_rollbacks_go_two_versions_back_and_a_number_goes_forward(near_place, made):
    store = near_place.open()
    for number in (1, 2, 3):
        put(store, made(number))
    shown = [roll_back(store, publisher="host/test")[1].version_id for _ in range(2)]
    assert shown == [made(2).version_id, made(1).version_id]
    assert roll_back(store, publisher="host/test", to_seq=3)[1].seq == 6
    assert first_item(store) == made(3).version_id
    with pytest.raises(ConflictError, match="no record number 9, the log has 1 to 6"):
        roll_back(store, publisher="host/test", to_seq=9)


def test_a_rollback_to_a_version_that_is_marked_or_not_whole_is_refused(near_place, made):
    store = near_place.open()
    for number in (1, 2, 3):
        put(store, made(number))
    put_mark(store, made(1).version_id, STARTED)
    store.remove(made(2).manifest.files[0].path)
    before = content(store)
    with pytest.raises(ConflictError, match="marked for removal"):
        roll_back(store, publisher="host/test", to_seq=1)
    with pytest.raises(VerificationError, match=r"^verification failed: .*1 of 4 files"):
        roll_back(store, publisher="host/test", to_seq=2)
    assert content(store) == before


def test_garbage_is_marked_first_and_removed_after_the_grace(place, made):
    store = place.open()
    for number in (1, 2, 3):
        put(store, made(number))
    retention = Retention(versions=1, age=timedelta(days=5), grace=timedelta(hours=24))
    names = [made(number).version_id for number in (1, 2, 3)]
    now = datetime.now(UTC)

    def collect(**after):
        return collect_garbage(store, retention, now=now + timedelta(**after))

    assert collect(days=1).kept == tuple(names)  # all are young
    assert collect(days=10).marked == tuple(names[:2])
    assert collect(days=10, hours=23).waiting == tuple(names[:2])
    done = collect(days=11)
    assert (done.kept, done.removed) == ((names[2],), tuple(names[:2]))
    assert done.bytes > sum(file.bytes for n in (1, 2) for file in made(n).manifest.files)
    assert {key.split("/")[1] for key in keys(store, "versions/")} == {names[2]}
    assert collect(days=12).removed == ()
    assert len(keys(store, "_gc/")) == 2  # tombstones
    assert first_item(store) == names[2]


def test_pinned_versions_stay_and_a_rehearsal_writes_nothing(near_place, made):
    store = near_place.open()
    for number in (1, 2, 3):
        put(store, made(number))
    before = content(store)
    retention = Retention(versions=1, age=timedelta(0), pins=[made(1).version_id])
    now = datetime.now(UTC) + timedelta(days=1)
    rehearsal = collect_garbage(store, retention, now=now, dry_run=True)
    assert content(store) == before
    assert rehearsal.marked == (made(2).version_id,)
    assert rehearsal.kept == (made(1).version_id, made(3).version_id)


def test_a_version_that_comes_back_while_it_is_marked_loses_its_mark_at_once(place, made):
    store = place.open()
    for number in (1, 2):
        put(store, made(number))
    retention = Retention(versions=1, age=timedelta(days=1), grace=timedelta(hours=1))

    def come_back(name):
        """Between the look at the log and the mark, as a rollback that saw no mark."""
        if "_gc/2" in name and name.startswith(("create", "PUT")) and log.newest(store).seq == 2:
            back = log.rollback_record(log.read_record(store, 1), log.newest(store), "host/test")
            assert log.append(store, back)

    faults = Faults(about=come_back)
    later = datetime.now(UTC) + timedelta(days=9)
    done = collect_garbage(place.open(faults), retention, now=later)
    assert (done.marked, keys(store, "_gc/")) == ((), [])
    assert roll_back(store, publisher="host/test", to_seq=1)[1].seq == 3  # nothing to do


def test_gc_passes_over_what_is_not_ours(folder_place, made):
    store = folder_place.open()
    put(store, made(1))
    stray = store.root / "versions" / made(2).version_id / "my notes.txt"
    stray.parent.mkdir()
    stray.write_text("mine")
    (store.root / "_gc").mkdir()
    (store.root / "_gc" / "readme.txt").write_text("mine")
    later = datetime.now(UTC) + timedelta(days=99)
    done = collect_garbage(store, Retention(), now=later)
    assert (done.kept, done.marked) == ((made(1).version_id,), ())
    assert stray.exists()
