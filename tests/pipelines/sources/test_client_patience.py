"""When the client tries again, how long it waits, and when it gives up."""

import contextlib
import gzip
import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from pipelines.sources import client as client_module
from pipelines.sources.base import Call, NoAnswerError, SourceError
from pipelines.sources.client import Client, Deadline
from pipelines.sources.exchange import FAST, RefusedError, _follow, excuse_fast, retry_after
from tests.pipelines.sources.replay import NO_ANSWER, Replay, Reply

GOOD = Reply(body=b"{}")
NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def call_of(server, target="/a", **facts):
    given = {"source": "bank", "series": ("ipca",), "media": "json", **facts}
    return Call(base=server.base, target=target, **given)


class Clock:
    """A clock that only sleeping moves, and what was slept."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def patient(tmp_path, clock):
    """A client of the default time limit whose waiting takes no time."""
    with Client(
        time_limit=210, scratch=tmp_path / "scratch", clock=clock, sleep=clock.sleep
    ) as client:
        yield client


PASSING = {
    "500": Reply(500),
    "502": Reply(502),
    "503": Reply(503),
    "504": Reply(504, b"<html>gateway</html>"),
    "408": Reply(408),
    "429 in plain text": Reply(429, b"Edge: Too Many Requests"),
    "no answer": Reply(NO_ANSWER),
    "empty body": Reply(200),
    "cut body": Reply(body=b"x" * 1000, drop_after=400),
    "cut after the headers": Reply(body=b"x" * 1000, drop_after=0),
    "cut chunks": Reply(body=b"x" * 50, headers={"Transfer-Encoding": "chunked"}, drop_after=20),
    "broken compression": Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_may_pass_is_tried_again(server, patient, fault, tmp_path):
    server.routes["/a"] = [fault, fault, fault, GOOD]
    assert patient.fetch(call_of(server), pause=0).body.read_bytes() == b"{}"
    assert len(server.log) == 4
    assert len(list((tmp_path / "scratch").iterdir())) == 1  # nothing of the others is left


CAUSES = {
    "500": "answered 500 Internal Server Error",
    "429 in plain text": "answered 429 Too Many Requests: Edge: Too Many Requests",
    "no answer": "connection failed: ",
    "empty body": "an empty body",
    "cut body": "connection failed: .*400.*1000",
}


@pytest.mark.parametrize("name", CAUSES)
def test_four_tries_are_enough_and_the_last_cause_is_told(server, patient, name):
    server.routes["/a"] = PASSING[name]
    with pytest.raises(
        NoAnswerError, match=rf"^bank: ipca: {server.host}: {CAUSES[name]}.* \(4 of 4 tries\)$"
    ):
        patient.fetch(call_of(server), pause=0)
    assert len(server.log) == 4


def test_a_refused_connection_is_tried_again(patient, clock):
    with Replay() as gone:
        call = call_of(gone)
    with pytest.raises(NoAnswerError, match=r"refused \(4 of 4 tries\)"):
        patient.fetch(call, pause=0)
    assert len(clock.slept) == 3


def test_pauses_between_tries_double_and_differ_by_up_to_a_half(server, patient, clock):
    server.routes["/a"] = Reply(500)
    with pytest.raises(NoAnswerError, match="500"):
        patient.fetch(call_of(server), pause=0)
    for slept, least in zip(clock.slept, (2, 4, 8), strict=True):
        assert least <= slept <= 1.5 * least


def test_a_whole_compressed_body_is_given_uncompressed(server, patient):
    server.routes["/a"] = Reply(body=gzip.compress(b"[1]"), headers={"Content-Encoding": "gzip"})
    fetched = patient.fetch(call_of(server), pause=0)
    assert (fetched.body.read_bytes(), fetched.bytes) == (b"[1]", 3)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Fri, 20 Nov 2026 12:01:30 GMT", 90.0),
        ("Fri, 20 Nov 2026 12:01:30 -0000", 90.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),  # over
        ("soon", 0.0),
        ("-5", 0.0),
        ("", 0.0),
    ],
)
def test_a_server_says_in_two_forms_when_to_come_back(header, seconds):
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_a_server_asks_for_is_kept(server, patient, clock, status):
    server.routes["/a"] = [Reply(status, headers={"Retry-After": "77"}), GOOD]
    assert patient.fetch(call_of(server), pause=0).outcome == "data"
    assert clock.slept == [77.0]


def test_pauses_that_a_server_asks_for_are_not_its_share_of_the_time(server, patient, clock):
    busy = Reply(503, headers={"Retry-After": "60"})
    server.routes["/a"] = [busy, busy, busy, GOOD]  # 180 of 210 s; its share is 105 s
    assert patient.fetch(call_of(server), pause=0).outcome == "data"
    assert clock.slept == [60.0] * 3


def test_the_pause_may_be_told_as_a_moment(server, patient, clock):
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=61), usegmt=True)
    server.routes["/a"] = [Reply(429, headers={"Retry-After": moment}), GOOD]
    assert patient.fetch(call_of(server), pause=0).outcome == "data"
    assert 55 < clock.slept[0] <= 61


def test_a_host_that_wants_to_rest_beyond_the_time_limit_is_given_up_at_once(
    server, patient, clock
):
    server.routes["/a"] = Reply(429, b"slow down", {"Retry-After": "3600"})
    with pytest.raises(
        NoAnswerError,
        match=r"429 .*slow down \(1 of 4 tries\); it asks to come back in 3600 s, 210 s are left; "
        r"not asked again in this run$",
    ):
        patient.fetch(call_of(server), pause=0)
    with pytest.raises(NoAnswerError, match=r"given up .* come back in 3600 s"):
        patient.fetch(call_of(server, "/b"), pause=0)
    assert server.targets() == ["/a"]
    assert clock.slept == []


def test_the_next_call_waits_as_long_as_the_last_one_was_told_to(server, patient, clock):
    server.routes["/a"] = Reply(429, headers={"Retry-After": "20"})
    server.routes["/b"] = GOOD
    with pytest.raises(NoAnswerError, match="429"):
        patient.fetch(call_of(server), pause=0)
    patient.fetch(call_of(server, "/b"), pause=0)
    assert clock.slept == [20.0] * 4


def test_a_host_that_failed_three_calls_in_a_row_is_not_asked_again(server, patient, clock):
    server.routes["/"] = Reply(500, b"oh")
    for given_up in (False, False, True):
        with pytest.raises(NoAnswerError, match="answered 500") as e:
            patient.fetch(call_of(server), pause=0)
        assert str(e.value).endswith("not asked again in this run") == given_up
    with pytest.raises(
        NoAnswerError,
        match=r"given up for the rest of this run: 3 calls in a row failed, the last: answered 500",
    ):
        patient.fetch(call_of(server), pause=0)
    assert len(server.log) == 12


def test_an_answer_or_a_refusal_between_them_keeps_a_host(server, patient):
    bad = [Reply(500)] * 4
    server.routes["/a"] = [*bad, *bad, GOOD, *bad, *bad, Reply(400), *bad, *bad, GOOD]
    outcomes = []
    for _ in range(9):
        try:
            outcomes.append(patient.fetch(call_of(server), pause=0).outcome)
        except NoAnswerError:
            outcomes.append("unreachable")
        except SourceError:
            outcomes.append("refused")
    assert outcomes == ["unreachable", "unreachable", "data", "unreachable", "unreachable",
                        "refused", "unreachable", "unreachable", "data"]  # fmt: skip


def test_a_source_that_fails_leaves_others_behind_the_same_mirror_alone(server, patient):
    server.routes["/bad"] = Reply(500)
    server.routes["/good"] = GOOD
    for _ in range(3):
        with pytest.raises(NoAnswerError, match="500"):
            patient.fetch(call_of(server, "/bad"), pause=0)
    assert patient.fetch(call_of(server, "/good", source="other"), pause=0).outcome == "data"


def test_a_server_that_never_answers_is_left_within_the_time_limit(server, tmp_path):
    server.routes["/"] = Reply(body=b"{}", delay=60)
    start = time.monotonic()
    with Client(time_limit=0.8, scratch=tmp_path) as client:
        for source in ("a", "b", "c"):
            with pytest.raises(NoAnswerError, match=r"in time .*not asked again"):
                client.fetch(call_of(server, source=source), pause=0)
    assert time.monotonic() - start < 1.2
    # Half of what is left goes to each: the first one cannot take the others' chance.
    first, second, third = (request.at for request in server.log)
    assert second - first == pytest.approx(0.4, abs=0.15)
    assert third - second == pytest.approx(0.2, abs=0.15)


def test_nothing_is_sent_after_the_time_limit(server, tmp_path):
    server.routes["/"] = Reply(delay=60)
    with Client(time_limit=0.3, scratch=tmp_path) as client:
        start = time.monotonic()
        for source in "abcdef":
            with pytest.raises(NoAnswerError, match=r"in time|used up") as e:
                client.fetch(call_of(server, source=source), pause=0)
        assert time.monotonic() - start < 0.7
    sent = len(server.log)
    assert 3 <= sent <= 5  # 150, 75, 37, 30 ms, and perhaps the rest
    assert str(e.value) == f"f: ipca: {server.host}: the time limit of 0.3 s is used up"


@pytest.fixture
def header_dripper():
    """A server that goes on sending headers, one every 10 ms."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                for number in range(300):
                    connection.sendall(b"X-%d: y\r\n" % number)
                    time.sleep(0.01)

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_headers_that_never_end_are_cut_at_the_time_limit(header_dripper, tmp_path):
    call = Call("bank", header_dripper, "/", ("ipca",), "json")
    start = time.monotonic()
    with (
        Client(time_limit=0.4, scratch=tmp_path) as client,
        pytest.raises(NoAnswerError, match="no whole answer in time"),
    ):
        client.fetch(call, pause=0)
    assert time.monotonic() - start < 0.8


@pytest.mark.parametrize(
    ("media", "least", "most"),
    [("json", 0.0, 0.5), ("csv", 0.0, 0.5), ("html", 0.0, 0.5), ("zip", 1.0, 0.5 + 1.0)],
)
def test_a_fast_body_without_an_end_is_cut_at_the_time_limit_and_what_may_be_excused(
    server, tmp_path, monkeypatch, media, least, most
):
    monkeypatch.setattr(client_module, "MOST_EXCUSED", 1.0)
    server.routes["/a"] = Reply(body=os.urandom(100 * FAST), drip=20 * FAST)  # would take 5 s
    start = time.monotonic()
    with Client(time_limit=0.5, scratch=tmp_path) as client:
        with pytest.raises(NoAnswerError, match="no whole answer in time"):
            client.fetch(call_of(server, media=media), pause=0)
        with pytest.raises(NoAnswerError, match=r"in time|used up|given up"):
            client.fetch(call_of(server, media=media), pause=0)
    assert least < time.monotonic() - start < most + 0.4


def test_a_large_zip_that_moves_is_not_cut(server, tmp_path):
    size = 40 * FAST  # as long in coming as the whole time limit, twice a host's share of it
    server.routes["/a"] = Reply(body=os.urandom(size), drip=size)
    start = time.monotonic()
    with Client(time_limit=1, scratch=tmp_path) as client:
        assert client.fetch(call_of(server, media="zip"), pause=0).bytes == size
        assert time.monotonic() - start > 0.9
        server.routes["/b"] = GOOD
        assert client.fetch(call_of(server, "/b"), pause=0).outcome == "data"


def test_a_connection_that_got_stuck_is_left_and_the_cookie_is_kept(server, tmp_path):
    server.routes["/page"] = Reply(body=b"{}", headers={"Set-Cookie": "session=abc"})
    server.routes["/stuck"] = Reply(body=b"x" * 200_000, drip=20_000)
    server.routes["/next"] = GOOD
    with Client(time_limit=0.6, scratch=tmp_path) as client:
        client.fetch(call_of(server, "/page"), pause=0)
        with pytest.raises(NoAnswerError, match="no whole answer in time"):
            client.fetch(call_of(server, "/stuck"), pause=0)
        client.fetch(call_of(server, "/next", source="other"), pause=0)
    assert server.log[-1].headers["cookie"] == "session=abc"


def test_the_time_limit_counts_waiting_less_what_was_excused(clock):
    limit = Deadline(10, clock)
    clock.sleep(5)
    with limit.waiting():
        clock.sleep(4)
        assert limit.left() == 6
        limit.excuse(3)
        clock.sleep(1)
    clock.sleep(50)
    assert limit.used() == 2  # 4 - 3 + 1


def test_no_more_than_half_an_hour_of_a_command_is_excused(clock):
    limit = Deadline(210, clock)
    with limit.waiting():
        for _ in range(4):  # 4 * 600 s of a body that moves, of which 1,800 s are excused
            clock.sleep(600)
            limit.excuse(600)
        assert limit.used() == 600
    assert limit.is_over()


def test_only_windows_in_which_a_body_was_fast_are_excused():
    def body():
        for size in (FAST // 2, 10, FAST, 10):
            time.sleep(0.21)  # longer than a window
            yield b"x" * size

    excused = []
    response = httpx.Response(200, content=body())
    assert sum(map(len, excuse_fast(response, excused.append))) == FAST // 2 + FAST + 20
    assert excused == [pytest.approx(0.21, abs=0.05)] * 2


def test_requests_to_a_host_start_apart_whichever_source_and_try_they_are_of(
    server, patient, clock
):
    starts, replies = [], iter([GOOD, Reply(500), GOOD, GOOD])

    def noting(request):
        starts.append(clock.now)
        return next(replies)

    server.routes["/"] = noting
    for source in ("a", "b", "a"):
        patient.fetch(call_of(server, source=source, weight=2.0), pause=30)
    assert starts == [100, 160, 220, 280]


def test_pauses_are_real(server, tmp_path):
    server.routes["/"] = GOOD
    start = time.monotonic()
    with Client(time_limit=3, scratch=tmp_path) as client:
        for _ in range(3):
            client.fetch(call_of(server), pause=0.02)
    assert server.log[-1].at - start >= 0.04


def test_a_request_keeps_the_distance_of_the_dearer_neighbour(server, patient, clock):
    server.routes["/"] = GOOD
    with Replay({"/": GOOD}) as other:
        for to, pause in ((server, 2.0), (server, 5.0), (server, 1.0), (other, 5.0)):
            patient.fetch(call_of(to), pause=pause)
    assert clock.slept == [5.0, 5.0]
    clock.sleep(60)
    patient.fetch(call_of(server), pause=5.0)
    assert clock.slept == [5.0, 5.0, 60]


def test_our_own_pauses_do_not_use_up_the_time_limit(server, patient, clock):
    server.routes["/"] = GOOD
    for _ in range(10):
        patient.fetch(call_of(server), pause=60)
    assert sum(clock.slept) == 9 * 60


@pytest.mark.parametrize(
    ("old", "new", "followed"),
    [
        ("http://a.br/x", "http://a.br/y", True),
        ("http://a.br/x", "https://a.br/x", True),
        ("https://a.br/x", "http://a.br/x", False),
        ("https://a.br/x", "https://www.a.br/x", False),
        ("https://a.br/x", "https://a.br:8443/x", False),
    ],
)
def test_a_redirect_stays_on_its_host_and_never_becomes_less_safe(old, new, followed):
    requests = httpx.Request("GET", old), httpx.Request("GET", new)
    if followed:
        assert _follow(*requests) is requests[1]
    else:
        with pytest.raises(RefusedError, match=r"another place, https?://(www\.)?a\.br"):
            _follow(*requests)
