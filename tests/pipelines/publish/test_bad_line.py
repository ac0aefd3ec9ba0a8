"""Large objects on a slow line, and answers that are lost for good."""

import os
import secrets
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from ml.artifacts import log
from ml.artifacts.errors import OutcomeUnknownError, UnreachableError
from ml.artifacts.store import Body, read_small
from pipelines.publish.probe import probe
from pipelines.publish.publishing import publish
from pipelines.publish.rollback import PendingRollback, roll_back
from pipelines.publish.s3_connection import RetryPolicy
from pipelines.publish.s3_store import S3Store
from pipelines.publish.s3_target import S3Target
from tests.pipelines.publish import drills
from tests.pipelines.publish.bad_line import BadLine
from tests.pipelines.publish.conftest import place_of
from tests.pipelines.publish.faults import BreakingPool
from tests.pipelines.publish.line_drills import failing_disk, one_try
from tests.pipelines.publish.places import AT_ONCE, LIMIT, copy_of
from tests.pipelines.publish.versions import make_version, version_id

FULL = bool(os.environ.get("DRILLS"))
SERVERS = ["minio", "rgw"] if FULL else ["minio"]
RATE = 1_000_000 if FULL else 6_000_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", SERVERS)
def test_40_mb_are_published_over_a_slow_line_in_a_bandwidth_drill(kind, request, tmp_path):
    """Here at 6 MB/s to MinIO, in 30 seconds; by `make drills` at 1 MB/s, to Ceph RGW as well."""
    size = 40_000_000
    items = sorted(secrets.token_hex(32) for _ in range(size // 34))  # packed, 34 bytes each
    version = make_version(tmp_path / "results", version_id(1), names=items)
    assert version.manifest.size > size
    place = place_of(kind, request, tmp_path)
    with BadLine(f"http://{place.target.endpoint}", rate=RATE) as line:
        slow = replace(place, target=replace(place.target, endpoint=line.endpoint))
        assert publish(slow.open(), version, publisher="host/test", streams=4).is_new
    assert drills.served(place.open()) == version.version_id


@contextmanager
def through(place, harm, name):
    """A store at the end of a line that harms the first request whose name holds a text."""
    with BadLine(f"http://{place.target.endpoint}", harm=harm, harmed=name) as line, one_try():
        yield replace(place, target=replace(place.target, endpoint=line.endpoint)).open()


@pytest.fixture(params=["fake", "minio"])
def s3(request, tmp_path):
    return place_of(request.param, request, tmp_path)


RECORD = "PUT", "_commits/"


@pytest.mark.parametrize("harm", ["lose for good", "cut for good", "late for good"])
def test_an_answer_to_the_record_that_is_lost_for_good_is_an_unknown_outcome(s3, made, harm):
    unknown = r"^outcome unknown: .*Whether record 1, .*, was created is not known: run --verify"
    with through(s3, harm, RECORD) as store, pytest.raises(OutcomeUnknownError, match=unknown):
        drills.put(store, made(1))
    done = drills.put(s3.open(), made(1))
    assert done.is_new == (harm != "lose for good")
    drills.log_is(s3.open(), [made(1).version_id])


def test_a_store_that_goes_away_before_the_record_was_unreachable_and_nothing_changed(s3, made):
    away = pytest.raises(UnreachableError, match=r"^unreachable: ")
    with through(s3, "lose for good", ("PUT", "manifest.json")) as store, away:
        drills.put(store, made(1))
    assert log.newest(s3.open()) is None


def test_a_store_that_goes_away_after_the_record_is_said_to_have_it(s3, made):
    told = pytest.raises(OutcomeUnknownError, match="The version is committed and whole, but")
    with through(s3, "lose for good", ("PUT", "last_updated.json")) as store, told:
        drills.put(store, made(1))
    assert drills.served(s3.open()) == made(1).version_id


@pytest.mark.parametrize("harm", ["lose for good", "cut for good", "late for good"])
def test_a_rollback_that_is_repeated_after_a_lost_answer_goes_one_version_back(
    s3, made, tmp_path, harm
):
    for number in (1, 2, 3):
        drills.put(s3.open(), made(number))
    note = PendingRollback(s3.open(), tmp_path)
    told = pytest.raises(OutcomeUnknownError, match=r"not known: .* --rollback --to-seq 2\.$")
    with through(s3, harm, RECORD) as store, told:
        roll_back(store, publisher="host/test", note=replace(note, store=s3.open()))
    for _ in range(2):  # as told, and once more before anybody has heard of it
        before, record = roll_back(s3.open(), publisher="host/test", note=note)
        assert (before.seq, record.seq) == (3, 4)
    names = [made(number).version_id for number in (1, 2, 3, 2)]
    drills.log_is(s3.open(), names)
    note.forget()
    assert roll_back(s3.open(), publisher="host/test")[1].version_id == names[0]


def test_a_rollback_after_which_somebody_published_is_not_repeated(s3, made, tmp_path):
    for number in (1, 2):
        drills.put(s3.open(), made(number))
    note = PendingRollback(s3.open(), tmp_path)
    with through(s3, "lose for good", RECORD) as store, pytest.raises(OutcomeUnknownError):
        roll_back(store, publisher="host/test", note=replace(note, store=s3.open()))
    drills.put(s3.open(), made(3))
    assert roll_back(s3.open(), publisher="host/test", note=note)[1].seq == 3
    drills.log_is(s3.open(), [made(number).version_id for number in (1, 2, 1, 3)])


def test_lost_answers_do_not_make_a_store_one_without_conditions(s3):
    for harm in ("lose", "late"):
        for number in range(8):
            with BadLine(f"http://{s3.target.endpoint}", step=number, harm=harm) as line:
                target = replace(s3.target, endpoint=line.endpoint)
                assert probe(replace(s3, target=target).open()) is None


def test_a_long_body_that_got_through_is_not_sent_again(s3):
    body = Body.of(os.urandom(3_000_000))
    with BadLine(f"http://{s3.target.endpoint}", step=0, harm="lose") as line:
        target = replace(s3.target, endpoint=line.endpoint)
        assert not replace(s3, target=target).open().create("versions/x", body)
        assert [name.split()[0] for name in line.names] == ["PUT", "HEAD"]
    assert s3.open().head("versions/x").sha256 == body.sha256


def test_a_read_goes_on_as_long_as_it_gets_further(s3):
    content = os.urandom(12_000_000)
    assert s3.open().create("versions/x", Body.of(content))
    pool = BreakingPool()
    store = S3Store(s3.target, pool=pool, retries=AT_ONCE)
    blocks, got = store.get("versions/x", limit=LIMIT), b""
    while len(got) < len(content):
        got += next(blocks)
    assert got == content
    assert len(pool.starts) == 12


def test_a_tls_connection_that_breaks_off_is_tried_again():
    pauses = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(10_000)  # its hello

        threading.Thread(target=hang_up, daemon=True).start()
        endpoint = f"127.0.0.1:{server.getsockname()[1]}"
        target = S3Target(endpoint, "results", "id", "key", secure=True)
        store = S3Store(target, retries=RetryPolicy(seconds=3.0, pause=pauses.append))
        with pytest.raises(UnreachableError, match=r"reading versions/x: the connection broke off"):
            read_small(store, "versions/x", limit=LIMIT)
        server.shutdown(socket.SHUT_RDWR)
    assert pauses


def test_a_disk_that_fails_when_the_record_has_its_name_is_an_unknown_outcome(folder_place, made):
    drills.put(folder_place.open(), made(1))
    other = copy_of(folder_place).open()
    record = log.next_record(made(2).manifest, log.newest(other), "host/test")
    with failing_disk(None, None) as rehearsal:
        assert log.append(other, record)
    link, io_error = rehearsal.names.index("link"), "Input/output error"
    unknown = pytest.raises(OutcomeUnknownError, match=io_error)
    with failing_disk(link, "damaged after"), unknown:
        log.append(folder_place.open(), record)
    assert log.read_record(folder_place.open(), 2) == record
    again = replace(record, seq=3)
    with failing_disk(link, "damaged"), pytest.raises(UnreachableError, match=io_error):
        log.append(folder_place.open(), again)
