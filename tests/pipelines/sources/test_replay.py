"""The server of the tests misbehaves exactly as it is told to."""

import http.client
import socket
import time

import pytest

from tests.pipelines.sources.replay import NO_ANSWER, UNKNOWN, Reply


def ask(server, target="/a", method="GET", body=None, headers=None):
    """A request by the standard library, so that it is no client of ours that is tested."""
    connection = http.client.HTTPConnection(server.host, timeout=5)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def test_the_first_route_that_fits_answers(server):
    server.routes["/a/b"] = Reply(body=b"1")
    server.routes["/a"] = Reply(body=b"2")
    server.routes[lambda request: request.query.get("x") == "3"] = Reply(body=b"3")
    assert [ask(server, target)[1] for target in ("/a/b?c", "/ab", "/z?x=3")] == [b"1", b"2", b"3"]


def test_an_unknown_address_is_neither_no_data_nor_tried_again(server):
    status, body, _ = ask(server, "/lost?x=1")
    assert status == UNKNOWN
    assert body == b"replay: no route for GET /lost?x=1"


def test_a_list_is_answered_in_turn_and_its_last_reply_for_ever(server):
    server.routes["/a"] = [Reply(500), lambda request: Reply(body=request.path.encode())]
    assert [ask(server)[0] for _ in range(3)] == [500, 200, 200]
    assert ask(server)[1] == b"/a"


def test_requests_are_logged_byte_for_byte(server):
    server.routes["/"] = Reply()
    ask(server, "/a?b='c'&$d=e,f", headers={"X-Name": "y"})
    ask(server, "/form", "POST", b"uf=BA&n=S%C3%A3o")
    first, second = server.log
    assert (first.method, first.target, first.headers["x-name"]) == ("GET", "/a?b='c'&$d=e,f", "y")
    assert (second.method, second.form) == ("POST", {"uf": "BA", "n": "São"})
    assert first.at < second.at
    server.clear()
    assert server.targets() == []


def test_what_the_client_has_is_unchanged(server):
    server.routes["/a"] = Reply(body=b"x", headers={"ETag": '"1"'})
    assert ask(server, headers={"If-None-Match": '"1"'})[:2] == (304, b"")
    assert ask(server, headers={"If-None-Match": '"0"'})[:2] == (200, b"x")


def test_a_connection_may_be_closed_without_an_answer(server):
    server.routes["/a"] = Reply(NO_ANSWER)
    with pytest.raises(http.client.RemoteDisconnected, match="without response"):
        ask(server)


def test_a_body_may_be_shorter_than_declared(server):
    server.routes["/a"] = Reply(body=b"x" * 100, drop_after=40)
    with pytest.raises(http.client.IncompleteRead, match="40 bytes read, 60 more"):
        ask(server)


def test_a_body_may_come_in_chunks_and_end_before_the_last(server):
    chunked = {"Transfer-Encoding": "chunked"}
    server.routes["/a"] = [Reply(body=b"abc", headers=chunked),
                           Reply(body=b"abc", headers=chunked, drop_after=2)]  # fmt: skip
    assert ask(server)[1] == b"abc"
    with pytest.raises(http.client.IncompleteRead, match="2 bytes read"):
        ask(server)


def test_an_answer_may_be_late_and_slow(server):
    server.routes["/late"] = Reply(body=b"x", delay=0.1)
    server.routes["/slow"] = Reply(body=b"x" * 1000, drip=10_000)
    for target in ("/late", "/slow"):
        start = time.monotonic()
        assert ask(server, target)[0] == 200
        assert time.monotonic() - start >= 0.09


def test_a_wait_ends_with_the_server(server):
    server.routes["/a"] = Reply(delay=60)
    with socket.create_connection(server.host.split(":"), timeout=5) as waiting:
        waiting.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        while not server.log:
            time.sleep(0.001)
        start = time.monotonic()
        server.__exit__()
        server.__enter__()  # the fixture ends it once more
        assert time.monotonic() - start < 5
