"""What the client fetches, refuses, hides and logs."""

import hashlib
import json
import logging

import pytest
from pydantic import SecretStr

from ml.logs import logging_to
from pipelines.sources import exchange
from pipelines.sources.base import Call, NoAnswerError, SourceError
from pipelines.sources.client import AGENT, Client
from pipelines.sources.exchange import Validators
from tests.pipelines.sources.replay import NO_ANSWER, Replay, Reply

KEY = "K3Y/with+odd chars"
SPELLED = ("K3Y/with+odd chars", "K3Y%2Fwith%2Bodd%20chars", "K3Y/with%2Bodd%20chars",
           "K3Y%2Fwith%2Bodd+chars")  # fmt: skip


def call_of(server, target="/a", **facts):
    given = {"series": ("ipca",), "media": "json", **facts}
    return Call("bank", server.base, target, **given)


def test_an_answer_comes_as_a_file_with_its_facts(server, client):
    body = json.dumps([{"valor": "5.7"}]).encode()
    headers = {"Content-Type": "Application/JSON; charset=utf-8", "ETag": '"v1"',
               "Last-Modified": "Thu, 06 Mar 2025 10:00:00 GMT"}  # fmt: skip
    server.routes["/a"] = Reply(body=body, headers=headers)
    fetched = client.fetch(call_of(server), pause=0)
    assert fetched.body.read_bytes() == body
    assert (fetched.outcome, fetched.status) == ("data", 200)
    assert fetched.content_type == "application/json"
    assert (fetched.etag, fetched.last_modified) == ('"v1"', headers["Last-Modified"])
    assert (fetched.sha256, fetched.bytes) == (hashlib.sha256(body).hexdigest(), len(body))


def test_an_address_is_sent_byte_for_byte(server, client):
    """As are those of all sources in their own test; this one would be read as another's."""
    server.routes["/"] = Reply(body=b"{}")
    client.fetch(call_of(server, "/v1?daily=a,b&x=%2F"), pause=0)
    assert server.targets() == ["/v1?daily=a,b&x=%2F"]


def test_the_client_says_who_it_is_unless_a_source_wants_another_name(server, client):
    server.routes["/"] = Reply(body=b"{}")
    client.fetch(call_of(server), pause=0)
    client.fetch(call_of(server, headers=(("User-Agent", "x/1"), ("Accept", "a/b"))), pause=0)
    assert [request.headers["user-agent"] for request in server.log] == [AGENT, "x/1"]
    assert server.log[1].headers["accept"] == "a/b"


def test_a_form_is_posted_with_the_cookie_of_the_page_before(server, client):
    server.routes["/page"] = Reply(body=b"<html>", headers={"Set-Cookie": "session=abc; Path=/"})
    server.routes["/export"] = Reply(body=b"{}")
    client.fetch(call_of(server, "/page"), pause=0)
    form = (("fa_uf", "BA"), ("nome", "São João"))
    client.fetch(call_of(server, "/export", form=form), pause=0)
    page, export = server.log
    assert (page.method, export.method) == ("GET", "POST")
    assert export.form == dict(form)
    assert export.headers["cookie"] == "session=abc"
    assert export.headers["content-type"] == "application/x-www-form-urlencoded"


def test_what_is_known_is_asked_for_conditionally_and_may_be_unchanged(server, client):
    server.routes["/a"] = Reply(body=b"{}", headers={"ETag": '"v1"'})
    call = call_of(server, conditional=True)
    stamp = "Thu, 06 Mar 2025 10:00:00 GMT"
    fetched = client.fetch(call, pause=0, known=Validators('"v1"', stamp))
    assert (fetched.outcome, fetched.status, fetched.body) == ("unchanged", 304, None)
    assert fetched.etag == '"v1"'
    assert server.log[0].headers["if-modified-since"] == stamp
    assert client.fetch(call, pause=0, known=Validators('"v0"', None)).outcome == "data"


def test_validators_are_kept_back_where_a_source_does_not_want_them(server, client):
    server.routes["/a"] = Reply(body=b"{}", headers={"ETag": '"v1"'})
    assert client.fetch(call_of(server), pause=0, known=Validators('"v1"', None)).status == 200
    assert "if-none-match" not in server.log[0].headers


def test_unchanged_is_no_answer_to_a_request_without_conditions(server, client):
    server.routes["/a"] = Reply(304)
    with pytest.raises(SourceError, match="answered 304"):
        client.fetch(call_of(server), pause=0)


def test_a_status_that_means_no_data_is_no_fault(server, client):
    server.routes["/a"] = Reply(404, b'{"erro":{"statusCode":404}}')
    fetched = client.fetch(call_of(server, no_data=(404,)), pause=0)
    assert (fetched.outcome, fetched.status, fetched.body) == ("no_data", 404, None)


@pytest.mark.parametrize(
    "body", [b"", b"<html>404 Not Found</html>", b'{"detail": "not here"}'], ids=len
)
def test_a_status_that_may_mean_no_data_is_a_fault_unless_the_body_says_so(server, client, body):
    server.routes["/a"] = [Reply(404, body), Reply(404, b'{"detail": "not found"}')]
    call = call_of(server, no_data=(404,), no_data_says="not found")
    with pytest.raises(SourceError, match="answered 404 Not Found"):
        client.fetch(call, pause=0)
    assert client.fetch(call, pause=0).outcome == "no_data"
    assert len(server.log) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 422])
def test_a_refusal_is_final_and_quoted(server, client, status):
    server.routes["/a"] = Reply(status, b'{"error": "window\n of at most\t10 years"}' + b"x" * 500)
    with pytest.raises(SourceError, match=f"bank: ipca: {server.host}: answered {status}") as e:
        client.fetch(call_of(server), pause=0)
    assert not isinstance(e.value, NoAnswerError)
    assert '{"error": "window of at most 10 years"}xxx' in str(e.value)
    assert "\n" not in str(e.value)
    assert str(e.value).count("x") < 201
    assert len(server.log) == 1


def test_a_body_that_is_no_text_is_not_quoted(server, client):
    server.routes["/a"] = Reply(403, bytes(range(256)))
    with pytest.raises(SourceError, match=r"answered 403 Forbidden$"):
        client.fetch(call_of(server), pause=0)


def test_redirects_are_followed_on_the_same_host(server, client):
    server.routes["/old"] = Reply(302, headers={"Location": "/new?x='1'"})
    server.routes["/new"] = Reply(body=b"{}")
    assert client.fetch(call_of(server, "/old"), pause=0).status == 200
    assert server.targets() == ["/old", "/new?x='1'"]


def test_a_redirect_to_another_place_is_not_followed(server, client):
    with Replay({"/": Reply(body=b"{}")}) as elsewhere:
        server.routes["/a"] = Reply(301, headers={"Location": f"{elsewhere.base}/consent"})
        with pytest.raises(SourceError, match=rf"another place, {elsewhere.base}: .*_BASE_URL"):
            client.fetch(call_of(server), pause=0)
        assert not elsewhere.log


def test_redirects_without_an_end_are_given_up(server, client):
    server.routes["/a"] = Reply(302, headers={"Location": "/a"})
    with pytest.raises(SourceError, match="more than 5 redirects"):
        client.fetch(call_of(server), pause=0)
    assert len(server.log) == 6


def test_a_body_of_more_than_32_mebibytes_is_refused_unless_it_is_a_zip(server, tmp_path):
    server.routes["/a"] = Reply(body=b"x" * ((32 << 20) + 1))
    with Client(time_limit=100, scratch=tmp_path / "scratch") as client:
        with pytest.raises(SourceError, match="a body of more than 32 MiB"):
            client.fetch(call_of(server), pause=0)
        assert len(server.log) == 1  # it would be as long again
        assert not list((tmp_path / "scratch").iterdir())
        assert client.fetch(call_of(server, media="zip"), pause=0).bytes == (32 << 20) + 1
        server.routes["/a"] = Reply(body=b"x" * (32 << 20))
        assert client.fetch(call_of(server), pause=0).bytes == 32 << 20


@pytest.mark.parametrize("media", ["json", "csv", "html", "zip"])
def test_a_host_that_sends_bodies_without_an_end_is_not_asked_again(
    server, client, monkeypatch, media
):
    monkeypatch.setattr(exchange, "MOST_BYTES", {"zip": 1 << 20})
    monkeypatch.setattr(exchange, "MOST_BYTES_OF_TEXT", 1 << 20)
    server.routes["/a"] = Reply(body=b"x" * (2 << 20))
    for _ in range(3):
        with pytest.raises(NoAnswerError, match="a body of more than 1 MiB"):
            client.fetch(call_of(server, media=media), pause=0)
    with pytest.raises(NoAnswerError, match="given up for the rest of this run: 3 calls"):
        client.fetch(call_of(server, media=media), pause=0)
    assert len(server.log) == 3


def test_an_address_that_is_none_names_the_setting(client):
    call = Call("bank", "htp://bank", "/a", ("ipca",), "json")
    with pytest.raises(SourceError, match=r"'htp://bank' is no address .*_BASE_URL"):
        client.fetch(call, pause=0)


@pytest.fixture
def everything_logged(caplog):
    """Whatever any library logs, as loud as it can."""
    names = ("httpx", "httpcore", "httpcore.http11", "httpcore.connection")
    caplog.set_level(logging.DEBUG)
    for name in names:
        caplog.set_level(logging.DEBUG if name != "httpcore" else logging.WARNING, name)
    return caplog


def secret_call(server, **facts):
    return call_of(server, "/q?symbol=X", secret=("apikey", SecretStr(KEY)), **facts)


def test_a_key_is_sent(server, client):
    server.routes["/"] = Reply(body=b"{}")
    client.fetch(secret_call(server), pause=0)
    assert server.targets() == ["/q?symbol=X&apikey=K3Y%2Fwith%2Bodd%20chars"]
    assert server.log[0].query == {"symbol": "X", "apikey": KEY}


@pytest.mark.parametrize("status", [400, 500])
def test_a_key_that_is_echoed_is_in_no_message_and_no_log(
    server, client, everything_logged, tmp_path, status
):
    echo = " ".join(SPELLED).encode()
    server.routes["/"] = Reply(status, b"your key " + echo + b" is wrong")
    with (
        logging_to(tmp_path / "logs", "test", "run") as log,
        pytest.raises(SourceError, match=r"your key \*\*\* \*\*\*") as e,
    ):
        client.fetch(secret_call(server), pause=0)
    seen = [str(e.value), log.read_text(), everything_logged.text]
    assert "http_request" in seen[1]
    assert not [text for text in seen if "K3Y" in text]


def test_a_key_that_is_echoed_by_a_redirect_is_in_no_message(server, client):
    server.routes["/"] = Reply(302, headers={"Location": "http://other.invalid/?apikey=K3Y"})
    with pytest.raises(SourceError, match=r"http://other\.invalid: not followed") as e:
        client.fetch(secret_call(server), pause=0)
    assert "K3Y" not in str(e.value)


def test_a_key_that_is_echoed_with_data_is_not_kept(server, client):
    text = json.dumps({"Information": f"your key as {KEY}"}).encode()
    server.routes["/"] = Reply(body=text)
    fetched = client.fetch(secret_call(server), pause=0)
    kept = fetched.body.read_bytes()
    assert kept == b'{"Information": "your key as ***"}'
    assert (fetched.sha256, fetched.bytes) == (hashlib.sha256(kept).hexdigest(), len(kept))


def test_every_request_is_a_line_of_the_log_with_the_runs_id(server, client, tmp_path):
    server.routes["/a"] = [Reply(503), Reply(body=b"{}")]
    with logging_to(tmp_path, "climate_etl", "run-7") as log:
        client.fetch(call_of(server), pause=0)
    begun, *lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert begun["event"] == "started"
    assert [(x["event"], x["outcome"], x["status"], x["number"]) for x in lines] == [
        ("http_request", "failed", 503, 1),
        ("http_request", "data", 200, 2),
    ]
    assert {x["run_id"] for x in lines} == {"run-7"}
    assert {x["url"] for x in lines} == {f"{server.base}/a"}
    assert lines[1]["bytes"] == 2
    assert all(x["ms"] >= 0 for x in lines)


def test_a_redirect_is_a_line_of_the_log_without_the_key(server, client, tmp_path):
    server.routes["/q"] = Reply(302, headers={"Location": f"/new?apikey={KEY}"})
    server.routes["/new"] = Reply(body=b"{}")
    with logging_to(tmp_path, "climate_etl", "run-7") as log:
        client.fetch(secret_call(server), pause=0)
    line = json.loads(log.read_text().splitlines()[1])
    assert (line["event"], line["to"]) == ("http_redirect", f"{server.base}/new")
    assert line["run_id"] == "run-7"
    assert "K3Y" not in log.read_text()


def test_a_server_of_this_machine_is_asked_without_a_proxy(server, tmp_path, monkeypatch):
    with Replay({"/": Reply(NO_ANSWER)}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        server.routes["/a"] = Reply(body=b"{}")
        with Client(time_limit=1, scratch=tmp_path) as client:
            assert client.fetch(call_of(server), pause=0).status == 200


def test_another_machine_is_asked_by_way_of_the_proxy_of_the_environment(tmp_path, monkeypatch):
    with Replay({"http://bank.invalid/a": Reply(body=b"{}")}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base)
        call = Call("bank", "http://bank.invalid", "/a", ("ipca",), "json")
        with Client(time_limit=1, scratch=tmp_path) as client:
            assert client.fetch(call, pause=0).status == 200
        assert proxy.targets() == ["http://bank.invalid/a"]
