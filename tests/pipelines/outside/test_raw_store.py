"""What was fetched stays, byte for byte, and can be read again without a network."""

import gzip
import hashlib
import json
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ml.errors import DataError, PublishError
from ml.logs import logging_to
from pipelines.outside.raw_log import turn
from pipelines.outside.raw_store import Look, RawStore
from pipelines.sources.base import Call
from pipelines.sources.client import Fetched, Validators

ROOT = Path(__file__).resolve().parents[3]
DAY = date(2026, 11, 20)
CALL = Call("bank", "http://bank", "/dados?x='ção'", ("ipca",), "json", context={"code": 433})


@pytest.fixture
def store(tmp_path):
    return RawStore(tmp_path / "raw")


@pytest.fixture
def fetched(tmp_path):
    """Makes what the client gives for a body."""

    def make(body=b"[1]", **facts):
        path = tmp_path / "scratch.body"
        path.write_bytes(body)
        given = {
            "outcome": "data", "status": 200, "body": path, "content_type": "application/json",
            "etag": '"v1"', "last_modified": None, "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
        }  # fmt: skip
        return Fetched(**given | facts)

    return make


def nothing(outcome, status):
    return Fetched(outcome, status, None, "", None, None, None, 0)


def take(store, call, fetched, day=DAY, reason=None):
    answer = store.keep(call, fetched, day)
    store.log(call, fetched, day, reason=reason)
    return answer


def lines(tmp_path):
    return (tmp_path / "raw" / "bank" / "log.jsonl").read_text().splitlines()


def test_a_look_gives_back_what_came_and_what_was_asked(store, fetched):
    before = datetime.now(UTC)
    answer = take(store, CALL, fetched(b"[1, 2]"))
    (look,) = RawStore(store._root).looks("bank")
    assert look == Look(CALL, DAY, look.retrieved_at, "data", answer, None)
    assert before <= look.retrieved_at <= datetime.now(UTC)
    assert look.retrieved_at.utcoffset() == timedelta(0)
    assert look.answer.read() == b"[1, 2]"
    assert (look.answer.day, look.answer.content_type) == (DAY, "application/json")


def test_a_line_says_all_there_is_to_know(store, fetched, tmp_path):
    body = b"[1]"
    take(store, CALL, fetched(body))
    line = json.loads(lines(tmp_path)[0])
    sha256 = hashlib.sha256(body).hexdigest()
    assert datetime.fromisoformat(line.pop("retrieved_at")).utcoffset() == timedelta(0)
    assert line == {
        "url": "http://bank/dados?x='ção'", "base": "http://bank", "target": "/dados?x='ção'",
        "form": None, "series": ["ipca"], "media": "json", "context": {"code": 433},
        "conditional": False, "source": "bank", "day": "2026-11-20", "outcome": "data",
        "status": 200, "etag": '"v1"', "last_modified": None, "content_type": "application/json",
        "sha256": sha256, "bytes": 3, "file": f"bank/bodies/{sha256}.json.gz", "reason": None,
    }  # fmt: skip


def test_looks_that_were_read_before_are_passed_over_and_their_bodies_left_unopened(store, fetched):
    old = take(store, CALL, fetched(b"[1]"))
    take(store, CALL, fetched(b"[2]"))
    old.body.write_bytes(b"damaged")
    (look,) = RawStore(store._root).looks("bank", start=1)
    assert look.answer.read() == b"[2]"
    assert RawStore(store._root).looks("bank", start=2) == []


def test_looks_without_a_body_are_kept_too(store, fetched):
    take(store, CALL, fetched())
    for outcome, status in (("unchanged", 304), ("no_data", 404)):
        store.log(CALL, nothing(outcome, status), DAY)
    assert [(look.outcome, look.answer is None) for look in store.looks("bank")] == [
        ("data", False), ("unchanged", True), ("no_data", True),
    ]  # fmt: skip


def test_a_rejected_answer_is_kept_with_its_reason(store, fetched, tmp_path):
    take(store, CALL, fetched(b"<html>"), reason="bank: ipca: an HTML page")
    (look,) = store.looks("bank")
    assert (look.outcome, look.reason) == ("rejected", "bank: ipca: an HTML page")
    assert look.answer.read() == b"<html>"
    look.answer.body.unlink()  # nobody needs it
    assert store.looks("bank")[0].answer is None


def test_a_post_is_remembered_with_its_form(store, fetched):
    call = Call("bank", "http://bank", "/export", ("a",), "json", form=(("uf", "BA"), ("n", "1")))
    take(store, call, fetched())
    assert store.looks("bank")[0].call == call


def test_a_key_is_neither_in_the_log_nor_in_the_reason(store, fetched, tmp_path):
    call = Call("bank", "http://bank", "/q", ("a",), "json", secret=("key", SecretStr("S3CRET")))
    take(store, call, fetched(), reason="your key S3CRET is wrong")
    assert "S3CRET" not in lines(tmp_path)[0]
    assert store.looks("bank")[0].reason == "your key *** is wrong"


def test_the_same_body_is_one_file_with_the_same_bytes(store, fetched, tmp_path):
    first = take(store, CALL, fetched(b"[1]"))
    stored = first.body.read_bytes()
    second = take(store, CALL, fetched(b"[1]"), DAY + timedelta(days=1))
    assert second.body == first.body
    assert list(first.body.parent.iterdir()) == [first.body]
    other = RawStore(tmp_path / "other")
    assert take(other, CALL, fetched(b"[1]")).body.read_bytes() == stored
    assert gzip.decompress(stored) == b"[1]"
    assert stored[4:8] == b"\0\0\0\0"  # no time of writing (RFC 1952, MTIME)
    assert [look.day for look in store.looks("bank")] == [DAY, DAY + timedelta(days=1)]


def test_a_zip_is_kept_as_it_came(store, fetched):
    call = Call("bank", "http://bank", "/a.zip", ("a",), "zip")
    answer = take(store, call, fetched(b"PK\3\4..."))
    assert answer.body.name.endswith(".zip")
    assert answer.body.read_bytes() == answer.read() == b"PK\3\4..."


def test_the_temporary_file_is_gone_afterwards(store, fetched, tmp_path):
    take(store, CALL, fetched())
    assert not (tmp_path / "scratch.body").exists()


def test_an_answer_without_a_body_cannot_be_kept(store):
    with pytest.raises(ValueError, match="'unchanged' has no body"):
        store.keep(CALL, nothing("unchanged", 304), DAY)


def test_nothing_is_known_of_a_source_that_was_never_asked(store):
    assert store.looks("bank") == []
    assert store.validators(CALL) is None


def test_validators_are_those_of_the_newest_data_of_the_same_request(store, fetched):
    other = Call("bank", "http://bank", "/other", ("ipca",), "json")
    take(store, CALL, fetched(b"[1]", etag='"v1"'))
    take(store, CALL, fetched(b"[2]", etag='"v2"', last_modified="Thu, 06 Mar 2025"))
    take(store, CALL, fetched(b"<html>", etag='"bad"'), reason="a page")
    take(store, other, fetched(b"[3]", etag='"v3"'))
    store.log(CALL, nothing("unchanged", 304), DAY)
    assert store.validators(CALL) == Validators('"v2"', "Thu, 06 Mar 2025")
    assert store.validators(other) == Validators('"v3"', None)


def test_data_without_validators_or_without_its_body_is_fetched_whole(store, fetched):
    take(store, CALL, fetched(b"[1]", etag=None))
    assert store.validators(CALL) is None
    answer = take(store, CALL, fetched(b"[2]"))
    assert store.validators(CALL) is not None
    answer.body.unlink()
    assert store.validators(CALL) is None


def test_a_missing_body_is_named(store, fetched):
    answer = take(store, CALL, fetched())
    answer.body.unlink()
    with pytest.raises(DataError, match=rf"'{answer.body}' is missing\. Put it back .* or remove"):
        RawStore(store._root).looks("bank")


STORED = gzip.compress(b"[1]", mtime=0)
DAMAGED = {
    "other content": gzip.compress(b"[2]"),
    "cut short": STORED[:-9],
    "a changed byte": STORED[:11] + bytes([STORED[11] ^ 0xFF]) + STORED[12:],
    "no gzip": b"[1]",
    "empty": b"",
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_body_is_named_and_healed_by_fetching_it_again(store, fetched, damaged):
    answer = take(store, CALL, fetched())
    answer.body.write_bytes(damaged)
    with pytest.raises(DataError, match=rf"'{answer.body}' does not hold what its name says"):
        RawStore(store._root).looks("bank")
    again = RawStore(store._root)
    take(again, CALL, fetched())
    assert [look.answer.read() for look in again.looks("bank")] == [b"[1]", b"[1]"]


def test_a_torn_line_is_passed_over_and_the_next_one_starts_anew(store, fetched, tmp_path):
    take(store, CALL, fetched(b"[1]"))
    log = tmp_path / "raw" / "bank" / "log.jsonl"
    whole = log.read_bytes()
    take(store, CALL, fetched(b"[2]"))
    second = log.read_bytes()[len(whole) :]
    for length in range(1, len(second) - 1, 50):
        log.write_bytes(whole + second[:length])
        assert len(store.looks("bank")) == 1
        take(store, CALL, fetched(b"[3]"))
        assert [look.answer.read() for look in store.looks("bank")] == [b"[1]", b"[3]"]


def test_a_torn_line_is_told_to_the_log_of_the_run(store, fetched, tmp_path):
    take(store, CALL, fetched())
    log = tmp_path / "raw" / "bank" / "log.jsonl"
    log.write_bytes(log.read_bytes() + b'{"url": "http:\xc3')
    with logging_to(tmp_path / "logs", "test", "run") as run_log:
        store.looks("bank")
    told = json.loads(run_log.read_text())
    assert (told["event"], told["line"]) == ("raw_log_line_is_torn", 2)


def test_what_a_crash_left_half_written_is_written_again(store, fetched):
    answer = take(store, CALL, fetched())
    part = answer.body.with_name(answer.body.name + ".part")
    answer.body.rename(part)
    part.write_bytes(b"half")
    assert take(store, CALL, fetched()).read() == b"[1]"
    assert list(answer.body.parent.iterdir()) == [answer.body]


def test_a_disk_that_takes_nothing_is_one_line(store, fetched, tmp_path):
    (tmp_path / "raw").write_text("a file where the folder should be")
    with pytest.raises(PublishError, match=r"keeping an answer of bank: .*Correct that"):
        store.keep(CALL, fetched(), DAY)


def look_often(root, scratch, name):
    """What each of two commands does in a process of its own."""
    store = RawStore(root)
    for number in range(20):
        body = f"[{number}]".encode()
        path = scratch / f"{name}.body"
        path.write_bytes(body)
        sha256 = hashlib.sha256(body).hexdigest()
        take(store, CALL, Fetched("data", 200, path, "", None, None, sha256, len(body)))


def test_commands_at_the_same_time_take_turns(store, tmp_path):
    code = (
        "import sys; from pathlib import Path; "
        "from tests.pipelines.outside.test_raw_store import look_often; "
        "look_often(Path(sys.argv[1], 'raw'), Path(sys.argv[1]), sys.argv[2])"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, name], cwd=ROOT) for name in "ab"
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    looks = store.looks("bank")
    assert len(looks) == len(lines(tmp_path)) == 40
    assert {look.answer.read() for look in looks} == {f"[{n}]".encode() for n in range(20)}


@pytest.mark.parametrize("writing", ["keep", "log"])
def test_a_writer_waits_for_its_turn(store, fetched, tmp_path, writing):
    taken = fetched()
    work = threading.Thread(target=getattr(store, writing), args=(CALL, taken, DAY))
    with turn(tmp_path / "raw" / "bank"):
        work.start()
        work.join(0.05)
        assert work.is_alive()
        assert not list((tmp_path / "raw" / "bank").glob("[!.]*"))
    work.join(10)
    assert not work.is_alive()
    assert list((tmp_path / "raw" / "bank").glob("[!.]*"))
