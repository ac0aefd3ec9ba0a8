"""The whole past beside the versions: sent once, read by hash, and there when versions are not."""

from datetime import UTC, datetime, timedelta

import pytest

from ml.artifacts import log
from ml.artifacts.errors import ConflictError, VerificationError
from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import past_key
from ml.artifacts.reading import verify
from ml.artifacts.store import Body, read_small
from ml.artifacts.version import verify_version
from ml.errors import DataError
from pipelines.publish.collect_garbage import Retention, collect_garbage
from pipelines.publish.doctor import examine
from pipelines.publish.probe import require_rights
from pipelines.publish.reader import fetch_version, open_ml_results
from pipelines.publish.repair import repair
from tests.pipelines.publish.drills import put
from tests.pipelines.publish.faults import Died, Faults
from tests.pipelines.publish.places import LIMIT, keys
from tests.pipelines.publish.versions import make_version, version_id

IDS = [version_id(number, days=number) for number in (1, 2, 3)]
FILES = [past_key("scores", version) for version in IDS]


@pytest.fixture
def nights(tmp_path):
    """Three versions of one results folder, each of which adds to the past."""
    results, made, past = tmp_path / "results", [], ()
    for version in IDS:
        made.append(make_version(results, version, past=past))
        past = made[-1].manifest.past
    return made


def past_of(store, version=None):
    return open_ml_results(store, version).read_past("scores")["item_id"].to_pylist()


def test_a_version_names_the_whole_past_and_adds_its_own(nights, tmp_path):
    results = tmp_path / "results"
    assert [[file.path for file in one.manifest.past] for one in nights] == [
        FILES[:1], FILES[:2], FILES
    ]  # fmt: skip
    assert [verify_version(results, version) for version in IDS] == [[], [], []]
    assert past_of(results) == IDS
    assert past_of(results, IDS[1]) == IDS[:2]
    assert not list((results / ".staging").iterdir())
    with pytest.raises(DataError, match=r"names no past of 'forecasts', only of \['scores'\]"):
        open_ml_results(results).read_past("forecasts")


def test_the_past_of_versions_that_were_never_published_is_sent_with_the_newest(place, nights):
    store = place.open()
    done = put(store, nights[2])
    assert [file.path for file in done.sent if file.dataset == "scores"] == FILES
    assert verify(store, nights[2].manifest) == []
    assert past_of(store) == IDS
    assert put(store, nights[2]).sent == ()


def test_what_is_there_of_the_past_is_not_sent_again(near_place, nights):
    store = near_place.open()
    put(store, nights[0])
    sent = [file.path for file in put(store, nights[1]).sent]
    assert FILES[1] in sent
    assert FILES[0] not in sent


def test_other_content_under_the_name_of_a_past_stops_the_publish(near_place, nights):
    store = near_place.open()
    store.create(FILES[1], Body.of(b"of somebody else"))
    with pytest.raises(ConflictError, match=f"{FILES[1]} is there with other content"):
        put(store, nights[2])
    assert log.newest(store) is None


def test_a_past_that_is_lost_here_is_named_unless_the_store_has_it(near_place, nights, tmp_path):
    lost = tmp_path / "results" / FILES[0]
    content = lost.read_bytes()
    lost.unlink()
    store = near_place.open()
    with pytest.raises(
        VerificationError, match=f"1 of 3 files of the past are missing: .{FILES[0]}"
    ):
        put(store, nights[2])
    other = near_place.fresh().open()
    other.create(FILES[0], Body.of(content))
    assert put(other, nights[2]).is_new


def test_the_past_outlives_its_versions(near_place, nights, tmp_path):
    store = near_place.open()
    for night in nights:
        put(store, night)
    retention = Retention(versions=1, age=timedelta(0), grace=timedelta(0))
    for place in (store, results_store(tmp_path / "results")):
        for day in (1, 2):
            collect_garbage(place, retention, now=datetime(2099, 1, day, tzinfo=UTC))
        assert {key.split("/")[1] for key in keys(place, "versions/")} == {IDS[2]}
        assert [key for key in keys(place, "history/") if key.count("/") == 2] == FILES
        assert past_of(place) == IDS


def test_a_damaged_past_is_found_and_put_back(near_place, nights, tmp_path):
    store, local = near_place.open(), results_store(tmp_path / "results")
    record = put(store, nights[2]).record
    store.put(FILES[2], Body.of(b"damaged"))
    assert verify(store, nights[2].manifest) == [
        f"{FILES[2]}: other content (7 bytes) than written"
    ]
    assert any(FILES[2] in finding.text for finding in examine(store))
    assert repair(store, record, local).restored == (FILES[2],)
    assert verify(store, nights[2].manifest) == []


def test_a_mirror_holds_the_version_alone(near_place, nights, tmp_path):
    store = near_place.open()
    put(store, nights[2])
    for _ in range(2):
        fetch_version(tmp_path / "mirror", store=store)
    assert not (tmp_path / "mirror" / "history").exists()


def test_a_crash_at_any_request_leaves_nothing_that_the_next_publish_cannot_finish(
    folder_place, nights
):
    for step in range(200):
        place = folder_place.fresh()
        try:
            put(place.open(Faults(step)), nights[2])
        except Died:
            pass
        else:
            break
        store = place.open()
        newest = log.newest(store)
        assert newest is None or verify(store, log.record_manifest(store, newest)) == []
        put(store, nights[2])
        assert past_of(store) == IDS
    assert step > 10


def test_what_was_asked_for_before_the_work_is_the_right_to_add_to_the_past(near_place, nights):
    store = near_place.open()
    put(store, nights[2])
    before = read_small(store, FILES[2], limit=LIMIT)
    faults = Faults()
    require_rights(near_place.open(faults))
    assert any(FILES[2] in str(name) for name in faults.names)
    assert read_small(store, FILES[2], limit=LIMIT) == before
