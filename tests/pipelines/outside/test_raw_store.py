"""What was fetched stays, byte for byte, and can be read again without a network."""

import gzip
import hashlib
import sqlite3
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ml.errors import DataError, PublishError
from pipelines.outside.ledger import FILE, insert_run, ledger
from pipelines.outside.raw_store import LoggedAnswer, RawStore
from pipelines.sources.base import Call
from pipelines.sources.exchange import FetchResult, Validators

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
        return FetchResult(**given | facts)

    return make


def nothing(outcome, status):
    return FetchResult(outcome, status, None, "", None, None, None, 0)


def take(store, call, fetched, day=DAY, reason=None):
    answer = store.keep(call, fetched, day)
    store.log(call, fetched, day, reason=reason)
    return answer


def read(store):
    """The bytes of all answers in order."""
    return [store.body(one).read() for one in store.answers(["bank"])]


def test_an_answer_gives_back_what_came_and_what_was_asked(store, fetched):
    body = b"[1, 2]"
    sha256 = hashlib.sha256(body).hexdigest()
    answer = take(store, CALL, fetched(body))
    (one,) = RawStore(store.root).answers(["bank"])
    assert one == LoggedAnswer(
        1, CALL, DAY, "data", answer.body, sha256, "application/json", None
    )  # fmt: skip
    assert RawStore(store.root).body(one) == answer
    assert answer.read() == body
    assert (answer.day, answer.content_type) == (DAY, "application/json")
    assert answer.body == store.root / "bank" / "bodies" / f"{sha256}.json.gz"


def test_the_ledger_says_all_there_is_to_know_for_any_reader_of_sqlite(store, fetched):
    take(store, CALL, fetched(b"[1]"))
    db = sqlite3.connect(store.root / FILE)
    db.row_factory = sqlite3.Row
    (row,) = map(dict, db.execute("SELECT * FROM answers"))
    db.close()
    sha256 = hashlib.sha256(b"[1]").hexdigest()
    assert datetime.fromisoformat(row.pop("retrieved_at")).utcoffset() == timedelta(0)
    assert row == {
        "id": 1, "base": "http://bank", "target": "/dados?x='ção'", "form": "null",
        "series": '["ipca"]', "media": "json", "context": '{"code": 433}', "conditional": 0,
        "source": "bank", "day": "2026-11-20", "outcome": "data", "status": 200, "etag": '"v1"',
        "last_modified": None, "content_type": "application/json", "sha256": sha256, "bytes": 3,
        "file": f"bank/bodies/{sha256}.json.gz", "reason": None,
    }  # fmt: skip


def test_answers_that_are_in_the_tables_of_a_domain_are_passed_over_for_it(store, fetched):
    take(store, CALL, fetched(b"[1]"))
    take(store, CALL, fetched(b"[2]"))
    with ledger(store.root) as db:
        insert_run(db, "economic", DAY, answers=[1], windows=[])
    (one,) = store.answers(["bank"], not_in="economic")
    assert store.body(one).read() == b"[2]"
    assert [one.number for one in store.answers(["bank"], not_in="prices")] == [1, 2]
    assert [one.number for one in store.answers(["bank"])] == [1, 2]
    assert store.answers(["post"]) == []
    assert {*store.seen} == {1, 2}


def test_answers_without_a_body_are_kept_too(store, fetched):
    take(store, CALL, fetched())
    for outcome, status in (("unchanged", 304), ("no_data", 404)):
        store.log(CALL, nothing(outcome, status), DAY)
    assert [(one.outcome, one.body is None) for one in store.answers(["bank"])] == [
        ("data", False), ("unchanged", True), ("no_data", True),
    ]  # fmt: skip


def test_a_rejected_answer_is_kept_with_its_reason(store, fetched):
    take(store, CALL, fetched(b"<html>"), reason="bank: ipca: an HTML page")
    (one,) = store.answers(["bank"])
    assert (one.outcome, one.reason) == ("rejected", "bank: ipca: an HTML page")
    assert store.body(one).read() == b"<html>"


def test_a_post_is_remembered_with_its_form(store, fetched):
    call = Call("bank", "http://bank", "/export", ("a",), "json", form=(("uf", "BA"), ("n", "1")))
    take(store, call, fetched())
    assert store.answers(["bank"])[0].call == call


def test_a_key_is_neither_in_the_ledger_nor_in_the_reason(store, fetched):
    call = Call("bank", "http://bank", "/q", ("a",), "json", secret=("key", SecretStr("S3CRET")))
    take(store, call, fetched(), reason="your key S3CRET is wrong")
    assert b"S3CRET" not in (store.root / FILE).read_bytes()
    assert store.answers(["bank"])[0].reason == "your key *** is wrong"


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
    assert [one.day for one in store.answers(["bank"])] == [DAY, DAY + timedelta(days=1)]


def test_a_zip_is_kept_as_it_came_and_its_temporary_file_is_gone(store, fetched, tmp_path):
    call = Call("bank", "http://bank", "/a.zip", ("a",), "zip")
    answer = take(store, call, fetched(b"PK\3\4..."))
    assert answer.body.name.endswith(".zip")
    assert answer.body.read_bytes() == answer.read() == b"PK\3\4..."
    assert not (tmp_path / "scratch.body").exists()


def test_an_answer_without_a_body_cannot_be_kept(store):
    with pytest.raises(ValueError, match="'unchanged' has no body"):
        store.keep(CALL, nothing("unchanged", 304), DAY)


def test_nothing_is_known_of_a_source_that_was_never_asked(store):
    assert store.answers(["bank"]) == []
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
        read(RawStore(store.root))


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
        read(RawStore(store.root))
    again = RawStore(store.root)
    take(again, CALL, fetched())
    assert read(again) == [b"[1]", b"[1]"]


LEDGERS = {"no database": b"PAR1 no more", "a damaged page": None}


@pytest.mark.parametrize("content", LEDGERS.values(), ids=LEDGERS)
def test_a_damaged_ledger_is_one_line_that_says_what_to_do(store, fetched, content):
    take(store, CALL, fetched())
    path = store.root / FILE
    whole = path.read_bytes()
    path.write_bytes(content or whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(
        DataError, match=r"ledger.sqlite: is damaged \(.*\)\. Put it back from a copy"
    ):
        store.answers(["bank"])
    path.unlink()
    take(store, CALL, fetched())
    assert read(store) == [b"[1]"]


def test_a_ledger_of_newer_code_is_left_alone(store, fetched):
    take(store, CALL, fetched())
    with ledger(store.root) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(DataError, match="was written by newer code"):
        store.answers(["bank"])


def test_a_change_of_the_ledger_that_fails_is_taken_back(store, fetched):
    take(store, CALL, fetched())
    with pytest.raises(AttributeError), ledger(store.root) as db:
        insert_run(db, "economic", DAY, answers=[1], windows=[(("ipca", None), "no day")])
    assert len(store.answers(["bank"], not_in="economic")) == 1


def test_a_disk_that_takes_nothing_is_one_line(store, fetched, tmp_path):
    (tmp_path / "raw").write_text("a file where the folder should be")
    with pytest.raises(PublishError, match=r"keeping an answer of bank: .*Correct that"):
        store.keep(CALL, fetched(), DAY)


def look_often(root, scratch, name):
    """What each of two commands does in a process of its own."""
    store = RawStore(root)
    for number in range(10):
        body = f"[{number}]".encode()
        path = scratch / f"{name}.body"
        path.write_bytes(body)
        sha256 = hashlib.sha256(body).hexdigest()
        take(store, CALL, FetchResult("data", 200, path, "", None, None, sha256, len(body)))


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
    answers = store.answers(["bank"])
    assert [one.number for one in answers] == [*range(1, 21)]
    assert {*read(store)} == {f"[{n}]".encode() for n in range(10)}
