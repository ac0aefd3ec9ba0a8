"""The drills have to find the bugs that such a protocol is known to get."""

import pytest

from ml.artifacts import log
from ml.artifacts.folder_store import FolderStore
from ml.artifacts.keys import POINTER, commit_key
from ml.artifacts.log import next_record, record_bytes
from ml.artifacts.store import Body
from pipelines.publish import publishing
from pipelines.publish.s3_store import S3Store
from tests.pipelines.publish import drills


@pytest.fixture
def careless_writes(monkeypatch):
    """Writes without the condition."""

    def folder_create(self, key, body):
        self.put(key, body)
        return True

    def s3_create(self, key, body):
        return self._send(key, body, {})

    monkeypatch.setattr(FolderStore, "create", folder_create)
    monkeypatch.setattr(S3Store, "create", s3_create)


def test_a_lost_publish_is_seen_where_writes_have_no_condition(near_place, made, careless_writes):
    with pytest.raises(AssertionError, match="a publish was lost"):
        drills.overtaken_drill(near_place, made)


def test_a_lost_publish_is_seen_where_the_store_ignores_conditions(careless, made):
    with pytest.raises(AssertionError, match="a publish was lost"):
        drills.overtaken_drill(careless, made)


def test_a_record_that_is_not_known_again_by_its_nonce_is_seen(near_place, made, monkeypatch):
    def append(store, record):
        return store.create(commit_key(record.seq), Body.of(record_bytes(record)))

    monkeypatch.setattr(log, "append", append)
    with pytest.raises(AssertionError, match="refused although nobody else was there"):
        drills.lost_answers_drill(near_place, made)


def test_a_version_that_is_not_looked_for_in_the_log_is_seen(folder_place, made, monkeypatch):
    real, find, drill = log.records, log.find_record, drills.PublishDrill(made)

    def find_for_readers(store, wanted, *, trusting=False):
        return find(store, wanted, trusting=True) if trusting else None

    monkeypatch.setattr(log, "records", lambda store, *span: () if span else real(store))
    monkeypatch.setattr(log, "find_record", find_for_readers)
    with pytest.raises(AssertionError, match="the log has"):
        drills.crash_drill(folder_place, drill)


def test_a_pointer_that_is_moved_before_the_record_is_seen(folder_place, made, monkeypatch):
    append = log.append

    def pointer_first(store, record):
        store.put(POINTER, Body.of(record_bytes(record)))
        return append(store, record)

    monkeypatch.setattr(log, "append", pointer_first)
    with pytest.raises(AssertionError, match="readers are shown what was never committed"):
        drills.crash_drill(folder_place, drills.PublishDrill(made))


def test_a_record_that_is_made_before_the_files_is_seen(folder_place, made, monkeypatch):
    upload = publishing._upload

    def record_first(store, version, progress, streams):
        head = log.newest(store)
        if head is None or head.version_id != version.version_id:
            log.append(store, next_record(version.manifest, head, "host/test"))
        return upload(store, version, progress, streams)

    monkeypatch.setattr(publishing, "_upload", record_first)
    with pytest.raises(AssertionError, match="a version is not whole"):
        drills.crash_drill(folder_place, drills.PublishDrill(made))


def test_a_removal_that_does_not_read_the_log_again_is_seen(near_place, made, monkeypatch):
    records = log.records

    def read_once(store, since=1, until=None):
        return iter(()) if since > 1 and until is None else records(store, since, until)

    monkeypatch.setattr(log, "records", read_once)
    with pytest.raises(AssertionError, match="a version is not whole"):
        drills.sweep_race_drill(near_place, made)
